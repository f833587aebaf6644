//! `fovea bench extract`: from heatmaps to boxes.

use super::options::{Timing, Where, positive};
use super::output::show;
use crate::exit::Exit;
use crate::{Outcome, settings};
use fovea_api::Registry;
use fovea_engine::bench::ExtractBench;

/// Arguments of `fovea bench extract`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Extractor by name.
    #[arg(long, default_value = "threshold")]
    extractor: String,
    /// A key of the extractor's configuration, the value in JSON: `--set gradient=soft`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Heatmaps at a time.
    #[arg(long, default_value_t = 32, value_parser = positive())]
    batch: usize,
    /// Side of the heatmaps, pixels.
    #[arg(long, default_value_t = 224, value_parser = positive())]
    size: usize,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    timing: Timing,
}

pub(super) fn main(args: &Args, registry: &Registry) -> Outcome {
    args.timing.use_threads()?;
    let bench = ExtractBench {
        extractor: args.extractor.clone(),
        config: settings::parse(&args.settings)?,
        batch: args.batch,
        size: args.size,
        repeats: args.timing.repeats(20),
        device: args.place.device,
    };
    show(&bench.run(registry)?, args.timing.json);
    Ok(Exit::Success)
}

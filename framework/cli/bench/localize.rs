//! `fovea bench localize`: a localizer.

use super::options::{Timing, Where, positive};
use super::output::show;
use crate::exit::Exit;
use crate::{Outcome, settings};
use fovea_api::Registry;
use fovea_engine::bench::LocalizeBench;

/// Arguments of `fovea bench localize`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Localizer by name.
    #[arg(long, default_value = "lost")]
    localizer: String,
    /// A key of the localizer's configuration, the value in JSON: `--set weights=dino.pth`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Pictures a repeat.
    #[arg(long, default_value_t = 64, value_parser = positive())]
    images: usize,
    /// Side of the pictures, pixels.
    #[arg(long, default_value_t = 224, value_parser = positive())]
    size: usize,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    timing: Timing,
}

pub(super) fn main(args: &Args, registry: &Registry) -> Outcome {
    args.timing.use_threads()?;
    let bench = LocalizeBench {
        localizer: args.localizer.clone(),
        config: settings::parse(&args.settings)?,
        images: args.images,
        size: args.size,
        repeats: args.timing.repeats(5),
        device: args.place.device,
    };
    show(&[bench.run(registry)?], args.timing.json);
    Ok(Exit::Success)
}

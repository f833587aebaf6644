//! `fovea bench eval`: the evaluation of a trial.

use super::options::{Timing, Where, positive};
use super::output::show;
use crate::exit::Exit;
use crate::{Outcome, settings};
use fovea_api::Registry;
use fovea_engine::bench::EvalBench;

/// Arguments of `fovea bench eval`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Model by name.
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// A key of the model's configuration, the value in JSON: `--set widths=[16,32,64,64]`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Side of the network input, pixels (16 to 1024).
    #[arg(long, default_value_t = 64, value_parser = positive())]
    size: usize,
    /// Pictures that are evaluated.
    #[arg(long, default_value_t = 100, value_parser = positive())]
    images: usize,
    /// Levels of Gaussian noise, each in the foreground and in the background.
    #[arg(long, default_value_t = 7)]
    levels: usize,
    /// Draws of noise for each level.
    #[arg(long, default_value_t = 1, value_parser = positive())]
    draws: usize,
    /// Pictures a forward pass.
    #[arg(long, default_value_t = 64, value_parser = positive())]
    batch: usize,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    timing: Timing,
}

pub(super) fn main(args: &Args, registry: &Registry) -> Outcome {
    args.timing.use_threads()?;
    let bench = EvalBench {
        model: args.model.clone(),
        model_config: settings::parse(&args.settings)?,
        size: args.size,
        pictures: args.images,
        levels: args.levels,
        draws: args.draws,
        batch: args.batch,
        repeats: args.timing.repeats(5),
        device: args.place.device,
    };
    show(&[bench.run(registry)?], args.timing.json);
    Ok(Exit::Success)
}

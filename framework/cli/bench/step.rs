//! `fovea bench step`: training steps.

use super::options::{Timing, Where, positive};
use super::output::show;
use crate::exit::Exit;
use crate::{Outcome, plan, settings};
use fovea_api::{Ahead, Registry};
use fovea_engine::ahead::Wanted;
use fovea_engine::bench::{CLASSES, StepBench};
use fovea_plan::Precision;
use std::path::Path;

/// Arguments of `fovea bench step`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Model by name.
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// A key of the model's configuration, the value in JSON: `--set widths=[16,32,64,64]`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// An explanation loss by name; may be given several times. `none`, cross-entropy only, is always measured, in turn
    /// with the others.
    #[arg(long = "loss", value_name = "NAME", default_value = "ria")]
    losses: Vec<String>,
    /// Pictures a step.
    #[arg(long, default_value_t = 32, value_parser = positive())]
    batch: usize,
    /// Side of the network input, pixels.
    #[arg(long, default_value_t = 64, value_parser = positive())]
    size: usize,
    /// Type in which layers multiply: f32, tf32, bf16 (`training.precision`).
    #[arg(long, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    timing: Timing,
}

pub(super) fn main(args: &Args, registry: &Registry) -> Outcome {
    args.timing.use_threads()?;
    let bench = StepBench {
        model: args.model.clone(),
        model_config: settings::parse(&args.settings)?,
        losses: args.losses.clone(),
        batch: args.batch,
        size: args.size,
        repeats: args.timing.repeats(10),
        device: args.place.device,
        precision: args.precision,
    };
    let wanted = Wanted {
        model: &bench.model,
        config: &bench.model_config,
        ahead: Ahead { classes: CLASSES, input_size: bench.size, base_dir: Path::new("") },
        batch: bench.batch,
        trained: true,
        keys: ["--batch", "--size"],
    };
    wanted.check(registry, bench.device, plan::memory)?;
    show(&bench.run(registry)?, args.timing.json);
    Ok(Exit::Success)
}

//! `fovea bench`: how fast something is.
//!
//! - `options`: what all have in common; `output`: what they print.
//! - One file for each benchmark; those of parts of a trial are measured by the engine.

mod data;
mod eval;
mod extract;
mod localize;
mod options;
mod output;
mod startup;
mod step;
mod sweep;

use crate::Outcome;
use crate::libraries::Libraries;
use fovea_orchestrator::WorkerMessages;

/// Shown under `fovea bench --help`.
const AFTER: &str = "\
Every benchmark prints medians with quartiles, or with --json one object a line for each thing measured: settings, device,
threads, CPU, program and every single time. tests/peers/side_by_side.py runs them beside PyTorch.

Examples:
  fovea bench step --model resnet50 --batch 16 --size 64 --loss ria --loss energy
  fovea bench data --dataset folder --set root=data/birds --size 224 --workers 2
  fovea bench sweep --experiment experiments/quickstart.toml training.epochs=2";

/// Arguments of `fovea bench`.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Training steps: by cross-entropy only, and with explanation losses.
    Step(step::Args),
    /// From pictures on disk to augmented batches: the first epoch, which decodes, and later ones.
    Data(data::Args),
    /// A localizer, from decoded pictures to boxes; on random pictures.
    Localize(localize::Args),
    /// From heatmaps to boxes: on the host, as tensors, and with the gradient.
    Extract(extract::Args),
    /// The evaluation of a trial: accuracy, heatmaps with their metrics, accuracy under noise.
    Eval(eval::Args),
    /// A sweep through worker processes: its time, and the part of it in which no worker computes.
    Sweep(sweep::Args),
    /// The start of the program, and of a worker until its first training step.
    Startup(startup::Args),
}

pub(crate) fn main(args: &Args, messages: &WorkerMessages, libraries: &Libraries) -> Outcome {
    let registry = &libraries.registry;
    match &args.what {
        What::Step(args) => step::main(args, registry),
        What::Data(args) => data::main(args, registry),
        What::Localize(args) => localize::main(args, registry),
        What::Extract(args) => extract::main(args, registry),
        What::Eval(args) => eval::main(args, registry),
        What::Sweep(args) => sweep::main(args, messages, libraries),
        What::Startup(args) => startup::main(args, messages, libraries),
    }
}

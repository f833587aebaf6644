//! `fovea run FILE`: the main job.

use crate::exit::Exit;
use crate::progress::{Detail, Progress};
use crate::{Failure, Outcome, plan, report};
use fovea_orchestrator::{OrchestratorError, RunOptions, WorkerMessages};
use fovea_records::RunStore;
use std::path::PathBuf;

/// Arguments of `fovea run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The experiment, a TOML file.
    file: PathBuf,
    /// Changes to it: `training.epochs=3`, `loss=ria`, `device=cuda:0`, `seed=0,1,2` (an axis),
    /// `seed=range(0,3)`, `+KEY=VALUE` (only if the file lacks it), `~KEY` (removes it).
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Apply the experiment's `[smoke]`, which makes it tiny, to see that it runs; the run goes to `runs/NAME-smoke`.
    /// A small tree in RIVAL10's layout is made in `runs/.cache/smoke/RIVAL10` first.
    #[arg(long)]
    smoke: bool,
    /// Show nothing until the run ends: then the table, the report, and what failed.
    #[arg(short, long)]
    quiet: bool,
    /// Write every trial's curves for TensorBoard, too, to `RUN/trials/ID/tensorboard`; as `run.tensorboard=true`.
    #[arg(long)]
    tensorboard: bool,
}

pub(crate) fn main(args: &Args, messages: WorkerMessages) -> Outcome {
    let mut plan = plan::load(&args.file, args.smoke, &args.overrides)?;
    plan.run.tensorboard |= args.tensorboard;
    fovea_engine::device::check(plan.device).map_err(|e| Failure::new(Exit::Device, e))?;
    let binary = std::env::current_exe()
        .map_err(|e| Failure::new(Exit::Files, format!("cannot find the fovea program: {e}")))?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let options = RunOptions { binary, base_dir: plan::base_dir(), version, messages };
    let store = RunStore::new(&plan.run.dir);
    let detail = if args.quiet { Detail::End } else { Detail::Live };
    let mut progress = Progress::new(&plan, &store, detail);
    let result = fovea_orchestrator::run(&plan, &store, &options, &mut |update| progress.show(&update));
    progress.end();
    let summary = result.map_err(|e| match e {
        OrchestratorError::Store(_) | OrchestratorError::Spawn { .. } | OrchestratorError::Config { .. } => {
            Failure::new(Exit::Files, e)
        }
    })?;
    if summary.ran == 0 {
        println!("{}: all {} trials are done", plan.name, summary.total);
    }
    report::write(&store)?;
    for (trial, message) in &summary.failed {
        eprintln!("failed: trial {trial}: {message}");
        eprintln!("  more: fovea logs {}", store.root().join(trial.as_str()).display());
    }
    if !summary.failed.is_empty() {
        eprintln!(
            "{} of {} trials failed; the same command tries them again",
            summary.failed.len(),
            summary.total
        );
    }
    if summary.failed.is_empty() && summary.diverged == 0 {
        Ok(Exit::Success)
    } else {
        Ok(Exit::TrialsFailed)
    }
}

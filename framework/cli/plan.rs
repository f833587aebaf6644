//! `fovea plan FILE`: what there is to do, why, and how long it will take, without training.

use crate::exit::Exit;
use crate::words::print;
use crate::{Failure, Outcome, built_in, foresee, plan_text};
use fovea_datasets::{Rival10Demo, write_rival10_demo};
use fovea_engine::catalog::Catalog;
use fovea_plan::{Overrides, Plan};
use fovea_records::RunStore;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Arguments of `fovea plan`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The experiment, a TOML file.
    file: PathBuf,
    /// Changes to it: `training.epochs=3`, `loss=ria`, `seed=0,1,2` (an axis),
    /// `seed=range(0,3)`, `+KEY=VALUE` (only if the file lacks it), `~KEY` (removes it).
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Apply the experiment's `[smoke]`, which makes it tiny; as with `fovea run --smoke`.
    #[arg(long)]
    smoke: bool,
    /// List every point that an `[[exclude]]` leaves out, not only how many.
    #[arg(long)]
    excluded: bool,
    /// Measure a few training steps of each model, input size and batch size that no earlier trial tells the time of.
    #[arg(long)]
    probe: bool,
    /// Print JSON, with keys that stay: `fovea plan --help` lists them.
    ///
    /// The document has name, question, dir, smoke, command, device, workers, locked_by (a process id), pending, trials,
    /// stages, excluded, estimate {seconds, low, high, unknown, samples}, probes.
    ///
    /// A trial has index, id, variant, seed, axes {key: label}, status (new, stale, running, interrupted, failed,
    /// diverged, pruned, damaged, done), reason, time (seconds since 1970), epochs, epochs_done, earlier (the id that it
    /// takes the place of), changes [{kind, key, plugin, from, to, text}], stage, shares_with (ids), estimate {seconds,
    /// low, high, basis}.
    ///
    /// A stage has id, epochs, done, trials (ids), estimate. A point that an `[[exclude]]` leaves out has variant, seed,
    /// reason, rule (where it stands: file:line:column). What is unknown or absent is null.
    #[arg(long)]
    json: bool,
}

/// A small tree in RIVAL10's layout that `--smoke` makes where there is none, for experiments that need RIVAL10.
const SMOKE_TREE: &str = "runs/.cache/smoke/RIVAL10";
const SMOKE: Rival10Demo = Rival10Demo { train: 160, test: 40, size: 64 };

/// Loads an experiment with what the environment and the command line change.
pub(crate) fn load(file: &Path, smoke: bool, overrides: &[String]) -> Result<Plan, Failure> {
    load_with(file, smoke, overrides, &Catalog::new(built_in::registry(), base_dir()))
}

/// As [`load`], with a catalog of the caller's.
pub(crate) fn load_with(
    file: &Path,
    smoke: bool,
    overrides: &[String],
    catalog: &Catalog,
) -> Result<Plan, Failure> {
    if smoke {
        write_rival10_demo(Path::new(SMOKE_TREE), SMOKE).map_err(|e| Failure::new(Exit::Files, e))?;
    }
    let started = Instant::now();
    let plan = fovea_plan::load(file, &Overrides::from_process(smoke, overrides.to_vec()), catalog)
        .map_err(|errors| Failure { message: errors.to_string(), exit: Exit::Usage })?;
    let (trials, stages) = (plan.trials.len(), plan.stages.len());
    tracing::info!(file = %file.display(), trials, stages, took = ?started.elapsed(), "plan loaded");
    Ok(plan)
}

/// Where relative paths in plugin tables start: the current directory, as for every other path of the command line.
pub(crate) fn base_dir() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| ".".into())
}

pub(crate) fn main(args: &Args) -> Outcome {
    let plan = load(&args.file, args.smoke, &args.overrides)?;
    let store = RunStore::new(&plan.run.dir);
    let standings = fovea_orchestrator::standings(&plan.to_run_plan(), &store)
        .map_err(|e| Failure::new(Exit::Files, e))?;
    let foreseen = foresee::foresee(&plan, &store, &standings, args.probe)?;
    if args.json {
        print(&format!("{:#}\n", plan_text::json(&plan, &store, &standings, &foreseen)));
    } else {
        print(&plan_text::text(&plan, &store, &standings, &foreseen, args.excluded));
    }
    Ok(Exit::Success)
}

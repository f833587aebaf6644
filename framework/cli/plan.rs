//! `fovea plan FILE`: lists trials without training.

use crate::exit::Exit;
use crate::{Failure, Outcome, built_in, excluded};
use fovea_datasets::{Rival10Demo, write_rival10_demo};
use fovea_engine::catalog::Catalog;
use fovea_orchestrator::TrialStatus;
use fovea_plan::{Overrides, Plan};
use fovea_records::RunStore;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

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
    fovea_plan::load(file, &Overrides::from_process(smoke, overrides.to_vec()), catalog)
        .map_err(|errors| Failure { message: errors.to_string(), exit: Exit::Usage })
}

/// Where relative paths in plugin tables start: the current directory, as for every other path of the command line.
pub(crate) fn base_dir() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| ".".into())
}

pub(crate) fn main(args: &Args) -> Outcome {
    let plan = load(&args.file, args.smoke, &args.overrides)?;
    let store = RunStore::new(&plan.run.dir);
    let states = fovea_orchestrator::status(&plan, &store).map_err(|e| Failure::new(Exit::Files, e))?;
    print!("{}{}", listing(&plan, &states), excluded::listing(&plan, args.excluded));
    Ok(Exit::Success)
}

fn listing(plan: &Plan, states: &[TrialStatus]) -> String {
    let smoke = if plan.smoke { "smoke run, " } else { "" };
    let dir = plan.run.dir.display();
    let mut text = format!("{}: {smoke}{} trials in {dir}\n", plan.name, plan.trials.len());
    let width = plan.trials.iter().map(|t| t.variant.chars().count()).max().unwrap_or(0).max(7);
    let _ = writeln!(
        text,
        "  {:<16}  {:<width$}  {:>5}  {:<11}  shares warm-up",
        "trial", "variant", "seed", "status"
    );
    for (trial, state) in plan.trials.iter().zip(states) {
        let stage = trial.stage.as_ref().map_or("-", |s| s.as_str());
        let _ = writeln!(
            text,
            "  {:<16}  {:<width$}  {:>5}  {state:<11}  {stage}",
            trial.id, trial.variant, trial.config.seed
        );
    }
    let pending = states.iter().filter(|s| s.is_pending()).count();
    let _ = writeln!(text, "{pending} to run, {} shared warm-up stages", plan.stages.len());
    text
}

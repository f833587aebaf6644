//! `fovea plan FILE`: lists trials without training.

use crate::exit::Exit;
use crate::{Failure, Outcome, built_in};
use fovea_engine::catalog::Catalog;
use fovea_orchestrator::TrialStatus;
use fovea_plan::{Overrides, Plan};
use fovea_records::RunStore;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Arguments of `fovea plan`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The experiment, a TOML file.
    file: PathBuf,
    /// Changes to it: `training.epochs=3`, `loss=ria`, `axes.seed=[0,1,2]`.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Apply the experiment's `[smoke]`, which makes it tiny.
    #[arg(long)]
    smoke: bool,
}

/// Loads an experiment with what the environment and the command line change.
pub(crate) fn load(file: &std::path::Path, smoke: bool, overrides: &[String]) -> Result<Plan, Failure> {
    let catalog = Catalog::new(built_in::registry(), base_dir());
    fovea_plan::load(file, &Overrides::from_process(smoke, overrides.to_vec()), &catalog)
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
    print!("{}", listing(&plan, &states));
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

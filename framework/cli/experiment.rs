//! Which experiment a command is about. The main type is [`Experiment`].

use crate::exit::Exit;
use crate::{Failure, plan};
use fovea_api::Registry;
use fovea_datasets::{Rival10Demo, write_rival10_demo};
use fovea_engine::catalog::Catalog;
use fovea_plan::{Overrides, Plan};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// An experiment file with what the command line changes.
#[derive(clap::Args)]
pub(crate) struct Experiment {
    /// The experiment, a TOML file; `-` reads it from stdin.
    file: PathBuf,
    /// Changes to it: `training.epochs=3`, `loss=ria`, `device=cuda:0`, `seed=0,1,2` (an axis),
    /// `seed=range(0,3)`, `+KEY=VALUE` (only if the file lacks it), `~KEY` (removes it).
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Apply the experiment's `[smoke]`, which makes it tiny, to see that it runs; the run goes to `runs/NAME-smoke`.
    /// A small tree in RIVAL10's layout is made in `runs/.cache/smoke/RIVAL10` where there is none.
    #[arg(long)]
    smoke: bool,
}

/// A small tree in RIVAL10's layout that `--smoke` makes where there is none, for experiments that need RIVAL10.
const SMOKE_TREE: &str = "runs/.cache/smoke/RIVAL10";
const SMOKE: Rival10Demo = Rival10Demo { train: 160, test: 40, size: 64 };

impl Experiment {
    /// The experiment as it stands in its file.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, overrides: Vec::new(), smoke: false }
    }

    /// The experiment in a file, with these changes.
    pub(crate) fn changed(file: PathBuf, overrides: Vec<String>) -> Self {
        Self { file, overrides, smoke: false }
    }

    /// The file; stdin where it is called `-`.
    pub(crate) fn file(&self) -> &Path {
        if self.file == Path::new("-") { Path::new("/dev/stdin") } else { &self.file }
    }

    /// What the environment and the command line change.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides::from_process(self.smoke, self.overrides.clone())
    }

    /// Its plan, with these plugins, of trials that can be trained as far as that is known.
    pub(crate) fn load(&self, registry: &Registry) -> Result<Plan, Failure> {
        self.load_with(&Catalog::new(registry.clone(), plan::base_dir()).looking_ahead(plan::memory))
    }

    /// Its plan, with a catalog of the caller's.
    pub(crate) fn load_with(&self, catalog: &Catalog) -> Result<Plan, Failure> {
        if self.smoke {
            write_rival10_demo(Path::new(SMOKE_TREE), SMOKE).map_err(|e| Failure::new(Exit::Files, e))?;
        }
        let started = Instant::now();
        let plan = fovea_plan::load(self.file(), &self.overrides(), catalog)
            .map_err(|errors| Failure { message: errors.to_string(), exit: Exit::Usage })?;
        let (trials, stages) = (plan.trials.len(), plan.stages.len());
        let file = self.file().display();
        tracing::info!(%file, trials, stages, took = ?started.elapsed(), "plan loaded");
        Ok(plan)
    }
}

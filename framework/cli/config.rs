//! `fovea config FILE`: the experiment as the plan sees it.

use crate::exit::Exit;
use crate::experiment::Experiment;
use crate::output::print;
use crate::{Failure, Outcome, plan};
use fovea_api::Registry;
use fovea_engine::catalog::Catalog;
use fovea_plan::Origins;

/// Arguments of `fovea config`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) experiment: Experiment,
    /// Say of each value where it comes from: default, file and line, environment or command line.
    #[arg(long)]
    origins: bool,
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    // Data and weights need not be at hand to look at an experiment.
    let catalog = Catalog::new(registry.clone(), plan::base_dir()).unread();
    let file = args.experiment.file();
    let origins = if args.origins { Origins::Shown } else { Origins::Hidden };
    let failure = |errors: fovea_plan::PlanErrors| Failure { message: errors.to_string(), exit: Exit::Usage };
    let config =
        fovea_plan::effective(file, &args.experiment.overrides(), &catalog, origins).map_err(failure)?;
    print(&config.text);
    config.errors.map_or(Ok(Exit::Success), |errors| Err(failure(errors)))
}

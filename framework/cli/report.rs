//! `fovea report RUN`: tables and report from records.

use crate::exit::Exit;
use crate::{Failure, Outcome};
use fovea_records::RunStore;
use std::path::PathBuf;

/// Arguments of `fovea report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run directory (`runs/quickstart`).
    run: PathBuf,
}

pub(crate) fn main(args: &Args) -> Outcome {
    if !args.run.join("plan.json").exists() {
        let run = args.run.display();
        return Err(Failure::new(
            Exit::Files,
            format!("{run} is no run directory: it has no plan.json. `fovea run EXPERIMENT.toml` makes one."),
        ));
    }
    write(&RunStore::new(&args.run))?;
    Ok(Exit::Success)
}

/// Writes tables and report, and prints the results table and where the report is.
pub(crate) fn write(store: &RunStore) -> Result<(), Failure> {
    let report = fovea_reports::build(store)
        .map_err(|e| Failure::new(Exit::Files, format!("cannot write the report: {e}")))?;
    println!("{}", report.table);
    println!("report: {}", report.index.display());
    Ok(())
}

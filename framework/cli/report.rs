//! `fovea report RUN`: tables and report from records.

use crate::exit::Exit;
use crate::{Failure, Outcome};
use fovea_records::RunStore;
use fovea_reports::ReportSummary;
use std::path::{Path, PathBuf};

/// Arguments of `fovea report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run directory (`runs/quickstart`).
    run: PathBuf,
}

pub(crate) fn main(args: &Args) -> Outcome {
    write(&open(&args.run)?)?;
    Ok(Exit::Success)
}

/// The run at a path that a user typed.
pub(crate) fn open(run: &Path) -> Result<RunStore, Failure> {
    if !run.join("plan.json").exists() {
        let run = run.display();
        return Err(Failure::new(
            Exit::Files,
            format!("{run} is no run directory: it has no plan.json. `fovea run EXPERIMENT.toml` makes one."),
        ));
    }
    Ok(RunStore::new(run))
}

/// Writes tables and report, and prints the results table and where the report is.
pub(crate) fn write(store: &RunStore) -> Result<(), Failure> {
    let report = fovea_reports::build(store)
        .map_err(|e| Failure::new(Exit::Files, format!("cannot write the report: {e}")))?;
    show(&report);
    Ok(())
}

/// As [`write`], but a report that has all there is stays as it is.
pub(crate) fn write_if_new(store: &RunStore) -> Result<(), Failure> {
    match fovea_reports::current(store) {
        Some(report) => show(&report),
        None => write(store)?,
    }
    Ok(())
}

fn show(report: &ReportSummary) {
    println!("{}", report.table);
    println!("report: {}", report.index.display());
}

//! `fovea report RUN...`: tables and report from records.

use crate::exit::Exit;
use crate::output::{self, errln, outln};
use crate::{Failure, Outcome};
use fovea_records::{RunStore, place};
use fovea_reports::{ReportError, ReportOptions, ReportSummary};
use std::path::{Path, PathBuf};

/// More letters than this make no good name of a folder.
const LONGEST_NAME: usize = 120;

/// Shown under `fovea report --help`.
const AFTER: &str = "\
Examples:
  fovea report runs/quickstart
  fovea report runs/a runs/b --out comparison
  fovea report --print-template > theme.html
  fovea report runs/quickstart --template theme.html

A theme may be as short as this; the head of the built-in template says which blocks and values there are:
  {% extends \"report.html\" %}
  {% block style %}{{ super() }} :root { --accent: #8a2be2; }{% endblock %}";

/// Arguments of `fovea report`.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Run directories (`runs/quickstart`). Variants of several stand in one table, compared with the baseline of the
    /// first.
    #[arg(required_unless_present = "print_template", value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write `report/` and `tables/` into this folder [default: into the run; for several, beside the first, in a folder
    /// named after all].
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make the page from this template (minijinja, which is Jinja2's language).
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Print the built-in template, to start one from.
    #[arg(long, exclusive = true)]
    print_template: bool,
}

pub(crate) fn main(args: &Args) -> Outcome {
    if args.print_template {
        output::print(fovea_reports::TEMPLATE);
        return Ok(Exit::Success);
    }
    let mut stores: Vec<RunStore> = Vec::new();
    for run in &args.runs {
        let store = open(run)?;
        if stores.iter().any(|other| same(other.root(), run)) {
            return Err(Failure::new(Exit::Usage, format!("{} is given twice", run.display())));
        }
        stores.push(store);
    }
    let out = match (&args.out, &stores[..]) {
        (None, [_, _, ..]) => {
            let beside = fovea_reports::beside(&stores);
            let long = beside.file_name().is_some_and(|name| name.len() > LONGEST_NAME);
            if long || beside.join("plan.json").exists() {
                return Err(Failure::new(
                    Exit::Usage,
                    "name a folder for the report of these runs with --out DIR",
                ));
            }
            Some(beside)
        }
        (Some(out), _)
            if out.join("plan.json").exists() && !stores.iter().all(|store| same(store.root(), out)) =>
        {
            let out = out.display();
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "{out} is a run directory, whose own report would be lost: name another folder with --out"
                ),
            ));
        }
        (Some(out), [store]) if same(store.root(), out) => None,
        (out, _) => out.clone(),
    };
    if let Some(out) = &out {
        own_folders(out)?;
    }
    let options = ReportOptions { out, template: args.template.clone() };
    let report = fovea_reports::build_with(&stores, &options).map_err(|e| {
        let exit = if matches!(e, ReportError::Page { .. }) { Exit::Usage } else { Exit::Files };
        Failure::new(exit, format!("cannot write the report: {e}"))
    })?;
    show(&report);
    Ok(Exit::Success)
}

/// Refuses a folder whose `report` or `tables` is of somebody else: files in them would be replaced.
fn own_folders(out: &Path) -> Result<(), Failure> {
    place::out_folder(out, &[])?;
    let store = RunStore::new(out);
    for folder in [store.report_dir(), store.tables_dir()] {
        place::out_folder(&folder, &[])?;
        let filled = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        if filled && !store.tables_dir().join("metrics.parquet").is_file() {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "{} is there, and no report of Fovea's: it would be overwritten; name another folder with --out",
                    folder.display()
                ),
            ));
        }
    }
    Ok(())
}

/// Whether two paths lead to one folder.
fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
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

/// Records that cannot be read, as many as are told; the report lists them all.
const MOST_PROBLEMS: usize = 10;

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
    for problem in report.problems.iter().take(MOST_PROBLEMS) {
        errln!("warning: {problem}");
    }
    if report.problems.len() > MOST_PROBLEMS {
        errln!("warning: and {} more, which the report lists", report.problems.len() - MOST_PROBLEMS);
    }
    outln!("{}", report.table);
    outln!("report: {}", report.index.display());
}

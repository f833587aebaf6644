//! `fovea table RUN...`: one table for a paper.

use crate::exit::Exit;
use crate::output;
use crate::{Failure, Outcome, report};
use fovea_records::place::out_file;
use fovea_records::store::write_atomic;
use fovea_reports::{Table, TableError, TableFormat, TableRequest, inventory};
use std::path::PathBuf;

/// Shown under `fovea table --help`.
const AFTER: &str = "\
Examples:
  fovea table runs/quickstart
  fovea table runs/quickstart --metric accuracy,rfs,box-iou --format latex --out table.tex
  fovea table runs/quickstart --by level --metric rfs --noise gaussian
  fovea table runs/a runs/b --by variant --split test-unbiased --format csv
  fovea table runs/quickstart --list

In Markdown and LaTeX, † marks means that differ from the baseline: paired t test, p < 0.05 after Holm's correction over
the comparisons of the table. Bold is the best mean of a column where it differs from the second best in the same way.
CSV, Parquet and JSON have a line per number with intervals, every test and what became of the trials.";

/// Arguments of `fovea table`.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Run directories (`runs/quickstart`).
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// What to show, comma-separated [default: accuracy,rfs,box-iou, as far as recorded].
    #[arg(long, short, value_delimiter = ',')]
    metric: Vec<String>,
    /// What a row is: variant, group, axis, seed, level, class, data-group (groups of pictures) or the name of an axis.
    #[arg(long, default_value = "variant")]
    by: String,
    /// Splits, comma-separated [default: every one but train and val].
    #[arg(long, value_delimiter = ',')]
    split: Vec<String>,
    /// Kinds of noise, comma-separated [default: all].
    #[arg(long, value_delimiter = ',')]
    noise: Vec<String>,
    /// csv, parquet, markdown, latex or json [default: by the ending of --out, else markdown].
    #[arg(long, short)]
    format: Option<String>,
    /// Write to this file instead of the terminal.
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// What rows are compared with: a row's name or part of it [default: what the experiment names].
    #[arg(long)]
    baseline: Option<String>,
    /// List the metrics, splits, rows and variants that there are.
    #[arg(long)]
    list: bool,
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        let exit = match &error {
            TableError::Unknown { .. } | TableError::Ambiguous { .. } | TableError::Nothing(_) => Exit::Usage,
            TableError::Empty { .. } | TableError::Report(_) => Exit::Files,
        };
        Self::new(exit, error)
    }
}

pub(crate) fn main(args: &Args) -> Outcome {
    if let Some(out) = &args.out {
        out_file(out).map_err(|e| {
            Failure::new(Exit::Usage, format!("--out: {e}; without --out the table is printed"))
        })?;
    }
    let stores = args.runs.iter().map(|run| report::open(run)).collect::<Result<Vec<_>, _>>()?;
    if args.list {
        output::print(&inventory(&stores)?);
        return Ok(Exit::Success);
    }
    let ending = args.out.as_ref().and_then(|out| out.extension()).and_then(|ending| ending.to_str());
    let format = match (&args.format, ending) {
        (Some(name), _) => name.parse()?,
        (None, Some(ending)) => ending.parse()?,
        (None, None) => TableFormat::Markdown,
    };
    if format == TableFormat::Parquet && args.out.is_none() {
        return Err(Failure::new(Exit::Usage, "Parquet is not text: name a file with --out FILE.parquet"));
    }
    let request = TableRequest {
        metrics: args.metric.clone(),
        by: args.by.clone(),
        splits: args.split.clone(),
        noises: args.noise.clone(),
        baseline: args.baseline.clone(),
        command: std::env::args().skip(1).fold("fovea".to_owned(), |line, word| format!("{line} {word}")),
    };
    let bytes = Table::new(&stores, &request)?.render(format)?;
    match &args.out {
        Some(out) => write_atomic(out, &bytes).map_err(|e| Failure::new(Exit::Files, e))?,
        None => output::print(&String::from_utf8_lossy(&bytes)),
    }
    Ok(Exit::Success)
}

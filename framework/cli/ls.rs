//! `fovea ls`: what runs there are, or the trials of one.

use crate::exit::Exit;
use crate::output::print;
use crate::words::{ago, bytes, percent, plural, table};
use crate::{Failure, Outcome};
use fovea_orchestrator::survey::{self, RunRow, TrialRow};
use fovea_records::RunStore;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Characters of a question that fit into a table.
const QUESTION: usize = 60;

/// Arguments of `fovea ls`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder of runs, or one run.
    #[arg(default_value = "runs")]
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args) -> Outcome {
    if args.dir.join("plan.json").is_file() {
        let store = RunStore::new(&args.dir);
        let trials = survey::trials(&store).map_err(|e| Failure::new(Exit::Files, e))?;
        if args.json {
            print(&format!("{:#}\n", json!({ "dir": args.dir, "trials": trials })));
        } else {
            print(&trial_table(&args.dir, &trials));
        }
        return Ok(Exit::Success);
    }
    let runs = survey::runs(&args.dir);
    if args.json {
        print(&format!("{:#}\n", json!({ "dir": args.dir, "runs": runs })));
    } else if runs.is_empty() {
        let dir = args.dir.display();
        let problem = if args.dir.is_dir() { "holds no run" } else { "is no folder" };
        return Err(Failure::new(
            Exit::Files,
            format!("{dir} {problem}; `fovea run EXPERIMENT.toml` makes runs/NAME"),
        ));
    } else {
        print(&run_table(&runs));
    }
    Ok(Exit::Success)
}

fn run_table(runs: &[RunRow]) -> String {
    let row = |run: &RunRow| {
        let note = match (&run.problem, &run.running) {
            (Some(_), _) => "cannot be read",
            (None, Some(_)) => "running",
            (None, None) => "",
        };
        let question = run.question.as_deref().unwrap_or("-");
        let short: String = question.chars().take(QUESTION).collect();
        let question = if short.len() < question.len() { format!("{}...", short.trim_end()) } else { short };
        vec![
            run.name.clone(),
            format!("{}/{}", run.done, run.trials),
            run.failed.to_string(),
            run.pruned.to_string(),
            run.pending.to_string(),
            bytes(run.bytes),
            if note.is_empty() {
                run.last_activity.map_or_else(|| "-".to_owned(), ago)
            } else {
                note.to_owned()
            },
            question,
        ]
    };
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    let mut text = table(
        &["run", ">done", ">failed", ">pruned", ">pending", ">size", "last activity", "question"],
        &rows,
    );
    for problem in runs.iter().filter_map(|run| run.problem.as_ref()) {
        text += &format!("{problem}\n");
    }
    text
}

fn trial_table(dir: &Path, trials: &[TrialRow]) -> String {
    let splits: BTreeSet<&String> = trials.iter().flat_map(|row| row.accuracy.keys()).collect();
    let headings: Vec<String> = splits.iter().map(|split| format!(">accuracy {split}")).collect();
    let mut all = vec!["trial", "variant", ">seed", "status"];
    all.extend(headings.iter().map(String::as_str));
    let row = |row: &TrialRow| {
        let mut cells = vec![
            row.trial.id.clone(),
            row.trial.variant.clone(),
            row.trial.seed.to_string(),
            row.standing.status.to_string(),
        ];
        let accuracy =
            |split: &&String| row.accuracy.get(*split).map_or_else(|| "-".to_owned(), |v| percent(*v));
        cells.extend(splits.iter().map(accuracy));
        cells
    };
    let rows: Vec<Vec<String>> = trials.iter().map(row).collect();
    let title = format!("{}: {}\n\n", dir.display(), plural(trials.len(), "trial"));
    title + &table(&all, &rows)
}

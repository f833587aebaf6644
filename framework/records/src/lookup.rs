//! A trial from what a user types. The main functions are [`find_trial`], which wants it finished, and [`locate_trial`].

use crate::{Done, RunStore, StoreError, TrialOutcome, store};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Trials that an error lists at most.
const LISTED: usize = 8;

/// Why there is no such trial.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// What should be a run directory is none.
    #[error("{} is no run directory: it has no plan.json. Name a trial as RUN/TRIAL (runs/quickstart/3f2a), by the beginning of its id, or as the path of its folder.", .0.display())]
    NoRun(PathBuf),
    /// No trial, or more than one, has an id that begins so.
    #[error("{}: {problem}; it has{}", run.display(), listed(near))]
    NotOne {
        /// The run directory.
        run: PathBuf,
        /// What is wrong with what was typed.
        problem: String,
        /// The trials that could have been meant, each with its variant.
        near: Vec<String>,
    },
    /// The trial is not finished.
    #[error("trial {} {state}", dir.display())]
    Unfinished {
        /// The trial's folder.
        dir: PathBuf,
        /// How far it is and what to do.
        state: String,
    },
    /// A record cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(trials: &[String]) -> String {
    let more = trials.len().saturating_sub(LISTED);
    let shown = trials.iter().take(LISTED).map(|t| format!("\n  {t}")).collect::<String>();
    match (trials.is_empty(), more) {
        (true, _) => " no trials yet".to_owned(),
        (_, 0) => format!(":{shown}"),
        _ => format!(":{shown}\n  and {more} more"),
    }
}

/// The folder of a finished trial. With `run`, `typed` is the beginning of its id; without, it is `RUN/BEGINNING`, or
/// the folder itself.
///
/// # Errors
/// When there is none, or several are meant, or it is not finished.
pub fn find_trial(typed: &Path, run: Option<&Path>) -> Result<PathBuf, LookupError> {
    let dir = locate_trial(typed, run)?;
    let unfinished = |state: String| LookupError::Unfinished { dir: dir.clone(), state };
    let marker = dir.join("DONE.json");
    if !marker.is_file() {
        let advice = "`fovea run` with its experiment goes on where it stopped";
        return Err(unfinished(format!("is not finished (it has no DONE.json); {advice}")));
    }
    match store::read_json::<Done>(&marker, "DONE marker")?.ended {
        TrialOutcome::Done => Ok(dir),
        TrialOutcome::Diverged { message } | TrialOutcome::Failed { message } => {
            Err(unfinished(format!("has no trained weights: {message}")))
        }
    }
}

/// The folder of a trial, finished or not, as [`find_trial`] is told of it. A planned trial's need not exist yet.
///
/// # Errors
/// When there is none, or several are meant.
pub fn locate_trial(typed: &Path, run: Option<&Path>) -> Result<PathBuf, LookupError> {
    match run {
        Some(run) => by_prefix(run, &typed.to_string_lossy()),
        None if typed.join("trial.toml").is_file() => Ok(typed.to_owned()),
        None if is_run(typed) => by_prefix(typed, ""),
        None => {
            let parent = typed.parent().unwrap_or(Path::new(""));
            let run = if parent.ends_with("trials") { parent.parent().unwrap_or(parent) } else { parent };
            let run = if run == Path::new("") { Path::new(".") } else { run };
            by_prefix(run, &typed.file_name().unwrap_or_default().to_string_lossy())
        }
    }
}

fn is_run(dir: &Path) -> bool {
    dir.join("plan.json").is_file()
}

/// The folder of the one trial whose id begins so.
fn by_prefix(run: &Path, prefix: &str) -> Result<PathBuf, LookupError> {
    if !is_run(run) {
        return Err(LookupError::NoRun(run.to_owned()));
    }
    let trials = trials(run)?;
    let found: Vec<&String> = trials.keys().filter(|id| id.starts_with(prefix)).collect();
    let describe = |id: &String| format!("{id}  {}", trials[id]);
    let (problem, near) = match found.as_slice() {
        [id] => return Ok(run.join("trials").join(id.as_str())),
        [] => {
            let mut ids: Vec<&String> = trials.keys().collect();
            ids.sort_by_key(|id| std::cmp::Reverse(common(id, prefix)));
            (format!("no trial's id begins with `{prefix}`"), ids)
        }
        several if prefix.is_empty() => (format!("there are {} trials, name one", several.len()), found),
        several => (format!("the ids of {} trials begin with `{prefix}`", several.len()), found),
    };
    let near = near.into_iter().map(describe).collect();
    Err(LookupError::NotOne { run: run.to_owned(), problem, near })
}

/// Letters that two texts begin with in common.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// Every trial of a run by id, with its variant; those of earlier plans, whose folders are still there, too.
fn trials(run: &Path) -> Result<BTreeMap<String, String>, StoreError> {
    let folders = fs::read_dir(run.join("trials")).into_iter().flatten().flatten();
    let mut trials: BTreeMap<String, String> = folders
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), "(of an earlier plan)".to_owned()))
        .collect();
    for trial in RunStore::new(run).read_plan()?.trials {
        trials.insert(trial.id.to_string(), format!("{}, seed {}", trial.variant, trial.seed));
    }
    Ok(trials)
}

//! What runs there are and how far they are. The main functions are [`runs`] and [`trials`].

use crate::standing::{Standing, Word, standings};
use fovea_records::{MetricRow, PlannedTrial, RunStore, StoreError, Usage};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// One run directory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    /// Name of its folder.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// Trials of its last plan.
    pub trials: usize,
    /// Those that are done.
    pub done: usize,
    /// Those that failed or diverged.
    pub failed: usize,
    /// Those that were given up because others did better.
    pub pruned: usize,
    /// Those that a run would still do, the failed ones left out.
    pub pending: usize,
    /// The process that runs it now.
    pub running: Option<String>,
    /// Size on disk.
    pub bytes: u64,
    /// When anything in it was written last, seconds since the Unix epoch.
    pub last_activity: Option<f64>,
    /// What the experiment asks.
    pub question: Option<String>,
    /// Why its records cannot be read, in which case the counts mean nothing.
    pub problem: Option<String>,
}

/// One trial of a run's last plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialRow {
    /// The trial, as planned.
    #[serde(flatten)]
    pub trial: Named,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Accuracy by split, fractions.
    pub accuracy: BTreeMap<String, f64>,
}

/// A trial by its names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// The label of its variant.
    pub variant: String,
    /// Its seed.
    pub seed: u64,
}

impl From<&PlannedTrial> for Named {
    fn from(trial: &PlannedTrial) -> Self {
        Self { id: trial.id.to_string(), variant: trial.variant.clone(), seed: trial.seed }
    }
}

/// The run directories in a folder, by name.
#[must_use]
pub fn run_dirs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.join("plan.json").is_file()).collect();
    found.sort();
    found
}

/// Every run directory in a folder, by name.
#[must_use]
pub fn runs(dir: &Path) -> Vec<RunRow> {
    run_dirs(dir).iter().map(|dir| run(dir)).collect()
}

fn run(dir: &Path) -> RunRow {
    let store = RunStore::new(dir);
    let usage = Usage::of(dir);
    let mut row = RunRow {
        name: dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        dir: dir.to_owned(),
        trials: 0,
        done: 0,
        failed: 0,
        pruned: 0,
        pending: 0,
        running: store.holder(),
        bytes: usage.bytes,
        last_activity: usage.written.and_then(|t| Some(t.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())),
        question: None,
        problem: None,
    };
    let read = store.read_plan().and_then(|plan| Ok((standings(&plan, &store)?, plan.question)));
    match read {
        Ok((standings, question)) => {
            let count = |wanted: &dyn Fn(Word) -> bool| standings.iter().filter(|s| wanted(s.status)).count();
            row.trials = standings.len();
            row.done = count(&|word| word == Word::Done);
            row.failed = count(&|word| matches!(word, Word::Failed | Word::Diverged));
            row.pruned = count(&|word| word == Word::Pruned);
            row.pending = row.trials - row.done - row.failed - row.pruned;
            row.question = question;
        }
        Err(error) => row.problem = Some(error.to_string()),
    }
    row
}

/// The trials of a run's last plan.
///
/// # Errors
/// When its records cannot be read.
pub fn trials(store: &RunStore) -> Result<Vec<TrialRow>, StoreError> {
    let plan = store.read_plan()?;
    let standings = standings(&plan, store)?;
    let rows = plan.trials.iter().zip(standings).map(|(trial, standing)| {
        let done = standing.status == Word::Done;
        let metrics = if done { store.read_metrics(&trial.id) } else { Ok(Vec::new()) };
        // One damaged trial costs no other its row.
        let (standing, metrics) = match metrics {
            Ok(metrics) => (standing, metrics),
            Err(error) => (standing.damaged(&error), Vec::new()),
        };
        TrialRow { trial: trial.into(), standing, accuracy: accuracy(&metrics) }
    });
    Ok(rows.collect())
}

/// The final accuracy on each split.
#[must_use]
pub fn accuracy(metrics: &[MetricRow]) -> BTreeMap<String, f64> {
    let whole = |row: &&MetricRow| {
        row.metric == "accuracy" && row.noise.is_none() && row.subset.is_none() && row.epoch.is_none()
    };
    metrics.iter().filter(whole).map(|row| (row.split.clone(), row.value)).collect()
}

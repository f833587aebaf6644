//! What came of checking a trial. The main type is [`Verdict`]; `RUN/verdicts.jsonl` has a line per check.

use crate::{RunStore, StoreError, TrialId, lines, store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a trial is what its record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// A rerun left the same bits: trace, predictions, metrics, weights.
    BitExact,
    /// Other bits, and every metric within the tolerance.
    WithinTolerance,
    /// Some metric is further off than the tolerance.
    Diverged,
    /// The record is not what was written when the trial ended: a file is changed, missing, or the id is not that of the
    /// configuration.
    Tampered,
    /// It could not be run again; [`Verdict::reasons`] says why.
    NotRun,
}

impl Finding {
    /// In words (`bit-exact`, `within tolerance`).
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::BitExact => "bit-exact",
            Self::WithinTolerance => "within tolerance",
            Self::Diverged => "diverged",
            Self::Tampered => "tampered with",
            Self::NotRun => "not run",
        }
    }
}

/// Where a rerun first left the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Departure {
    /// Steps done, from 1; `None`: training is the same, evaluation is not.
    pub step: Option<usize>,
    /// What differs there: `batch`, `cross-entropy`, `explanation loss`, `network`, or the file of an artefact.
    pub what: String,
    /// The first tensor that differs at the first step with hashes of tensors that differ, with that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<(usize, String)>,
    /// What is recorded.
    pub recorded: String,
    /// What the rerun gave.
    pub rerun: String,
}

/// Something that is not now as it was when the trial ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What (`program`, `threads`, `CPU`, `data set scenes`).
    pub what: String,
    /// What is recorded.
    pub recorded: String,
    /// What it is now.
    pub now: String,
}

/// The result of checking one trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Seconds since the Unix epoch.
    pub time: f64,
    /// The trial.
    pub trial: TrialId,
    /// What was found.
    pub finding: Finding,
    /// Where the rerun first left the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure: Option<Departure>,
    /// The largest difference of each metric that differs, rerun minus recorded, in the metric's unit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// The tolerance of metrics.
    pub tolerance: f64,
    /// What has changed since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What is wrong with the record, or why it could not be run, or the likely reasons of a difference, in full sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// Name of the file in the run directory.
pub const FILE: &str = "verdicts.jsonl";

impl RunStore {
    /// Adds a verdict.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_verdict(&self, verdict: &Verdict) -> Result<(), StoreError> {
        store::append_line(&self.root().join(FILE), verdict)
    }

    /// The latest verdict on each trial that was ever checked; lines that are none are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_verdicts(&self) -> Result<BTreeMap<TrialId, Verdict>, StoreError> {
        let lines = lines::tolerantly::<Verdict>(&self.root().join(FILE), "verdict")?;
        Ok(lines.values.into_iter().map(|verdict| (verdict.trial.clone(), verdict)).collect())
    }
}

//! An epoch in progress. The main type is [`PartialEpoch`].

use crate::train::StepResult;
use fovea_records::EpochSummary;
use serde::{Deserialize, Serialize};

/// How far an epoch is, and what its summary needs of the steps done.
///
/// It is part of a checkpoint that is taken between two steps, so that the summary of an epoch that was interrupted is
/// the one of an epoch that was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartialEpoch {
    /// Steps done.
    pub step: usize,
    /// Pictures seen.
    pub seen: usize,
    /// Pictures classified correctly.
    pub correct: usize,
    /// Pictures with an explanation loss.
    pub valid: usize,
    /// Sum of the objective over pictures.
    pub loss: f64,
    /// Sum of the cross-entropy over pictures.
    pub cross_entropy: f64,
    /// Sum of the explanation loss over valid pictures.
    pub explanation: f64,
    /// Seconds spent in it by earlier processes.
    pub seconds: f64,
    /// Seconds in which it waited for pictures.
    #[serde(default)]
    pub waited: f64,
}

/// What a summary says of an epoch beside its sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochEnd {
    /// Epochs finished, this one included.
    pub(crate) epoch: usize,
    /// Epochs in total.
    pub(crate) epochs: usize,
    /// Whether it had an explanation loss.
    pub(crate) explained: bool,
    /// Learning rate of the last step.
    pub(crate) learning_rate: f64,
    /// Wall-clock seconds.
    pub(crate) seconds: f64,
}

impl PartialEpoch {
    /// Adds a step on `n` pictures.
    pub(crate) fn add(&mut self, result: &StepResult, n: usize) {
        self.step += 1;
        self.seen += n;
        self.correct += result.correct;
        self.valid += result.valid;
        self.loss += result.loss * n as f64;
        self.cross_entropy += result.cross_entropy * n as f64;
        self.explanation += result.explanation.unwrap_or(0.0) * result.valid as f64;
    }

    /// The summary, once every step is done.
    pub(crate) fn summary(&self, end: EpochEnd) -> EpochSummary {
        let total = self.seen.max(1) as f64;
        EpochSummary {
            epoch: end.epoch,
            epochs: end.epochs,
            loss: self.loss / total,
            cross_entropy: self.cross_entropy / total,
            explanation: (end.explained && self.valid > 0).then(|| self.explanation / self.valid as f64),
            skipped: if end.explained { self.seen - self.valid } else { 0 },
            accuracy: self.correct as f64 / total,
            learning_rate: end.learning_rate,
            seconds: end.seconds,
            waited: self.waited,
            // A clock that stood still makes no infinity.
            images_per_second: self.seen as f64 / end.seconds.max(1e-9),
        }
    }
}

//! When training is given up early, and why it was. The main types are [`Asha`] and [`Pruned`].

use crate::EpochSummary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A number of every training epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PruneMetric {
    /// Accuracy on the training batches; higher is better.
    #[default]
    Accuracy,
    /// Mean objective; lower is better.
    Loss,
}

impl PruneMetric {
    /// Its value in an epoch.
    #[must_use]
    pub fn of(self, epoch: &EpochSummary) -> f64 {
        match self {
            Self::Accuracy => epoch.accuracy,
            Self::Loss => epoch.loss,
        }
    }

    /// Whether one value is better than another.
    #[must_use]
    pub fn is_better(self, one: f64, other: f64) -> bool {
        match self {
            Self::Accuracy => one > other,
            Self::Loss => one < other,
        }
    }
}

impl fmt::Display for PruneMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accuracy => "accuracy",
            Self::Loss => "loss",
        })
    }
}

/// Asynchronous successive halving (Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020): of
/// the trials that have reached a rung, the best `1/reduction` go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Asha {
    /// What trials are compared by.
    pub metric: PruneMetric,
    /// One trial in so many goes on; each rung is so many times as high as the one below.
    pub reduction: usize,
    /// Epochs of the first rung.
    pub min_epochs: usize,
}

impl Default for Asha {
    fn default() -> Self {
        Self { metric: PruneMetric::Accuracy, reduction: 3, min_epochs: 3 }
    }
}

impl Asha {
    /// Whether trials of `total` epochs are compared after this one.
    #[must_use]
    pub fn is_rung(&self, epoch: usize, total: usize) -> bool {
        // A factor below 2 would never get there.
        let rungs =
            std::iter::successors(Some(self.min_epochs), |rung| rung.checked_mul(self.reduction.max(2)));
        self.min_epochs > 0 && epoch < total && rungs.take_while(|rung| *rung <= epoch).any(|r| r == epoch)
    }

    /// How many of `n` trials go on from a rung. Too few to compare go on all.
    #[must_use]
    pub fn survivors(&self, n: usize) -> usize {
        if n < self.reduction { n } else { n.div_ceil(self.reduction.max(1)) }
    }
}

/// Why a trial was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pruned {
    /// Epochs after which it was compared.
    pub epoch: usize,
    /// Its metric there.
    pub value: f64,
    /// Its place, from 1.
    pub rank: usize,
    /// Trials that were known there, itself included.
    pub n: usize,
    /// The rule. Under another one the trial goes on.
    pub rule: Asha,
}

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, value, rank, n, rule } = self;
        let value = (value * 1e4).round() / 1e4;
        let epochs = if *epoch == 1 { "epoch" } else { "epochs" };
        let (best, go) = match rule.survivors(*n) {
            1 => ("the best one".to_owned(), "goes"),
            several => (format!("the best {several}"), "go"),
        };
        write!(
            f,
            "{} {value} after {epoch} {epochs} was {} of {n}; {best} {go} on",
            rule.metric,
            ordinal(*rank)
        )
    }
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_powers_below_the_end() {
        let rule = Asha::default();
        let rungs: Vec<usize> = (0..=27).filter(|&epoch| rule.is_rung(epoch, 27)).collect();
        assert_eq!(rungs, [3, 9]);
        assert!(rule.is_rung(27, 28));
        assert!(!Asha { min_epochs: 2, ..rule }.is_rung(usize::MAX - 1, usize::MAX), "no overflow");
    }

    #[test]
    fn a_fraction_goes_on_rounded_up() {
        let survivors: Vec<usize> = (0..=7).map(|n| Asha::default().survivors(n)).collect();
        assert_eq!(survivors, [0, 1, 2, 1, 2, 2, 2, 3]);
    }

    #[test]
    fn the_reason_is_a_sentence_and_an_entry() {
        let pruned = Pruned { epoch: 3, value: 0.31, rank: 5, n: 6, rule: Asha::default() };
        assert_eq!(pruned.to_string(), "accuracy 0.31 after 3 epochs was 5th of 6; the best 2 go on");
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 112th"
        );
        let entry = crate::JournalEntry::TrialPruned { time: 1.5, trial: crate::TrialId::of("x"), pruned };
        let line = serde_json::to_string(&entry).unwrap();
        assert!(
            line.contains(r#""epoch":3,"value":0.31,"rank":5,"n":6,"rule":{"metric":"accuracy""#),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<crate::JournalEntry>(&line).unwrap(), entry);
    }
}

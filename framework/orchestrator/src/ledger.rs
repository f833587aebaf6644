//! What the journal says of each trial. The main type is [`Ledger`].

use fovea_records::prune::Pruned;
use fovea_records::{JournalEntry, RunStore, StoreError, TrialId, TrialOutcome};
use serde::Serialize;
use std::collections::HashMap;

/// What happened to one trial, over all runs of its run directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Past {
    /// Times it was begun.
    pub attempts: usize,
    /// When it was begun first, seconds since the Unix epoch.
    pub first_started: Option<f64>,
    /// When it was begun last.
    pub last_started: Option<f64>,
    /// How it ended last, if it ended after it was begun last.
    pub ended: Option<End>,
    /// Why and when it was given up, if nothing happened to it since.
    pub pruned: Option<PrunedAt>,
}

/// When and why a trial was given up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrunedAt {
    /// Seconds since the Unix epoch.
    pub time: f64,
    /// Why.
    pub why: Pruned,
}

/// How and when a trial ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct End {
    /// Seconds since the Unix epoch.
    pub time: f64,
    /// How.
    pub outcome: TrialOutcome,
    /// Wall-clock seconds of the attempt.
    pub seconds: f64,
}

/// The past of every trial of a run directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    trials: HashMap<TrialId, Past>,
    /// Lines of the journal that cannot be read, in words.
    pub problems: Vec<String>,
}

impl Ledger {
    /// Reads the journal; without one, nothing has happened. Of a line that cannot be read, nothing is known.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(store: &RunStore) -> Result<Self, StoreError> {
        let mut ledger = Self::default();
        let lines = store.journal_lines()?;
        ledger.problems = lines.problems();
        for entry in lines.values {
            ledger.add(entry);
        }
        Ok(ledger)
    }

    /// What happened to a trial.
    #[must_use]
    pub fn of(&self, trial: &TrialId) -> Past {
        self.trials.get(trial).cloned().unwrap_or_default()
    }

    fn add(&mut self, entry: JournalEntry) {
        match entry {
            JournalEntry::TrialStarted { time, trial, .. } => {
                let past = self.trials.entry(trial).or_default();
                past.attempts += 1;
                past.first_started.get_or_insert(time);
                past.last_started = Some(time);
                past.ended = None;
                past.pruned = None;
            }
            JournalEntry::TrialFinished { time, trial, outcome, seconds } => {
                let past = self.trials.entry(trial).or_default();
                past.ended = Some(End { time, outcome, seconds });
            }
            JournalEntry::TrialPruned { time, trial, pruned } => {
                let past = self.trials.entry(trial).or_default();
                past.pruned = Some(PrunedAt { time, why: pruned });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_attempt_forgets_how_the_last_one_ended() {
        let id = TrialId::of("x");
        let started = |time, attempt| JournalEntry::TrialStarted { time, trial: id.clone(), attempt };
        let outcome = TrialOutcome::Failed { message: "no".to_owned() };
        let mut ledger = Ledger::default();
        ledger.add(started(1.0, 1));
        ledger.add(JournalEntry::TrialFinished {
            time: 2.0,
            trial: id.clone(),
            outcome: outcome.clone(),
            seconds: 1.0,
        });
        assert_eq!(ledger.of(&id).ended, Some(End { time: 2.0, outcome, seconds: 1.0 }));
        ledger.add(started(3.0, 1));
        let past = ledger.of(&id);
        assert_eq!((past.attempts, past.first_started, past.last_started), (2, Some(1.0), Some(3.0)));
        assert_eq!(past.ended, None);
        assert_eq!(ledger.of(&TrialId::of("y")), Past::default());
    }
}

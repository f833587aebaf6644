//! What of a plan is done. The main function is [`status`].

use crate::ledger::{Ledger, Past};
use fovea_plan::Plan;
use fovea_records::prune::Asha;
use fovea_records::{RunStore, StoreError, TrialId, TrialOutcome};
use std::fmt;

/// What is known of a trial before a run.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialStatus {
    /// Never begun.
    New,
    /// Begun, and a checkpoint is there to go on from.
    Interrupted,
    /// Done, every artefact in place.
    Done,
    /// Its loss became non-finite; it would do so again.
    Diverged(String),
    /// Others did better, so it was given up; it goes on under another rule.
    Pruned(String),
    /// Marked as done, but an artefact is gone or not what was written, or the marker itself is: it runs again.
    Damaged(String),
}

impl TrialStatus {
    /// Whether a run has to do something.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        match self {
            Self::New | Self::Interrupted | Self::Damaged(_) => true,
            Self::Done | Self::Diverged(_) | Self::Pruned(_) => false,
        }
    }
}

impl fmt::Display for TrialStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.pad("new"),
            Self::Interrupted => f.pad("interrupted"),
            Self::Done => f.pad("done"),
            Self::Diverged(_) => f.pad("diverged"),
            Self::Pruned(_) => f.pad("pruned"),
            Self::Damaged(_) => f.pad("damaged"),
        }
    }
}

/// The status of every trial, in plan order. Contents of artefacts are not looked at.
///
/// # Errors
/// When the journal, or a DONE marker that exists, cannot be read.
pub fn status(plan: &Plan, store: &RunStore) -> Result<Vec<TrialStatus>, StoreError> {
    let (ledger, rule) = (Ledger::read(store)?, plan.run.prune.as_ref());
    plan.trials.iter().map(|trial| status_of(&trial.id, store, &ledger.of(&trial.id), rule)).collect()
}

/// As [`status`], of trials whose tables can be trusted: what is done, and whose records are not what was written when it
/// ended, is damaged.
///
/// # Errors
/// As those of [`status`].
pub fn checked_status(plan: &Plan, store: &RunStore) -> Result<Vec<TrialStatus>, StoreError> {
    let mut states = status(plan, store)?;
    for (state, trial) in states.iter_mut().zip(&plan.trials) {
        if *state == TrialStatus::Done
            && let Some(done) = store.done(&trial.id)?
            && let Some(changed) = store.changed_record(&trial.id, &done)
        {
            *state = TrialStatus::Damaged(changed);
        }
    }
    Ok(states)
}

/// The status of one trial with its past, when trials are given up by this rule.
///
/// # Errors
/// When its DONE marker cannot be read; one that holds something else is damage.
pub fn status_of(
    id: &TrialId,
    store: &RunStore,
    past: &Past,
    rule: Option<&Asha>,
) -> Result<TrialStatus, StoreError> {
    let dir = store.trial_dir(id);
    let pruned = past.pruned.as_ref().map(|pruned| &pruned.why).filter(|why| rule == Some(&why.rule));
    let done = match store.done(id) {
        Err(error @ StoreError::Corrupt { .. }) => return Ok(TrialStatus::Damaged(error.to_string())),
        done => done?,
    };
    Ok(match done {
        Some(done) => match done.artefacts.keys().find(|name| !dir.join(name).exists()) {
            Some(missing) => TrialStatus::Damaged(format!("{missing} is gone")),
            None => match done.ended {
                TrialOutcome::Diverged { message } => TrialStatus::Diverged(message),
                TrialOutcome::Done | TrialOutcome::Failed { .. } => TrialStatus::Done,
            },
        },
        None => match pruned {
            Some(why) => TrialStatus::Pruned(why.to_string()),
            None if dir.join("checkpoint").exists() => TrialStatus::Interrupted,
            None => TrialStatus::New,
        },
    })
}

//! Whether trials share a prefix of training, and what that saves. The main types are [`Sharing`] and [`Saving`].

use fovea_plan::{Plan, Trial};
use fovea_records::StageId;

/// Whether trials fork from the stages of the plan. Their results are the same bits either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// A stage is trained once, and its trials fork from it.
    #[default]
    Stages,
    /// Every trial is trained alone, from its first step on; stages that exist are not used.
    Nothing,
}

impl Sharing {
    /// The stage that a trial forks from.
    #[must_use]
    pub fn stage_of(self, trial: &Trial) -> Option<&StageId> {
        trial.stage.as_ref().filter(|_| self == Self::Stages)
    }
}

/// Epochs of training for a whole plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saving {
    /// With stages trained once.
    pub shared: usize,
    /// With every trial trained alone.
    pub alone: usize,
}

impl Saving {
    /// Of this plan, whatever of it is done.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let alone = plan.trials.iter().map(|trial| trial.config.training.epochs).sum();
        let saved = plan.stages.iter().map(|stage| stage.epochs * stage.trials.len().saturating_sub(1));
        Self { shared: alone - saved.sum::<usize>(), alone }
    }

    /// How many times the epochs are trained without sharing.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.alone as f64 / self.shared.max(1) as f64
    }
}

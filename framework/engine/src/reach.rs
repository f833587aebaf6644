//! How many training pictures an explanation loss reached, and what is said where they are few. The main type is
//! [`Reach`].

use fovea_plan::TargetClass;
use fovea_records::EpochSummary;

/// What an explanation loss could reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// Training pictures.
    pub(crate) pictures: usize,
    /// Of these, with a target that the loss can use.
    pub(crate) targets: usize,
    /// The class whose heatmap is looked at.
    pub(crate) class: TargetClass,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    Enough,
    /// Under half of the pictures that have a target.
    Few,
    Nothing,
}

impl Reach {
    fn share(&self, summary: &EpochSummary) -> Share {
        let reached = self.pictures.saturating_sub(summary.skipped);
        // A network that is often wrong reaches few pictures where the right ones alone are asked for.
        let by_choice = self.class == TargetClass::GroundTruthIfCorrect;
        match reached {
            0 if self.pictures > 0 => Share::Nothing,
            _ if 2 * reached < self.targets && !by_choice => Share::Few,
            _ => Share::Enough,
        }
    }

    /// What is to be said of an epoch with an explanation loss, unless an epoch before was as bad: an epoch that nothing
    /// was explained in is one of cross-entropy alone under another name.
    pub(crate) fn warning(&self, summary: &EpochSummary, before: &[EpochSummary]) -> Option<String> {
        let share = self.share(summary);
        let worst = before.iter().map(|earlier| self.share(earlier)).max().unwrap_or(Share::Enough);
        if share <= worst {
            return None;
        }
        let Self { pictures, targets, class } = self;
        let (epoch, reached) = (summary.epoch, pictures.saturating_sub(summary.skipped));
        let wrong = match class {
            TargetClass::GroundTruthIfCorrect => ", or was classified wrongly",
            TargetClass::Predicted | TargetClass::GroundTruth => "",
        };
        let why = format!("has a CAM that is zero everywhere, or lost its box to augmentation{wrong}");
        Some(match share {
            Share::Nothing => format!(
                "in epoch {epoch} none of {pictures} training pictures had an explanation loss, so it was trained by \
                 cross-entropy alone: {targets} have a target, and each of them {why}"
            ),
            _ => format!(
                "in epoch {epoch} only {reached} of {pictures} training pictures had an explanation loss: {targets} have a \
                 target, and each of the others {why}"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::{EpochEnd, PartialEpoch};

    fn epoch(epoch: usize, explained: bool, valid: usize) -> EpochSummary {
        let end = EpochEnd { epoch, epochs: 9, explained, learning_rate: 0.1, seconds: 1.0 };
        PartialEpoch { seen: 8, valid, ..PartialEpoch::default() }.summary(end)
    }

    #[test]
    fn epochs_that_reach_few_pictures_or_none_are_told_once() {
        let reach = Reach { pictures: 8, targets: 8, class: TargetClass::Predicted };
        let before = [epoch(1, false, 0), epoch(2, true, 4)];
        assert_eq!(reach.warning(&epoch(3, true, 4), &before), None);
        let few = reach.warning(&epoch(3, true, 3), &before).unwrap();
        assert!(few.starts_with("in epoch 3 only 3 of 8 training pictures"), "{few}");
        let before = [epoch(1, false, 0), epoch(2, true, 3)];
        assert_eq!(reach.warning(&epoch(3, true, 2), &before), None);
        let none = reach.warning(&epoch(3, true, 0), &before).unwrap();
        assert!(none.starts_with("in epoch 3 none of 8 training pictures"), "{none}");
        assert_eq!(reach.warning(&epoch(4, true, 0), &[epoch(3, true, 0)]), None);
    }

    #[test]
    fn pictures_that_could_not_be_reached_are_told_elsewhere() {
        let reach = Reach { pictures: 8, targets: 2, class: TargetClass::Predicted };
        assert_eq!(reach.warning(&epoch(2, true, 1), &[]), None);
        let reach = Reach { targets: 8, class: TargetClass::GroundTruthIfCorrect, ..reach };
        assert_eq!(reach.warning(&epoch(2, true, 1), &[]), None);
        assert!(reach.warning(&epoch(2, true, 0), &[]).unwrap().contains("classified wrongly"));
    }
}

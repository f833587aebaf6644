//! Which trials are given up early. The main type is [`Rungs`].

use fovea_plan::Plan;
use fovea_records::prune::{Asha, Pruned};
use fovea_records::{EpochSummary, RunStore, StoreError, TrialEvent, TrialId};
use std::collections::BTreeMap;

/// What every trial had reached at each rung, over all runs of the run directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Rungs {
    rule: Asha,
    /// By epochs.
    reached: BTreeMap<usize, BTreeMap<TrialId, f64>>,
}

impl Rungs {
    /// Nobody has reached any.
    #[must_use]
    pub fn new(rule: Asha) -> Self {
        Self { rule, reached: BTreeMap::new() }
    }

    /// What the plan's trials have reached so far; `None` if none is to be given up.
    ///
    /// # Errors
    /// When events of a trial cannot be read.
    pub fn read(plan: &Plan, store: &RunStore) -> Result<Option<Self>, StoreError> {
        let Some(rule) = &plan.run.prune else { return Ok(None) };
        let mut rungs = Self::new(rule.clone());
        for trial in &plan.trials {
            for event in store.read_events(&trial.id)? {
                if let TrialEvent::Epoch(epoch) = event {
                    rungs.add(&trial.id, &epoch);
                }
            }
        }
        Ok(Some(rungs))
    }

    /// A trial ended an epoch: why it is to be given up, if it is.
    pub fn judge(&mut self, trial: &TrialId, epoch: &EpochSummary) -> Option<Pruned> {
        let value = self.add(trial, epoch)?;
        let (rule, known) = (&self.rule, &self.reached[&epoch.epoch]);
        let (rank, n) =
            (1 + known.values().filter(|v| rule.metric.is_better(**v, value)).count(), known.len());
        (rank > rule.survivors(n)).then(|| Pruned { epoch: epoch.epoch, value, rank, n, rule: rule.clone() })
    }

    /// Notes the value of a trial that reached a rung. What is not finite cannot be compared.
    fn add(&mut self, trial: &TrialId, epoch: &EpochSummary) -> Option<f64> {
        let value = self.rule.metric.of(epoch);
        if !self.rule.is_rung(epoch.epoch, epoch.epochs) || !value.is_finite() {
            return None;
        }
        self.reached.entry(epoch.epoch).or_default().insert(trial.clone(), value);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_records::prune::PruneMetric;

    fn epoch(epoch: usize, value: f64) -> EpochSummary {
        EpochSummary {
            epoch,
            epochs: 12,
            loss: value,
            cross_entropy: 0.0,
            explanation: None,
            skipped: 0,
            accuracy: value,
            learning_rate: 0.0,
            seconds: 0.0,
            waited: 0.0,
            images_per_second: 0.0,
        }
    }

    fn judged(rungs: &mut Rungs, values: &[f64]) -> Vec<Option<(usize, usize)>> {
        let judge = |(place, value): (usize, &f64)| {
            let pruned = rungs.judge(&TrialId::of(&place.to_string()), &epoch(3, *value));
            pruned.map(|p| (p.rank, p.n))
        };
        values.iter().enumerate().map(judge).collect()
    }

    #[test]
    fn the_best_third_of_those_known_goes_on() {
        let mut rungs = Rungs::new(Asha::default());
        let values = [0.1, 0.2, 0.15, 0.18, 0.3, 0.1];
        assert_eq!(judged(&mut rungs, &values), [None, None, Some((2, 3)), None, None, Some((5, 6))]);
        assert_eq!(rungs.judge(&TrialId::of("5"), &epoch(4, 0.0)), None, "no rung");
        assert_eq!(rungs.judge(&TrialId::of("5"), &epoch(9, 0.0)), None, "the first there");
        assert_eq!(
            rungs.judge(&TrialId::of("5"), &epoch(3, 0.3)),
            None,
            "its old value does not count, ties go on"
        );
    }

    #[test]
    fn lower_losses_are_better_and_none_is_no_number() {
        let mut rungs = Rungs::new(Asha { metric: PruneMetric::Loss, reduction: 2, min_epochs: 3 });
        let values = [0.5, 0.4, 0.45, f64::NAN, 0.9];
        assert_eq!(judged(&mut rungs, &values), [None, None, None, None, Some((4, 4))]);
    }
}

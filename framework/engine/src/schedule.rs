//! Course of the learning rate. The main function is [`learning_rate`].

use crate::adam::FusedAdam;
use burn::optim::{ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig};
use fovea_plan::{OptimizerKind, ScheduleConfig, ScheduleKind, TrainingConfig};

/// Learning rate of step `step` (from 0, over the whole training) when an epoch has `steps_per_epoch` steps.
#[must_use]
pub fn learning_rate(training: &TrainingConfig, step: usize, steps_per_epoch: usize) -> f64 {
    let ScheduleConfig { name, rise_epochs, final_fraction, gamma, step_epochs } = training.schedule;
    let peak = training.optimizer.learning_rate;
    let rise = rise_epochs * steps_per_epoch;
    if step < rise {
        return peak * (step + 1) as f64 / rise as f64;
    }
    match name {
        ScheduleKind::Constant => peak,
        ScheduleKind::Step => {
            let periods = step / (step_epochs.max(1) * steps_per_epoch);
            peak * gamma.powi(i32::try_from(periods).unwrap_or(i32::MAX))
        }
        ScheduleKind::Cosine => {
            let total = (training.epochs * steps_per_epoch).saturating_sub(rise).max(1);
            let progress = ((step - rise) as f64 / total as f64).min(1.0);
            let half = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
            peak * (final_fraction + (1.0 - final_fraction) * half)
        }
    }
}

/// The optimizer as PyTorch defines it: Adam with epsilon 1e-8, SGD without dampening, weight decay as an L2 penalty.
#[must_use]
pub fn optimizer(training: &TrainingConfig) -> ModuleOptimizer {
    let config = &training.optimizer;
    let penalty = (config.weight_decay > 0.0).then_some(config.weight_decay as f32);
    match config.name {
        OptimizerKind::Adam => FusedAdam::new(penalty).into(),
        OptimizerKind::Sgd => {
            let momentum = MomentumConfig::new().with_momentum(config.momentum).with_dampening(0.0);
            let momentum = (config.momentum > 0.0).then_some(momentum);
            let decay = penalty.map(WeightDecayConfig::new);
            SgdConfig::new().with_momentum(momentum).with_weight_decay(decay).init()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(schedule: ScheduleConfig) -> TrainingConfig {
        TrainingConfig { epochs: 10, schedule, ..TrainingConfig::default() }
    }

    #[test]
    fn courses() {
        let constant = training(ScheduleConfig::default());
        assert!((learning_rate(&constant, 99, 10) - 1e-3).abs() < 1e-12);

        let rising = training(ScheduleConfig { rise_epochs: 1, ..ScheduleConfig::default() });
        assert!((learning_rate(&rising, 0, 10) - 1e-4).abs() < 1e-12);
        assert!((learning_rate(&rising, 9, 10) - 1e-3).abs() < 1e-12);

        let cosine = training(ScheduleConfig { name: ScheduleKind::Cosine, ..ScheduleConfig::default() });
        assert!((learning_rate(&cosine, 50, 10) - 5e-4).abs() < 1e-12);
        assert!(learning_rate(&cosine, 99, 10) < 1e-6);

        let step = ScheduleConfig { name: ScheduleKind::Step, step_epochs: 4, ..ScheduleConfig::default() };
        assert!((learning_rate(&training(step), 85, 10) - 1e-5).abs() < 1e-12);
    }
}

//! Metrics that can be had of a finished trial without training. The main type is [`LaterMetric`].
//!
//! - [`stored`]: from the predictions that every trial keeps.
//! - [`calibration`]: from class probabilities. [`cutouts`]: pictures without object or without background.
//! - [`Evaluator::later`]: these, and those that a trial measures at its end, under other settings.

pub mod calibration;
pub mod cutouts;
pub mod stored;

use super::clean::Purpose;
use super::{Evaluation, Evaluator};
use crate::EngineError;
use fovea_records::MetricRow;
use std::collections::BTreeMap;

/// What a metric is computed by; metrics of one part come out of the same passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Stored predictions on pictures as they are.
    Likelihood,
    /// Stored predictions under noise.
    Stability,
    /// Predictions on pictures as they are.
    Accuracy,
    /// Class probabilities.
    Calibration,
    /// Predictions on pictures without object or background.
    Cutouts,
    /// Heatmaps.
    Explanations,
    /// Predictions under noise.
    Noise,
}

impl Part {
    /// Whether stored predictions are all that it needs.
    #[must_use]
    pub fn is_stored(self) -> bool {
        matches!(self, Self::Likelihood | Self::Stability)
    }
}

/// A metric that can be measured later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaterMetric {
    /// Its name, one of [`fovea_records::metrics::DEFINITIONS`].
    pub name: &'static str,
    /// What it comes from.
    pub part: Part,
}

const fn metric(name: &'static str, part: Part) -> LaterMetric {
    LaterMetric { name, part }
}

/// All that there are, those that no trial measures at its end first.
pub const LATER: &[LaterMetric] = &[
    metric("nll", Part::Likelihood),
    metric("stability-fg", Part::Stability),
    metric("stability-bg", Part::Stability),
    metric("top-5-accuracy", Part::Calibration),
    metric("brier", Part::Calibration),
    metric("ece", Part::Calibration),
    metric("accuracy-only-fg", Part::Cutouts),
    metric("accuracy-no-fg", Part::Cutouts),
    metric("accuracy", Part::Accuracy),
    metric("balanced-accuracy", Part::Accuracy),
    metric("worst-group-accuracy", Part::Accuracy),
    metric("accuracy-fg", Part::Noise),
    metric("accuracy-bg", Part::Noise),
    metric("rfs", Part::Noise),
    metric("rfs-normalised", Part::Noise),
    metric("box-iou", Part::Explanations),
    metric("mask-iou", Part::Explanations),
    metric("energy-inside", Part::Explanations),
    metric("delta-density", Part::Explanations),
    metric("average-precision", Part::Explanations),
    metric("pointing-game", Part::Explanations),
    metric("zero-cam", Part::Explanations),
];

/// The metric of this name.
#[must_use]
pub fn find(name: &str) -> Option<LaterMetric> {
    LATER.iter().find(|metric| metric.name == name).copied()
}

impl Evaluator<'_> {
    /// What parts give that need the network, on every split that each is for. Parts that need the pictures as they are
    /// share one pass over each split.
    ///
    /// # Errors
    /// When the data set lacks a split, a picture cannot be read, or a plugin fails.
    pub fn later(&self, parts: &[Part]) -> Result<Vec<MetricRow>, EngineError> {
        let splits = self.splits()?;
        let noise_split = self.noise_split(&splits)?;
        let mut evaluation = Evaluation::default();
        let by_logits = parts.iter().any(|part| matches!(part, Part::Accuracy | Part::Calibration));
        let with_heatmaps = parts.contains(&Part::Explanations);
        let mut passes = BTreeMap::new();
        for split in splits.iter().filter(|_| by_logits).chain(with_heatmaps.then_some(&noise_split)) {
            if !passes.contains_key(split) {
                let heatmaps = with_heatmaps && *split == noise_split;
                let purpose = if heatmaps { Purpose::Heatmaps } else { Purpose::Logits };
                passes.insert(split, self.clean(split, purpose, split)?);
            }
        }
        for part in parts {
            match part {
                Part::Likelihood | Part::Stability => {}
                Part::Accuracy => {
                    for split in &splits {
                        self.accuracy(split, &passes[split].logits, &mut evaluation);
                    }
                }
                Part::Calibration => {
                    for split in &splits {
                        self.calibration(split, &passes[split].logits, &mut evaluation);
                    }
                }
                Part::Cutouts => self.cutouts(&noise_split, &mut evaluation)?,
                Part::Explanations => {
                    let explained = passes.get_mut(&noise_split).and_then(|pass| pass.explained.take());
                    explained.unwrap_or_default().rows(&noise_split, &mut evaluation);
                }
                Part::Noise => self.noise(&noise_split, &mut evaluation)?,
            }
        }
        Ok(evaluation.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_declared_and_listed_once() {
        for (place, metric) in LATER.iter().enumerate() {
            assert!(fovea_records::metrics::definition(metric.name).is_some(), "{}", metric.name);
            assert_eq!(LATER.iter().position(|m| m.name == metric.name), Some(place));
        }
    }
}

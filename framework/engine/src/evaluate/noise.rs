//! Accuracy under noise in foreground and background, and RFS (method.md section 8).

use super::inputs::{on_pool, overlapped};
use super::noisy::{Condition, Noise, NoisyBatch, NoisyBatches};
use super::{Evaluation, Evaluator};
use crate::EngineError;
use crate::train::argmax;
use fovea_records::{MetricRow, PredictionRecord, Region};

/// RFS, `a_bg - a_fg` (Eq. 10).
#[must_use]
pub fn rfs(foreground: f64, background: f64) -> f64 {
    background - foreground
}

/// Normalised RFS, `(a_bg - a_fg) / (2 min(a, 1 - a))` with a the mean of both; 0 where the denominator is 0.
#[must_use]
pub fn rfs_normalised(foreground: f64, background: f64) -> f64 {
    let mean = f64::midpoint(foreground, background);
    let room = 2.0 * mean.min(1.0 - mean);
    if room > 0.0 { (background - foreground) / room } else { 0.0 }
}

impl Evaluator<'_> {
    /// Accuracy under noise on a split, for foreground and background of the same pictures: those without mask, and those
    /// that lack a region, are left out of both, and the rows count those that are in.
    pub(super) fn noise(&self, split: &str, evaluation: &mut Evaluation) -> Result<(), EngineError> {
        let settings = &self.config.evaluation;
        let kinds = [(Noise::Gaussian, &settings.gaussian), (Noise::L2, &settings.l2)];
        let mut conditions = Vec::new();
        for (noise, levels) in kinds {
            for &level in levels {
                for region in [Region::Foreground, Region::Background] {
                    conditions.extend((0..settings.draws).map(|draw| Condition {
                        noise,
                        level,
                        region,
                        draw,
                    }));
                }
            }
        }
        let count = self.source.dataset().len(split).unwrap_or(0);
        let shown = spread(count, settings.noise_images);
        if conditions.is_empty() || shown.is_empty() {
            return Ok(());
        }
        let labels: Vec<usize> = shown.iter().map(|&i| self.source.meta(split, i).label).collect();
        let predicted = self.predict_noisy(split, &shown, &conditions)?;
        // A picture is measured under all conditions or under none.
        let measured = predicted.first().map_or(0, |first| first.iter().flatten().count());
        if measured == 0 {
            return Ok(());
        }

        for (noise, levels) in kinds.into_iter().filter(|(_, levels)| !levels.is_empty()) {
            let mut sums = [0.0; 4];
            for &level in levels {
                let of = |region: Region| {
                    let own = conditions.iter().zip(&predicted);
                    let own = own.filter(|(c, _)| c.noise == noise && c.level == level && c.region == region);
                    let pairs = own.flat_map(|(_, p)| p.iter().zip(&labels));
                    let hits: Vec<bool> = pairs.filter_map(|(p, l)| p.map(|p| p == *l)).collect();
                    let right = hits.iter().filter(|h| **h).count();
                    right as f64 / hits.len().max(1) as f64
                };
                let (fg, bg) = (of(Region::Foreground), of(Region::Background));
                let values = [fg, bg, rfs(fg, bg), rfs_normalised(fg, bg)];
                for ((metric, value), sum) in METRICS.iter().zip(values).zip(&mut sums) {
                    *sum += value;
                    let row = MetricRow::new(split, metric, value, measured);
                    evaluation.rows.push(row.noise(noise.name(), Some(level)));
                }
            }
            for (metric, sum) in METRICS.iter().zip(sums) {
                let mean = sum / levels.len() as f64;
                evaluation.rows.push(MetricRow::new(split, metric, mean, measured).noise(noise.name(), None));
            }
        }
        for (condition, shown_predictions) in conditions.iter().zip(predicted) {
            let mut all = vec![None; count];
            for (&index, prediction) in shown.iter().zip(shown_predictions) {
                all[index] = prediction;
            }
            evaluation.records.push(PredictionRecord::Noisy {
                split: split.to_owned(),
                noise: condition.noise.name().to_owned(),
                region: condition.region,
                level: condition.level,
                draw: condition.draw,
                predicted: all,
            });
        }
        Ok(())
    }

    /// Predictions per condition and picture; `None` where foreground or background is empty.
    fn predict_noisy(
        &self,
        split: &str,
        indices: &[usize],
        conditions: &[Condition],
    ) -> Result<Vec<Vec<Option<usize>>>, EngineError> {
        let first = conditions.first().map(|c| c.noise);
        let what = match first.filter(|first| conditions.iter().all(|c| c.noise == *first)) {
            Some(noise) => format!("{split} under {} noise", noise.name()),
            None => format!("{split} under noise"),
        };
        let mut predicted = vec![vec![None; indices.len()]; conditions.len()];
        let total = indices.len() * conditions.len();
        let load = |index| self.source.squashed(split, index, self.config.input.size);
        let batch_size = self.config.evaluation.batch_size;
        let mut batches = NoisyBatches::new(&load, indices, conditions, batch_size);
        let consume = |NoisyBatch { images, items, done }: NoisyBatch| {
            for (row, (place, condition)) in self.logits(images)?.iter().zip(items) {
                predicted[condition][place] = Some(argmax(row));
            }
            self.progress(&what, done, total);
            Ok(())
        };
        on_pool(|| overlapped(|| batches.next(), consume))?;
        Ok(predicted)
    }
}

const METRICS: [&str; 4] = ["accuracy-fg", "accuracy-bg", "rfs", "rfs-normalised"];

/// At most `limit` of `0..count`, evenly spread; all of them where `limit` is 0.
#[must_use]
pub(super) fn spread(count: usize, limit: usize) -> Vec<usize> {
    if limit == 0 || limit >= count {
        return (0..count).collect();
    }
    (0..limit).map(|i| i * count / limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn rfs_forms() {
        assert!((rfs(0.4, 0.7) - 0.3).abs() < 1e-12);
        assert!((rfs_normalised(0.4, 0.7) - 0.3 / 0.9).abs() < 1e-12);
        assert!((rfs_normalised(1.0, 1.0)).abs() < 1e-12);
        assert!((rfs_normalised(0.0, 0.5) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn spread_is_even() {
        assert_eq!(spread(10, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(3, 0), [0, 1, 2]);
        assert_eq!(spread(3, 9), [0, 1, 2]);
    }
}

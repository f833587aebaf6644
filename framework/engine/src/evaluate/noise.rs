//! Accuracy under noise in foreground and background, and RFS (method.md section 8).

use super::{Evaluation, Evaluator, Input};
use crate::EngineError;
use crate::train::argmax;
use fovea_api::Key;
use fovea_records::{MetricRow, PredictionRecord, Region};
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;

/// The noise seed is fixed: every trial of every run sees the same noise, so that comparisons are paired.
const NOISE_SEED: u64 = 0;

/// A kind of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noise {
    /// `clamp(x + s z m)`, levels s in 255ths.
    Gaussian,
    /// `clamp(x + e (z m) / ||z m||)`, levels e.
    L2,
}

impl Noise {
    fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::L2 => "l2",
        }
    }
}

/// One forward pass over the split.
#[derive(Clone, Copy)]
struct Condition {
    noise: Noise,
    level: f64,
    region: Region,
    draw: usize,
}

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

/// Adds noise to a picture within a region. `None` where the region is empty.
fn noisy(input: &Input, z: &[f32], condition: Condition) -> Option<Vec<f32>> {
    let mask = input.mask.as_ref()?;
    let plane = mask.pixels.len();
    let inside = |i: usize| (mask.pixels[i % plane] >= 128) == (condition.region == Region::Foreground);
    if !(0..plane).any(inside) {
        return None;
    }
    let scale = match condition.noise {
        Noise::Gaussian => condition.level / 255.0,
        Noise::L2 => {
            let norm = z
                .iter()
                .enumerate()
                .filter(|(i, _)| inside(*i))
                .map(|(_, v)| f64::from(*v).powi(2))
                .sum::<f64>();
            condition.level / norm.sqrt().max(f64::MIN_POSITIVE)
        }
    } as f32;
    let add =
        |(i, (x, z)): (usize, (&f32, &f32))| if inside(i) { (x + scale * z).clamp(0.0, 1.0) } else { *x };
    Some(input.image.iter().zip(z).enumerate().map(add).collect())
}

impl Evaluator<'_> {
    /// Accuracy under noise on a split: pictures without mask, and regions without pixels, are left out and counted.
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
        if predicted.iter().flatten().all(Option::is_none) {
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
                    (right as f64 / hits.len().max(1) as f64, hits.len() / settings.draws.max(1))
                };
                let (fg, fg_count) = of(Region::Foreground);
                let (bg, bg_count) = of(Region::Background);
                let values = [fg, bg, rfs(fg, bg), rfs_normalised(fg, bg)];
                let counts = [fg_count, bg_count, fg_count.min(bg_count), fg_count.min(bg_count)];
                for (((metric, value), sum), n) in METRICS.iter().zip(values).zip(&mut sums).zip(counts) {
                    *sum += value;
                    evaluation
                        .rows
                        .push(MetricRow::new(split, metric, value, n).noise(noise.name(), Some(level)));
                }
            }
            for (metric, sum) in METRICS.iter().zip(sums) {
                let mean = sum / levels.len() as f64;
                evaluation
                    .rows
                    .push(MetricRow::new(split, metric, mean, shown.len()).noise(noise.name(), None));
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

    /// Predictions per condition and picture; `None` where the region is empty.
    fn predict_noisy(
        &self,
        split: &str,
        indices: &[usize],
        conditions: &[Condition],
    ) -> Result<Vec<Vec<Option<usize>>>, EngineError> {
        let settings = &self.config.evaluation;
        let mut predicted: Vec<Vec<Option<usize>>> =
            vec![Vec::with_capacity(indices.len()); conditions.len()];
        let total = indices.len() * conditions.len();
        let mut done = 0;
        for chunk in indices.chunks(settings.batch_size) {
            let inputs = self.inputs(split, chunk)?;
            // The same draw serves every level and region, so that levels differ in nothing but the level.
            let draws: Vec<Vec<Vec<f32>>> = (0..settings.draws)
                .map(|draw| {
                    chunk
                        .par_iter()
                        .zip(&inputs)
                        .map(|(&index, input)| normals(index, draw, input.image.len()))
                        .collect()
                })
                .collect();
            for (condition, predicted) in conditions.iter().zip(&mut predicted) {
                let pictures: Vec<Option<Vec<f32>>> = inputs
                    .par_iter()
                    .zip(&draws[condition.draw])
                    .map(|(input, z)| noisy(input, z, *condition))
                    .collect();
                let present: Vec<bool> = pictures.iter().map(Option::is_some).collect();
                let images: Vec<f32> = pictures.into_iter().flatten().flatten().collect();
                let rows = if images.is_empty() { Vec::new() } else { self.logits(images) };
                let mut rows = rows.iter();
                predicted
                    .extend(present.iter().map(|p| if *p { rows.next().map(|r| argmax(r)) } else { None }));
                done += chunk.len();
                self.progress(&format!("{split} under {} noise", condition.noise.name()), done, total);
            }
        }
        Ok(predicted)
    }
}

const METRICS: [&str; 4] = ["accuracy-fg", "accuracy-bg", "rfs", "rfs-normalised"];

fn normals(index: usize, draw: usize, len: usize) -> Vec<f32> {
    let rng = Key::new(NOISE_SEED).purpose("noise").index(index).index(draw).rng();
    StandardNormal.sample_iter(rng).take(len).collect()
}

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
    use fovea_api::Mask;

    fn mask(pixels: &[u8]) -> Option<Mask> {
        Some(Mask { width: pixels.len(), height: 1, pixels: pixels.to_vec() })
    }

    const BACK: Condition =
        Condition { noise: Noise::Gaussian, level: 255.0, region: Region::Background, draw: 0 };

    #[test]
    fn noise_stays_in_its_region_and_is_clamped() {
        let input = Input { image: vec![0.5; 6], mask: mask(&[255, 0]) };
        let z = [9.0, 0.25, 9.0, -9.0, 9.0, 0.0];
        assert_eq!(noisy(&input, &z, BACK).unwrap(), [0.5, 0.75, 0.5, 0.0, 0.5, 0.5]);
        let fore = Condition { region: Region::Foreground, ..BACK };
        assert_eq!(noisy(&input, &z, fore).unwrap(), [1.0, 0.5, 1.0, 0.5, 1.0, 0.5]);
    }

    #[test]
    fn l2_noise_has_the_norm_it_says() {
        let input = Input { image: vec![0.5; 6], mask: mask(&[255, 0]) };
        let condition = Condition { noise: Noise::L2, level: 0.3, region: Region::Foreground, draw: 0 };
        let out = noisy(&input, &[1.0, 5.0, -2.0, 5.0, 2.0, 5.0], condition).unwrap();
        let norm: f32 = out.iter().map(|v| (v - 0.5).powi(2)).sum::<f32>().sqrt();
        assert!((norm - 0.3).abs() < 1e-6);
        assert_eq!(out[1], 0.5);
    }

    #[test]
    fn an_empty_region_is_left_out() {
        let input = Input { image: vec![0.5; 6], mask: mask(&[255, 255]) };
        assert_eq!(noisy(&input, &[1.0; 6], BACK), None);
        assert_eq!(noisy(&Input { mask: None, ..input }, &[1.0; 6], BACK), None);
    }

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

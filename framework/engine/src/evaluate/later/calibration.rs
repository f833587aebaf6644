//! Whether class probabilities can be believed.

use crate::evaluate::{Evaluation, Evaluator};
use crate::train::argmax;
use fovea_records::MetricRow;

/// Bins of the calibration error (Guo et al., *On Calibration of Modern Neural Networks*, 2017).
const BINS: usize = 15;

/// Sums over pictures.
#[derive(Clone, Debug, Default)]
struct Sums {
    pictures: usize,
    in_five: usize,
    squares: f64,
    /// Of each bin: pictures, sum of confidences, pictures classified correctly.
    bins: [(usize, f64, usize); BINS],
}

impl Sums {
    /// Adds a picture with these logits.
    fn add(&mut self, logits: &[f32], label: usize) {
        let p = softmax(logits);
        let guess = argmax(logits);
        let truth = p.get(label).copied().unwrap_or(0.0);
        self.pictures += 1;
        // How many are more probable; among equal ones the first counts more, as it does for the predicted class.
        let before = p.iter().enumerate().filter(|(i, v)| **v > truth || (**v == truth && *i < label));
        self.in_five += usize::from(before.count() < 5);
        self.squares += p.iter().enumerate().map(|(i, v)| (v - f64::from(i == label)).powi(2)).sum::<f64>();
        let confidence = p.get(guess).copied().unwrap_or(0.0);
        // Bins are open below and closed above: ((k - 1) / 15, k / 15].
        let bin = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        let (count, sum, right) = &mut self.bins[bin];
        *count += 1;
        *sum += confidence;
        *right += usize::from(guess == label);
    }

    /// `ece = sum over bins of n_b / n * |accuracy_b - confidence_b|`.
    fn calibration_error(&self) -> f64 {
        let gaps = self.bins.iter().map(|(_, sum, right)| (*right as f64 - sum).abs());
        gaps.sum::<f64>() / self.pictures.max(1) as f64
    }
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|v| f64::from(v - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|v| v / sum).collect()
}

impl Evaluator<'_> {
    /// Top-5 accuracy, Brier score and calibration error on a split; `logits` has a row a picture.
    pub(super) fn calibration(&self, split: &str, logits: &[Vec<f32>], evaluation: &mut Evaluation) {
        let mut sums = Sums::default();
        for (index, row) in logits.iter().enumerate() {
            sums.add(row, self.source.meta(split, index).label);
        }
        let count = sums.pictures;
        if count == 0 {
            return;
        }
        let values = [
            ("top-5-accuracy", sums.in_five as f64 / count as f64),
            ("brier", sums.squares / count as f64),
            ("ece", sums.calibration_error()),
        ];
        evaluation.rows.extend(values.map(|(metric, value)| MetricRow::new(split, metric, value, count)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_hand() {
        let mut sums = Sums::default();
        let half = 3.0_f32.ln();
        // Probabilities 0.75 and 0.25, once right and once wrong.
        sums.add(&[half, 0.0], 0);
        sums.add(&[half, 0.0], 1);
        assert!((sums.squares - (0.125 + 1.125)).abs() < 1e-6, "{}", sums.squares);
        assert!((sums.calibration_error() - 0.25).abs() < 1e-6, "{}", sums.calibration_error());
        assert_eq!((sums.pictures, sums.in_five), (2, 2));
    }

    #[test]
    fn the_sixth_class_is_not_among_five() {
        let mut sums = Sums::default();
        let logits = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0];
        (0..6).for_each(|label| sums.add(&logits, label));
        assert_eq!(sums.in_five, 5);
        // All equal: the first five.
        let mut equal = Sums::default();
        (0..6).for_each(|label| equal.add(&[0.0; 6], label));
        assert_eq!(equal.in_five, 5);
    }
}

//! Bootstrap interval of a mean. The main function is [`interval`].
//!
//! Bias-corrected and accelerated (BCa; Efron and Tibshirani, "An introduction to the bootstrap", 1993, Eqs.
//! 14.10-14.15). With few values every resample is taken into account, each as often as it can be drawn, so that no
//! chance is left in it; with more, [`RESAMPLES`] are drawn by a fixed key.

use super::draws::Draws;
use super::special::{normal_cdf, normal_quantile};

/// Up to this many values, every resample is taken into account: 7^7 of them, 1,716 different ones.
pub const EXHAUSTIVE: usize = 7;

/// How many resamples are drawn beyond.
pub const RESAMPLES: usize = 4999;

/// Key of the draws.
const KEY: u64 = 0x626f_6f74;

/// Sums this close, relative to the largest possible one, are equal but for rounding.
const TIE: f64 = 1e-12;

/// The 95 % BCa interval of the mean; `None` for fewer than 3 values, of which a bootstrap says nothing.
#[must_use]
pub fn interval(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len();
    if n < 3 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let scale = values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    if values.iter().all(|v| (v - mean).abs() <= TIE * scale) {
        return Some((mean, mean));
    }
    let mut means = if n <= EXHAUSTIVE { every_mean(values) } else { drawn_means(values) };
    means.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = means.iter().map(|m| m.1).sum();
    let share = |counts: &dyn Fn(f64) -> f64| -> f64 {
        means.iter().map(|(m, weight)| counts(m - mean) * weight).sum::<f64>() / total
    };
    // Eq. 14.14, ties counting half.
    let below = share(&|d| {
        if d.abs() <= TIE * scale {
            0.5
        } else if d < 0.0 {
            1.0
        } else {
            0.0
        }
    });
    let bias = normal_quantile(below);
    // Eq. 14.15: leaving value i out moves the mean by (mean - v_i) / (n - 1).
    let (squares, cubes) =
        values.iter().map(|v| v - mean).fold((0.0, 0.0), |(s, c), d| (s + d * d, c + d * d * d));
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    let end = |z: f64| {
        let shifted = bias + z;
        let p = normal_cdf(bias + shifted / (1.0 - acceleration * shifted));
        quantile(&means, total, p)
    };
    Some((end(normal_quantile(0.025)), end(-normal_quantile(0.025))))
}

/// The mean of every resample that differs from the others, with the number of ways to draw it.
fn every_mean(values: &[f64]) -> Vec<(f64, f64)> {
    let mut counts = vec![0_usize; values.len()];
    let mut means = Vec::new();
    take(values, 0, values.len(), 1.0, &mut counts, &mut means);
    means
}

/// Gives the value at `place` every share of the `left` draws; `ways` are those of the values before it.
fn take(
    values: &[f64],
    place: usize,
    left: usize,
    ways: f64,
    counts: &mut [usize],
    means: &mut Vec<(f64, f64)>,
) {
    let n = values.len();
    if place + 1 == n {
        counts[place] = left;
        let sum: f64 = values.iter().zip(&*counts).map(|(v, &count)| v * count as f64).sum();
        means.push((sum / n as f64, ways));
        return;
    }
    let mut choose = 1.0;
    for count in 0..=left {
        counts[place] = count;
        take(values, place + 1, left - count, ways * choose, counts, means);
        choose = choose * (left - count) as f64 / (count + 1) as f64;
    }
}

fn drawn_means(values: &[f64]) -> Vec<(f64, f64)> {
    let n = values.len();
    let mut draws = Draws::new(KEY);
    let mut mean = || (0..n).map(|_| values[draws.below(n)]).sum::<f64>() / n as f64;
    (0..RESAMPLES).map(|_| (mean(), 1.0)).collect()
}

/// Quantile of sorted, weighted values, linear between them as if each stood there as often as it weighs.
fn quantile(sorted: &[(f64, f64)], total: f64, p: f64) -> f64 {
    let place = p * (total - 1.0);
    let at = |rank: f64| {
        let mut before = 0.0;
        let found = sorted.iter().find(|(_, weight)| {
            before += weight;
            rank < before
        });
        found.or(sorted.last()).map_or(f64::NAN, |(value, _)| *value)
    };
    let (low, high) = (at(place.floor()), at(place.floor() + 1.0));
    low + (high - low) * place.fract()
}

//! Mean, spread and Student's t intervals. The main type is [`Stats`].

use super::special::t_quantile;

/// Summary of a small sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Size of the sample, at least 1.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation with n - 1; `None` for a single value.
    pub sd: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Half the width of the 95 % t interval of the mean; `None` for a single value.
    pub half_width: Option<f64>,
}

impl Stats {
    /// Summarises the finite values of `sample`; `None` when there are none.
    #[must_use]
    pub fn of(sample: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = sample.into_iter().filter(|v| v.is_finite()).collect();
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let sd =
            (n > 1).then(|| (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt());
        let half_width = sd.map(|sd| t_quantile(0.975, (n - 1) as f64) * sd / (n as f64).sqrt());
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self { n, mean, sd, min, max, half_width })
    }

    /// The 95 % t interval of the mean.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.half_width.map(|h| (self.mean - h, self.mean + h))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_sample_by_hand() {
        let stats = Stats::of([1.0, 2.0, 4.0]).unwrap();
        assert_eq!((stats.n, stats.min, stats.max), (3, 1.0, 4.0));
        assert!((stats.mean - 7.0 / 3.0).abs() < 1e-15);
        // Squared deviations 16/9 + 1/9 + 25/9 = 42/9; over 2: 7/3.
        assert!((stats.sd.unwrap() - (7.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((stats.half_width.unwrap() - 4.302_652_729_749_462 * (7.0_f64 / 9.0).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_stats() {
        let stats = Stats::of([0.5, f64::NAN]).unwrap();
        assert_eq!((stats.n, stats.mean, stats.sd, stats.interval()), (1, 0.5, None, None));
        assert_eq!(Stats::of([]), None);
    }
}

//! Mean, spread and Student's t intervals. The main type is [`Stats`].

/// Summary of a small sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stats {
    /// Size of the sample, at least 1.
    pub(crate) n: usize,
    /// Arithmetic mean.
    pub(crate) mean: f64,
    /// Standard deviation with n - 1; `None` for a single value.
    pub(crate) sd: Option<f64>,
    /// Smallest value.
    pub(crate) min: f64,
    /// Largest value.
    pub(crate) max: f64,
    /// Half the width of the 95 % t interval of the mean; `None` for a single value.
    pub(crate) half_width: Option<f64>,
}

impl Stats {
    /// Summarises the finite values of `sample`; `None` when there are none.
    pub(crate) fn of(sample: impl IntoIterator<Item = f64>) -> Option<Self> {
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
    pub(crate) fn interval(&self) -> Option<(f64, f64)> {
        self.half_width.map(|h| (self.mean - h, self.mean + h))
    }
}

/// Quantile of Student's t distribution: the `t` with `P(T <= t) = p`.
pub(crate) fn t_quantile(p: f64, degrees: f64) -> f64 {
    if p < 0.5 {
        return -t_quantile(1.0 - p, degrees);
    }
    // Upper tail area 2 (1 - p) = I_x(v/2, 1/2) with x = v / (v + t^2), decreasing in t: bisection cannot miss it.
    let tail = 2.0 * (1.0 - p);
    let area = |t: f64| incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t));
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    while area(high) > tail && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if area(middle) > tail { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Regularised incomplete beta function `I_x(a, b)` by its continued fraction (DLMF 8.17.22), evaluated with Lentz's
/// method on the side of the mean where it converges fast.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (a * x.ln() + b * (1.0 - x).ln() - (ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b))).exp() / a;
    let nonzero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for term in [even, odd] {
            d = 1.0 / nonzero(1.0 + term * d);
            c = nonzero(1.0 + term / c);
            step = c * d;
            fraction *= step;
        }
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * fraction
}

/// Logarithm of the gamma function for `x > 0`: Stirling's series (DLMF 5.11.1) after shifting `x` above 15.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 15.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_quantiles_agree_with_scipy() {
        // scipy.stats.t.ppf, SciPy 1.17.1.
        for (p, degrees, expected) in [
            (0.975, 1.0, 12.706_204_736_174_694),
            (0.975, 2.0, 4.302_652_729_749_462),
            (0.975, 4.0, 2.776_445_105_197_793_4),
            (0.975, 9.0, 2.262_157_162_798_205),
            (0.975, 30.0, 2.042_272_456_301_237_8),
            (0.975, 1000.0, 1.962_339_080_826_408_3),
            (0.95, 5.0, 2.015_048_373_333_023_3),
            (0.995, 3.0, 5.840_909_309_733_355),
            (0.025, 2.0, -4.302_652_729_749_462),
        ] {
            let t = t_quantile(p, degrees);
            assert!((t - expected).abs() < 1e-12 * expected.abs(), "t({p}, {degrees}) = {t}, not {expected}");
        }
    }

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

//! Whether two classifiers are right on different pictures. The main type is [`Mcnemar`].

use super::special::normal_two_sided;

/// McNemar's test on the pictures that one of two classifiers gets right and the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mcnemar {
    /// Pictures that only the second classifier gets right.
    pub gained: u64,
    /// Pictures that only the first, the baseline, gets right.
    pub lost: u64,
}

impl Mcnemar {
    /// Counts pairs of (baseline right, variant right).
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        pairs.into_iter().fold(Self { gained: 0, lost: 0 }, |counts, pair| match pair {
            (false, true) => Self { gained: counts.gained + 1, ..counts },
            (true, false) => Self { lost: counts.lost + 1, ..counts },
            _ => counts,
        })
    }

    /// Discordant pictures.
    #[must_use]
    pub fn discordant(self) -> u64 {
        self.gained + self.lost
    }

    /// Two-sided p-value by the binomial distribution with probability 1/2: exact.
    #[must_use]
    pub fn exact(self) -> f64 {
        let n = self.discordant() as f64;
        let fewer = self.gained.min(self.lost);
        // C(n, k) / 2^n from k - 1 to k, as logarithms: 2^-n underflows for n > 1074.
        let mut log_term = -n * std::f64::consts::LN_2;
        let mut logs = vec![log_term];
        for k in 1..=fewer {
            log_term += ((n - k as f64 + 1.0) / k as f64).ln();
            logs.push(log_term);
        }
        let tail: f64 = logs.iter().rev().map(|log| log.exp()).sum();
        (2.0 * tail).min(1.0)
    }

    /// Chi-square statistic with Edwards' continuity correction; 0 where no picture is discordant.
    #[must_use]
    pub fn chi_square(self) -> f64 {
        let difference = self.gained.abs_diff(self.lost) as f64;
        match self.discordant() {
            0 => 0.0,
            n => (difference - 1.0).powi(2) / n as f64,
        }
    }

    /// p-value of [`Self::chi_square`] with one degree of freedom.
    #[must_use]
    pub fn chi_square_p(self) -> f64 {
        normal_two_sided(self.chi_square().sqrt())
    }
}

//! What a sample of differences says against no difference. The main type is [`Paired`].

use super::draws::Draws;
use super::sample::Stats;
use super::special::{normal_two_sided, t_two_sided};

/// Up to this many differences, every pattern of signs is tried.
pub(super) const EVERY_SIGN: usize = 16;

/// How many patterns of signs are drawn beyond.
pub(super) const SIGN_PATTERNS: usize = 9999;

/// Key of the draws.
const KEY: u64 = 0x7369_676e;

/// Differences of pairs. Its tests are two-sided; each p-value is `None` where the test says nothing: with fewer than
/// two differences, and where all of them are zero.
#[derive(Clone, Copy, Debug)]
pub struct Paired<'a>(pub &'a [f64]);

impl Paired<'_> {
    /// t statistic and p-value of the paired t test. Differences that are all the same leave no spread to compare
    /// with: no p-value.
    #[must_use]
    pub fn t(self) -> Option<(f64, f64)> {
        let stats = Stats::of(self.0.iter().copied())?;
        let error = stats.sd? / (stats.n as f64).sqrt();
        // Differences that are equal but for rounding have no spread either.
        let scale = stats.min.abs().max(stats.max.abs());
        if error <= 1e-13 * scale {
            return None;
        }
        let t = stats.mean / error;
        Some((t, t_two_sided(t, (stats.n - 1) as f64)))
    }

    /// p-value of Wilcoxon's signed-rank test, zeros left out. As SciPy does: exact up to 50 differences without ties
    /// and zeros, exact over all signs up to 13 with them, else the normal approximation with its variance corrected
    /// for ties and without continuity correction.
    #[must_use]
    pub fn wilcoxon(self) -> Option<f64> {
        let n = self.0.len();
        let mut sizes: Vec<(f64, bool)> =
            self.0.iter().filter(|d| **d != 0.0).map(|d| (d.abs(), *d > 0.0)).collect();
        if n < 2 || sizes.is_empty() {
            return None;
        }
        sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = sizes.len();
        // Ranks times two are whole numbers, also where ties share their mean rank.
        let mut doubled = Vec::with_capacity(count);
        let mut tied = 0.0;
        for group in sizes.chunk_by(|a, b| a.0 == b.0) {
            let rank = 2 * doubled.len() + group.len() + 1;
            let size = group.len() as f64;
            tied += size * size * size - size;
            doubled.extend(std::iter::repeat_n(rank, group.len()));
        }
        let positive: usize =
            doubled.iter().zip(&sizes).filter(|(_, (_, up))| *up).map(|(rank, _)| rank).sum();
        let plain = tied == 0.0 && count == n;
        if n <= if plain { 50 } else { 13 } {
            return Some(signed_rank_exact(&doubled, positive));
        }
        let m = count as f64;
        let mean = m * (m + 1.0) / 4.0;
        let variance = (m * (m + 1.0) * (2.0 * m + 1.0) - tied / 2.0) / 24.0;
        Some(normal_two_sided((positive as f64 / 2.0 - mean) / variance.sqrt()))
    }

    /// p-value of the sign-flip permutation test of the mean: how often differences of these sizes with random signs
    /// have a mean this far from zero (Fisher, "The design of experiments", 1935). Exact up to 16
    /// differences; beyond, 9,999 patterns are drawn by a fixed key, and the one that was seen counts too.
    #[must_use]
    pub fn sign_flip(self) -> Option<f64> {
        let n = self.0.len();
        let observed = self.0.iter().sum::<f64>().abs();
        let scale: f64 = self.0.iter().map(|d| d.abs()).sum();
        if n < 2 || scale == 0.0 {
            return None;
        }
        // Sums that are equal but for rounding are as far out as the one that was seen.
        let least = observed - 1e-12 * scale;
        let far = |sum: f64| usize::from(sum.abs() >= least);
        if n <= EVERY_SIGN {
            // The first sign stays: a pattern and its opposite are equally far out.
            let patterns = 1_usize << (n - 1);
            let sum = |pattern: usize| {
                let signed = self.0[1..].iter().enumerate();
                signed.fold(self.0[0], |sum, (i, d)| if pattern >> i & 1 == 1 { sum - d } else { sum + d })
            };
            let count: usize = (0..patterns).map(|pattern| far(sum(pattern))).sum();
            return Some(count as f64 / patterns as f64);
        }
        let mut draws = Draws::new(KEY);
        let mut pattern = || {
            let words: Vec<u64> = (0..n.div_ceil(64)).map(|_| draws.next()).collect();
            let mut sum = 0.0;
            for (chunk, word) in self.0.chunks(64).zip(&words) {
                for (bit, d) in chunk.iter().enumerate() {
                    // The sign bit is flipped rather than asked for: a branch on random bits costs ten times as much.
                    sum += f64::from_bits(d.to_bits() ^ ((word >> bit & 1) << 63));
                }
            }
            sum
        };
        let count: usize = (0..SIGN_PATTERNS).map(|_| far(pattern())).sum();
        Some((1 + count) as f64 / (1 + SIGN_PATTERNS) as f64)
    }
}

/// Twice the smaller tail of the distribution of the sum of `ranks` with random signs, by counting the subsets of each
/// sum.
fn signed_rank_exact(ranks: &[usize], positive: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    let mut ways = vec![0.0_f64; total + 1];
    ways[0] = 1.0;
    for &rank in ranks {
        for sum in (rank..=total).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let all = (ranks.len() as f64).exp2();
    let lower: f64 = ways[..=positive].iter().sum();
    let upper: f64 = ways[positive..].iter().sum();
    (2.0 * lower.min(upper) / all).min(1.0)
}

//! Two sets of trials beside each other. The main type is [`Comparison`].

use crate::run::Trial;
use crate::stats::{Mcnemar, Paired, Stats, bootstrap};
use crate::summary::Key;
use std::collections::HashMap;

/// The difference of one number between a variant and what it is compared with, paired by seed.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// Of the differences.
    pub(crate) stats: Stats,
    /// 95 % BCa bootstrap interval of the mean difference.
    pub(crate) bootstrap: Option<(f64, f64)>,
    /// p-value of the paired t test.
    pub(crate) t: Option<f64>,
    /// p-value of Wilcoxon's signed-rank test.
    pub(crate) wilcoxon: Option<f64>,
    /// p-value of the sign-flip permutation test.
    pub(crate) sign_flip: Option<f64>,
    /// The same difference, paired by test picture.
    pub(crate) pictures: Option<PicturePairs>,
}

/// A difference by test picture, each the mean over the pairs of trials. What it says holds for these trained
/// networks and other pictures, not for other seeds.
#[derive(Clone, Debug)]
pub(crate) struct PicturePairs {
    /// Of the differences by picture.
    pub(crate) stats: Stats,
    /// p-value of the t test paired by picture.
    pub(crate) t: Option<f64>,
    /// For accuracies, McNemar's counts of each seed. Pictures of several seeds are not independent, so only each seed
    /// by itself can be tested.
    pub(crate) mcnemar: Vec<(u64, Mcnemar)>,
}

impl PicturePairs {
    /// Counts summed over seeds.
    pub(crate) fn discordant(&self) -> Option<Mcnemar> {
        let sum = |sum: Mcnemar, (_, m): &(u64, Mcnemar)| Mcnemar {
            gained: sum.gained + m.gained,
            lost: sum.lost + m.lost,
        };
        (!self.mcnemar.is_empty()).then(|| self.mcnemar.iter().fold(Mcnemar { gained: 0, lost: 0 }, sum))
    }

    /// McNemar's exact p-value, where there is a single pair of trials.
    pub(crate) fn mcnemar_p(&self) -> Option<f64> {
        match self.mcnemar[..] {
            [(_, only)] => Some(only.exact()),
            _ => None,
        }
    }
}

/// A number of some trials: what it is averaged over, and what pairs it.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    /// Places of the trials.
    pub(crate) places: &'a [usize],
    /// What pairs each of them with one of the other side: the seed, or the seed and the other axes.
    pub(crate) units: &'a [String],
    /// All trials of the run.
    pub(crate) trials: &'a [Trial],
    /// The number's value for each of them.
    pub(crate) values: &'a [Option<f64>],
}

impl<'a> Side<'a> {
    /// Mean by unit, in order of appearance.
    pub(crate) fn means(self) -> Vec<(&'a str, f64)> {
        let mut order: Vec<&str> = Vec::new();
        let mut sums: HashMap<&str, (f64, f64)> = HashMap::new();
        for (&place, unit) in self.places.iter().zip(self.units) {
            let Some(value) = self.values[place] else { continue };
            let sum = sums.entry(unit).or_insert_with(|| {
                order.push(unit);
                (0.0, 0.0)
            });
            *sum = (sum.0 + value, sum.1 + 1.0);
        }
        order.into_iter().map(|unit| (unit, sums[unit].0 / sums[unit].1)).collect()
    }

    /// The one trial of a unit; `None` where there are several.
    fn only(self, unit: &str) -> Option<&'a Trial> {
        let mut found =
            self.places.iter().zip(self.units).filter(|(p, u)| *u == unit && self.values[**p].is_some());
        match (found.next(), found.next()) {
            (Some((&place, _)), None) => Some(&self.trials[place]),
            _ => None,
        }
    }
}

impl Comparison {
    /// Compares by shared unit; `None` where none is shared.
    pub(crate) fn new(own: Side<'_>, baseline: Side<'_>, key: &Key) -> Option<Self> {
        let others: HashMap<&str, f64> = baseline.means().into_iter().collect();
        let pairs: Vec<(&str, f64)> = own
            .means()
            .into_iter()
            .filter_map(|(unit, value)| others.get(unit).map(|other| (unit, value - other)))
            .collect();
        let differences: Vec<f64> = pairs.iter().map(|(_, d)| *d).collect();
        let paired = Paired(&differences);
        Some(Self {
            stats: Stats::of(differences.iter().copied())?,
            bootstrap: bootstrap::interval(&differences),
            t: paired.t().map(|(_, p)| p),
            wilcoxon: paired.wilcoxon(),
            sign_flip: paired.sign_flip(),
            pictures: pictures(own, baseline, &pairs, key),
        })
    }
}

fn pictures(own: Side<'_>, baseline: Side<'_>, pairs: &[(&str, f64)], key: &Key) -> Option<PicturePairs> {
    let mut sums: Vec<f64> = Vec::new();
    let mut mcnemar = Vec::new();
    let right = |value: f32| value > 0.5;
    for (unit, _) in pairs {
        let (ours, theirs) = (own.only(unit)?, baseline.only(unit)?);
        let (a, b) = ours.pictures.beside(&theirs.pictures, key)?;
        if sums.is_empty() {
            sums = vec![0.0; a.len()];
        } else if sums.len() != a.len() {
            return None;
        }
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f64::from(*a) - f64::from(*b);
        }
        if key.metric == "accuracy" {
            let counts = Mcnemar::of(a.iter().zip(b).map(|(a, b)| (right(*b), right(*a))));
            mcnemar.push((ours.planned.seed, counts));
        }
    }
    let differences: Vec<f64> =
        sums.into_iter().map(|sum| sum / pairs.len() as f64).filter(|d| d.is_finite()).collect();
    let stats = Stats::of(differences.iter().copied())?;
    Some(PicturePairs { stats, t: Paired(&differences).t().map(|(_, p)| p), mcnemar })
}

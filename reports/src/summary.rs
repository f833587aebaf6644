//! What variants reach on every metric. The main type is [`Summary`].

use crate::compare::{Comparison, Side};
use crate::run::{Run, Status, Trial};
use crate::stats::Stats;
use fovea_records::{MetricRow, metrics};
use std::cmp::Ordering;
use std::collections::HashMap;

/// A noise level that can be compared and hashed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level(pub(crate) f64);

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Level {}
impl std::hash::Hash for Level {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
impl PartialOrd for Level {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Level {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Metrics of what was spent: time of training, its speed, memory.
const COSTS: [&str; 3] = ["seconds", "images-per-second", "peak-memory"];

/// What a number of the final evaluation is a number of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Split.
    pub(crate) split: String,
    /// Metric.
    pub(crate) metric: String,
    /// Noise kind.
    pub(crate) noise: Option<String>,
    /// Noise level; `None` under noise is the mean over levels.
    pub(crate) level: Option<Level>,
    /// Class or group.
    pub(crate) subset: Option<String>,
}

impl Key {
    /// A metric on the pictures as they are.
    pub(crate) fn clean(split: &str, metric: &str) -> Self {
        Self { split: split.to_owned(), metric: metric.to_owned(), noise: None, level: None, subset: None }
    }

    /// A metric under noise.
    pub(crate) fn noisy(split: &str, metric: &str, noise: &str, level: Option<f64>) -> Self {
        Self { noise: Some(noise.to_owned()), level: level.map(Level), ..Self::clean(split, metric) }
    }

    /// Whether it is what a trial took and not what it reached: another run of the same trial has another number. Of the
    /// tables, `trials` and `compute` alone have such numbers, so that equal results give equal tables.
    pub(crate) fn is_cost(&self) -> bool {
        COSTS.contains(&self.metric.as_str())
    }

    fn of(row: &MetricRow) -> Self {
        Self {
            split: row.split.clone(),
            metric: row.metric.clone(),
            noise: row.noise.clone(),
            level: row.level.map(Level),
            // The name of the worst group says where it is, and may be another in another trial.
            subset: row.subset.clone().filter(|_| row.metric != "worst-group-accuracy"),
        }
    }
}

/// Numbers of the final evaluation of the trials that are done.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Every key that any done trial has: splits in order of appearance, metrics in order of definition.
    pub(crate) keys: Vec<Key>,
    /// Splits in order of appearance.
    pub(crate) splits: Vec<String>,
    places: HashMap<Key, usize>,
    /// By key, then by trial.
    values: Vec<Vec<Option<f64>>>,
    none: Vec<Option<f64>>,
}

/// What a trial took, as far as it is known.
pub(crate) fn costs(trial: &Trial) -> impl Iterator<Item = (&'static str, f64)> {
    let done = trial.done.as_ref();
    let values = [
        done.map(|d| d.train_seconds),
        trial.images_per_second,
        done.and_then(|d| d.peak_memory).map(|bytes| bytes as f64),
    ];
    COSTS.into_iter().zip(values).filter_map(|(metric, value)| Some((metric, value?)))
}

impl Summary {
    /// Gathers the final rows of the done trials.
    pub(crate) fn of(run: &Run) -> Self {
        let mut splits: Vec<String> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut keys: Vec<Key> = Vec::new();
        let mut values: Vec<Vec<Option<f64>>> = Vec::new();
        for (position, trial) in run.trials.iter().enumerate().filter(|(_, t)| t.status == Status::Done) {
            let cost = costs(trial).map(|(metric, value)| MetricRow::new("train", metric, value, 0));
            let measured = trial.rows.iter().filter(|r| r.epoch.is_none()).cloned();
            for row in measured.chain(cost).filter(|r| r.value.is_finite()) {
                if !splits.contains(&row.split) {
                    splits.push(row.split.clone());
                }
                let key = Key::of(&row);
                let place = *places.entry(key.clone()).or_insert_with(|| {
                    keys.push(key);
                    values.push(vec![None; run.trials.len()]);
                    keys.len() - 1
                });
                values[place][position] = Some(row.value);
            }
        }
        let rank = |key: &Key| {
            let split = splits.iter().position(|s| *s == key.split);
            let metric = metrics::DEFINITIONS.iter().position(|d| d.name == key.metric).unwrap_or(usize::MAX);
            (split, metric)
        };
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&keys[a], &keys[b]);
            (rank(a), &a.metric, &a.noise, a.level, &a.subset).cmp(&(
                rank(b),
                &b.metric,
                &b.noise,
                b.level,
                &b.subset,
            ))
        });
        let keys: Vec<Key> = order.iter().map(|&i| keys[i].clone()).collect();
        let values = order.iter().map(|&i| std::mem::take(&mut values[i])).collect();
        let places = keys.iter().cloned().enumerate().map(|(i, k)| (k, i)).collect();
        Self { keys, splits, places, values, none: vec![None; run.trials.len()] }
    }

    /// Value of each trial.
    pub(crate) fn values(&self, key: &Key) -> &[Option<f64>] {
        self.places.get(key).map_or(&self.none, |&place| &self.values[place])
    }

    /// Whether any trial has it.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    /// Levels at which a metric is measured under a noise, ascending.
    pub(crate) fn levels(&self, split: &str, metric: &str, noise: &str) -> Vec<f64> {
        self.keys
            .iter()
            .filter(|k| k.split == split && k.metric == metric && k.subset.is_none())
            .filter(|k| k.noise.as_deref() == Some(noise))
            .filter_map(|k| k.level.map(|l| l.0))
            .collect()
    }

    /// Noise kinds, in order of the alphabet.
    pub(crate) fn noises(&self) -> Vec<String> {
        let mut noises: Vec<String> = self.keys.iter().filter_map(|k| k.noise.clone()).collect();
        noises.sort();
        noises.dedup();
        noises
    }
}

/// Statistics over the trials of a variant.
pub(crate) fn stats(run: &Run, variant: usize, values: &[Option<f64>]) -> Option<Stats> {
    Stats::of(run.variants[variant].trials.iter().filter_map(|&t| values[t]))
}

/// The number of some variant, paired by seed.
pub(crate) struct Variants<'a> {
    run: &'a Run,
    units: Vec<Vec<String>>,
}

impl<'a> Variants<'a> {
    /// The variants of a run.
    pub(crate) fn new(run: &'a Run) -> Self {
        let seeds = |trials: &Vec<usize>| {
            trials.iter().map(|&t| run.trials[t].planned.seed.to_string()).collect::<Vec<_>>()
        };
        Self { run, units: run.variants.iter().map(|v| seeds(&v.trials)).collect() }
    }

    /// A variant against the baseline. `None` for the baseline itself and where no seed is shared.
    pub(crate) fn compare(&self, variant: usize, key: &Key, values: &[Option<f64>]) -> Option<Comparison> {
        let baseline = self.run.baseline.filter(|&b| b != variant)?;
        let side = |variant: usize| Side {
            places: &self.run.variants[variant].trials,
            units: &self.units[variant],
            trials: &self.run.trials,
            values,
        };
        Comparison::new(side(variant), side(baseline), key)
    }
}

//! The few numbers that a reader wants first. The main type is [`Measure`].

use crate::compare::Comparison;
use crate::run::Run;
use crate::stats::Stats;
use crate::summary::{self, Key, Summary, Variants};
use fovea_records::{Direction, Unit};
use rayon::prelude::*;

/// The noise that headline numbers are about (the paper's Figure 3).
pub(crate) const HEADLINE_NOISE: &str = "gaussian";

/// Which headline number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MeasureKind {
    /// Accuracy on a clean split.
    Accuracy,
    /// Accuracy on the first split minus accuracy on the last.
    Gap,
    /// Accuracy with noise on the object.
    NoiseForeground,
    /// Accuracy with noise outside it.
    NoiseBackground,
    /// Relative foreground sensitivity.
    Rfs,
    /// IoU of the Grad-CAM box with the object's.
    BoxIou,
}

/// A headline number with its value for every trial and its statistics for every variant.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// Which one.
    pub(crate) kind: MeasureKind,
    /// Column heading, two lines.
    pub(crate) heading: [String; 2],
    /// In a sentence (`accuracy on test`).
    pub(crate) phrase: String,
    /// Split it is measured on; for the gap, `first - last`.
    pub(crate) split: String,
    /// Unit of the values.
    pub(crate) unit: Unit,
    /// Which way is better.
    pub(crate) direction: Direction,
    /// Value of each trial.
    pub(crate) values: Vec<Option<f64>>,
    /// Statistics of each variant.
    pub(crate) stats: Vec<Option<Stats>>,
    /// Each variant's difference to the baseline, paired by seed.
    pub(crate) deltas: Vec<Option<Stats>>,
    /// The tests of these differences.
    pub(crate) comparisons: Vec<Option<Comparison>>,
}

impl Measure {
    /// The variants whose mean is the best one; empty where nothing is better or worse, or nothing is compared.
    pub(crate) fn best(&self) -> Vec<usize> {
        let sign = match self.direction {
            Direction::Higher => 1.0,
            Direction::Lower => -1.0,
            Direction::Neutral => return Vec::new(),
        };
        let means: Vec<(usize, f64)> =
            self.stats.iter().enumerate().filter_map(|(v, s)| s.map(|s| (v, sign * s.mean))).collect();
        if means.len() < 2 {
            return Vec::new();
        }
        let top = means.iter().map(|m| m.1).fold(f64::NEG_INFINITY, f64::max);
        means.iter().filter(|m| m.1 == top).map(|m| m.0).collect()
    }
}

/// Splits with a clean accuracy, `train` and `val` only where there is nothing else.
pub(crate) fn clean_splits(summary: &Summary) -> Vec<String> {
    let all: Vec<String> =
        summary.splits.iter().filter(|s| summary.has(&Key::clean(s, "accuracy"))).cloned().collect();
    let test: Vec<String> = all.iter().filter(|s| !matches!(s.as_str(), "train" | "val")).cloned().collect();
    if test.is_empty() { all } else { test }
}

/// All headline numbers that the run has, in the order of the results table.
pub(crate) fn headline(run: &Run, summary: &Summary) -> Vec<Measure> {
    let splits = clean_splits(summary);
    let mut measures = Vec::new();
    for split in &splits {
        let values = summary.values(&Key::clean(split, "accuracy")).to_vec();
        measures.push(measure(
            run,
            MeasureKind::Accuracy,
            ["accuracy", split],
            format!("accuracy on {split}"),
            split,
            values,
        ));
    }
    if let [first, .., last] = &splits[..] {
        let pairs = summary.values(&Key::clean(first, "accuracy")).iter();
        let values = pairs
            .zip(summary.values(&Key::clean(last, "accuracy")))
            .map(|(a, b)| a.zip(*b).map(|(a, b)| a - b))
            .collect();
        let phrase = "the gap".to_owned();
        measures.push(measure(
            run,
            MeasureKind::Gap,
            ["gap", ""],
            phrase,
            &format!("{first} - {last}"),
            values,
        ));
    }
    let order = |split: &&String| splits.iter().position(|s| s == *split).unwrap_or(usize::MAX);
    let mut by_rank: Vec<&String> = summary.splits.iter().collect();
    by_rank.sort_by_key(order);
    for (kind, metric, heading, phrase) in [
        (
            MeasureKind::NoiseForeground,
            "accuracy-fg",
            ["noise in", "foregr."],
            "accuracy under foreground noise",
        ),
        (
            MeasureKind::NoiseBackground,
            "accuracy-bg",
            ["noise in", "backgr."],
            "accuracy under background noise",
        ),
        (MeasureKind::Rfs, "rfs", ["RFS", ""], "RFS"),
    ] {
        let key = |split: &str| Key::noisy(split, metric, HEADLINE_NOISE, None);
        if let Some(split) = by_rank.iter().find(|s| summary.has(&key(s))) {
            let values = summary.values(&key(split)).to_vec();
            measures.push(measure(run, kind, heading, phrase.to_owned(), split, values));
        }
    }
    if let Some(split) = by_rank.iter().find(|s| summary.has(&Key::clean(s, "box-iou"))) {
        let values = summary.values(&Key::clean(split, "box-iou")).to_vec();
        let phrase = "box IoU with the object".to_owned();
        measures.push(measure(run, MeasureKind::BoxIou, ["box IoU", "object"], phrase, split, values));
    }
    measures
}

fn measure(
    run: &Run,
    kind: MeasureKind,
    heading: [&str; 2],
    phrase: String,
    split: &str,
    values: Vec<Option<f64>>,
) -> Measure {
    let variants = 0..run.variants.len();
    let (unit, direction) = match kind {
        MeasureKind::Accuracy | MeasureKind::NoiseBackground => (Unit::Fraction, Direction::Higher),
        MeasureKind::Gap => (Unit::Fraction, Direction::Lower),
        MeasureKind::NoiseForeground => (Unit::Fraction, Direction::Neutral),
        MeasureKind::Rfs | MeasureKind::BoxIou => (Unit::Number, Direction::Higher),
    };
    let key = match kind {
        MeasureKind::Accuracy => Key::clean(split, "accuracy"),
        // Of two splits, with different pictures.
        MeasureKind::Gap => Key::clean(split, "gap"),
        MeasureKind::NoiseForeground => Key::noisy(split, "accuracy-fg", HEADLINE_NOISE, None),
        MeasureKind::NoiseBackground => Key::noisy(split, "accuracy-bg", HEADLINE_NOISE, None),
        MeasureKind::Rfs => Key::noisy(split, "rfs", HEADLINE_NOISE, None),
        MeasureKind::BoxIou => Key::clean(split, "box-iou"),
    };
    let pairs = Variants::new(run);
    let comparisons: Vec<Option<Comparison>> =
        variants.clone().into_par_iter().map(|v| pairs.compare(v, &key, &values)).collect();
    Measure {
        kind,
        heading: heading.map(str::to_owned),
        phrase,
        split: split.to_owned(),
        unit,
        direction,
        stats: variants.map(|v| summary::stats(run, v, &values)).collect(),
        deltas: comparisons.iter().map(|c| c.as_ref().map(|c| c.stats)).collect(),
        comparisons,
        values,
    }
}

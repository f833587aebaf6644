//! What variants reach: one line per variant and number, and the same by noise level, subset and explanation metric.

use super::Frame;
use super::comparisons::Compared;
use crate::run::{Counts, GROUP, Run, Variant};
use crate::stats::{Stats, bootstrap};
use crate::summary::{self, Key, Summary};
use polars::prelude::*;
use rayon::prelude::*;

/// Explanation metrics, in the order of the table.
const EXPLANATIONS: [&str; 7] = [
    "box-iou",
    "mask-iou",
    "energy-inside",
    "delta-density",
    "average-precision",
    "pointing-game",
    "zero-cam",
];

/// A variant with what became of its trials.
#[derive(Clone, Copy)]
struct Line<'a> {
    place: usize,
    variant: &'a Variant,
    counts: Counts,
}

impl<'a> Line<'a> {
    fn all(run: &'a Run) -> impl Iterator<Item = Self> {
        let line = |(place, variant): (usize, &'a Variant)| Self {
            place,
            variant,
            counts: run.counts(&variant.trials),
        };
        run.variants.iter().enumerate().map(line)
    }

    /// Whether a line without numbers has something to say: that trials are missing.
    fn incomplete(self) -> bool {
        self.counts.without_numbers().is_some()
    }
}

/// Statistics of the done trials of every variant in every number, and the difference to the baseline.
pub(super) fn summary(run: &Run, summary: &Summary, compared: &Compared<'_>) -> PolarsResult<DataFrame> {
    struct Row<'a> {
        line: Line<'a>,
        key: &'a Key,
        stats: Option<Stats>,
        bootstrap: Option<(f64, f64)>,
        delta: Option<Stats>,
    }
    let lines: Vec<Line<'_>> = Line::all(run).collect();
    let rows: Vec<Row<'_>> = lines
        .par_iter()
        .flat_map_iter(|&line| {
            let results = summary.keys.iter().enumerate().filter(|(_, key)| !key.is_cost());
            results.filter_map(move |(place, key)| {
                let values = summary.values(key);
                let own: Vec<f64> = line.variant.trials.iter().filter_map(|&t| values[t]).collect();
                let stats = Stats::of(own.iter().copied());
                let delta = compared.get(place, line.place).map(|c| c.stats);
                let bootstrap = bootstrap::interval(&own);
                (stats.is_some() || line.incomplete()).then_some(Row { line, key, stats, bootstrap, delta })
            })
        })
        .collect();
    let baseline = run.baseline.map(|b| run.variants[b].name.as_str());
    Frame::new(&rows)
        .text("variant", |r| Some(&r.line.variant.name))
        .when(run.is_joined(), |f| f.text("run", |r| Some(&run.sources[r.line.variant.source].label)))
        .when(run.has_groups(), |f| f.text(GROUP, |r| r.line.variant.group.as_deref()))
        .text("split", |r| Some(&r.key.split))
        .text("metric", |r| Some(&r.key.metric))
        .text("noise", |r| r.key.noise.as_deref())
        .number("level", |r| r.key.level.map(|l| l.0))
        .text("subset", |r| r.key.subset.as_deref())
        .count("n", |r| Some(r.stats.map_or(0, |s| s.n)))
        .number("mean", |r| r.stats.map(|s| s.mean))
        .number("sd", |r| r.stats.and_then(|s| s.sd))
        .number("min", |r| r.stats.map(|s| s.min))
        .number("max", |r| r.stats.map(|s| s.max))
        .number("half_width_95", |r| r.stats.and_then(|s| s.half_width))
        .interval(["low_95", "high_95"], |r| r.stats.and_then(|s| s.interval()))
        .interval(["boot_low_95", "boot_high_95"], |r| r.bootstrap)
        .text("baseline", |r| r.delta.and(baseline))
        .count("delta_n", |r| r.delta.map(|d| d.n))
        .number("delta_mean", |r| r.delta.map(|d| d.mean))
        .number("delta_sd", |r| r.delta.and_then(|d| d.sd))
        .interval(["delta_low_95", "delta_high_95"], |r| r.delta.and_then(|d| d.interval()))
        .counts(|r| r.line.counts)
        .finish()
}

/// One line per variant, split, noise and level, and for the mean over levels, whose level is empty: accuracies with
/// noise in the foreground and in the background, and RFS.
pub(super) fn noise(run: &Run, summary: &Summary) -> PolarsResult<DataFrame> {
    const METRICS: [(&str, &str); 4] = [
        ("accuracy-fg", "accuracy_fg"),
        ("accuracy-bg", "accuracy_bg"),
        ("rfs", "rfs"),
        ("rfs-normalised", "rfs_normalised"),
    ];
    let measured: Vec<&Key> = summary
        .keys
        .iter()
        .filter(|k| k.metric == "rfs" && k.noise.is_some() && k.subset.is_none())
        .collect();
    let rows: Vec<(Line<'_>, &Key, [Option<Stats>; 4])> = Line::all(run)
        .flat_map(|line| measured.iter().map(move |&key| (line, key)))
        .map(|(line, key)| {
            let of = |(metric, _): (&str, &str)| {
                let key = Key { metric: metric.to_owned(), ..key.clone() };
                summary::stats(run, line.place, summary.values(&key))
            };
            (line, key, METRICS.map(of))
        })
        .filter(|(line, _, stats)| stats[2].is_some() || line.incomplete())
        .collect();
    let mut frame = Frame::new(&rows)
        .text("variant", |(l, ..)| Some(&l.variant.name))
        .when(run.is_joined(), |f| f.text("run", |(l, ..)| Some(&run.sources[l.variant.source].label)))
        .when(run.has_groups(), |f| f.text(GROUP, |(l, ..)| l.variant.group.as_deref()))
        .text("split", |(_, k, _)| Some(&k.split))
        .text("noise", |(_, k, _)| k.noise.as_deref())
        .number("level", |(_, k, _)| k.level.map(|l| l.0))
        .count("n", |(.., s)| Some(s[2].map_or(0, |s| s.n)));
    for (place, (_, name)) in METRICS.iter().enumerate() {
        frame = wide(frame, name, move |(.., stats): &(Line<'_>, &Key, [Option<Stats>; 4])| stats[place]);
    }
    frame.counts(|(l, ..)| l.counts).finish()
}

/// Mean, standard deviation and t interval under names that begin alike.
fn wide<'a, T>(frame: Frame<'a, T>, name: &str, stats: impl Fn(&'a T) -> Option<Stats>) -> Frame<'a, T> {
    let [sd, low, high] = ["sd", "low_95", "high_95"].map(|end| format!("{name}_{end}"));
    frame
        .number(name, |row| stats(row).map(|s| s.mean))
        .number(&sd, |row| stats(row).and_then(|s| s.sd))
        .interval([&low, &high], |row| stats(row).and_then(|s| s.interval()))
}

/// Accuracy of every variant in every class and group of pictures, and in the worst group (`kind` is `class`, `group`
/// or `worst-group`).
pub(super) fn subsets(run: &Run, summary: &Summary) -> PolarsResult<DataFrame> {
    let kind = |key: &Key| match (key.metric.as_str(), key.subset.as_deref()) {
        ("worst-group-accuracy", _) => Some("worst-group"),
        ("accuracy", Some(subset)) if subset.starts_with("group ") => Some("group"),
        ("accuracy", Some(_)) => Some("class"),
        _ => None,
    };
    let measured: Vec<(&Key, &str)> = summary.keys.iter().filter_map(|key| Some((key, kind(key)?))).collect();
    let rows: Vec<(Line<'_>, &Key, &str, Option<Stats>)> = Line::all(run)
        .flat_map(|line| measured.iter().map(move |&(key, kind)| (line, key, kind)))
        .map(|(line, key, kind)| (line, key, kind, summary::stats(run, line.place, summary.values(key))))
        .filter(|(line, .., stats)| stats.is_some() || line.incomplete())
        .collect();
    let frame = Frame::new(&rows)
        .text("variant", |(l, ..)| Some(&l.variant.name))
        .when(run.is_joined(), |f| f.text("run", |(l, ..)| Some(&run.sources[l.variant.source].label)))
        .when(run.has_groups(), |f| f.text(GROUP, |(l, ..)| l.variant.group.as_deref()))
        .text("split", |(_, k, ..)| Some(&k.split))
        .text("kind", |(_, _, kind, _)| Some(kind))
        .text("subset", |(_, k, ..)| k.subset.as_deref().map(bare))
        .count("n", |(.., s)| Some(s.map_or(0, |s| s.n)));
    wide(frame, "accuracy", |(.., stats)| *stats).counts(|(l, ..)| l.counts).finish()
}

/// The name of a class or group alone: records say `class ship`, `group waterbird on land`.
pub(crate) fn bare(subset: &str) -> &str {
    subset.strip_prefix("class ").or_else(|| subset.strip_prefix("group ")).unwrap_or(subset)
}

/// One line per variant and split with explanation metrics.
pub(super) fn explanations(run: &Run, summary: &Summary) -> PolarsResult<DataFrame> {
    let has = |split: &&String| EXPLANATIONS.iter().any(|metric| summary.has(&Key::clean(split, metric)));
    let splits: Vec<&String> = summary.splits.iter().filter(has).collect();
    let rows: Vec<(Line<'_>, &String, [Option<Stats>; 7])> = Line::all(run)
        .flat_map(|line| splits.iter().map(move |&split| (line, split)))
        .map(|(line, split)| {
            let of = |m| summary::stats(run, line.place, summary.values(&Key::clean(split, m)));
            (line, split, EXPLANATIONS.map(of))
        })
        .filter(|(line, _, stats)| stats.iter().any(Option::is_some) || line.incomplete())
        .collect();
    let mut frame = Frame::new(&rows)
        .text("variant", |(l, ..)| Some(&l.variant.name))
        .when(run.is_joined(), |f| f.text("run", |(l, ..)| Some(&run.sources[l.variant.source].label)))
        .when(run.has_groups(), |f| f.text(GROUP, |(l, ..)| l.variant.group.as_deref()))
        .text("split", |(_, split, _)| Some(split.as_str()))
        .count("n", |(.., s)| Some(s.iter().flatten().map(|s| s.n).max().unwrap_or(0)));
    for (place, metric) in EXPLANATIONS.iter().enumerate() {
        let name = metric.replace('-', "_");
        frame = wide(frame, &name, move |(.., stats): &(Line<'_>, &String, [Option<Stats>; 7])| stats[place]);
    }
    frame.counts(|(l, ..)| l.counts).finish()
}

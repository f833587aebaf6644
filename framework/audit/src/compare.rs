//! A rerun beside the record. The main function is [`compare`].

use crate::order::place;
use crate::record::{TrialRecord, WEIGHTS};
use fovea_records::metrics::definition;
use fovea_records::verdict::Departure;
use fovea_records::{MetricRow, PredictionRecord, StoreError, TraceLine, Unit, provenance, trace};
use std::collections::{BTreeMap, BTreeSet};

/// Digits of a hash that are shown.
const DIGITS: usize = 16;

/// Files of a trial that say when and where it ran, or what was asked of it: reruns need not have the same.
pub(crate) const CIRCUMSTANTIAL: [&str; 3] = ["events.jsonl", "trial.toml", provenance::FILE];

/// How two trainings of one trial compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Where they first left each other; none: they are the same bits.
    pub departure: Option<Departure>,
    /// How far the metrics are off.
    pub metrics: MetricDifferences,
    /// Whether both have a trace.
    pub traced: bool,
}

/// How far the metrics of a rerun are off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricDifferences {
    /// The largest difference of each metric, rerun minus recorded, in the metric's unit.
    pub largest: BTreeMap<String, f64>,
    /// The largest of all, counts as a fraction of what is counted.
    pub off: f64,
    /// A measurement that only one of them has.
    pub unpaired: Option<String>,
}

impl Comparison {
    /// Whether every metric is within the tolerance. Where weights and predictions are the same bits, one that only one of
    /// them has is no difference of results: versions of Fovea measure more, or name it otherwise.
    #[must_use]
    pub fn is_within(&self, tolerance: f64) -> bool {
        let made_of_the_same =
            self.departure.as_ref().is_none_or(|departure| is_made_of_predictions(&departure.what));
        self.metrics.within(tolerance) || (made_of_the_same && self.metrics.off <= tolerance)
    }
}

/// Whether it differs only when weights and predictions are the same.
pub(crate) fn is_made_of_predictions(what: &str) -> bool {
    what == "metrics.jsonl" || what.starts_with("gallery/")
}

impl MetricDifferences {
    /// Whether every metric is within the tolerance.
    #[must_use]
    pub fn within(&self, tolerance: f64) -> bool {
        self.unpaired.is_none() && self.off <= tolerance
    }
}

/// Compares a finished rerun with its record: trace, then weights, predictions, metrics, gallery.
///
/// # Errors
/// When a record cannot be read.
pub fn compare(recorded: &TrialRecord, rerun: &TrialRecord) -> Result<Comparison, StoreError> {
    let (before, after) = (recorded.store.read_trace(&recorded.id)?, rerun.store.read_trace(&rerun.id)?);
    let traced = !before.is_empty() && !after.is_empty();
    let in_training = if traced { trace_departure(&before, &after) } else { None };
    let departure = match in_training {
        Some(departure) => Some(departure),
        None => artefact_departure(recorded, rerun, traced)?,
    };
    let metrics = match departure {
        Some(_) => metric_differences(
            &recorded.store.read_metrics(&recorded.id)?,
            &rerun.store.read_metrics(&rerun.id)?,
        ),
        None => MetricDifferences::default(),
    };
    Ok(Comparison { departure, metrics, traced })
}

/// The first line at which two traces differ.
#[must_use]
pub fn trace_departure(recorded: &[TraceLine], rerun: &[TraceLine]) -> Option<Departure> {
    let at = recorded.iter().zip(rerun).position(|(a, b)| !same(a, b));
    let at = at.or_else(|| (recorded.len() != rerun.len()).then(|| recorded.len().min(rerun.len())))?;
    let (before, after) = (recorded.get(at), rerun.get(at));
    let (what, recorded_text, rerun_text) = match (before, after) {
        (
            Some(TraceLine::Step { step: s, batch, cross_entropy, explanation }),
            Some(TraceLine::Step { step: t, batch: batch2, cross_entropy: ce2, explanation: explanation2 }),
        ) if s == t => {
            let loss = |value: &Option<f32>| value.map_or("none".to_owned(), |value| format!("{value:?}"));
            if batch != batch2 {
                ("batch", batch.clone(), batch2.clone())
            } else if cross_entropy.to_bits() != ce2.to_bits() {
                ("cross-entropy", format!("{cross_entropy:?}"), format!("{ce2:?}"))
            } else {
                ("explanation loss", loss(explanation), loss(explanation2))
            }
        }
        (
            Some(TraceLine::Network { step: s, tensors }),
            Some(TraceLine::Network { step: t, tensors: other }),
        ) if s == t => {
            let name = first_tensor(tensors, other).unwrap_or_default();
            let hash = |of: &BTreeMap<String, String>| of.get(&name).cloned().unwrap_or("none".to_owned());
            ("network", hash(tensors), hash(other))
        }
        _ => {
            let text = |line: Option<&TraceLine>| match line {
                Some(line) => format!("goes on with step {}", line.step()),
                None => "has ended".to_owned(),
            };
            ("length of training", text(before), text(after))
        }
    };
    let step = before.or(after).map(TraceLine::step);
    let tensor = network_departure(&recorded[at.min(recorded.len())..], &rerun[at.min(rerun.len())..]);
    Some(Departure { step, what: what.to_owned(), tensor, recorded: recorded_text, rerun: rerun_text })
}

/// Bit for bit: a loss that is no number equals itself.
fn same(a: &TraceLine, b: &TraceLine) -> bool {
    let bits = |value: &Option<f32>| value.map(f32::to_bits);
    match (a, b) {
        (
            TraceLine::Step { step, batch, cross_entropy, explanation },
            TraceLine::Step { step: s, batch: b, cross_entropy: c, explanation: e },
        ) => {
            step == s && batch == b && cross_entropy.to_bits() == c.to_bits() && bits(explanation) == bits(e)
        }
        (a, b) => a == b,
    }
}

/// The first network that differs: its step and its first tensor that does.
fn network_departure(recorded: &[TraceLine], rerun: &[TraceLine]) -> Option<(usize, String)> {
    let networks = |line: &'_ TraceLine| match line {
        TraceLine::Network { step, tensors } => Some((*step, tensors.clone())),
        TraceLine::Step { .. } => None,
    };
    let after: BTreeMap<usize, BTreeMap<String, String>> = rerun.iter().filter_map(networks).collect();
    recorded.iter().filter_map(networks).find_map(|(step, tensors)| {
        let tensor = first_tensor(&tensors, after.get(&step)?)?;
        Some((step, tensor))
    })
}

/// The first tensor, in the order of the network, that differs or that only one of them has.
pub(crate) fn first_tensor(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Option<String> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().filter(|name| a.get(*name) != b.get(*name)).min_by_key(|name| place(name)).cloned()
}

/// The first artefact that differs, in the order in which they are computed.
fn artefact_departure(
    recorded: &TrialRecord,
    rerun: &TrialRecord,
    traced: bool,
) -> Result<Option<Departure>, StoreError> {
    let none = BTreeMap::new();
    let of = |record: &TrialRecord| record.done.as_ref().map(|done| done.artefacts.clone());
    let (before, after) = (of(recorded).unwrap_or(none.clone()), of(rerun).unwrap_or(none));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_by_key(|name| (rank(name), *name));
    names.dedup();
    let counts = |name: &str| !CIRCUMSTANTIAL.contains(&name) && (traced || name != trace::FILE);
    let first =
        names.into_iter().filter(|name| counts(name)).find(|name| before.get(*name) != after.get(*name));
    let Some(name) = first else { return Ok(None) };
    let hash = |of: &BTreeMap<String, String>| {
        of.get(name).map_or("missing".to_owned(), |hash| hash.chars().take(DIGITS).collect())
    };
    let (mut was, mut is) = (hash(&before), hash(&after));
    if name == "predictions.jsonl" && was != "missing" && is != "missing" {
        let records = |of: &TrialRecord| of.store.read_predictions(&of.id);
        if let Some((a, b)) = first_prediction(&records(recorded)?, &records(rerun)?) {
            (was, is) = (a, b);
        }
    }
    Ok(Some(Departure { step: None, what: name.clone(), tensor: None, recorded: was, rerun: is }))
}

fn rank(name: &str) -> usize {
    let order = [trace::FILE, WEIGHTS, "predictions.jsonl", "metrics.jsonl"];
    order.iter().position(|known| *known == name).unwrap_or(order.len())
}

/// The first picture whose prediction without noise differs, in words.
fn first_prediction(before: &[PredictionRecord], after: &[PredictionRecord]) -> Option<(String, String)> {
    let mut names: &[String] = &[];
    for (a, b) in before.iter().zip(after) {
        match (a, b) {
            (PredictionRecord::Split { images, .. }, _) => names = images,
            (
                PredictionRecord::Clean { split, predicted, confidence },
                PredictionRecord::Clean { predicted: predicted2, confidence: confidence2, .. },
            ) => {
                let pairs = predicted.iter().zip(predicted2).zip(confidence.iter().zip(confidence2));
                let differs = |((p, q), (c, d)): &((&usize, &usize), (&f32, &f32))| {
                    p != q || c.to_bits() != d.to_bits()
                };
                if let Some((at, ((p, q), (c, d)))) = pairs.enumerate().find(|(_, pair)| differs(pair)) {
                    let picture = names.get(at).map_or_else(|| format!("picture {at}"), Clone::clone);
                    let text = |class: usize, confidence: f32| {
                        format!("{split} {picture}: class {class}, true class {confidence:?}")
                    };
                    return Some((text(*p, *c), text(*q, *d)));
                }
            }
            _ => {}
        }
    }
    None
}

/// How far the final metrics of a rerun are off; curves of training, which end in them, are left out.
#[must_use]
pub fn metric_differences(recorded: &[MetricRow], rerun: &[MetricRow]) -> MetricDifferences {
    let finals = |rows: &[MetricRow]| -> BTreeMap<String, MetricRow> {
        let rows = rows.iter().filter(|row| row.epoch.is_none());
        rows.map(|row| (measurement(row), row.clone())).collect()
    };
    let (before, after) = (finals(recorded), finals(rerun));
    let mut differences = MetricDifferences::default();
    let unpaired = before.keys().find(|key| !after.contains_key(*key));
    differences.unpaired = unpaired.or_else(|| after.keys().find(|key| !before.contains_key(*key))).cloned();
    for (key, row) in &before {
        let Some(other) = after.get(key) else { continue };
        if row.value.to_bits() == other.value.to_bits() {
            continue;
        }
        let difference = other.value - row.value;
        let is_count = definition(&row.metric).is_some_and(|metric| metric.unit == Unit::Count);
        let scale = if is_count { row.count.max(1) as f64 } else { 1.0 };
        let size = if difference.is_nan() { f64::INFINITY } else { difference.abs() };
        differences.off = differences.off.max(size / scale);
        // One that is no number cannot be recorded, and is beyond every tolerance.
        if difference.is_finite() {
            let largest = differences.largest.entry(row.metric.clone()).or_insert(0.0);
            if difference.abs() >= largest.abs() {
                *largest = difference;
            }
        }
    }
    differences
}

/// What a row measures, in words: `accuracy on test`, `accuracy-fg on test, gaussian 60`.
#[must_use]
pub fn measurement(row: &MetricRow) -> String {
    let MetricRow { split, metric, noise, level, subset, epoch, .. } = row;
    let mut text = format!("{metric} on {split}");
    let mut add = |part: Option<String>| {
        if let Some(part) = part {
            text += ", ";
            text += &part;
        }
    };
    add(noise.as_ref().map(|noise| match level {
        Some(level) => format!("{noise} {level}"),
        None => format!("{noise}, mean over levels"),
    }));
    add(subset.clone());
    add(epoch.map(|epoch| format!("epoch {epoch}")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{network, step};

    fn trace() -> Vec<TraceLine> {
        vec![
            step(1, "b1", 2.0, None),
            network(1, &[("fc.weight", "a"), ("conv1.weight", "b")]),
            step(2, "b2", 1.5, None),
            network(2, &[("fc.weight", "c"), ("conv1.weight", "d")]),
            step(3, "b3", 1.25, Some(0.5)),
        ]
    }

    #[test]
    fn equal_traces_have_no_departure() {
        assert_eq!(trace_departure(&trace(), &trace()), None);
        let nan = [step(1, "b", f32::NAN, None)];
        assert_eq!(trace_departure(&nan, &nan), None);
    }

    #[test]
    fn the_first_step_and_the_first_tensor_of_the_network_are_named() {
        let mut other = trace();
        other[3] = network(2, &[("fc.weight", "x"), ("conv1.weight", "y")]);
        other[4] = step(3, "b3", 1.0, Some(0.5));
        let departure = trace_departure(&trace(), &other).unwrap();
        assert_eq!((departure.step, departure.what.as_str()), (Some(2), "network"));
        assert_eq!(departure.tensor, Some((2, "conv1.weight".to_owned())));
        assert_eq!((departure.recorded.as_str(), departure.rerun.as_str()), ("d", "y"));
        let mut other = trace();
        other[2] = step(2, "b2", 1.500_000_1, None);
        other[3] = network(2, &[("fc.weight", "x"), ("conv1.weight", "d")]);
        let departure = trace_departure(&trace(), &other).unwrap();
        assert_eq!((departure.step, departure.what.as_str()), (Some(2), "cross-entropy"));
        assert_eq!(departure.tensor, Some((2, "fc.weight".to_owned())));
        assert_eq!(departure.recorded, "1.5");
    }

    #[test]
    fn batch_explanation_and_length_are_told_apart() {
        let what = |change: &dyn Fn(&mut Vec<TraceLine>)| {
            let mut other = trace();
            change(&mut other);
            let departure = trace_departure(&trace(), &other).unwrap();
            (departure.step, departure.what)
        };
        assert_eq!(what(&|t| t[0] = step(1, "x", 3.0, None)), (Some(1), "batch".to_owned()));
        assert_eq!(what(&|t| t[4] = step(3, "b3", 1.25, None)), (Some(3), "explanation loss".to_owned()));
        assert_eq!(what(&|t| t.truncate(4)), (Some(3), "length of training".to_owned()));
    }

    #[test]
    fn metrics_are_paired_by_what_they_measure() {
        let row = |metric: &str, value| MetricRow::new("test", metric, value, 10);
        let curve = row("accuracy", 0.9).epoch(1);
        let before = [
            curve.clone(),
            row("accuracy", 0.5),
            row("accuracy", 0.25).subset("class a"),
            row("zero-cam", 2.0),
        ];
        let mut after = before.clone();
        (after[0].value, after[1].value, after[2].value, after[3].value) = (0.0, 0.48, 0.3, 3.0);
        let found = metric_differences(&before, &after);
        assert_eq!(found.largest.keys().collect::<Vec<_>>(), ["accuracy", "zero-cam"]);
        assert!((found.largest["accuracy"] - 0.05).abs() < 1e-12);
        assert!((found.off - 0.1).abs() < 1e-12, "a count of ten pictures: {}", found.off);
        assert!(found.within(0.11) && !found.within(0.09));
        let lost = metric_differences(&before, &after[..3]);
        assert_eq!(lost.unpaired.as_deref(), Some("zero-cam on test"));
        assert!(!lost.within(9.0));
        after[1].value = f64::NAN;
        let lost = metric_differences(&before, &after);
        assert!(!lost.within(9.0) && lost.largest.values().all(|value| value.is_finite()));
        assert_eq!(metric_differences(&before, &before), MetricDifferences::default());
    }
}

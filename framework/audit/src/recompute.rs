//! Metrics from the predictions that they are computed of. The main function is [`contradictions`].
//!
//! A check that depends on no hash: whoever edits `metrics.jsonl` and mends its hash in `DONE.json` has `predictions.jsonl`
//! against them.

use crate::compare::measurement;
use fovea_records::{MetricRow, PredictionRecord, Region};
use std::collections::{BTreeMap, BTreeSet};

/// Difference from which on two values are two. Some columns of the predictions have single precision.
const SLACK: f64 = 1e-6;

/// Every metric that is not what the predictions say, in words.
pub(crate) fn contradictions(rows: &[MetricRow], predictions: &[PredictionRecord]) -> Vec<String> {
    let splits = splits(predictions);
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| row.epoch.is_none()) {
        let Some(split) = splits.get(row.split.as_str()) else { continue };
        let value = split.value(row, rows);
        if let Some(value) = value.filter(|value| (value - row.value).abs() > SLACK || row.value.is_nan()) {
            found.push(format!("{} is {} and {} by the predictions", measurement(row), row.value, value));
        }
    }
    found
}

/// What the predictions hold of one split.
#[derive(Default)]
struct Split<'a> {
    labels: &'a [usize],
    groups: Option<&'a [usize]>,
    hits: Vec<bool>,
    /// Hits under noise, by kind, level (its bits) and region.
    noisy: BTreeMap<(&'a str, u64, Region), Vec<bool>>,
    explained: BTreeMap<&'static str, f64>,
}

fn splits(predictions: &[PredictionRecord]) -> BTreeMap<&str, Split<'_>> {
    let mut splits: BTreeMap<&str, Split<'_>> = BTreeMap::new();
    for record in predictions {
        match record {
            PredictionRecord::Split { split, labels, groups, .. } => {
                let split = splits.entry(split).or_default();
                (split.labels, split.groups) = (labels, groups.as_deref());
            }
            PredictionRecord::Clean { split, predicted, .. } => {
                let split = splits.entry(split).or_default();
                split.hits = predicted.iter().zip(split.labels).map(|(p, l)| p == l).collect();
            }
            PredictionRecord::Noisy { split, noise, region, level, predicted, .. } => {
                let split = splits.entry(split).or_default();
                let hits = predicted.iter().zip(split.labels).filter_map(|(p, l)| p.map(|p| p == *l));
                split.noisy.entry((noise, level.to_bits(), *region)).or_default().extend(hits);
            }
            PredictionRecord::Explanations { split, .. } => {
                splits.entry(split).or_default().explained = explained(record);
            }
        }
    }
    splits
}

fn explained(record: &PredictionRecord) -> BTreeMap<&'static str, f64> {
    let PredictionRecord::Explanations {
        box_iou,
        mask_iou,
        energy_inside,
        delta_density,
        average_precision,
        pointing_hit,
        zero_cam,
        ..
    } = record
    else {
        return BTreeMap::new();
    };
    let mean = |values: &[Option<f32>]| {
        let values: Vec<f64> = values.iter().flatten().map(|value| f64::from(*value)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let hits: Vec<Option<f32>> =
        pointing_hit.iter().map(|hit| hit.map(|hit| f32::from(u8::from(hit)))).collect();
    let zeros = zero_cam.iter().filter(|zero| **zero).count();
    let means = [
        ("box-iou", mean(box_iou)),
        ("mask-iou", mean(mask_iou)),
        ("energy-inside", mean(energy_inside)),
        ("delta-density", mean(delta_density)),
        ("average-precision", mean(average_precision)),
        ("pointing-game", mean(&hits)),
        ("zero-cam", Some(zeros as f64)),
    ];
    means.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
}

impl Split<'_> {
    /// A metric by the predictions; none where they do not tell.
    fn value(&self, row: &MetricRow, rows: &[MetricRow]) -> Option<f64> {
        match (row.metric.as_str(), &row.noise, &row.subset) {
            ("accuracy", None, None) => fraction(&self.hits),
            ("accuracy", None, Some(name)) => {
                // Rows name classes, predictions number them; both are in one order, empty ones left out.
                let (kind, members) = match name.split_once(' ')? {
                    ("class", _) => ("class ", self.labels),
                    ("group", _) => ("group ", self.groups?),
                    _ => return None,
                };
                let of_kind = rows.iter().filter(|other| {
                    other.epoch.is_none()
                        && other.split == row.split
                        && other.metric == "accuracy"
                        && other.subset.as_ref().is_some_and(|name| name.starts_with(kind))
                });
                let place = of_kind.map(|other| &other.subset).position(|other| *other == row.subset)?;
                Some(*self.by(members).get(place)?)
            }
            ("balanced-accuracy", None, None) => {
                let classes = self.by(self.labels);
                (!classes.is_empty()).then(|| classes.iter().sum::<f64>() / classes.len() as f64)
            }
            ("worst-group-accuracy", None, None) => self.by(self.groups?).into_iter().reduce(f64::min),
            (metric, Some(noise), None) => match row.level {
                Some(level) => self.under_noise(metric, noise, level.to_bits()),
                None => {
                    let levels: BTreeSet<u64> = self
                        .noisy
                        .keys()
                        .filter(|(kind, ..)| kind == noise)
                        .map(|(_, level, _)| *level)
                        .collect();
                    let values: Option<Vec<f64>> =
                        levels.into_iter().map(|level| self.under_noise(metric, noise, level)).collect();
                    let values = values.filter(|values| !values.is_empty())?;
                    Some(values.iter().sum::<f64>() / values.len() as f64)
                }
            },
            (metric, None, None) => self.explained.get(metric).copied(),
            _ => None,
        }
    }

    /// Accuracy within each class or group that has pictures, in order.
    fn by(&self, members: &[usize]) -> Vec<f64> {
        let mut hits: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for (member, hit) in members.iter().zip(&self.hits) {
            hits.entry(*member).or_default().push(*hit);
        }
        hits.values().filter_map(|hits| fraction(hits)).collect()
    }

    fn under_noise(&self, metric: &str, noise: &str, level: u64) -> Option<f64> {
        let of = |region| {
            let hits = self.noisy.get(&(noise, level, region));
            // A region that no picture has counts as 0.
            hits.map(|hits| fraction(hits).unwrap_or(0.0))
        };
        let (fore, back) = (of(Region::Foreground)?, of(Region::Background)?);
        match metric {
            "accuracy-fg" => Some(fore),
            "accuracy-bg" => Some(back),
            "rfs" => Some(back - fore),
            "rfs-normalised" => {
                let mean = f64::midpoint(fore, back);
                let room = 2.0 * mean.min(1.0 - mean);
                Some(if room > 0.0 { (back - fore) / room } else { 0.0 })
            }
            _ => None,
        }
    }
}

fn fraction(hits: &[bool]) -> Option<f64> {
    (!hits.is_empty()).then(|| hits.iter().filter(|hit| **hit).count() as f64 / hits.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> Vec<PredictionRecord> {
        let split = || "test".to_owned();
        let noisy = |region, draw, predicted: [Option<usize>; 4]| PredictionRecord::Noisy {
            split: split(),
            noise: "gaussian".into(),
            region,
            level: 60.0,
            draw,
            predicted: predicted.to_vec(),
        };
        vec![
            PredictionRecord::Split {
                split: split(),
                images: (0..4).map(|i| i.to_string()).collect(),
                labels: vec![0, 0, 2, 2],
                groups: Some(vec![0, 1, 1, 1]),
            },
            PredictionRecord::Clean { split: split(), predicted: vec![0, 1, 2, 2], confidence: vec![0.5; 4] },
            noisy(Region::Foreground, 0, [None, Some(0), Some(0), Some(2)]),
            noisy(Region::Background, 0, [Some(0), Some(0), Some(2), Some(2)]),
        ]
    }

    fn rows() -> Vec<MetricRow> {
        let row = |metric: &str, value| MetricRow::new("test", metric, value, 4);
        vec![
            row("accuracy", 0.75),
            row("balanced-accuracy", 0.75),
            row("accuracy", 0.5).subset("class a"),
            row("accuracy", 1.0).subset("class c"),
            row("accuracy", 1.0).subset("group x"),
            row("accuracy", 2.0 / 3.0).subset("group y"),
            row("worst-group-accuracy", 2.0 / 3.0),
            row("accuracy-fg", 2.0 / 3.0).noise("gaussian", Some(60.0)),
            row("rfs", 1.0 / 3.0).noise("gaussian", None),
            row("accuracy", 0.1).epoch(1),
            MetricRow::new("train", "cor-loc", 0.4, 4),
        ]
    }

    #[test]
    fn what_predictions_say_is_no_contradiction() {
        assert_eq!(contradictions(&rows(), &predictions()), [""; 0]);
    }

    #[test]
    fn every_edited_row_is_named() {
        for at in 0..9 {
            let mut edited = rows();
            edited[at].value += 0.01;
            let found = contradictions(&edited, &predictions());
            assert_eq!(found.len(), 1, "row {at}: {found:?}");
            assert!(found[0].starts_with(&measurement(&edited[at])), "{found:?}");
        }
    }
}

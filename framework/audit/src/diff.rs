//! What two trials have not in common. The main function is [`diff_trials`], the main type [`TrialDiff`].

use crate::TrialRecord;
use crate::circumstances::beside_plugins;
use crate::compare::{CIRCUMSTANTIAL, measurement, trace_departure};
use fovea_orchestrator::changes::{Change, changes};
use fovea_records::verdict::{Change as Circumstance, Departure};
use fovea_records::{MetricRow, PredictionRecord, Region, StoreError, TrialId, provenance};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One of two trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Its folder.
    pub dir: PathBuf,
    /// Its id.
    pub id: TrialId,
    /// The label of its variant with its seed.
    pub label: String,
    /// Whether it ended with a trained network.
    pub done: bool,
}

impl Side {
    fn of(record: &TrialRecord) -> Self {
        let done = record.done.as_ref().is_some_and(|done| done.ended == fovea_records::TrialOutcome::Done);
        Self { dir: record.dir(), id: record.id.clone(), label: record.label(), done }
    }
}

/// Two trials beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialDiff {
    /// The first.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Keys of the configuration that differ.
    pub config: Vec<Change>,
    /// Circumstances that differ.
    pub circumstances: Vec<Circumstance>,
    /// Whether both have recorded their circumstances; if not, little is known of them.
    pub circumstances_known: bool,
    /// Final metrics of both.
    pub metrics: Vec<MetricPair>,
    /// Where their trainings left each other; none: nowhere, or it is not known.
    pub departure: Option<Departure>,
    /// Whether both have a trace.
    pub traced: bool,
    /// How far they predict the same.
    pub agreement: Vec<Agreement>,
    /// Their artefacts.
    pub artefacts: Vec<ArtefactPair>,
}

/// One final metric of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricPair {
    /// What is measured, in words.
    pub measurement: String,
    /// Name of the metric.
    pub metric: String,
    /// Whether it is about all pictures of a split, over all levels of noise.
    pub whole: bool,
    /// Of the first.
    pub a: Option<f64>,
    /// Of the second.
    pub b: Option<f64>,
}

impl MetricPair {
    /// The second less the first.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        Some(self.b? - self.a?)
    }

    /// Whether both have the same value.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.a.map(f64::to_bits) == self.b.map(f64::to_bits)
    }
}

/// How many pictures two networks predict differently.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The split, with the noise if there is any.
    pub what: String,
    /// Pictures that both have a prediction for, over all draws of the noise.
    pub pictures: usize,
    /// Of these, how many have another class.
    pub differ: usize,
    /// How many only the first has right.
    pub only_a_right: usize,
    /// How many only the second has right.
    pub only_b_right: usize,
}

/// One file of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArtefactPair {
    /// Path within the trial's folder.
    pub path: String,
    /// Whether both have it.
    pub in_both: bool,
    /// Whether it is the same file.
    pub equal: bool,
}

/// Compares two trials, done or not.
///
/// # Errors
/// When a record cannot be read.
pub fn diff_trials(a: &TrialRecord, b: &TrialRecord) -> Result<TrialDiff, StoreError> {
    let traces = (a.store.read_trace(&a.id)?, b.store.read_trace(&b.id)?);
    let traced = !traces.0.is_empty() && !traces.1.is_empty();
    Ok(TrialDiff {
        a: Side::of(a),
        b: Side::of(b),
        config: config_changes(a, b),
        circumstances: beside_plugins(a, b),
        circumstances_known: a.last_process().is_some() && b.last_process().is_some(),
        metrics: pairs(&a.store.read_metrics(&a.id)?, &b.store.read_metrics(&b.id)?),
        departure: if traced { trace_departure(&traces.0, &traces.1) } else { None },
        traced,
        agreement: agreement(&a.store.read_predictions(&a.id)?, &b.store.read_predictions(&b.id)?),
        artefacts: artefacts(a, b),
    })
}

/// What differs between the configurations of two trials.
#[must_use]
pub fn config_changes(a: &TrialRecord, b: &TrialRecord) -> Vec<Change> {
    let config = |of: &TrialRecord| {
        of.config().ok().and_then(|config| serde_json::to_value(config).ok()).unwrap_or_default()
    };
    changes(&config(a), &config(b))
}

/// Final metrics of both, in the order of the first and then of what only the second has.
#[must_use]
pub fn pairs(a: &[MetricRow], b: &[MetricRow]) -> Vec<MetricPair> {
    let finals = |rows: &[MetricRow]| -> Vec<MetricRow> {
        rows.iter().filter(|row| row.epoch.is_none()).cloned().collect()
    };
    let (a, b) = (finals(a), finals(b));
    let by_name = |rows: &[MetricRow]| -> BTreeMap<String, f64> {
        rows.iter().map(|row| (measurement(row), row.value)).collect()
    };
    let (of_a, of_b) = (by_name(&a), by_name(&b));
    let mut seen = BTreeSet::new();
    let rows = a.iter().chain(&b).filter(|row| seen.insert(measurement(row)));
    rows.map(|row| {
        let name = measurement(row);
        MetricPair {
            metric: row.metric.clone(),
            whole: row.subset.is_none() && row.level.is_none(),
            a: of_a.get(&name).copied(),
            b: of_b.get(&name).copied(),
            measurement: name,
        }
    })
    .collect()
}

/// What two networks were asked.
type Condition = (String, Option<(String, u64, Region)>);

/// Predictions under one condition, over all draws: of each picture its name, its class, and the class that is predicted.
type Answers = Vec<(String, usize, Option<usize>)>;

/// How far two networks predict the same, on pictures that both were asked about.
fn agreement(a: &[PredictionRecord], b: &[PredictionRecord]) -> Vec<Agreement> {
    let (answers_a, order) = answers(a);
    let (answers_b, _) = answers(b);
    let mut found = Vec::new();
    for condition in order {
        let (Some(a), Some(b)) = (answers_a.get(&condition), answers_b.get(&condition)) else { continue };
        let what = match &condition {
            (split, None) => split.clone(),
            (split, Some((noise, level, region))) => {
                let place = match region {
                    Region::Foreground => "foreground",
                    Region::Background => "background",
                };
                format!("{split}, {noise} {} in the {place}", f64::from_bits(*level))
            }
        };
        let mut agreement = Agreement { what, pictures: 0, differ: 0, only_a_right: 0, only_b_right: 0 };
        for ((name, label, p), (other, _, q)) in a.iter().zip(b) {
            let (Some(p), Some(q)) = (p, q) else { continue };
            if name != other {
                continue;
            }
            agreement.pictures += 1;
            agreement.differ += usize::from(p != q);
            agreement.only_a_right += usize::from(p == label && q != label);
            agreement.only_b_right += usize::from(p != label && q == label);
        }
        found.push(agreement);
    }
    found
}

/// Predictions by condition, and the conditions in the order in which they come.
fn answers(records: &[PredictionRecord]) -> (BTreeMap<Condition, Answers>, Vec<Condition>) {
    let mut pictures: BTreeMap<&str, (&[String], &[usize])> = BTreeMap::new();
    let mut answers: BTreeMap<Condition, Answers> = BTreeMap::new();
    let mut order = Vec::new();
    for record in records {
        let (split, noise, predicted): (&String, _, Vec<Option<usize>>) = match record {
            PredictionRecord::Split { split, images, labels, .. } => {
                pictures.insert(split, (images, labels));
                continue;
            }
            PredictionRecord::Clean { split, predicted, .. } => {
                (split, None, predicted.iter().copied().map(Some).collect())
            }
            PredictionRecord::Noisy { split, noise, region, level, predicted, .. } => {
                (split, Some((noise.clone(), level.to_bits(), *region)), predicted.clone())
            }
            PredictionRecord::Explanations { .. } => continue,
        };
        let Some((names, labels)) = pictures.get(split.as_str()) else { continue };
        let condition = (split.clone(), noise);
        if !answers.contains_key(&condition) {
            order.push(condition.clone());
        }
        let of_condition = answers.entry(condition).or_default();
        let named = names.iter().zip(*labels).zip(predicted);
        of_condition.extend(named.map(|((name, label), predicted)| (name.clone(), *label, predicted)));
    }
    (answers, order)
}

fn artefacts(a: &TrialRecord, b: &TrialRecord) -> Vec<ArtefactPair> {
    let of =
        |record: &TrialRecord| record.done.as_ref().map(|done| done.artefacts.clone()).unwrap_or_default();
    let (a, b) = (of(a), of(b));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let told = |name: &&String| !CIRCUMSTANTIAL.contains(&name.as_str()) && name.as_str() != provenance::FILE;
    let pair = |name: &String| ArtefactPair {
        in_both: a.contains_key(name) && b.contains_key(name),
        equal: a.get(name) == b.get(name),
        path: name.clone(),
    };
    names.into_iter().filter(told).map(pair).collect()
}

/// Whether two trials left the same results, bit for bit.
#[must_use]
pub fn equal_results(a: &TrialRecord, b: &TrialRecord) -> bool {
    artefacts(a, b)
        .iter()
        .filter(|pair| pair.path != fovea_records::trace::FILE || pair.in_both)
        .all(|pair| pair.equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(clean: [usize; 3], noisy: [Option<usize>; 3]) -> Vec<PredictionRecord> {
        let split = || "test".to_owned();
        vec![
            PredictionRecord::Split {
                split: split(),
                images: ["x", "y", "z"].map(str::to_owned).to_vec(),
                labels: vec![0, 1, 2],
                groups: None,
            },
            PredictionRecord::Clean { split: split(), predicted: clean.to_vec(), confidence: vec![0.5; 3] },
            PredictionRecord::Noisy {
                split: split(),
                noise: "gaussian".into(),
                region: Region::Foreground,
                level: 60.0,
                draw: 0,
                predicted: noisy.to_vec(),
            },
        ]
    }

    #[test]
    fn pictures_on_which_networks_disagree_are_counted() {
        let a = predictions([0, 0, 2], [None, Some(1), Some(0)]);
        let b = predictions([0, 1, 1], [Some(0), Some(0), Some(0)]);
        let found = agreement(&a, &b);
        let clean =
            Agreement { what: "test".into(), pictures: 3, differ: 2, only_a_right: 1, only_b_right: 1 };
        let what = "test, gaussian 60 in the foreground".to_owned();
        let noisy = Agreement { what, pictures: 2, differ: 1, only_a_right: 1, only_b_right: 0 };
        assert_eq!(found, [clean, noisy]);
    }

    #[test]
    fn a_metric_that_only_one_has_is_kept() {
        let row = |metric: &str, value| MetricRow::new("test", metric, value, 3);
        let a =
            [row("accuracy", 0.5), row("rfs", 0.1).noise("gaussian", Some(60.0)), row("loss", 1.0).epoch(1)];
        let b = [row("accuracy", 0.75), row("box-iou", 0.4)];
        let found = pairs(&a, &b);
        let shown: Vec<_> =
            found.iter().map(|pair| (pair.measurement.as_str(), pair.a, pair.b, pair.whole)).collect();
        assert_eq!(
            shown,
            [
                ("accuracy on test", Some(0.5), Some(0.75), true),
                ("rfs on test, gaussian 60", Some(0.1), None, false),
                ("box-iou on test", None, Some(0.4), true),
            ]
        );
        assert_eq!(found[0].difference(), Some(0.25));
    }
}

//! What two runs have not in common. The main function is [`diff_runs`], the main type [`RunDiff`].

use crate::TrialRecord;
use crate::circumstances::beside_plugins;
use crate::diff::{config_changes, equal_results, pairs};
use fovea_orchestrator::changes::Change;
use fovea_records::verdict::Change as Circumstance;
use fovea_records::{MetricRow, RunStore, StoreError, TrialId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Two runs beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDiff {
    /// Names of their experiments.
    pub names: [String; 2],
    /// Trials in the plan of the first that have no counterpart.
    pub only_a: Vec<Named>,
    /// Trials in the plan of the second that have none.
    pub only_b: Vec<Named>,
    /// Trials that both have, by id, or else by the label of their variant and their seed.
    pub both: Vec<Pair>,
    /// What differs between the configurations of every pair.
    pub config: Vec<Change>,
    /// What differs between the circumstances, with how many pairs it does.
    pub circumstances: Vec<(Circumstance, usize)>,
    /// Final metrics of whole splits by variant, over the pairs in which both are done.
    pub means: Vec<MeanPair>,
}

/// A trial by its names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named {
    /// Its id.
    pub id: TrialId,
    /// The label of its variant with its seed.
    pub label: String,
}

/// A trial of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Of the first.
    pub a: Named,
    /// Of the second.
    pub b: Named,
    /// Whether both are the same trial.
    pub same_id: bool,
    /// Whether both left the same bits; none: one of the two is not done.
    pub equal: Option<bool>,
    /// What differs between their configurations and not between those of all pairs.
    pub config: Vec<Change>,
}

/// A metric of one variant in both runs, mean over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanPair {
    /// The variant, as the first run calls it.
    pub variant: String,
    /// What is measured, in words.
    pub measurement: String,
    /// Name of the metric.
    pub metric: String,
    /// Seeds that both have.
    pub seeds: usize,
    /// Mean of the first.
    pub a: f64,
    /// Mean of the second.
    pub b: f64,
    /// Mean of the differences, second less first, of each seed.
    pub difference: f64,
    /// Their standard deviation; none of one seed.
    pub sd: Option<f64>,
}

/// Compares two runs.
///
/// # Errors
/// When a record cannot be read.
pub fn diff_runs(a: &RunStore, b: &RunStore) -> Result<RunDiff, StoreError> {
    let (plan_a, plan_b) = (a.read_plan()?, b.read_plan()?);
    let open = |store: &RunStore, plan: &fovea_records::RunPlan| {
        let ids = plan.trials.iter().map(|trial| &trial.id);
        ids.map(|id| TrialRecord::open(store, plan, id)).collect::<Result<Vec<_>, _>>()
    };
    let (of_a, of_b) = (open(a, &plan_a)?, open(b, &plan_b)?);
    let matched = match_up(&of_a, &of_b);
    let taken: BTreeSet<&TrialId> = matched.iter().flat_map(|(a, b)| [&a.id, &b.id]).collect();
    let rest = |of: &[TrialRecord]| of.iter().filter(|r| !taken.contains(&r.id)).map(named).collect();
    let configs: Vec<Vec<Change>> = matched.iter().map(|(a, b)| config_changes(a, b)).collect();
    let common: Vec<Change> = configs
        .first()
        .into_iter()
        .flatten()
        .filter(|change| configs.iter().all(|of| of.contains(change)))
        .cloned()
        .collect();
    let mut both = Vec::new();
    let mut circumstances: Vec<(Circumstance, usize)> = Vec::new();
    for ((a, b), config) in matched.iter().zip(configs) {
        let ended = a.done.is_some() && b.done.is_some();
        both.push(Pair {
            a: named(a),
            b: named(b),
            same_id: a.id == b.id,
            equal: ended.then(|| equal_results(a, b)),
            config: config.into_iter().filter(|change| !common.contains(change)).collect(),
        });
        for change in beside_plugins(a, b).into_iter().filter(|_| ended) {
            match circumstances.iter_mut().find(|(known, _)| *known == change) {
                Some((_, count)) => *count += 1,
                None => circumstances.push((change, 1)),
            }
        }
    }
    Ok(RunDiff {
        names: [plan_a.name, plan_b.name],
        only_a: rest(&of_a),
        only_b: rest(&of_b),
        means: means(&matched)?,
        both,
        config: common,
        circumstances,
    })
}

fn named(record: &TrialRecord) -> Named {
    Named { id: record.id.clone(), label: record.label() }
}

/// Trials of both runs: those of one id, and of the others those of one label.
fn match_up<'a>(of_a: &'a [TrialRecord], of_b: &'a [TrialRecord]) -> Vec<(&'a TrialRecord, &'a TrialRecord)> {
    let same = |a: &TrialRecord| of_b.iter().find(|b| b.id == a.id);
    let in_a: BTreeSet<&TrialId> = of_a.iter().map(|a| &a.id).collect();
    let named: BTreeMap<String, &TrialRecord> =
        of_b.iter().filter(|b| !in_a.contains(&b.id)).map(|b| (b.label(), b)).collect();
    of_a.iter().filter_map(|a| Some((a, same(a).or_else(|| named.get(&a.label()).copied())?))).collect()
}

fn means(matched: &[(&TrialRecord, &TrialRecord)]) -> Result<Vec<MeanPair>, StoreError> {
    let mut order: Vec<(String, String, String)> = Vec::new();
    let mut values: BTreeMap<(String, String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for (a, b) in matched.iter().filter(|(a, b)| a.done.is_some() && b.done.is_some()) {
        let rows = |of: &TrialRecord| -> Result<Vec<MetricRow>, StoreError> { of.store.read_metrics(&of.id) };
        let variant = a.planned.as_ref().map(|planned| planned.variant.clone()).unwrap_or_default();
        for pair in pairs(&rows(a)?, &rows(b)?).into_iter().filter(|pair| pair.whole) {
            let (Some(value), Some(other)) = (pair.a, pair.b) else { continue };
            let key = (variant.clone(), pair.measurement, pair.metric);
            if !values.contains_key(&key) {
                order.push(key.clone());
            }
            values.entry(key).or_default().push((value, other));
        }
    }
    let of = |key: (String, String, String)| {
        let pairs = &values[&key];
        let n = pairs.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        let difference = mean(|(a, b)| b - a);
        let squares: f64 = pairs.iter().map(|(a, b)| (b - a - difference).powi(2)).sum();
        let (variant, measurement, metric) = key;
        MeanPair {
            variant,
            measurement,
            metric,
            seeds: pairs.len(),
            a: mean(|pair| pair.0),
            b: mean(|pair| pair.1),
            difference,
            sd: (pairs.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
        }
    };
    Ok(order.into_iter().map(of).collect())
}

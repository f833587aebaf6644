//! What the trials' configurations share and where they differ. The main type is [`ConfigView`].

use crate::run::Run;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Of more variants than this, values are counted and not listed one by one.
const MOST_COLUMNS: usize = 12;

/// Values of one key that are counted.
const MOST_VALUES: usize = 12;

/// Configurations, flattened to dotted keys.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigView {
    /// Keys with one value over all trials.
    pub(crate) shared: Vec<(String, String)>,
    /// Names of the variants, as columns of `differing`, or one column for all of them.
    pub(crate) variants: Vec<String>,
    /// Keys that differ, with their value in each variant (`-` where a variant lacks the key; values that change with
    /// the seed are listed).
    pub(crate) differing: Vec<(String, Vec<String>)>,
}

impl ConfigView {
    /// Compares the configurations of all planned trials.
    pub(crate) fn new(run: &Run) -> Self {
        let mut keys: Vec<String> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let flat: Vec<BTreeMap<String, String>> = run
            .trials
            .iter()
            .map(|trial| {
                let mut entries = Vec::new();
                flatten("", &trial.planned.config, &mut entries);
                for (key, _) in &entries {
                    if seen.insert(key.clone()) {
                        keys.push(key.clone());
                    }
                }
                entries.into_iter().collect()
            })
            .collect();
        let mut shared = Vec::new();
        let mut differing = Vec::new();
        for key in keys {
            let first = flat.first().and_then(|f| f.get(&key));
            if flat.iter().all(|f| f.get(&key) == first) {
                shared.push((key.clone(), first.cloned().unwrap_or_default()));
                continue;
            }
            let values = run.variants.iter().map(|variant| {
                let mut values: Vec<&str> =
                    variant.trials.iter().map(|&t| flat[t].get(&key).map_or("-", String::as_str)).collect();
                values.dedup();
                values.join(", ")
            });
            let values: Vec<String> = values.collect();
            if values.iter().all(|v| *v == values[0]) {
                shared.push((key, format!("{} (changes with the seed)", values[0])));
            } else {
                differing.push((key, values));
            }
        }
        if run.variants.len() > MOST_COLUMNS {
            let differing =
                differing.into_iter().map(|(key, values)| (key, vec![counted(&values)])).collect();
            return Self {
                shared,
                variants: vec!["values, and how many variants have them".to_owned()],
                differing,
            };
        }
        Self { shared, variants: run.variants.iter().map(|v| v.label.clone()).collect(), differing }
    }
}

/// `0.1 (20), 0.5 (20)`, in order of appearance.
fn counted(values: &[String]) -> String {
    let mut counts: Vec<(&String, usize)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(own, _)| *own == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    let shown: Vec<String> =
        counts.iter().take(MOST_VALUES).map(|(value, count)| format!("{value} ({count})")).collect();
    let more = counts.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more values") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn flatten(prefix: &str, value: &Value, entries: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, entries);
            }
        }
        Value::String(text) => entries.push((prefix.to_owned(), text.clone())),
        other => entries.push((prefix.to_owned(), other.to_string())),
    }
}

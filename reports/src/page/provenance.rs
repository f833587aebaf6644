//! What the numbers rest on: what all trials have in common once, and how they differ. The main type is
//! [`ProvenanceView`].

use super::Links;
use crate::format::date;
use crate::run::Run;
use fovea_records::Provenance;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};

/// Digits of a hash that are shown; the whole is in the record.
const HASH: usize = 16;

/// Trials that are named in a group; the others are counted.
const MOST_NAMED: usize = 12;

/// The provenance of all trials that have one.
#[derive(Debug, Serialize)]
pub(crate) struct ProvenanceView {
    /// Key and value that all have in common.
    shared: Vec<(String, String)>,
    /// Keys that differ.
    keys: Vec<String>,
    /// Trials that are alike in all of these, with the values.
    groups: Vec<Group>,
    /// Trials with and without.
    recorded: usize,
    missing: usize,
    /// When the first began and the last, in words.
    span: Option<(String, String)>,
    #[serde(skip)]
    group_of: HashMap<usize, usize>,
}

#[derive(Debug, Serialize)]
struct Group {
    number: usize,
    values: Vec<String>,
    /// Label, element and record of each trial, as far as they are named.
    trials: Vec<(String, String, String)>,
    more: usize,
}

type Facts = Vec<(String, String)>;

impl ProvenanceView {
    /// Compares what is recorded.
    pub(crate) fn new(run: &Run, links: &Links) -> Self {
        let recorded: Vec<(usize, Facts)> = run
            .trials
            .iter()
            .enumerate()
            .filter(|(_, trial)| !trial.provenance.is_empty())
            .map(|(place, trial)| (place, facts(&trial.provenance)))
            .collect();
        let mut keys: Vec<&str> = Vec::new();
        for (key, _) in recorded.iter().flat_map(|(_, facts)| facts) {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        let of = |facts: &Facts, key: &str| {
            facts
                .iter()
                .find(|(own, _)| own == key)
                .map_or_else(|| "–".to_owned(), |(_, value)| value.clone())
        };
        let mut shared = Vec::new();
        let mut differing: Vec<&str> = Vec::new();
        for key in keys {
            let values: BTreeSet<String> = recorded.iter().map(|(_, facts)| of(facts, key)).collect();
            match values.len() {
                1 => shared.extend(values.into_iter().map(|value| (key.to_owned(), value))),
                _ => differing.push(key),
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut group_of = HashMap::new();
        let mut numbers: HashMap<Vec<String>, usize> = HashMap::new();
        for (place, facts) in &recorded {
            let values: Vec<String> = differing.iter().map(|key| of(facts, key)).collect();
            let number = *numbers.entry(values.clone()).or_insert_with(|| {
                groups.push(Group { number: groups.len() + 1, values, trials: Vec::new(), more: 0 });
                groups.len()
            });
            group_of.insert(*place, number);
            let group = &mut groups[number - 1];
            let trial = &run.trials[*place];
            if group.trials.len() < MOST_NAMED {
                let label = format!("{}, seed {}", run.variants[trial.variant].label, trial.planned.seed);
                let record = format!("{}{}", links.trial(trial), fovea_records::provenance::FILE);
                group.trials.push((label, links.anchor(run, *place), record));
            } else {
                group.more += 1;
            }
        }
        let times = || run.trials.iter().flat_map(|trial| &trial.provenance).map(|line| line.time);
        let (first, last) =
            (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
        Self {
            recorded: recorded.len(),
            missing: run.trials.iter().filter(|t| t.done.is_some() && t.provenance.is_empty()).count(),
            span: (first <= last).then(|| (date(first), date(last))),
            keys: differing.into_iter().map(str::to_owned).collect(),
            shared,
            groups,
            group_of,
        }
    }

    /// The group of the trial at this place.
    pub(crate) fn group_of(&self, place: usize) -> Option<usize> {
        self.group_of.get(&place).copied()
    }
}

/// What is recorded, in words; a key of several processes that differ has all their values, in order.
fn facts(lines: &[Provenance]) -> Facts {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for (key, value) in lines.iter().flat_map(of_process) {
        match all.iter_mut().find(|(own, _)| *own == key) {
            Some((_, values)) if !values.contains(&value) => values.push(value),
            Some(_) => {}
            None => all.push((key, vec![value])),
        }
    }
    all.into_iter().map(|(key, values)| (key, values.join("; then "))).collect()
}

fn of_process(line: &Provenance) -> Facts {
    let Provenance { program, source, machine, device, .. } = line;
    let hash = |text: &str| text.chars().take(HASH).collect::<String>();
    let mut facts: Facts = Vec::new();
    let mut add = |key: &str, value: String| {
        if !value.is_empty() {
            facts.push((key.to_owned(), value));
        }
    };
    add("Fovea", program.version.clone());
    add("program (BLAKE3)", hash(&program.blake3));
    add("Cargo.lock (BLAKE3)", hash(&program.cargo_lock));
    add("compiler", program.compiler.clone());
    add("target", program.target.clone());
    add("features", program.features.clone());
    if let Some(source) = source {
        add("commit", source.commit.clone());
        let patch =
            source.patch.as_deref().map_or("none".to_owned(), |patch| format!("patch {}", hash(patch)));
        add("difference to the commit", patch);
        add("files that git does not know", source.untracked.join(", "));
    }
    add("device", device.name.clone());
    add("device model", device.model.clone().unwrap_or_default());
    add("driver", device.driver.clone().unwrap_or_default());
    add("products of f32", device.products.clone().unwrap_or_default());
    add("threads", line.threads.to_string());
    add("CPU", machine.cpu.clone());
    add("instructions", machine.instructions.join(" "));
    add("cores", machine.cores.to_string());
    add("memory", format!("{:.1} GB", machine.memory as f64 / 1e9));
    add("system", machine.system.clone());
    for (name, value) in &line.environment {
        add(&format!("environment {name}"), value.clone());
    }
    for plugin in &line.plugins {
        let library = plugin.library.as_deref().map(|library| format!(" from {library}")).unwrap_or_default();
        add(&plugin.kind, format!("{} ({}){library}", plugin.name, hash(&plugin.fingerprint)));
        for (key, blake3) in &plugin.files {
            add(&format!("{} {key} (BLAKE3)", plugin.kind), hash(blake3));
        }
    }
    facts
}

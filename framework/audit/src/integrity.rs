//! Whether a record is what was written when the trial ended. The main function is [`flaws`].

use crate::TrialRecord;
use crate::compare::{first_tensor, measurement, trace_departure};
use crate::error::io;
use crate::recompute::contradictions;
use crate::record::WEIGHTS;
use fovea_orchestrator::changes::changes;
use fovea_plan::TrialConfig;
use fovea_records::store::{hash_tree, is_artefact};
use fovea_records::{MetricRow, StoreError, TraceLine, TrialEvent};
use safetensors::SafeTensors;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;

/// Contradictions of one kind that are listed.
const LISTED: usize = 3;

/// Digits of a tensor's hash in a trace.
const DIGITS: usize = 16;

/// What is known beside the record itself.
pub struct Knowledge<'a> {
    /// Files that a bundle leaves out on purpose, by path within the run.
    pub left_out: &'a BTreeSet<String>,
    /// A configuration with the keys that TOML cannot hold, because they have no value; `None` when that is not known.
    pub complete: &'a dyn Fn(&TrialConfig) -> Option<TrialConfig>,
}

/// Everything that is wrong with the record of a trial that has ended, each a sentence with the file and what to do; empty
/// when it is sound. One that has not ended has no record to check.
///
/// # Errors
/// When a file cannot be read.
pub fn flaws(record: &TrialRecord, knowledge: &Knowledge<'_>) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    if record.done.is_none() {
        return Ok(found);
    }
    hashes(record, knowledge, &mut found)?;
    identity(record, knowledge, &mut found);
    // A line that is none is a flaw of the file, told with its place.
    match (record.store.read_metrics(&record.id), record.store.read_predictions(&record.id)) {
        (Ok(rows), Ok(predictions)) => {
            let advice = "one of the two was changed after the trial ended; `fovea rerun` shows which values are right";
            let wrong = contradictions(&rows, &predictions);
            tell(&mut found, "metrics.jsonl contradicts predictions.jsonl", &wrong, advice);
            if let Ok(events) = record.store.read_events(&record.id) {
                tell(
                    &mut found,
                    "metrics.jsonl contradicts events.jsonl",
                    &unannounced(&rows, &events),
                    advice,
                );
            }
        }
        (rows, predictions) => {
            let errors = [rows.err(), predictions.err()];
            found.extend(errors.into_iter().flatten().map(|error| error.to_string()));
        }
    }
    found.extend(untraced_weights(record)?);
    Ok(found)
}

/// Whether the weights are those that training ended with, by the trace.
fn untraced_weights(record: &TrialRecord) -> Result<Option<String>, StoreError> {
    // A trace that is none, or weights that are none, have another hash than DONE.json says.
    let Ok(trace) = record.store.read_trace(&record.id) else { return Ok(None) };
    let Some(TraceLine::Network { tensors, .. }) = trace.last() else { return Ok(None) };
    let path = record.dir().join(WEIGHTS);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        // Told above, or left out on purpose.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read", path)(error)),
    };
    let Ok(file) = SafeTensors::deserialize(&bytes) else {
        return Ok(Some(format!("{WEIGHTS} does not hold weights. Restore it.")));
    };
    let hash = |data: &[u8]| blake3::hash(data).to_hex()[..DIGITS].to_owned();
    let now: BTreeMap<String, String> =
        file.iter().map(|(name, tensor)| (name.to_owned(), hash(tensor.data()))).collect();
    Ok(first_tensor(tensors, &now).map(|tensor| {
        format!(
            "{WEIGHTS} does not hold the weights that training ended with: {tensor} is not the tensor in the last line of \
             trace.jsonl. One of the two was changed after the trial ended."
        )
    }))
}

/// Files that are not what `DONE.json` says.
fn hashes(
    record: &TrialRecord,
    knowledge: &Knowledge<'_>,
    found: &mut Vec<String>,
) -> Result<(), StoreError> {
    let Some(done) = &record.done else { return Ok(()) };
    let present = hash_tree(&record.dir())?;
    let is_left_out = |name: &str| knowledge.left_out.contains(&format!("trials/{}/{name}", record.id));
    for (name, hash) in &done.artefacts {
        match present.get(name) {
            Some(now) if now == hash => {}
            Some(_) => found.push(format!(
                "{name} is not the file that was written: its hash is not the one in DONE.json. Restore it, or compare it \
                 with what `fovea rerun` leaves."
            )),
            None if is_left_out(name) => {}
            None => found.push(format!(
                "{name} is missing, and DONE.json lists it. Restore it, or have `fovea run` train the trial again."
            )),
        }
    }
    for name in present.keys().filter(|name| is_artefact(name) && !done.artefacts.contains_key(*name)) {
        found.push(format!(
            "{name} is not listed in DONE.json: it was added after the trial ended, or DONE.json was changed. Move it away."
        ));
    }
    Ok(())
}

/// Whether the id is that of the configuration, and plan and folder have the same.
fn identity(record: &TrialRecord, knowledge: &Knowledge<'_>, found: &mut Vec<String>) {
    let own = TrialConfig::read(&record.dir().join("trial.toml"));
    if let Err(problem) = &own {
        found.push(format!("trial.toml does not hold the trial's configuration: {problem}."));
    }
    let Some(planned) = &record.planned else {
        let complete = own.ok().and_then(|config| (knowledge.complete)(&config));
        if let Some(id) = complete.map(|config| config.id()).filter(|id| *id != record.id) {
            found.push(format!(
                "trial.toml does not hold the configuration that the trial is named by: its id is {id}. One of its values was \
                 changed, or it was written by another version of Fovea."
            ));
        }
        return;
    };
    match record.config() {
        Ok(config) => {
            let id = config.id();
            if id != record.id {
                found.push(format!(
                    "plan.json does not hold the configuration that the trial is named by: its id is {id}. One of its values \
                     was changed, or it was written by another version of Fovea; `fovea run` with the experiment writes it again."
                ));
            }
            if config.seed != planned.seed {
                let (seed, own) = (planned.seed, config.seed);
                found.push(format!(
                    "plan.json lists the trial under seed {seed}, its configuration has {own}."
                ));
            }
            if let Ok(own) = own {
                let json = |config: &TrialConfig| serde_json::to_value(config).unwrap_or_default();
                let differing = changes(&json(&own), &json(&config));
                let differing: Vec<String> = differing.iter().map(ToString::to_string).collect();
                let advice = "one of the two was changed after the trial ended";
                tell(found, "plan.json (right) contradicts trial.toml (left)", &differing, advice);
            }
        }
        Err(problem) => found.push(format!("{problem}.")),
    }
}

/// Final metrics that no event announced with that value. Events that announce none have nothing to say.
fn unannounced(rows: &[MetricRow], events: &[TrialEvent]) -> Vec<String> {
    let mut announced: BTreeMap<String, u64> = BTreeMap::new();
    for event in events {
        if let TrialEvent::Metric(row) = event {
            announced.insert(measurement(row), row.value.to_bits());
        }
    }
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| row.epoch.is_none()) {
        let name = measurement(row);
        match announced.get(&name) {
            Some(bits) if *bits == row.value.to_bits() => {}
            Some(bits) => {
                wrong.push(format!("{name} is {} and was announced as {}", row.value, f64::from_bits(*bits)));
            }
            None if announced.is_empty() => {}
            None => wrong.push(format!("{name} was never announced")),
        }
    }
    wrong
}

fn tell(found: &mut Vec<String>, what: &str, wrong: &[String], advice: &str) {
    if wrong.is_empty() {
        return;
    }
    let mut text = format!("{what}: {}", wrong[..wrong.len().min(LISTED)].join("; "));
    if wrong.len() > LISTED {
        let _ = write!(text, "; and {} more", wrong.len() - LISTED);
    }
    found.push(format!("{text}; {advice}."));
}

/// Trials that forked from one training of a stage and whose records of it differ, with the first step that does: they hold
/// copies of the same lines.
///
/// # Errors
/// When a trace cannot be read.
pub fn unlike_siblings(records: &[TrialRecord]) -> Result<Vec<(usize, String)>, StoreError> {
    let mut first: BTreeMap<String, (usize, Vec<TraceLine>)> = BTreeMap::new();
    let mut found = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let stage: Vec<_> = record.provenance.iter().filter(|line| line.stage.is_some()).collect();
        let (Some(last), Some(steps)) = (stage.last(), warm_up_steps(record)?) else { continue };
        let key = format!("{:?} {:?}", last.stage, stage.iter().map(|line| line.time).collect::<Vec<_>>());
        let trace = record.store.read_trace(&record.id)?;
        let prefix: Vec<TraceLine> = trace.into_iter().filter(|line| line.step() <= steps).collect();
        let Some((other, known)) = first.get(&key) else {
            first.insert(key, (at, prefix));
            continue;
        };
        if let Some(departure) = trace_departure(known, &prefix) {
            let step = departure.step.unwrap_or_default();
            found.push((
                at,
                format!(
                    "trace.jsonl has another warm-up than that of trial {}, which forked from the same one: {} at step {step} \
                     differs. One of the two was changed after the trial ended.",
                    records[*other].id, departure.what
                ),
            ));
        }
    }
    Ok(found)
}

/// Steps of a trial's warm-up; none when there is no trace.
fn warm_up_steps(record: &TrialRecord) -> Result<Option<usize>, StoreError> {
    let Ok(config) = record.config() else { return Ok(None) };
    let steps = record.store.read_trace(&record.id)?.last().map_or(0, TraceLine::step);
    let per_epoch = steps / config.training.epochs.max(1);
    Ok((per_epoch > 0).then_some(per_epoch * config.training.warmup_epochs))
}

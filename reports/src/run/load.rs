//! One run from its records.

use super::{Curve, Run, Source, Status, Trial, Variant};
use crate::ReportError;
use crate::pictures::Pictures;
use crate::stats::Stats;
use fovea_records::lines::Lines;
use fovea_records::prune::Asha;
use fovea_records::{
    Done, JournalEntry, MetricRow, PlannedTrial, RunStore, StoreError, TrialEvent, TrialId, TrialOutcome,
    progress,
};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Reads all records of a run. Only a plan that cannot be read is an error.
pub(super) fn one(store: &RunStore) -> Result<Run, ReportError> {
    let mut plan = store.read_plan()?;
    plan.trials.sort_by_key(|t| t.index);
    let mut problems = Vec::new();
    let journal = readable(store.journal_lines(), &mut problems);
    let said = journal_states(&journal, plan.prune.as_ref());
    let mut attempts: HashMap<&TrialId, usize> = HashMap::new();
    for entry in &journal {
        if let JournalEntry::TrialStarted { trial, attempt, .. } = entry {
            attempts.insert(trial, *attempt);
        }
    }

    let mut verdicts = store.read_verdicts().unwrap_or_else(|e| {
        problems.push(e.to_string());
        BTreeMap::new()
    });

    let mut variants: Vec<Variant> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let free_axes: Vec<&String> = match plan.label_axes.is_empty() {
        true => plan.axes.iter().filter(|a| *a != "seed").collect(),
        false => plan.label_axes.iter().collect(),
    };
    for (position, trial) in plan.trials.iter().enumerate() {
        let place = *places.entry(trial.variant.clone()).or_insert_with(|| {
            let name = if trial.variant.is_empty() { "all trials" } else { &trial.variant };
            let value = match free_axes[..] {
                [axis] => trial.axes.iter().find(|(a, _)| a == axis).map(|(_, v)| v.clone()),
                _ => None,
            };
            variants.push(Variant {
                name: name.to_owned(),
                label: name.to_owned(),
                source: 0,
                short: value.unwrap_or_else(|| name.to_owned()),
                group: trial.group.clone(),
                trials: Vec::new(),
            });
            variants.len() - 1
        });
        variants[place].trials.push(position);
    }
    let order = by_group(&variants);
    places.values_mut().for_each(|place| *place = order[*place]);
    let mut sorted: Vec<(usize, Variant)> = order.into_iter().zip(variants).collect();
    sorted.sort_by_key(|(place, _)| *place);
    let variants: Vec<Variant> = sorted.into_iter().map(|(_, variant)| variant).collect();
    let variant_heading = match free_axes[..] {
        [axis] => axis.clone(),
        _ => "variant".to_owned(),
    };

    let read: Vec<(Trial, Vec<String>)> = plan
        .trials
        .into_par_iter()
        .map(|planned| {
            let variant = places.get(&planned.variant).copied().unwrap_or(0);
            let state = said.get(&planned.id);
            let attempts = attempts.get(&planned.id).copied().unwrap_or(0);
            let (trial, problems) = read_trial(store, planned, variant, state);
            (Trial { attempts, ..trial }, problems)
        })
        .collect();
    let mut trials = Vec::with_capacity(read.len());
    for (mut trial, mut found) in read {
        trial.verdict = verdicts.remove(&trial.planned.id);
        trials.push(trial);
        problems.append(&mut found);
    }

    let named = plan.baseline.as_ref().and_then(|name| places.get(name).copied());
    if let (Some(name), None) = (&plan.baseline, named) {
        problems.push(format!(
            "The baseline {name} is not a variant of this run; the first variant of the grid takes its place."
        ));
    }
    let source = Source {
        store: store.clone(),
        label: plan.name.clone(),
        name: plan.name.clone(),
        question: plan.question.clone(),
        command: plan.command,
        holder: store.holder().filter(|holder| *holder != format!("pid {}", std::process::id())),
    };
    if source.holder.is_none() {
        // What a killed run left behind says nothing.
        trials.iter_mut().for_each(|trial| trial.progress = None);
    }
    Ok(Run {
        sources: vec![source],
        name: plan.name,
        smoke: plan.smoke,
        references: plan.references,
        question: plan.question,
        axes: plan.axes,
        variant_heading,
        baseline: named.or((!variants.is_empty()).then_some(0)),
        baseline_named: named.is_some(),
        trials,
        variants,
        problems,
    })
}

/// The lines that can be read; about the others there is a problem each.
fn readable<T>(lines: Result<Lines<T>, StoreError>, problems: &mut Vec<String>) -> Vec<T> {
    match lines {
        Ok(lines) => {
            problems.extend(lines.problems());
            lines.values
        }
        Err(error) => {
            problems.push(error.to_string());
            Vec::new()
        }
    }
}

/// The place of each variant among all: groups in the order of their first variants, then those in none.
fn by_group(variants: &[Variant]) -> Vec<usize> {
    let mut groups: Vec<&str> = Vec::new();
    let mut order: Vec<(usize, usize)> = Vec::with_capacity(variants.len());
    for (position, variant) in variants.iter().enumerate() {
        let rank = variant.group.as_deref().map_or(usize::MAX, |name| {
            groups.iter().position(|group| *group == name).unwrap_or_else(|| {
                groups.push(name);
                groups.len() - 1
            })
        });
        order.push((rank, position));
    }
    order.sort_unstable();
    let mut places = vec![0; variants.len()];
    for (place, (_, position)) in order.into_iter().enumerate() {
        places[position] = place;
    }
    places
}

/// What the journal says last of a trial: running, interrupted, given up, or ended in some way.
enum Said {
    Running(usize),
    Interrupted,
    Pruned(String),
    Ended(TrialOutcome),
}

/// `rule` is the plan's: what was given up by another one is to go on.
fn journal_states(journal: &[JournalEntry], rule: Option<&Asha>) -> HashMap<TrialId, Said> {
    let mut said = HashMap::new();
    for entry in journal {
        match entry {
            JournalEntry::TrialStarted { trial, attempt, .. } => {
                said.insert(trial.clone(), Said::Running(*attempt));
            }
            JournalEntry::TrialInterrupted { trial, .. } => {
                said.insert(trial.clone(), Said::Interrupted);
            }
            JournalEntry::TrialPruned { trial, pruned, .. } => {
                let holds = rule == Some(&pruned.rule);
                let state = if holds { Said::Pruned(pruned.to_string()) } else { Said::Interrupted };
                said.insert(trial.clone(), state);
            }
            JournalEntry::TrialFinished { trial, outcome, .. } => {
                said.insert(trial.clone(), Said::Ended(outcome.clone()));
            }
            JournalEntry::RunStarted { .. }
            | JournalEntry::StageFinished { .. }
            | JournalEntry::TaskCrashed { .. }
            | JournalEntry::RunFinished { .. } => {}
        }
    }
    said
}

fn read_trial(
    store: &RunStore,
    planned: PlannedTrial,
    variant: usize,
    said: Option<&Said>,
) -> (Trial, Vec<String>) {
    let id = &planned.id;
    let mut problems = Vec::new();
    // A marker or metrics that cannot be read cost the trial its numbers; the rest only what it would have shown.
    let mut unreadable = None;
    let mut fatal = |error: fovea_records::StoreError| {
        unreadable.get_or_insert_with(|| error.to_string());
    };
    let done = store.done(id).unwrap_or_else(|e| {
        fatal(e);
        None
    });
    let mut rows = store.read_metrics(id).unwrap_or_else(|e| {
        fatal(e);
        Vec::new()
    });
    if let Some(done) = &done {
        if done.ended == TrialOutcome::Done
            && let Some(what) = store.changed_record(id, done)
        {
            unreadable.get_or_insert_with(|| {
                format!(
                    "{}: {what}. Its numbers are left out; `fovea run` trains the trial again, `fovea verify` says more.",
                    store.trial_dir(id).display()
                )
            });
        }
        match store.read_later(id, done) {
            Ok(later) => rows.extend(later.into_iter().map(|later| later.row)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let events = readable(store.event_lines(id), &mut problems);
    let provenance = store.read_provenance(id).unwrap_or_else(|e| {
        problems.push(e.to_string());
        Vec::new()
    });
    let gallery = store.read_gallery(id).unwrap_or_else(|e| {
        problems.push(e.to_string());
        Vec::new()
    });

    let (status, reason) = if let Some(error) = unreadable {
        problems.push(error.clone());
        (Status::Failed, Some(error))
    } else {
        status(done.as_ref(), said, &events)
    };
    let warnings = events
        .iter()
        .filter_map(|event| match event {
            TrialEvent::Warning { message } => Some(message.clone()),
            _ => None,
        })
        .collect();
    let predictions = match status {
        Status::Done => store.read_predictions(id).unwrap_or_else(|e| {
            problems.push(e.to_string());
            Vec::new()
        }),
        _ => Vec::new(),
    };
    let curves = curves(&rows, &events);
    let dir = store.trial_dir(id);
    let trial = Trial {
        source: 0,
        attempts: 0,
        progress: progress::read(&dir).ok().flatten().filter(|_| status == Status::Pending),
        dir,
        variant,
        status,
        reason,
        pictures: Pictures::of(predictions),
        images_per_second: speed(&events),
        done,
        rows,
        curves,
        gallery,
        provenance,
        verdict: None,
        warnings,
        planned,
    };
    (trial, problems)
}

fn status(done: Option<&Done>, said: Option<&Said>, events: &[TrialEvent]) -> (Status, Option<String>) {
    let ended = |outcome: &TrialOutcome| match outcome {
        TrialOutcome::Done => (Status::Done, None),
        TrialOutcome::Diverged { message } => (Status::Diverged, Some(message.clone())),
        TrialOutcome::Failed { message } => (Status::Failed, Some(message.clone())),
    };
    if let Some(done) = done {
        return ended(&done.ended);
    }
    match said {
        Some(Said::Ended(TrialOutcome::Done)) => {
            (Status::Failed, Some("The journal says done, but DONE.json is missing.".to_owned()))
        }
        Some(Said::Ended(outcome)) => ended(outcome),
        Some(Said::Running(attempt)) => (Status::Pending, Some(format!("attempt {attempt} was started"))),
        Some(Said::Pruned(why)) => (Status::Pruned, Some(why.clone())),
        Some(Said::Interrupted) => (Status::Pending, Some("was interrupted".to_owned())),
        None => events
            .iter()
            .rev()
            .find_map(|event| match event {
                TrialEvent::Failed { message } => Some((Status::Failed, Some(message.clone()))),
                TrialEvent::Started { .. } => Some((Status::Pending, Some("was started".to_owned()))),
                _ => None,
            })
            .unwrap_or((Status::Pending, None)),
    }
}

/// Mean over the epochs that were trained for this trial alone.
fn speed(events: &[TrialEvent]) -> Option<f64> {
    let speeds = events.iter().filter_map(|event| match event {
        TrialEvent::Epoch(summary) => Some(summary.images_per_second),
        _ => None,
    });
    Stats::of(speeds).map(|stats| stats.mean)
}

/// Curves from metric rows, filled up from epoch events where a trial is not measured yet.
fn curves(rows: &[MetricRow], events: &[TrialEvent]) -> BTreeMap<(String, String), Curve> {
    let mut curves: BTreeMap<(String, String), Curve> = BTreeMap::new();
    let mut measured = |split: &str, metric: &str, epoch: usize, value: f64| {
        if value.is_finite() {
            curves.entry((split.to_owned(), metric.to_owned())).or_default().insert(epoch, value);
        }
    };
    for event in events {
        if let TrialEvent::Epoch(summary) = event {
            measured("train", "loss", summary.epoch, summary.loss);
            measured("train", "cross-entropy", summary.epoch, summary.cross_entropy);
            measured("train", "accuracy", summary.epoch, summary.accuracy);
            if let Some(value) = summary.explanation {
                measured("train", "explanation-loss", summary.epoch, value);
            }
        }
    }
    for row in rows {
        if let (Some(epoch), None, None) = (row.epoch, &row.noise, &row.subset) {
            measured(&row.split, &row.metric, epoch, row.value);
        }
    }
    curves
}

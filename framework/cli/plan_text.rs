//! What `fovea plan` prints: for reading, and as JSON.

use crate::excluded;
use crate::foresee::{Foreseen, Probed};
use crate::words::{ago, duration, plural, table};
use fovea_orchestrator::estimate::{Basis, Seconds, TaskEstimate};
use fovea_orchestrator::run::stage_is_done;
use fovea_orchestrator::{Saving, Standing, Word};
use fovea_plan::{Plan, Trial};
use fovea_records::RunStore;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Trials that a reason names one by one.
const NAMED: usize = 3;

/// For reading; with `every_excluded` also each point that is left out.
pub(crate) fn text(
    plan: &Plan,
    store: &RunStore,
    standings: &[Standing],
    foreseen: &Foreseen,
    every_excluded: bool,
) -> String {
    let smoke = if plan.smoke { "smoke run, " } else { "" };
    let mut text =
        format!("{}: {smoke}{} trials in {}\n", plan.name, plan.trials.len(), plan.run.dir.display());
    if let Some(holder) = store.holder() {
        let _ = writeln!(text, "it is running ({holder})");
    }
    text.push('\n');
    let rows = plan.trials.iter().zip(standings).zip(&foreseen.estimate.trials).map(|((trial, s), task)| {
        vec![
            trial.id.to_string(),
            trial.variant.clone(),
            trial.config.seed.to_string(),
            s.status.to_string(),
            task.map_or_else(
                || if s.is_pending() { "?".into() } else { "-".into() },
                |t| duration(t.time.seconds),
            ),
            shares(plan, trial),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    text += &table(&["trial", "variant", ">seed", "status", ">time", "shares"], &rows);
    if !plan.stages.is_empty() {
        text += "\nshared warm-up, trained once:\n";
        let rows = plan.stages.iter().zip(&foreseen.estimate.stages).map(|(stage, task)| {
            let done = if stage_is_done(store, plan, &stage.id) { "done" } else { "-" };
            let time = task.map_or_else(|| "-".to_owned(), |t: TaskEstimate| duration(t.time.seconds));
            let (epochs, users) = (stage.epochs.to_string(), stage.trials.len().to_string());
            vec![stage.id.to_string(), epochs, users, done.to_owned(), time]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        text += &table(&["stage", ">epochs", ">trials", "status", ">time"], &rows);
    }
    text += &reasons(plan, standings);
    if !plan.excluded.is_empty() {
        text.push('\n');
        text += &excluded::listing(plan, every_excluded);
    }
    let pending = standings.iter().filter(|s| s.is_pending()).count();
    let _ = writeln!(text, "\n{pending} to run, {} shared warm-up stages", plan.stages.len());
    if !plan.stages.is_empty() {
        text += &saving(plan);
    }
    if pending > 0 {
        text += &time(plan, foreseen);
    }
    text
}

/// What the shared warm-up saves, all trials of the plan counted, done or not.
fn saving(plan: &Plan) -> String {
    let saving = Saving::of(plan);
    let Saving { shared, alone } = saving;
    format!(
        "training in all: {shared} epochs; without sharing {alone}, {:.2} times as many\n",
        saving.ratio()
    )
}

/// What a trial shares with others: `4 epochs with 3 others (1f0c...)`.
fn shares(plan: &Plan, trial: &Trial) -> String {
    let stage = plan.stages.iter().find(|stage| Some(&stage.id) == trial.stage.as_ref());
    stage.map_or_else(
        || "-".to_owned(),
        |stage| {
            let others = plural(stage.trials.len() - 1, "other");
            format!("{} with {others} ({})", plural(stage.epochs, "epoch"), &stage.id.as_str()[..8])
        },
    )
}

/// Why trials are to run that were run before, and why others will not; equal reasons once.
fn reasons(plan: &Plan, standings: &[Standing]) -> String {
    let mut groups: Vec<(Word, &str, Vec<usize>)> = Vec::new();
    for (index, standing) in standings.iter().enumerate() {
        let Some(reason) = &standing.reason else { continue };
        match groups.iter_mut().find(|(word, said, _)| *word == standing.status && said == reason) {
            Some((.., members)) => members.push(index),
            None => groups.push((standing.status, reason, vec![index])),
        }
    }
    let mut text = String::new();
    for (place, (word, reason, members)) in groups.iter().enumerate() {
        let names = match members.len() {
            all if all == standings.len() && all > 1 => format!("all {all} trials"),
            few if few <= NAMED => {
                let name = |&i: &usize| {
                    format!(
                        "{} ({}, seed {})",
                        &plan.trials[i].id.as_str()[..8],
                        plan.trials[i].variant,
                        plan.trials[i].config.seed
                    )
                };
                members.iter().map(name).collect::<Vec<_>>().join(", ")
            }
            many => format!("{many} trials"),
        };
        let when = members
            .iter()
            .filter_map(|&i| standings[i].time)
            .fold(None, |a: Option<f64>, b| Some(a.map_or(b, |a| a.max(b))));
        let when = when.map(|time| format!(", {}", ago(time))).unwrap_or_default();
        let lead = if place == 0 { "\nwhy:\n" } else { "" };
        let _ = writeln!(text, "{lead}  {word}: {names}{when}\n    {reason}");
    }
    text
}

/// The time ahead.
fn time(plan: &Plan, foreseen: &Foreseen) -> String {
    let mut text = String::new();
    for Probed { what, device, step_seconds: [plain, explained], pictures } in &foreseen.probes {
        let _ = writeln!(
            text,
            "measured: {what} on {device}: {plain:.4} s a step with cross-entropy, {explained:.4} s with RIA; {pictures} training pictures"
        );
    }
    let estimate = &foreseen.estimate;
    let Some(Seconds { seconds, low, high }) = estimate.total else {
        let _ = writeln!(
            text,
            "time: unknown for {}: no trial of such a model was trained here or in a run beside this one; --probe measures",
            plural(estimate.unknown, "trial")
        );
        return text;
    };
    let mut bases: Vec<_> = estimate.trials.iter().flatten().map(|task| task.basis).collect();
    bases.sort_unstable();
    bases.dedup();
    let bases: Vec<&str> = bases.into_iter().map(Basis::text).collect();
    let _ = writeln!(
        text,
        "time: about {} ({} to {}) with {}, from {}",
        duration(seconds),
        duration(low),
        duration(high),
        plural(plan.run.workers, "worker"),
        bases.join(" and ")
    );
    text
}

/// For programs. `fovea plan --help` lists the keys; they stay.
pub(crate) fn json(plan: &Plan, store: &RunStore, standings: &[Standing], foreseen: &Foreseen) -> Value {
    let estimate = &foreseen.estimate;
    let trials = plan.trials.iter().zip(standings).zip(&estimate.trials);
    let trials: Vec<Value> =
        trials.map(|((trial, s), task)| trial_json(plan, trial, s, task.as_ref())).collect();
    let stages = plan.stages.iter().zip(&estimate.stages).map(|(stage, task)| {
        json!({
            "id": stage.id, "epochs": stage.epochs, "done": stage_is_done(store, plan, &stage.id),
            "trials": stage.trials, "estimate": task,
        })
    });
    let probes = foreseen.probes.iter().map(|probe| {
        json!({
            "what": probe.what, "device": probe.device, "step_seconds": probe.step_seconds[0],
            "explained_step_seconds": probe.step_seconds[1], "pictures": probe.pictures,
        })
    });
    let (total, saving) = (estimate.total, Saving::of(plan));
    json!({
        "name": plan.name, "question": plan.question, "dir": plan.run.dir, "smoke": plan.smoke,
        "command": plan.command, "device": plan.device.to_string(), "workers": plan.run.workers,
        "locked_by": store.holder(), "pending": standings.iter().filter(|s| s.is_pending()).count(),
        "trials": trials, "stages": stages.collect::<Vec<_>>(), "excluded": excluded::json(plan),
        "estimate": {
            "seconds": total.map(|t| t.seconds), "low": total.map(|t| t.low), "high": total.map(|t| t.high),
            "unknown": estimate.unknown, "samples": estimate.samples,
        },
        "epochs": { "shared": saving.shared, "alone": saving.alone },
        "probes": probes.collect::<Vec<_>>(),
    })
}

fn trial_json(plan: &Plan, trial: &Trial, standing: &Standing, task: Option<&TaskEstimate>) -> Value {
    let axes: Map<String, Value> = trial.axes.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    let stage = plan.stages.iter().find(|stage| Some(&stage.id) == trial.stage.as_ref());
    let others: Vec<_> =
        stage.map(|stage| stage.trials.iter().filter(|id| **id != trial.id).collect()).unwrap_or_default();
    let changes = standing.changes.iter().map(|change| {
        let mut value = json!(change);
        value["text"] = change.to_string().into();
        value
    });
    json!({
        "index": trial.index, "id": trial.id, "variant": trial.variant, "seed": trial.config.seed, "axes": axes,
        "status": standing.status, "reason": standing.reason, "time": standing.time,
        "epochs": trial.config.training.epochs, "epochs_done": standing.epochs_done,
        "earlier": standing.earlier, "changes": changes.collect::<Vec<_>>(),
        "stage": trial.stage, "shares_with": others, "estimate": task,
    })
}

//! What `fovea plan --json` prints, a trial at a time: a large plan is many megabytes. The main function is [`write`].
//!
//! `fovea plan --help` lists the keys; they stay.

use crate::foresee::Foreseen;
use crate::{excluded, output};
use fovea_orchestrator::changes::Change;
use fovea_orchestrator::estimate::TaskEstimate;
use fovea_orchestrator::run::stage_is_done;
use fovea_orchestrator::{Saving, Standing, Word};
use fovea_plan::{Plan, Stage};
use fovea_records::{RunStore, StageId, TrialId};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// A stage that more trials share names them itself, once: each of them naming all others would take the square.
const MOST_SHARERS: usize = 20;

/// Prints the document to stdout.
pub(crate) fn write(plan: &Plan, store: &RunStore, standings: &[Standing], foreseen: &Foreseen) {
    let estimate = &foreseen.estimate;
    let stages: HashMap<&StageId, &Stage> = plan.stages.iter().map(|stage| (&stage.id, stage)).collect();
    let of_stages = plan.stages.iter().zip(&estimate.stages).map(|(stage, task)| StageRow {
        id: &stage.id,
        epochs: stage.epochs,
        done: stage_is_done(store, plan, &stage.id),
        trials: &stage.trials,
        estimate: *task,
    });
    let probes = foreseen.probes.iter().map(|probe| {
        json!({
            "what": probe.what, "device": probe.device, "step_seconds": probe.step_seconds[0],
            "explained_step_seconds": probe.step_seconds[1], "pictures": probe.pictures,
        })
    });
    let (total, saving) = (estimate.total, Saving::of(plan));
    let document = Document {
        name: &plan.name,
        question: plan.question.as_deref(),
        dir: &plan.run.dir,
        smoke: plan.smoke,
        command: &plan.command,
        device: plan.device.to_string(),
        workers: plan.run.workers,
        locked_by: store.holder(),
        pending: standings.iter().filter(|s| s.is_pending()).count(),
        trials: Trials { plan, standings, estimates: &estimate.trials, stages },
        stages: of_stages.collect(),
        excluded: excluded::json(plan),
        estimate: json!({
            "seconds": total.map(|t| t.seconds), "low": total.map(|t| t.low), "high": total.map(|t| t.high),
            "unknown": estimate.unknown, "samples": estimate.samples,
        }),
        epochs: json!({ "shared": saving.shared, "alone": saving.alone }),
        probes: probes.collect(),
    };
    output::write(|out| {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        serde_json::to_writer_pretty(&mut out, &document)?;
        out.write_all(b"\n")?;
        out.flush()
    });
}

#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    question: Option<&'a str>,
    dir: &'a Path,
    smoke: bool,
    command: &'a str,
    device: String,
    workers: usize,
    locked_by: Option<String>,
    pending: usize,
    trials: Trials<'a>,
    stages: Vec<StageRow<'a>>,
    excluded: Vec<Value>,
    estimate: Value,
    epochs: Value,
    probes: Vec<Value>,
}

#[derive(Serialize)]
struct StageRow<'a> {
    id: &'a StageId,
    epochs: usize,
    done: bool,
    trials: &'a [TrialId],
    estimate: Option<TaskEstimate>,
}

struct Trials<'a> {
    plan: &'a Plan,
    standings: &'a [Standing],
    estimates: &'a [Option<TaskEstimate>],
    stages: HashMap<&'a StageId, &'a Stage>,
}

impl Serialize for Trials<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.plan.trials.iter().zip(self.standings).zip(self.estimates);
        serializer.collect_seq(rows.map(|((trial, standing), estimate)| {
            let sharers = trial.stage.as_ref().and_then(|id| self.stages.get(id));
            let sharers = sharers.map_or(&[][..], |stage| stage.trials.as_slice());
            let others = || sharers.iter().filter(|id| **id != trial.id).collect();
            TrialRow {
                index: trial.index,
                id: &trial.id,
                variant: &trial.variant,
                seed: trial.config.seed,
                axes: Axes(&trial.axes),
                status: standing.status,
                reason: standing.reason.as_deref(),
                time: standing.time,
                epochs: trial.config.training.epochs,
                epochs_done: standing.epochs_done,
                earlier: standing.earlier.as_ref(),
                changes: standing
                    .changes
                    .iter()
                    .map(|change| Told { change, text: change.to_string() })
                    .collect(),
                stage: trial.stage.as_ref(),
                shares_with: (sharers.len() <= MOST_SHARERS).then(others),
                estimate: *estimate,
            }
        }))
    }
}

#[derive(Serialize)]
struct TrialRow<'a> {
    index: usize,
    id: &'a TrialId,
    variant: &'a str,
    seed: u64,
    axes: Axes<'a>,
    status: Word,
    reason: Option<&'a str>,
    time: Option<f64>,
    epochs: usize,
    epochs_done: usize,
    earlier: Option<&'a TrialId>,
    changes: Vec<Told<'a>>,
    stage: Option<&'a StageId>,
    shares_with: Option<Vec<&'a TrialId>>,
    estimate: Option<TaskEstimate>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    change: &'a Change,
    text: String,
}

/// A list of pairs as a table.
struct Axes<'a>(&'a [(String, String)]);

impl Serialize for Axes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, label)| (key, label)))
    }
}

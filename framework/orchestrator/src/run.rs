//! A whole run. The main function is [`run`].

use crate::queue::{Next, Queue, QueuedTrial};
use crate::recorder::Recorder;
use crate::worker::{TaskEnd, WorkerMessages, WorkerProcess};
use crate::{OrchestratorError, TrialStatus, status};
use fovea_plan::{Plan, Stage, Trial, TrialConfig};
use fovea_records::{
    Done, JournalEntry, RunStore, StageId, StoreError, TaskKind, TrialEvent, TrialId, TrialOutcome,
    WorkerTask, now, store,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How often a task is tried when its worker process dies.
const ATTEMPTS: usize = 2;

/// What the orchestrator needs beside the plan.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The `fovea` program, started as `fovea worker`.
    pub binary: PathBuf,
    /// Relative paths in plugin configurations start here.
    pub base_dir: PathBuf,
    /// Version of Fovea, for the records.
    pub version: String,
    /// What the workers say beside their events.
    pub messages: WorkerMessages,
}

/// Which task an update is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLabel {
    /// Id of the trial or stage.
    pub id: String,
    /// `loss=ria seed 0`, or `warm-up shared by 4 trials`.
    pub text: String,
    /// Whether it is a stage.
    pub is_stage: bool,
}

/// What happens during a run, for whoever shows it.
#[derive(Clone, Debug)]
pub enum Update {
    /// The run begins.
    Started {
        /// Trials of the plan.
        total: usize,
        /// Trials done before.
        done: usize,
        /// Epochs to be trained, shared stages counted once.
        epochs: usize,
    },
    /// A task begins.
    TaskStarted {
        /// Which.
        task: TaskLabel,
        /// Attempt, from 1.
        attempt: usize,
    },
    /// A worker said something.
    Event {
        /// About which task.
        task: TaskLabel,
        /// What.
        event: TrialEvent,
    },
    /// A task ended.
    TaskEnded {
        /// Which.
        task: TaskLabel,
        /// How.
        outcome: TrialOutcome,
        /// Wall-clock seconds.
        seconds: f64,
    },
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSummary {
    /// Trials of the plan.
    pub total: usize,
    /// Trials done, now or before.
    pub done: usize,
    /// Trials run now.
    pub ran: usize,
    /// Trials whose loss became non-finite.
    pub diverged: usize,
    /// Trials that failed now, with the reason.
    pub failed: Vec<(TrialId, String)>,
}

struct Shared<'a> {
    plan: &'a Plan,
    store: &'a RunStore,
    options: &'a RunOptions,
    threads: usize,
    queue: Mutex<Queue>,
    freed: Condvar,
    summary: Mutex<RunSummary>,
    observer: Mutex<&'a mut (dyn FnMut(Update) + Send)>,
    problem: Mutex<Option<OrchestratorError>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs every trial of the plan that is not done. A trial that fails does not stop the others.
///
/// # Errors
/// When the run directory is in use or cannot be written, or no worker can be started.
pub fn run(
    plan: &Plan,
    store: &RunStore,
    options: &RunOptions,
    observer: &mut (dyn FnMut(Update) + Send),
) -> Result<RunSummary, OrchestratorError> {
    let _lock = store.lock()?;
    let states = status(plan, store)?;
    store::write_atomic(&store.root().join("experiment.toml"), plan.source.as_bytes())?;
    store.write_plan(&plan.to_run_plan())?;

    let pending: Vec<&Trial> =
        plan.trials.iter().zip(&states).filter(|(_, s)| s.is_pending()).map(|(t, _)| t).collect();
    let done = states.iter().filter(|s| **s == TrialStatus::Done).count();
    let diverged = states.iter().filter(|s| matches!(s, TrialStatus::Diverged(_))).count();
    let summary = RunSummary { total: plan.trials.len(), done, diverged, ..RunSummary::default() };
    let has_checkpoint = |id: &StageId| stage_is_done(store, plan, id);
    observer(Update::Started {
        total: plan.trials.len(),
        done: done + diverged,
        epochs: epochs_ahead(plan, &pending, has_checkpoint),
    });
    if pending.is_empty() {
        return Ok(summary);
    }
    for trial in &pending {
        write_trial_toml(&store.trial_dir(&trial.id).join("trial.toml"), &trial.config)?;
    }
    store.journal(&JournalEntry::RunStarted {
        time: now(),
        version: options.version.clone(),
        pending: pending.len(),
        done,
    })?;
    let queued = pending
        .iter()
        .map(|t| QueuedTrial { index: t.index, id: t.id.clone(), stage: t.stage.clone() })
        .collect();
    let workers = plan.run.workers.clamp(1, pending.len());
    let shared = Shared {
        plan,
        store,
        options,
        threads: threads_per_worker(plan.run.threads, workers),
        queue: Mutex::new(Queue::new(queued, has_checkpoint)),
        freed: Condvar::new(),
        summary: Mutex::new(summary),
        observer: Mutex::new(observer),
        problem: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for slot in 0..workers {
            let shared = &shared;
            scope.spawn(move || {
                if let Err(error) = serve_slot(shared, slot) {
                    held(&shared.problem).get_or_insert(error);
                    shared.freed.notify_all();
                }
            });
        }
    });
    if let Some(problem) = held(&shared.problem).take() {
        return Err(problem);
    }
    let summary = held(&shared.summary).clone();
    store.journal(&JournalEntry::RunFinished {
        time: now(),
        done: summary.done,
        failed: summary.failed.len(),
    })?;
    Ok(summary)
}

pub(crate) fn threads_per_worker(asked: usize, workers: usize) -> usize {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    if asked > 0 { asked } else { (all / workers).max(1) }
}

fn stage_of<'p>(plan: &'p Plan, id: &StageId) -> Option<&'p Stage> {
    plan.stages.iter().find(|s| s.id == *id)
}

/// Whether a stage is trained: its last epoch's checkpoint is there.
#[must_use]
pub fn stage_is_done(store: &RunStore, plan: &Plan, id: &StageId) -> bool {
    let epochs = stage_of(plan, id).map_or(0, |s| s.epochs);
    let name = format!("epoch-{epochs:05}");
    store.stage_dir(id).join("checkpoint").join(name).join("progress.json").exists()
}

/// Epochs to be trained, shared stages counted once.
fn epochs_ahead(plan: &Plan, pending: &[&Trial], stage_done: impl Fn(&StageId) -> bool) -> usize {
    let mut stages: BTreeMap<&StageId, usize> = BTreeMap::new();
    let mut epochs = 0;
    for trial in pending {
        epochs += trial.config.training.epochs;
        if let Some(stage) = trial.stage.as_ref().and_then(|id| stage_of(plan, id)) {
            epochs -= stage.epochs;
            let cost = if stage_done(&stage.id) { 0 } else { stage.epochs };
            stages.insert(&stage.id, cost);
        }
    }
    epochs + stages.values().sum::<usize>()
}

fn write_trial_toml(path: &Path, config: &TrialConfig) -> Result<(), OrchestratorError> {
    let failed = |message: String| OrchestratorError::Config { path: path.to_owned(), message };
    let mut value = serde_json::to_value(config).map_err(|e| failed(e.to_string()))?;
    drop_nulls(&mut value);
    let text = toml_edit::ser::to_string_pretty(&value).map_err(|e| failed(e.to_string()))?;
    store::write_atomic(path, text.as_bytes())?;
    Ok(())
}

/// TOML has no null: an absent key means the same.
fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// One slot: takes tasks until there are none.
fn serve_slot(shared: &Shared<'_>, slot: usize) -> Result<(), OrchestratorError> {
    let mut worker: Option<WorkerProcess> = None;
    loop {
        let next = {
            let mut queue = held(&shared.queue);
            loop {
                if held(&shared.problem).is_some() {
                    return Ok(());
                }
                match queue.take() {
                    Next::Wait => queue = shared.freed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                    next => break next,
                }
            }
        };
        match next {
            Next::Nothing | Next::Wait => return Ok(()),
            Next::Stage(id) => run_stage(shared, slot, &mut worker, &id)?,
            Next::Trial(index) => run_trial(shared, slot, &mut worker, &shared.plan.trials[index])?,
        }
        shared.freed.notify_all();
    }
}

fn run_stage(
    shared: &Shared<'_>,
    slot: usize,
    worker: &mut Option<WorkerProcess>,
    id: &StageId,
) -> Result<(), OrchestratorError> {
    let Some(stage) = stage_of(shared.plan, id) else {
        held(&shared.queue).stage_done(id);
        return Ok(());
    };
    let users = stage.trials.len();
    let label = TaskLabel {
        id: id.to_string(),
        text: format!("warm-up, shared by {users} trials, seed {}", stage.config.seed),
        is_stage: true,
    };
    let kind = TaskKind::Stage { epochs: stage.epochs };
    let task = task(shared, kind, &label.id, shared.store.stage_dir(id), None, &stage.config)?;
    let started = Instant::now();
    let (end, _) = perform(shared, slot, worker, &task, &label)?;
    let seconds = started.elapsed().as_secs_f64();
    let outcome = outcome_of(&end);
    if outcome == TrialOutcome::Done {
        shared.store.journal(&JournalEntry::StageFinished { time: now(), stage: id.clone(), seconds })?;
        held(&shared.queue).stage_done(id);
    } else {
        // Each of its trials would train the very same steps and end the same way.
        let lost = held(&shared.queue).stage_failed(id);
        for queued in lost {
            let trial = &shared.plan.trials[queued.index];
            record_end(shared, trial, &end, "", 0.0)?;
        }
    }
    (held(&shared.observer))(Update::TaskEnded { task: label, outcome, seconds });
    Ok(())
}

fn run_trial(
    shared: &Shared<'_>,
    slot: usize,
    worker: &mut Option<WorkerProcess>,
    trial: &Trial,
) -> Result<(), OrchestratorError> {
    let text = if shared.plan.trials.iter().any(|t| t.variant == trial.variant && t.id != trial.id) {
        format!("{}, seed {}", trial.variant, trial.config.seed)
    } else {
        trial.variant.clone()
    };
    let label = TaskLabel { id: trial.id.to_string(), text, is_stage: false };
    let dir = shared.store.trial_dir(&trial.id);
    let stage_dir = trial.stage.as_ref().map(|s| shared.store.stage_dir(s));
    let task = task(shared, TaskKind::Trial, &label.id, dir, stage_dir, &trial.config)?;
    let started = Instant::now();
    let (end, device) = perform(shared, slot, worker, &task, &label)?;
    let seconds = started.elapsed().as_secs_f64();
    record_end(shared, trial, &end, &device, seconds)?;
    (held(&shared.observer))(Update::TaskEnded { task: label, outcome: outcome_of(&end), seconds });
    Ok(())
}

fn task(
    shared: &Shared<'_>,
    kind: TaskKind,
    id: &str,
    dir: PathBuf,
    stage_dir: Option<PathBuf>,
    config: &TrialConfig,
) -> Result<WorkerTask, OrchestratorError> {
    fs::create_dir_all(&dir).map_err(|source| StoreError::Io {
        action: "create",
        path: dir.clone(),
        source,
    })?;
    let config = serde_json::to_value(config)
        .map_err(|e| OrchestratorError::Config { path: dir.clone(), message: e.to_string() })?;
    Ok(WorkerTask {
        kind,
        id: id.to_owned(),
        dir,
        stage_dir,
        cache_dir: shared.plan.run.cache.clone(),
        base_dir: shared.options.base_dir.clone(),
        device: shared.plan.device.to_string(),
        threads: shared.threads,
        config,
    })
}

/// Has a worker do the task, a second time if the process dies. Gives back the device in words, too.
fn perform(
    shared: &Shared<'_>,
    slot: usize,
    worker: &mut Option<WorkerProcess>,
    task: &WorkerTask,
    label: &TaskLabel,
) -> Result<(TaskEnd, String), OrchestratorError> {
    let mut device = String::new();
    let mut attempt = 1;
    loop {
        if !label.is_stage
            && let Some(trial) = shared.plan.trials.iter().find(|t| t.id.as_str() == label.id)
        {
            let entry = JournalEntry::TrialStarted { time: now(), trial: trial.id.clone(), attempt };
            shared.store.journal(&entry)?;
        }
        (held(&shared.observer))(Update::TaskStarted { task: label.clone(), attempt });
        let (mut recorder, log) = Recorder::begin(task, slot, shared.plan.run.tensorboard)?;
        let process = match worker {
            Some(process) => {
                process.log_to(log);
                process
            }
            None => {
                let RunOptions { binary, messages, .. } = shared.options;
                worker.insert(WorkerProcess::spawn(binary, shared.threads, slot, messages, log)?)
            }
        };
        tracing::info!(slot, task = task.id, attempt, "{} begins", label.text);
        let end = process.perform(task, |event| {
            if let TrialEvent::Started { device: name, .. } = event {
                device.clone_from(name);
            }
            recorder.event(event);
            (held(&shared.observer))(Update::Event { task: label.clone(), event: event.clone() });
        });
        if let TaskEnd::Crashed(message) = &end {
            let event = TrialEvent::Failed { message: message.clone() };
            recorder.event(&event);
            (held(&shared.observer))(Update::Event { task: label.clone(), event });
        }
        recorder.end()?;
        tracing::info!(slot, task = task.id, ?end, "{} ended", label.text);
        match end {
            TaskEnd::Crashed(message) => {
                *worker = None;
                if attempt == ATTEMPTS {
                    return Ok((TaskEnd::Failed(format!("{message}; tried {attempt} times")), device));
                }
                attempt += 1;
            }
            end => return Ok((end, device)),
        }
    }
}

fn outcome_of(end: &TaskEnd) -> TrialOutcome {
    match end {
        TaskEnd::Finished { .. } => TrialOutcome::Done,
        TaskEnd::Diverged(message) => TrialOutcome::Diverged { message: message.clone() },
        TaskEnd::Failed(message) | TaskEnd::Crashed(message) => {
            TrialOutcome::Failed { message: message.clone() }
        }
    }
}

fn record_end(
    shared: &Shared<'_>,
    trial: &Trial,
    end: &TaskEnd,
    device: &str,
    seconds: f64,
) -> Result<(), OrchestratorError> {
    let outcome = outcome_of(end);
    let (train_seconds, eval_seconds) = match end {
        TaskEnd::Finished { train_seconds, eval_seconds } => (*train_seconds, *eval_seconds),
        _ => (seconds, 0.0),
    };
    let done = Done {
        ended: outcome.clone(),
        version: shared.options.version.clone(),
        device: device.to_owned(),
        train_seconds,
        eval_seconds,
        artefacts: BTreeMap::new(),
    };
    {
        let mut summary = held(&shared.summary);
        summary.ran += 1;
        match &outcome {
            TrialOutcome::Done => summary.done += 1,
            TrialOutcome::Diverged { .. } => summary.diverged += 1,
            TrialOutcome::Failed { message } => summary.failed.push((trial.id.clone(), message.clone())),
        }
    }
    if !matches!(outcome, TrialOutcome::Failed { .. }) {
        shared.store.mark_done(&trial.id, done)?;
    }
    shared.store.journal(&JournalEntry::TrialFinished {
        time: now(),
        trial: trial.id.clone(),
        outcome,
        seconds,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_vanish_from_toml() {
        let mut value = serde_json::json!({"a": null, "b": [{"c": null, "d": 1}]});
        drop_nulls(&mut value);
        assert_eq!(value, serde_json::json!({"b": [{"d": 1}]}));
    }

    #[test]
    fn threads_are_divided() {
        assert_eq!(threads_per_worker(3, 2), 3);
        assert!(threads_per_worker(0, 1) >= threads_per_worker(0, 2));
    }
}

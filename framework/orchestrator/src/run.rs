//! A whole run. The main function is [`run`].

use crate::admission::{Admission, Permit};
use crate::aside::set_aside;
use crate::attempt::{Job, LOOK, attempt};
use crate::ledger::Ledger;
use crate::limits::Retries;
use crate::memory::GpuMemory;
use crate::pictures;
use crate::prune::Rungs;
use crate::queue::{Next, Queue, QueuedTrial};
use crate::select::Selection;
use crate::slots::{Slot, slots};
use crate::status::checked_status;
use crate::tidy;
use crate::worker::{TaskEnd, WorkerMessages, WorkerProcess};
use crate::{
    OrchestratorError, RunSummary, Sharing, Stop, TaskLabel, TrialStatus, Update, origin, trial_file,
};
use fovea_plan::{DeviceRequest, Plan, Stage, Trial, TrialConfig};
use fovea_records::provenance::{Gpu, Origin, Program};
use fovea_records::prune::Pruned;
use fovea_records::{
    Done, EpochSummary, JournalEntry, PictureLimits, RunStore, StageId, StoreError, TaskKind, TaskPlugins,
    TrialId, TrialOutcome, WorkerTask, checkpoint, now, place, store,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the orchestrator needs beside the plan.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The `fovea` program, started as `fovea worker`.
    pub binary: PathBuf,
    /// Relative paths in plugin configurations start here.
    pub base_dir: PathBuf,
    /// Version of Fovea, for the records.
    pub version: String,
    /// The program, for the records; the hash of `binary` is added to it.
    pub program: Program,
    /// The command that began the run, word by word, for the records.
    pub command: Vec<String>,
    /// Libraries of plugins that the plan was made with; a worker loads those that its task uses.
    pub plugins: TaskPlugins,
    /// What the workers say beside their events.
    pub messages: WorkerMessages,
    /// The trials that are asked for.
    pub selection: Selection,
    /// Workers at a time, whatever the plan says.
    pub jobs: Option<usize>,
    /// Whether the first trial that fails stops the others.
    pub fail_fast: bool,
    /// Whether trials share a prefix of training.
    pub sharing: Sharing,
    /// Who tells what memory workers need, where that decides how many there are.
    pub memory: Arc<dyn GpuMemory>,
    /// How others ask the run to stop.
    pub stop: Stop,
}

/// What the slots have in common.
pub(crate) struct Shared<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) store: &'a RunStore,
    pub(crate) options: &'a RunOptions,
    pub(crate) retries: Retries,
    origin: Origin,
    /// The GPUs that drivers tell of, by device.
    gpus: BTreeMap<String, Gpu>,
    pictures: PictureLimits,
    pub(crate) admission: Arc<Admission>,
    queue: Mutex<Queue>,
    freed: Condvar,
    rungs: Mutex<Option<Rungs>>,
    pub(crate) summary: Mutex<RunSummary>,
    observer: Mutex<&'a mut (dyn FnMut(Update) + Send)>,
    problem: Mutex<Option<OrchestratorError>>,
    failed_fast: AtomicBool,
}

impl Shared<'_> {
    /// Whether what is in progress is to be saved and nothing else to be begun.
    pub(crate) fn stopping(&self) -> bool {
        self.options.stop.requested()
            || self.failed_fast.load(Ordering::SeqCst)
            || held(&self.problem).is_some()
    }

    /// Why a trial that ended this epoch is to be given up, if it is.
    pub(crate) fn judge(&self, trial: &TrialId, epoch: &EpochSummary) -> Option<Pruned> {
        held(&self.rungs).as_mut()?.judge(trial, epoch)
    }

    /// Tells whoever watches.
    pub(crate) fn tell(&self, update: Update) {
        (held(&self.observer))(update);
    }
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs every trial that is asked for and not done. A trial that fails does not stop the others, unless that is asked
/// for.
///
/// # Errors
/// When the run directory is in use or cannot be written, or no worker can be started.
pub fn run(
    plan: &Plan,
    store: &RunStore,
    options: &RunOptions,
    observer: &mut (dyn FnMut(Update) + Send),
) -> Result<RunSummary, OrchestratorError> {
    place::run_dir(store.root())?;
    place::out_folder(&plan.run.cache, &[])?;
    let _lock = options.selection.shard.map_or_else(|| store.lock(), |shard| shard.lock(store))?;
    let states = checked_status(plan, store)?;
    store::write_new(&store.root().join("experiment.toml"), plan.source.as_bytes())?;
    store.write_plan(&plan.to_run_plan())?;

    let asked = plan.trials.iter().zip(&states).filter(|(trial, _)| options.selection.takes(trial));
    let count = |wanted: fn(&TrialStatus) -> bool| asked.clone().filter(|(_, s)| wanted(s)).count();
    let done = count(|s| *s == TrialStatus::Done);
    let diverged = count(|s| matches!(s, TrialStatus::Diverged(_)));
    let pruned = count(|s| matches!(s, TrialStatus::Pruned(_)));
    let pending: Vec<&Trial> = asked.clone().filter(|(_, s)| s.is_pending()).map(|(t, _)| t).collect();
    let (planned, total) = (plan.trials.len(), asked.clone().count());
    let summary = RunSummary { planned, total, done, diverged, pruned, ..RunSummary::default() };
    let trained = trained_stages(plan, store, options.sharing, &pending);
    let has_checkpoint = |id: &StageId| trained.contains(id);
    let epochs = epochs_ahead(plan, options.sharing, &pending, has_checkpoint);
    observer(Update::Started { total, done: done + diverged + pruned, epochs });
    let finished: Vec<&Trial> =
        asked.clone().filter(|(_, s)| **s == TrialStatus::Done).map(|(t, _)| t).collect();
    tidy::tidy(plan, store, options, &pending, &finished);
    if pending.is_empty() {
        return Ok(summary);
    }
    for problem in Ledger::read(store)?.problems {
        observer(Update::Warning { message: problem });
    }
    for (trial, state) in asked {
        if let Some(message) = set_aside(store, trial, state)? {
            observer(Update::Warning { message });
        }
    }
    for trial in &pending {
        trial_file::write(&store.trial_dir(&trial.id).join("trial.toml"), &trial.config)?;
    }
    let (version, pending_count) = (options.version.clone(), pending.len());
    store.journal(&JournalEntry::RunStarted { time: now(), version, pending: pending_count, done })?;
    let (origin, warning) = origin::origin(plan, store, options)?;
    if let Some(message) = warning {
        observer(Update::Warning { message });
    }
    let slots = slots(&plan.run, plan.device, options.jobs, pending.len());
    let devices: BTreeMap<String, DeviceRequest> =
        slots.iter().map(|slot| (slot.device.to_string(), slot.device)).collect();
    let gpu = |(name, device)| Some((name, origin::gpu(options, device)?));
    let shared = Shared {
        plan,
        store,
        options,
        retries: Retries::of(&plan.run),
        origin,
        gpus: devices.into_iter().filter_map(gpu).collect(),
        pictures: pictures::limits(&plan.run, slots.len()),
        admission: Admission::start(&slots, plan.run.per_device, Arc::clone(&options.memory)),
        queue: Mutex::new(Queue::new(in_turn(plan, options.sharing, &pending), has_checkpoint)),
        freed: Condvar::new(),
        rungs: Mutex::new(Rungs::read(plan, store)?),
        summary: Mutex::new(summary),
        observer: Mutex::new(observer),
        problem: Mutex::new(None),
        failed_fast: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for slot in slots {
            let shared = &shared;
            scope.spawn(move || {
                if let Err(error) = serve_slot(shared, &slot) {
                    held(&shared.problem).get_or_insert(error);
                }
            });
        }
    });
    if let Some(problem) = held(&shared.problem).take() {
        return Err(problem);
    }
    let mut summary = held(&shared.summary).clone();
    summary.left = pending.len() - summary.ran;
    let (done, failed) = (summary.done, summary.failed.len());
    store.journal(&JournalEntry::RunFinished { time: now(), done, failed })?;
    Ok(summary)
}

/// The order in which trials have their turn: every variant its first seed before any its second, else that of the plan.
fn in_turn(plan: &Plan, sharing: Sharing, pending: &[&Trial]) -> Vec<QueuedTrial> {
    let mut seeds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranks = Vec::with_capacity(plan.trials.len());
    for trial in &plan.trials {
        let rank = seeds.entry(&trial.variant).or_default();
        ranks.push(*rank);
        *rank += 1;
    }
    let stage = |t: &Trial| sharing.stage_of(t).cloned();
    let queued = |t: &&Trial| QueuedTrial { index: t.index, id: t.id.clone(), stage: stage(t) };
    let mut queue: Vec<QueuedTrial> = pending.iter().map(queued).collect();
    queue.sort_by_key(|t| (ranks[t.index], t.index));
    queue
}

fn stage_of<'p>(plan: &'p Plan, id: &StageId) -> Option<&'p Stage> {
    plan.stages.iter().find(|s| s.id == *id)
}

/// Whether a stage is trained: its last epoch's checkpoint is there.
#[must_use]
pub fn stage_is_done(store: &RunStore, plan: &Plan, id: &StageId) -> bool {
    let epochs = stage_of(plan, id).map_or(0, |s| s.epochs);
    checkpoint::has_trained(&store.stage_dir(id), epochs)
}

/// The stages of these trials that need not be trained: their last checkpoint is there and is what was written. One that is
/// damaged is trained again, rather than by each of the trials that would fork from it.
fn trained_stages(plan: &Plan, store: &RunStore, sharing: Sharing, pending: &[&Trial]) -> BTreeSet<StageId> {
    let needed: BTreeSet<&StageId> = pending.iter().filter_map(|trial| sharing.stage_of(trial)).collect();
    let trained = |id: &&&StageId| {
        let epochs = stage_of(plan, id).map_or(0, |stage| stage.epochs);
        checkpoint::has_trained_soundly(&store.stage_dir(id), epochs)
    };
    needed.iter().filter(trained).map(|id| (*id).clone()).collect()
}

/// Epochs to be trained, shared stages counted once.
fn epochs_ahead(
    plan: &Plan,
    sharing: Sharing,
    pending: &[&Trial],
    stage_done: impl Fn(&StageId) -> bool,
) -> usize {
    let mut stages: BTreeMap<&StageId, usize> = BTreeMap::new();
    let mut epochs = 0;
    for trial in pending {
        epochs += trial.config.training.epochs;
        if let Some(stage) = sharing.stage_of(trial).and_then(|id| stage_of(plan, id)) {
            epochs -= stage.epochs;
            let cost = if stage_done(&stage.id) { 0 } else { stage.epochs };
            stages.insert(&stage.id, cost);
        }
    }
    epochs + stages.values().sum::<usize>()
}

/// One slot: takes tasks until there are none.
fn serve_slot(shared: &Shared<'_>, slot: &Slot) -> Result<(), OrchestratorError> {
    let mut worker: Option<WorkerProcess> = None;
    let mut permit: Option<Permit<'_>> = None;
    loop {
        if shared.stopping() {
            return Ok(());
        }
        for message in shared.admission.news() {
            shared.tell(Update::Admission { message });
        }
        permit = permit.filter(|permit| shared.admission.may_stay(permit));
        if permit.is_none() {
            // Its memory is for whoever was let in; and so is its permit, which is gone.
            worker = None;
            permit = shared.admission.enter(slot.device);
        }
        let mut queue = held(&shared.queue);
        let next = match permit {
            Some(_) => queue.take(),
            None if queue.is_empty() => Next::Nothing,
            None => Next::Wait,
        };
        if next == Next::Wait {
            if shared.admission.is_by_memory() {
                (permit, worker) = (None, None);
            }
            // A stop comes from outside, without a word to the condition variable.
            drop(shared.freed.wait_timeout(queue, LOOK));
            continue;
        }
        drop(queue);
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
    slot: &Slot,
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
    let task = task(shared, slot, kind, &label.id, shared.store.stage_dir(id), None, &stage.config)?;
    let job = Job { task, label, trial: None };
    let started = Instant::now();
    let (end, _) = attempt(shared, slot, worker, &job)?;
    let seconds = started.elapsed().as_secs_f64();
    let Some(outcome) = outcome_of(&end) else {
        shared.tell(Update::TaskStopped { task: job.label });
        return Ok(());
    };
    if outcome == TrialOutcome::Done {
        shared.store.journal(&JournalEntry::StageFinished { time: now(), stage: id.clone(), seconds })?;
        held(&shared.queue).stage_done(id);
    } else {
        // Each of its trials would train the very same steps and end the same way.
        let lost = held(&shared.queue).stage_failed(id);
        for queued in lost {
            let trial = &shared.plan.trials[queued.index];
            record_end(shared, trial, &end, outcome.clone(), "", 0.0)?;
        }
    }
    shared.tell(Update::TaskEnded { task: job.label, outcome, seconds });
    Ok(())
}

fn run_trial(
    shared: &Shared<'_>,
    slot: &Slot,
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
    let stage_dir = shared.options.sharing.stage_of(trial).map(|s| shared.store.stage_dir(s));
    let task = task(shared, slot, TaskKind::Trial, &label.id, dir, stage_dir, &trial.config)?;
    let job = Job { task, label, trial: Some(trial) };
    let started = Instant::now();
    let (end, device) = attempt(shared, slot, worker, &job)?;
    let seconds = started.elapsed().as_secs_f64();
    if let TaskEnd::Pruned(why) = &end {
        return record_pruned(shared, trial, job.label, why);
    }
    let Some(outcome) = outcome_of(&end) else {
        let entry = JournalEntry::TrialInterrupted { time: now(), trial: trial.id.clone() };
        shared.store.journal(&entry)?;
        shared.tell(Update::TaskStopped { task: job.label });
        return Ok(());
    };
    let outcome = record_end(shared, trial, &end, outcome, &device, seconds)?;
    shared.tell(Update::TaskEnded { task: job.label, outcome, seconds });
    Ok(())
}

fn task(
    shared: &Shared<'_>,
    slot: &Slot,
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
        device: slot.device.to_string(),
        threads: slot.threads,
        pictures: shared.pictures,
        plugins: used(&shared.options.plugins, kind, &config),
        origin: shared.origin.clone(),
        gpu: shared.gpus.get(&slot.device.to_string()).cloned(),
        config,
    })
}

/// The libraries that a task uses: their hashes are part of the fingerprints of plugins. A stage trains by
/// cross-entropy only.
fn used(plugins: &TaskPlugins, kind: TaskKind, config: &Value) -> TaskPlugins {
    let sections = match kind {
        TaskKind::Stage { .. } => vec![&config["dataset"], &config["model"]],
        TaskKind::Trial => vec![config],
    };
    let text: String = sections.into_iter().map(Value::to_string).collect();
    let files = plugins.files.iter().filter(|file| text.contains(&file.blake3)).cloned().collect();
    TaskPlugins { files, ..plugins.clone() }
}

/// How a task ended that came to an end; `None` when it was interrupted.
fn outcome_of(end: &TaskEnd) -> Option<TrialOutcome> {
    match end {
        TaskEnd::Finished { .. } => Some(TrialOutcome::Done),
        TaskEnd::Diverged(message) => Some(TrialOutcome::Diverged { message: message.clone() }),
        TaskEnd::Failed(message) | TaskEnd::Crashed(message) => {
            Some(TrialOutcome::Failed { message: message.clone() })
        }
        TaskEnd::Stopped | TaskEnd::Pruned(_) => None,
    }
}

fn record_pruned(
    shared: &Shared<'_>,
    trial: &Trial,
    task: TaskLabel,
    why: &Pruned,
) -> Result<(), OrchestratorError> {
    {
        let mut summary = held(&shared.summary);
        summary.ran += 1;
        summary.pruned += 1;
    }
    let (trial, pruned) = (trial.id.clone(), why.clone());
    shared.store.journal(&JournalEntry::TrialPruned { time: now(), trial, pruned })?;
    shared.tell(Update::TaskPruned { task, message: why.to_string() });
    Ok(())
}

/// Writes down how a trial ended, which is how its worker says unless something of what it should have left is missing.
fn record_end(
    shared: &Shared<'_>,
    trial: &Trial,
    end: &TaskEnd,
    mut outcome: TrialOutcome,
    device: &str,
    seconds: f64,
) -> Result<TrialOutcome, OrchestratorError> {
    let (train_seconds, eval_seconds, peak_memory) = match end {
        TaskEnd::Finished { train_seconds, eval_seconds, peak_memory } => {
            (*train_seconds, *eval_seconds, *peak_memory)
        }
        _ => (seconds, 0.0, None),
    };
    let done = Done {
        ended: outcome.clone(),
        version: shared.options.version.clone(),
        device: device.to_owned(),
        train_seconds,
        eval_seconds,
        peak_memory,
        artefacts: BTreeMap::new(),
    };
    if !matches!(outcome, TrialOutcome::Failed { .. }) {
        match shared.store.mark_done(&trial.id, done) {
            Err(error @ StoreError::Incomplete { .. }) => {
                outcome = TrialOutcome::Failed { message: error.to_string() };
            }
            marked => marked?,
        }
    }
    {
        let mut summary = held(&shared.summary);
        summary.ran += 1;
        match &outcome {
            TrialOutcome::Done => summary.done += 1,
            TrialOutcome::Diverged { .. } => summary.diverged += 1,
            TrialOutcome::Failed { message } => summary.failed.push((trial.id.clone(), message.clone())),
        }
    }
    if matches!(outcome, TrialOutcome::Failed { .. }) {
        shared.failed_fast.fetch_or(shared.options.fail_fast, Ordering::SeqCst);
    }
    shared.store.journal(&JournalEntry::TrialFinished {
        time: now(),
        trial: trial.id.clone(),
        outcome: outcome.clone(),
        seconds,
    })?;
    // Not before it is done: whoever is killed in between leaves more than is needed, and never less.
    if outcome == TrialOutcome::Done
        && let Err(error) = checkpoint::clear(&shared.store.trial_dir(&trial.id))
    {
        let advice = "`fovea gc` removes it later";
        shared.tell(Update::Warning {
            message: format!("what only resuming needed is still there: {error}; {advice}"),
        });
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{options, plan, run_config, trial};
    use crate::memory::NvidiaSmi;
    use fovea_plan::RunConfig;

    #[test]
    fn every_variant_has_its_first_seed_before_any_its_second() {
        // A grid whose last axis is the seed, as most are; variant `c` is done with its first seed.
        let grid = ["a", "b", "c"].into_iter().flat_map(|v| [7, 8].map(|seed| trial(v, seed, None)));
        let trials: Vec<Trial> = grid.enumerate().map(|(index, t)| Trial { index, ..t }).collect();
        let plan = plan(run_config(), trials);
        let pending: Vec<&Trial> = plan.trials.iter().filter(|t| t.index != 4).collect();
        let order: Vec<usize> = in_turn(&plan, Sharing::Stages, &pending).iter().map(|t| t.index).collect();
        assert_eq!(order, [0, 2, 1, 3, 5]);
    }

    #[test]
    fn a_trial_that_lacks_results_is_not_done_and_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        // A worker that says it has finished and has written nothing.
        let worker = "#!/bin/sh\nwhile read -r task; do\n\
                      echo '{\"event\":\"finished\",\"train_seconds\":1,\"eval_seconds\":1}'\ndone\n";
        let trials = (0..2).map(|index| Trial { index, ..trial("a", index as u64, None) }).collect();
        let plan = plan(run_config(), trials);
        let options = options(dir.path(), worker, Arc::new(NvidiaSmi));
        let store = RunStore::new(dir.path().join("run"));
        let summary = crate::run(&plan, &store, &options, &mut |_| ()).unwrap();
        assert_eq!((summary.done, summary.failed.len()), (0, 2), "{summary:?}");
        let told = |text: &String| text.contains("cannot be marked as done: it has no metrics.jsonl");
        assert!(summary.failed.iter().all(|(_, text)| told(text)), "{summary:?}");
        assert!(plan.trials.iter().all(|trial| !store.trial_dir(&trial.id).join("DONE.json").exists()));
    }

    /// Its GPU falls off the bus in the first task that it is given, or in every one of seed 1.
    const LOST: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
while read -r task; do
    if test -e lost && case $task in *'"seed":1'*) false ;; esac; then
        for trial in run/trials/*; do
            mkdir -p "$trial/checkpoint"
            for file in metrics.jsonl predictions.jsonl provenance.jsonl trace.jsonl checkpoint/model.safetensors; do
                test -e "$trial/$file" || : > "$trial/$file"
            done
        done
        echo '{"event":"finished","train_seconds":1,"eval_seconds":1}'
    else
        : > lost
        echo '{"event":"panicked","message":"CUDA_ERROR_UNKNOWN: GPU is lost"}'
        exit 101
    fi
done
"#;

    #[test]
    fn a_gpu_that_is_lost_costs_an_attempt_and_one_that_stays_lost_its_trial() {
        let dir = tempfile::tempdir().unwrap();
        let trials = (0..2).map(|index| Trial { index, ..trial("a", index as u64, None) }).collect();
        let plan = plan(RunConfig { retries: 1, ..run_config() }, trials);
        let store = RunStore::new(dir.path().join("run"));
        let options = options(dir.path(), LOST, Arc::new(NvidiaSmi));
        let summary = crate::run(&plan, &store, &options, &mut |_| ()).unwrap();
        assert_eq!((summary.done, summary.crashes.len()), (1, 3), "{summary:?}");
        let [(failed, message)] = summary.failed.as_slice() else { panic!("{summary:?}") };
        assert_eq!(failed, &plan.trials[1].id);
        assert!(message.contains("GPU is lost; tried 2 times"), "{message}");
        assert!(store.trial_dir(&plan.trials[0].id).join("DONE.json").exists());
    }

    #[test]
    fn a_worker_that_lives_and_cannot_be_heard_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(run_config(), vec![trial("a", 0, None)]);
        let store = RunStore::new(dir.path().join("run"));
        let mute = "#!/bin/sh\nexec >&-\nsleep 600\n";
        let options = options(dir.path(), mute, Arc::new(NvidiaSmi));
        let summary = crate::run(&plan, &store, &options, &mut |_| ()).unwrap();
        let [(_, message)] = summary.failed.as_slice() else { panic!("{summary:?}") };
        assert!(message.contains("the worker process was ended: it says nothing any more"), "{message}");
    }
}

//! A task, as often as it takes. The main function is [`attempt`].

use crate::admission::is_out_of_memory;
use crate::limits::Limits;
use crate::recorder::Recorder;
use crate::run::{RunOptions, Shared, held};
use crate::slots::Slot;
use crate::worker::{TaskEnd, WorkerProcess};
use crate::{Crash, OrchestratorError, TaskLabel, Update};
use fovea_plan::Trial;
use fovea_records::prune::Pruned;
use fovea_records::{JournalEntry, TrialEvent, WorkerTask, now, temporary};
use std::cell::OnceCell;
use std::time::{Duration, Instant};

/// How often a slot that waits looks whether it is to stop.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// One piece of work, with what is said of it.
pub(crate) struct Job<'a> {
    pub(crate) task: WorkerTask,
    pub(crate) label: TaskLabel,
    /// The trial that it is; `None` for a stage.
    pub(crate) trial: Option<&'a Trial>,
}

/// Has the slot's worker do the job, again and again while the process dies and retries are left. Gives back the device
/// in words, too.
pub(crate) fn attempt(
    shared: &Shared<'_>,
    slot: &Slot,
    worker: &mut Option<WorkerProcess>,
    job: &Job<'_>,
) -> Result<(TaskEnd, String), OrchestratorError> {
    let mut device = String::new();
    // Attempts that failed because too many others shared the device.
    let mut crowded = 0;
    for attempt in 1.. {
        if let Some(trial) = job.trial {
            let entry = JournalEntry::TrialStarted { time: now(), trial: trial.id.clone(), attempt };
            shared.store.journal(&entry)?;
        }
        // What an attempt before left, whose worker died.
        temporary::tidy(&job.task.dir, 2, Duration::ZERO);
        shared.tell(Update::TaskStarted { task: job.label.clone(), attempt, fresh: worker.is_none() });
        let message = match once(shared, slot, worker, job, &mut device)? {
            TaskEnd::Crashed(message) => message,
            TaskEnd::Stopped if !shared.stopping() => "the worker was told to stop from outside".to_owned(),
            end => return Ok((end, device)),
        };
        *worker = None;
        if is_out_of_memory(&message) && shared.admission.lower(slot.device) {
            crowded += 1;
            record_crash(shared, job, attempt, &message, Some(Duration::ZERO))?;
            if shared.admission.give_way(slot.device, || shared.slept(LOOK)) {
                continue;
            }
            break;
        }
        let wait = shared.retries.after(attempt - crowded);
        record_crash(shared, job, attempt, &message, wait)?;
        let Some(wait) = wait else {
            let times = if attempt == 1 { String::new() } else { format!("; tried {attempt} times") };
            return Ok((TaskEnd::Failed(format!("{message}{times}")), device));
        };
        if !shared.slept(wait) {
            break;
        }
    }
    Ok((TaskEnd::Stopped, device))
}

/// One attempt.
fn once(
    shared: &Shared<'_>,
    slot: &Slot,
    worker: &mut Option<WorkerProcess>,
    job: &Job<'_>,
    device: &mut String,
) -> Result<TaskEnd, OrchestratorError> {
    let (mut recorder, log) = Recorder::begin(&job.task, slot.index, shared.plan.run.tensorboard)?;
    let process = match worker {
        Some(process) => {
            process.log_to(log);
            process
        }
        None => {
            let RunOptions { binary, messages, .. } = shared.options;
            let process = WorkerProcess::spawn(binary, slot.threads, slot.index, messages, log)?;
            shared.admission.has_worker(slot, process.id());
            worker.insert(process)
        }
    };
    tracing::info!(slot = slot.index, task = job.task.id, "{} begins", job.label.text);
    let limits = Limits::of(&shared.plan.run);
    let hopeless: OnceCell<Pruned> = OnceCell::new();
    let stop = || shared.stopping() || hopeless.get().is_some();
    let mut end = process.perform(&job.task, limits, &stop, |event| {
        if let TrialEvent::Started { device: name, .. } = event {
            device.clone_from(name);
        }
        if let (TrialEvent::Epoch(epoch), Some(trial), None) = (event, job.trial, hopeless.get())
            && let Some(why) = shared.judge(&trial.id, epoch)
        {
            hopeless.get_or_init(|| why);
        }
        if job.trial.is_some() && has_shown_its_need(event) {
            shared.admission.is_warm(slot.device);
        }
        recorder.event(event);
        shared.tell(Update::Event { task: job.label.clone(), event: event.clone() });
    });
    if let Some(why) = hopeless.into_inner() {
        // Whether it has heard of it or not: a worker that was asked to stop does no other task.
        *worker = None;
        if end == TaskEnd::Stopped {
            end = TaskEnd::Pruned(why);
        }
    }
    if let TaskEnd::Crashed(message) = &end {
        recorder.event(&TrialEvent::Failed { message: message.clone() });
    }
    recorder.end()?;
    tracing::info!(slot = slot.index, task = job.task.id, ?end, "{} ended", job.label.text);
    Ok(end)
}

/// Whether a worker that says this of a trial has done what needs the most memory: training with an explanation, or, where there
/// is none, everything.
fn has_shown_its_need(event: &TrialEvent) -> bool {
    match event {
        TrialEvent::Epoch(epoch) => epoch.explanation.is_some(),
        TrialEvent::Finished { .. } => true,
        _ => false,
    }
}

fn record_crash(
    shared: &Shared<'_>,
    job: &Job<'_>,
    attempt: usize,
    message: &str,
    wait: Option<Duration>,
) -> Result<(), OrchestratorError> {
    let retry_in = wait.map(|w| w.as_secs_f64());
    let (task, message) = (job.label.clone(), message.to_owned());
    shared.store.journal(&JournalEntry::TaskCrashed {
        time: now(),
        task: task.id.clone(),
        attempt,
        message: message.clone(),
        retry_in,
    })?;
    shared.tell(Update::TaskCrashed { task: task.clone(), message: message.clone(), retry_in });
    held(&shared.summary).crashes.push(Crash { task, attempt, message });
    Ok(())
}

impl Shared<'_> {
    /// Waits; `false` as soon as the run is to stop.
    fn slept(&self, wait: Duration) -> bool {
        let started = Instant::now();
        while let Some(left) = wait.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) {
            if self.stopping() {
                return false;
            }
            std::thread::sleep(left.min(LOOK));
        }
        !self.stopping()
    }
}

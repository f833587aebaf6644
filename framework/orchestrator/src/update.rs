//! What a run says while it goes on, and in the end. The main types are [`Update`] and [`RunSummary`].

use fovea_records::{TrialEvent, TrialId, TrialOutcome};

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
        /// Trials that are asked for.
        total: usize,
        /// Trials done before.
        done: usize,
        /// Epochs to be trained, shared stages counted once.
        epochs: usize,
    },
    /// Something that the user should know; the run goes on.
    Warning {
        /// Full sentence.
        message: String,
    },
    /// There are more or fewer workers on a device from now on.
    Admission {
        /// Full sentence.
        message: String,
    },
    /// A task begins.
    TaskStarted {
        /// Which.
        task: TaskLabel,
        /// Attempt, from 1.
        attempt: usize,
        /// Whether a worker process is started for it; else it goes to one that has done other tasks.
        fresh: bool,
    },
    /// A worker said something.
    Event {
        /// About which task.
        task: TaskLabel,
        /// What.
        event: TrialEvent,
    },
    /// A worker died, or was ended because it took too long.
    TaskCrashed {
        /// Over which task.
        task: TaskLabel,
        /// Full sentence.
        message: String,
        /// Seconds until it is tried again; `None`: it is not.
        retry_in: Option<f64>,
    },
    /// A task was interrupted; the next run goes on with it.
    TaskStopped {
        /// Which.
        task: TaskLabel,
    },
    /// A trial is given up because others did better.
    TaskPruned {
        /// Which.
        task: TaskLabel,
        /// Why.
        message: String,
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

/// An attempt that ended with the worker's death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// At which task.
    pub task: TaskLabel,
    /// Attempt, from 1.
    pub attempt: usize,
    /// Full sentence.
    pub message: String,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSummary {
    /// Trials of the plan.
    pub planned: usize,
    /// Trials that were asked for.
    pub total: usize,
    /// Trials of these done, now or before.
    pub done: usize,
    /// Trials run to their end now, whatever it was.
    pub ran: usize,
    /// Trials whose loss became non-finite.
    pub diverged: usize,
    /// Trials that were given up because others did better, now or before.
    pub pruned: usize,
    /// Trials that failed now, with the reason.
    pub failed: Vec<(TrialId, String)>,
    /// Attempts that crashed, retried or not.
    pub crashes: Vec<Crash>,
    /// Trials that were not run to their end because the run was to stop.
    pub left: usize,
}

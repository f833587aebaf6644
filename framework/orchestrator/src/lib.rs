//! Runs a plan: stages before the trials that fork from them, in worker processes, recorded as it goes.
//!
//! - [`mod@run`]: [`run`](run::run), the whole of it; `attempt`: one task, as often as it takes.
//! - [`mod@status`]: what of a plan is done; [`select`]: what of it is asked for.
//! - [`worker`]: [`WorkerProcess`](worker::WorkerProcess), one child; [`mod@slots`]: who works where.
//! - [`queue`]: which task is next; [`limits`]: how long it may take, and when it is tried again.
//! - [`update`]: what is said meanwhile; [`stop`]: how to end it early.
//!
//! The orchestrator never computes, a worker never schedules. No Burn here.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod attempt;
pub mod error;
#[cfg(test)]
mod example;
pub mod limits;
pub mod queue;
pub mod run;
pub mod select;
pub mod slots;
pub mod status;
pub mod stop;
mod trial_file;
pub mod update;
pub mod worker;

pub use error::OrchestratorError;
pub use run::{RunOptions, run};
pub use select::{Selection, Shard};
pub use status::{TrialStatus, status};
pub use stop::Stop;
pub use update::{Crash, RunSummary, TaskLabel, Update};

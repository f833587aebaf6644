//! Runs a plan: stages before the trials that fork from them, in worker processes, recorded as it goes.
//!
//! - [`mod@run`]: [`run`](run::run), the whole of it.
//! - [`mod@status`]: what of a plan is done.
//! - [`worker`]: [`WorkerProcess`](worker::WorkerProcess), one child.
//! - [`stderr`]: what a worker says beside its events.
//! - [`queue`]: which task is next.
//!
//! The orchestrator never computes, a worker never schedules. No Burn here.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod error;
pub mod queue;
mod recorder;
pub mod run;
pub mod status;
pub mod stderr;
mod tensorboard;
pub mod worker;

pub use error::OrchestratorError;
pub use run::{RunOptions, RunSummary, TaskLabel, Update, run};
pub use status::{TrialStatus, status};
pub use worker::WorkerMessages;

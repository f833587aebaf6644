//! Runs a plan: stages before the trials that fork from them, in worker processes, recorded as it goes.
//!
//! - [`mod@run`]: [`run`](run::run), the whole of it.
//! - [`mod@status`]: what of a plan is done.
//! - [`standing`]: [`standings`], where each trial stands and why; [`changes`](mod@changes): what
//!   became different since an earlier one; [`ledger`]: what the journal says of each.
//! - [`history`]: how long finished trials took; [`estimate`](mod@estimate): how long those of a plan will.
//! - [`survey`]: runs in a folder; [`dossier`]: all there is to know of one trial; [`gc`]: what of them can be deleted.
//! - [`worker`]: [`WorkerProcess`](worker::WorkerProcess), one child.
//! - [`stderr`]: what a worker says beside its events.
//! - [`queue`]: which task is next.
//!
//! The orchestrator never computes, a worker never schedules. No Burn here.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod changes;
pub mod dossier;
pub mod error;
pub mod estimate;
pub mod gc;
pub mod history;
pub mod ledger;
pub mod queue;
mod recorder;
pub mod run;
pub mod standing;
pub mod status;
pub mod stderr;
pub mod survey;
mod tensorboard;
pub mod worker;

pub use error::OrchestratorError;
pub use run::{RunOptions, RunSummary, TaskLabel, Update, run};
pub use standing::{Standing, Word, standings};
pub use status::{TrialStatus, status};
pub use worker::WorkerMessages;

//! Runs a plan: stages before the trials that fork from them, in worker processes, recorded as it goes.
//!
//! - [`mod@run`]: [`run`](run::run), the whole of it; `attempt`: one task, as often as it takes.
//! - [`mod@status`]: what of a plan is done; [`select`]: what of it is asked for.
//! - [`standing`]: [`standings`], where each trial stands and why; [`changes`](mod@changes): what
//!   became different since an earlier one; [`ledger`]: what the journal says of each.
//! - [`history`]: how long finished trials took; [`estimate`](mod@estimate): how long those of a plan will.
//! - [`survey`]: runs in a folder; [`dossier`]: all there is to know of one trial; [`gc`]: what of them can be deleted.
//! - [`worker`]: [`WorkerProcess`](worker::WorkerProcess), one child; [`mod@slots`]: who works where.
//! - `admission`: how many of them are on a device, by what [`memory`] tells of it.
//! - [`stderr`]: what a worker says beside its events.
//! - [`sharing`]: whether trials share a prefix of training, and what that saves.
//! - [`queue`]: which task is next; [`limits`]: how long it may take, and when it is tried again;
//!   [`prune`]: which trials are given up early.
//! - `origin`: what a run knows of itself, for the records: its [`machine`](mod@machine), and by `source` the work tree;
//!   `output`: what other programs print; `tidy`: what the dead left is removed; `pictures`: what decoded pictures may take.
//! - [`update`]: what is said meanwhile; [`timeline`]: where the time of a run goes; [`stop`]: how to end it early.
//!
//! The orchestrator never computes, a worker never schedules. No Burn here.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod admission;
pub mod aside;
mod attempt;
pub mod changes;
pub mod dossier;
pub mod error;
pub mod estimate;
#[cfg(test)]
mod example;
pub mod gc;
pub mod history;
mod killed;
pub mod ledger;
pub mod limits;
pub mod machine;
pub mod memory;
mod origin;
mod output;
pub mod pause;
mod pictures;
pub mod prune;
pub mod queue;
mod recorder;
pub mod run;
pub mod select;
pub mod sharing;
pub mod slots;
pub mod source;
pub mod standing;
pub mod status;
pub mod stderr;
pub mod stop;
pub mod survey;
mod tensorboard;
mod tidy;
pub mod timeline;
mod trial_file;
pub mod update;
pub mod worker;

pub use error::OrchestratorError;
pub use run::{RunOptions, run};
pub use select::{Selection, Shard};
pub use sharing::{Saving, Sharing};
pub use standing::{Standing, Word, plan_standings, standings};
pub use status::{TrialStatus, status};
pub use stop::Stop;
pub use timeline::Timeline;
pub use update::{Crash, RunSummary, TaskLabel, Update};
pub use worker::WorkerMessages;

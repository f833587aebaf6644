//! Whether a result is what its record says.
//!
//! - [`record`]: [`TrialRecord`], all that is on disk of one trial.
//! - [`integrity`]: whether a record is what was written when the trial ended; `recompute`: its metrics from its predictions.
//! - [`rerun`]: a trial trained again from its record alone; `sample`: which of them.
//! - [`compare`]: [`compare()`](compare::compare), where a rerun first left the record and how far its metrics are off;
//!   `order`: tensors in the order of the network; [`circumstances`]: what was different; `reasons`: why it may have left.
//! - [`mod@judge`]: [`judge()`](judge::judge), the verdict on a rerun; [`mod@verify`]: [`verify()`](verify::verify), all of that for a run, a [`Verdict`](fovea_records::Verdict) a trial.
//! - [`diff`] and [`diff_runs`]: what two trials, or two runs, have not in common.
//! - [`bundle`]: what another person needs, in one file; [`unpack`]: what such a file holds.
//!
//! Trials are run by `fovea_orchestrator`. The crate knows neither Burn nor Polars.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod bundle;
pub mod circumstances;
pub mod compare;
pub mod diff;
pub mod diff_runs;
pub mod error;
#[cfg(test)]
mod example;
pub mod integrity;
pub mod judge;
mod order;
mod reasons;
mod recompute;
pub mod record;
pub mod rerun;
mod sample;
pub mod unpack;
pub mod verify;

pub use error::AuditError;
pub use record::TrialRecord;

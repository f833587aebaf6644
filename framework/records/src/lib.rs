//! What a run leaves on disk, and the only way to write it there.
//!
//! - [`id`]: [`TrialId`], the content address of a trial.
//! - [`metrics`]: [`MetricRow`] and the declaration of every metric (label, unit, direction).
//! - [`event`]: [`TrialEvent`], what a worker says while it computes; [`JournalEntry`], what the orchestrator did.
//! - [`predictions`]: per-picture outputs, so that a new metric needs no training.
//! - [`lookup`]: [`find_trial`], a finished trial from what a user types.
//! - [`task`]: [`WorkerTask`], what the orchestrator asks of a worker.
//! - [`store`]: [`RunStore`], the run directory: locks, atomic writes, DONE markers.
//!
//! The crate knows neither Burn nor Polars.

pub mod event;
pub mod id;
pub mod lookup;
pub mod metrics;
pub mod predictions;
pub mod store;
pub mod task;

pub use event::{EpochSummary, JournalEntry, TrialEvent};
pub use id::{StageId, TrialId};
pub use lookup::{LookupError, find_trial};
pub use metrics::{Direction, MetricDef, MetricRow, Unit};
pub use predictions::{GalleryItem, PredictionRecord, Region};
pub use store::{Done, PlannedTrial, Reference, RunLock, RunPlan, RunStore, StoreError, TrialOutcome};
pub use task::{TaskKind, WorkerTask};

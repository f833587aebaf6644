//! What a run leaves on disk, and the only way to write it there.
//!
//! - [`id`]: [`TrialId`], the content address of a trial.
//! - [`metrics`]: [`MetricRow`] and the declaration of every metric (label, unit, direction).
//! - [`event`]: [`TrialEvent`], what a worker says while it computes; [`JournalEntry`], what the orchestrator did.
//! - [`provenance`]: [`Provenance`], what a trial's numbers rest on besides its configuration.
//! - [`environment`]: which environment variables a provenance has.
//! - [`trace`]: [`TraceLine`], what training computed on its way.
//! - [`verdict`]: [`Verdict`], what came of checking a trial.
//! - [`predictions`]: per-picture outputs, so that a new metric needs no training.
//! - [`checkpoint`]: checkpoints of training: their names, whether they are sound, which are kept.
//! - [`temporary`]: files on their way to their names, and what the dead left of them.
//! - [`remove`]: removing so that nothing half removed stays under its name.
//! - [`progress`]: [`TaskProgress`], how far a task is, for whoever watches.
//! - [`prune`]: when training is given up early, and why it was.
//! - [`attempts`]: [`AttemptLog`](attempts::AttemptLog), what a worker wrote to stderr, a file an attempt.
//! - [`place`]: where something may be written: refuses folders that are no run's, and links and devices.
//! - [`overview`]: [`Overview`](overview::Overview), how far a run is, from its files alone.
//! - [`later`]: [`LaterRow`], what was measured after a trial had ended.
//! - [`lines`]: JSON lines, strictly or so that a bad one costs itself only.
//! - [`lookup`]: [`find_trial`], a finished trial from what a user types; [`locate_trial`], any.
//! - `digest`: [`RunStore::digest`], whether records are still what they were.
//! - [`disk`]: [`Usage`], how much is below a folder, and since when.
//! - [`finite`]: JSON without NaN and infinities: what every writer here checks.
//! - [`sealed`]: cached values that are read back only if they are what was written.
//! - [`task`]: [`WorkerTask`], what the orchestrator asks of a worker.
//! - [`store`]: [`RunStore`], the run directory: locks, atomic writes, DONE markers.
//!
//! The crate knows neither Burn nor Polars.

pub mod attempts;
pub mod checkpoint;
mod digest;
pub mod disk;
pub mod environment;
pub mod event;
pub mod finite;
pub mod id;
pub mod later;
pub mod lines;
mod locks;
pub mod lookup;
pub mod metrics;
pub mod overview;
pub mod place;
pub mod predictions;
pub mod progress;
pub mod provenance;
pub mod prune;
pub mod remove;
pub mod sealed;
pub mod store;
pub mod task;
pub mod temporary;
pub mod trace;
pub mod verdict;

pub use disk::Usage;
pub use event::{EpochSummary, JournalEntry, LoggedEvent, TrialEvent, date, now};
pub use id::{StageId, TrialId};
pub use later::LaterRow;
pub use lookup::{LookupError, find_trial, locate_trial};
pub use metrics::{Direction, MetricDef, MetricRow, Unit};
pub use predictions::{GalleryItem, PredictionRecord, Region};
pub use progress::{Phase, TaskProgress};
pub use provenance::Provenance;
pub use store::{Done, PlannedTrial, Reference, RunLock, RunPlan, RunStore, StoreError, TrialOutcome};
pub use task::{PictureLimits, PluginFile, TaskKind, TaskPlugins, WorkerTask};
pub use trace::TraceLine;
pub use verdict::{Finding, Verdict};

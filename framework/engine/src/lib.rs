//! Runs one trial: data pipeline, training through the CAM, evaluation, checkpoints.
//!
//! - [`trial`]: a whole stage or trial from a [`WorkerTask`](fovea_records::WorkerTask).
//! - [`data`]: decoded pictures, augmentation, target boxes, batches from threads.
//! - [`cam`]: Grad-CAM heatmaps as tensors.
//! - [`objective`]: `L = alpha L_CE + beta L_expl`.
//! - [`train`]: the training loop; [`epoch`]: the sums of an epoch in progress; [`schedule`]: learning rates; [`checkpoint`]: exact resume.
//! - [`evaluate`]: accuracy, noise robustness, explanation metrics, gallery.
//! - [`again`]: finished trials measured anew.
//! - [`explain`]: any pictures through one network; [`trained`]: the network of a finished trial; [`export`]: its
//!   weights for PyTorch.
//! - [`localize`](mod@localize): boxes of any pictures.
//! - [`catalog`]: the registry as the plan sees it; [`ahead`]: what can be known of a trial before it is trained.
//! - [`device`]: from a request to a device; [`precision`]: in which type it multiplies; `kernels`: where what a GPU
//!   compiles and tunes is kept.
//! - `provenance`: what a trial rests on beside its configuration; `digest`: hashes for its trace; `reach`: how many
//!   pictures its loss reached; `memory`: how much it took.
//! - [`worker`]: the loop of a worker process.
//! - [`mod@bench`]: how fast its parts are; [`probe`]: one of a trial that is planned.
//!
//! The engine emits events and never calls a reporter.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod adam;
pub mod again;
pub mod ahead;
pub mod bench;
pub mod cam;
pub mod catalog;
pub mod checkpoint;
pub mod data;
pub mod device;
mod digest;
pub mod epoch;
pub mod error;
pub mod evaluate;
pub mod explain;
pub mod export;
mod kernels;
pub mod localize;
mod memory;
pub mod objective;
pub mod precision;
pub mod probe;
mod provenance;
mod reach;
pub mod schedule;
pub mod train;
pub mod trained;
pub mod trial;
mod unchanged;
pub mod worker;

pub use error::EngineError;

/// Where events go.
pub type Emit<'a> = &'a (dyn Fn(fovea_records::TrialEvent) + Sync);

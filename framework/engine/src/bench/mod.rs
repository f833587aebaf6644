//! How fast things are, for `fovea bench`: each measured through the code that a trial runs.
//!
//! - [`step`]: training steps; [`data`]: from files to batches; [`localize`](mod@localize): boxes by a localizer;
//!   [`extract`]: from heatmaps to boxes; [`eval`]: the evaluation of a trial.
//! - [`measurement`]: what comes out.
//!
//! The main type is [`Measurement`].

pub mod data;
pub mod eval;
pub mod extract;
pub mod localize;
pub mod measurement;
pub mod step;

pub use data::DataBench;
pub use eval::EvalBench;
pub use extract::ExtractBench;
pub use localize::LocalizeBench;
pub use measurement::{Items, Measurement, Unit};
pub use step::{CLASSES, StepBench};

use crate::EngineError;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Has this process compute with so many CPU threads; before anything is computed.
///
/// # Errors
/// When threads are at work already.
pub fn use_threads(threads: usize) -> Result<(), EngineError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|e| EngineError::Config(format!("cannot use {threads} threads: {e}")))
}

/// Threads that this process computes with.
#[must_use]
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Seconds that something took, and what came out.
fn timed<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<(f64, T), EngineError> {
    let started = Instant::now();
    let result = work()?;
    Ok((started.elapsed().as_secs_f64(), result))
}

/// What a plugin is, for the record: its name under its kind, and its configuration where there is one.
fn plugin_settings(kind: &str, name: &str, config: &Value) -> Map<String, Value> {
    let mut settings = Map::from_iter([(kind.to_owned(), json!(name))]);
    if config.as_object().is_some_and(|config| !config.is_empty()) {
        settings.insert("config".to_owned(), config.clone());
    }
    settings
}

//! What the orchestrator asks of a worker, one JSON object a line on its stdin. The main type is [`WorkerTask`].

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Train the shared prefix and leave its checkpoint.
    Stage {
        /// Epochs of the prefix.
        epochs: usize,
    },
    /// Train to the end, evaluate, leave every artefact but `events.jsonl` and `DONE.json`.
    Trial,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerTask {
    /// What is to be done.
    pub kind: TaskKind,
    /// The stage's or trial's id, for messages.
    pub id: String,
    /// Where its files go; what an earlier attempt left there is resumed.
    pub dir: PathBuf,
    /// Directory of the stage to fork from, if its checkpoint exists.
    pub stage_dir: Option<PathBuf>,
    /// Cache shared between runs.
    pub cache_dir: PathBuf,
    /// Relative paths in plugin configurations start here.
    pub base_dir: PathBuf,
    /// Device (`auto`, `cpu`, `cuda:N`).
    pub device: String,
    /// CPU threads of the worker.
    pub threads: usize,
    /// The trial's resolved configuration (`fovea_plan::TrialConfig`).
    pub config: serde_json::Value,
}

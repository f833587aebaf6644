//! What the orchestrator asks of a worker, one JSON object a line on its stdin. The main type is [`WorkerTask`].

use crate::provenance::{Gpu, Origin};
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

/// A library of plugins, as the run was planned with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginFile {
    /// The file, absolute.
    pub path: PathBuf,
    /// BLAKE3 of its contents, in hexadecimal digits.
    pub blake3: String,
}

/// Libraries of plugins that a task needs, and what a call of them may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskPlugins {
    /// The libraries. A worker refuses the task when one of them is another by now.
    pub files: Vec<PluginFile>,
    /// Seconds that a call may take; `None`: any number.
    pub timeout: Option<f64>,
    /// Bytes that a plugin may make the worker grow by; `None`: any number.
    pub memory: Option<u64>,
}

/// What decoded pictures may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureLimits {
    /// Bytes of the worker's memory.
    pub memory: u64,
    /// Bytes of a data set in the cache shared between runs; 0: that cache is not used for pictures.
    pub disk: u64,
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self { memory: 4 << 30, disk: 0 }
    }
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
    /// What decoded pictures may take.
    #[serde(default)]
    pub pictures: PictureLimits,
    /// Libraries to load first.
    #[serde(default)]
    pub plugins: TaskPlugins,
    /// What the record of the trial says of whoever runs it.
    #[serde(default)]
    pub origin: Origin,
    /// The GPU, where one is asked for and its driver tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// The trial's resolved configuration (`fovea_plan::TrialConfig`).
    pub config: serde_json::Value,
}

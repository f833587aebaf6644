//! What a trial's numbers rest on besides its configuration. The main type is [`Provenance`].
//!
//! `trials/<id>/provenance.jsonl` and `stages/<id>/provenance.jsonl` have a line per process that trained: one for a
//! trial that ran through, more where it was resumed. A trial that forked from a shared warm-up begins with the lines of
//! that stage, so its record stands alone when the stage is gone. Runs of earlier versions have none.

use crate::{RunStore, StageId, StoreError, TrialId, store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the file in the folder of a trial or stage.
pub const FILE: &str = "provenance.jsonl";

/// Folder of a run that keeps the differences of dirty work trees, `<blake3>.patch` each.
pub const PATCHES: &str = "patches";

/// One process that trained a trial, or the warm-up that it forked from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Seconds since the Unix epoch, when the work began.
    pub time: f64,
    /// The warm-up stage that this line is of; `None`: of the trial itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageId>,
    /// Epochs that were done before.
    pub from_epoch: usize,
    /// Steps of the next epoch that were done before.
    pub from_step: usize,
    /// Seed of the trial.
    pub seed: u64,
    /// The program.
    pub program: Program,
    /// The command that began the run, word by word.
    pub command: Vec<String>,
    /// The repository that the command was started in, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceState>,
    /// The computer.
    pub machine: Machine,
    /// What it computed on.
    pub device: DeviceState,
    /// CPU threads of the worker.
    pub threads: usize,
    /// Environment variables that can change results or speed, and were set.
    pub environment: BTreeMap<String, String>,
    /// The plugins, the data set first.
    pub plugins: Vec<PluginRecord>,
}

/// The program that trained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Version of Fovea.
    pub version: String,
    /// BLAKE3 of the executable file.
    pub blake3: String,
    /// BLAKE3 of the `Cargo.lock` that it was built with.
    pub cargo_lock: String,
    /// Compiler (`rustc 1.95.0 (...)`).
    pub compiler: String,
    /// Target triple.
    pub target: String,
    /// Features of the build, comma-separated; empty for none.
    pub features: String,
}

/// State of a git work tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Its folder.
    pub root: String,
    /// The commit that was checked out.
    pub commit: String,
    /// BLAKE3 of its difference to that commit, which is kept in [`PATCHES`]; `None`: no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Files that git does not know, which the patch leaves out (the first hundred).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untracked: Vec<String>,
}

/// The computer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and kernel.
    pub system: String,
    /// Model of the CPU.
    pub cpu: String,
    /// Instruction sets by which kernels are chosen (`avx2`, `avx512f`, `fma`), in the order of the alphabet.
    pub instructions: Vec<String>,
    /// Logical cores.
    pub cores: usize,
    /// Bytes of memory.
    pub memory: u64,
}

/// What a trial is computed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceState {
    /// In words (`cpu (2 threads)`, `cuda:0`).
    pub name: String,
    /// Model of a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Version of a GPU's driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// A plugin of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Kind (`dataset`, `model`, `localizer`, `extractor`, `loss`).
    pub kind: String,
    /// Name.
    pub name: String,
    /// Fingerprint: of a data set, its content; of others, their version, and their library's hash if they are in one.
    pub fingerprint: String,
    /// BLAKE3 of the files that it read (weights, data), by key of its configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// The library that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
}

/// The processes that trained in a folder of a trial or stage, in order; empty where none is recorded.
///
/// # Errors
/// When a line is no provenance.
pub fn read(dir: &Path) -> Result<Vec<Provenance>, StoreError> {
    store::read_lines(&dir.join(FILE), "provenance")
}

impl RunStore {
    /// What a trial rests on, in order: its warm-up if it was shared, then the trial itself; empty for trials of earlier
    /// versions.
    ///
    /// # Errors
    /// When a line is no provenance.
    pub fn read_provenance(&self, id: &TrialId) -> Result<Vec<Provenance>, StoreError> {
        read(&self.trial_dir(id))
    }
}

//! What a trial's numbers rest on besides its configuration. The main type is [`Provenance`].
//!
//! `trials/<id>/provenance.jsonl` and `stages/<id>/provenance.jsonl` have a line per process that trained: one for a
//! trial that ran through, more where it was resumed. A trial that forked from a shared warm-up begins with the lines of
//! that stage, so its record stands alone when the stage is gone. Runs of earlier versions have none.

use crate::{RunStore, StageId, StoreError, TrialId, lines, store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    /// Environment variables that can change results or speed, and were set ([`crate::environment`]).
    pub environment: BTreeMap<String, String>,
    /// The plugins, the data set first.
    pub plugins: Vec<PluginRecord>,
    /// Where relative paths in the configurations of plugins started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_dir: Option<PathBuf>,
}

/// What the process that began the run knows, and tells every worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The program.
    pub program: Program,
    /// Its command, word by word.
    pub command: Vec<String>,
    /// The repository that the command was started in, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceState>,
    /// The computer.
    pub machine: Machine,
}

/// A GPU, as its driver names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Model.
    pub model: String,
    /// Version of the driver.
    pub driver: String,
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
    /// How it multiplies f32 numbers, where that is not f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products: Option<String>,
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
    /// BLAKE3 of the file that it read by key of its configuration (`weights`); of all files that a plugin of a library
    /// was given one together, as `files`. Of data the fingerprint is the hash.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// The library that it, or the plugin that it wraps, came from; the fingerprint has its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
}

/// The processes that trained in a folder of a trial or stage, in order; empty where none is recorded. Lines that are none
/// are left out: a finished trial's are compared with the hash of the file.
///
/// # Errors
/// When the file cannot be read.
pub fn read(dir: &Path) -> Result<Vec<Provenance>, StoreError> {
    Ok(lines::tolerantly(&dir.join(FILE), "provenance")?.values)
}

/// Begins the record of a process in the folder of a trial or stage.
///
/// What counts of the past stands before it: `shared` lines of the stage that it forks from, where it does; else those
/// of earlier processes whose work it goes on with. A process that died before it had saved a step has left nothing.
///
/// # Errors
/// When the file holds something else, or cannot be written.
pub fn begin(dir: &Path, shared: Option<(StageId, &Path)>, line: Provenance) -> Result<(), StoreError> {
    let mut lines = match shared {
        Some((stage, stage_dir)) => {
            let of_stage = |line| Provenance { stage: Some(stage.clone()), ..line };
            read(stage_dir)?.into_iter().map(of_stage).collect()
        }
        None => read(dir)?,
    };
    let from = (line.from_epoch, line.from_step);
    lines.retain(|earlier| (earlier.from_epoch, earlier.from_step) < from);
    lines.push(line);
    store::write_lines(&dir.join(FILE), &lines)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: f64, from_epoch: usize, from_step: usize) -> Provenance {
        Provenance {
            time,
            stage: None,
            from_epoch,
            from_step,
            seed: 0,
            program: Program::default(),
            command: Vec::new(),
            source: None,
            machine: Machine::default(),
            device: DeviceState::default(),
            threads: 1,
            environment: BTreeMap::new(),
            plugins: Vec::new(),
            base_dir: None,
        }
    }

    #[test]
    fn only_processes_whose_work_counts_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let [stage, trial] = ["stage", "trial"].map(|name| dir.path().join(name));
        let times = |dir: &Path| -> Vec<f64> { read(dir).unwrap().iter().map(|line| line.time).collect() };
        begin(&stage, None, line(1.0, 0, 0)).unwrap();
        // It died before its first checkpoint.
        begin(&stage, None, line(2.0, 0, 0)).unwrap();
        assert_eq!(times(&stage), [2.0]);
        begin(&stage, None, line(3.0, 0, 7)).unwrap();
        let id = StageId::of("x");
        let forked = |time| begin(&trial, Some((id.clone(), &stage)), line(time, 1, 0)).unwrap();
        forked(4.0);
        forked(5.0);
        begin(&trial, None, line(6.0, 1, 3)).unwrap();
        assert_eq!(times(&trial), [2.0, 3.0, 5.0, 6.0]);
        let stages: Vec<bool> = read(&trial).unwrap().iter().map(|line| line.stage.is_some()).collect();
        assert_eq!(stages, [true, true, false, false]);
    }
}

//! The run directory. The main type is [`RunStore`].
//!
//! ```text
//! runs/<name>/
//!   experiment.toml  plan.json  journal.jsonl  patches/  lock
//!   stages/<id>/{events.jsonl, provenance.jsonl, trace.jsonl, checkpoint/}
//!   trials/<id>/{trial.toml, events.jsonl, metrics.jsonl, predictions.jsonl, provenance.jsonl, trace.jsonl, gallery/,
//!               checkpoint/, DONE.json}
//!   trials/<id>/{progress.json, worker.log, tensorboard/}: for whoever watches, no results
//!   tables/  report/
//! ```
//!
//! A file appears whole or not at all: temporary name, fsync, rename, fsync of the directory. `DONE.json` is written
//! last and carries the BLAKE3 of every artefact, so a trial without it is not done, whatever else lies there.

use crate::finite::{self, Unwritable};
use crate::lines::{self, Lines};
use crate::locks;
use crate::prune::Asha;
use crate::temporary::{self, Temporary};
use crate::{GalleryItem, JournalEntry, MetricRow, PredictionRecord, StageId, TrialEvent, TrialId};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What went wrong with the run directory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried (`write`, `read`, `create`).
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}:{line}: not a valid {what}: {message}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was expected.
        what: &'static str,
        /// The parser's answer.
        message: String,
    },
    /// A trial that is said to be done lacks results.
    #[error("{} cannot be marked as done: it has no {missing}", dir.display())]
    Incomplete {
        /// The trial's folder.
        dir: PathBuf,
        /// The files.
        missing: String,
    },
    /// What was to be written cannot be read back.
    #[error("cannot write {}: {why}", path.display())]
    Unwritable {
        /// The file, which is left as it was.
        path: PathBuf,
        /// What in it cannot be written.
        why: Unwritable,
    },
    /// Something else is where it should be written.
    #[error("cannot write {}: {why}", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
        /// What is there and what to do.
        why: String,
    },
    /// Another process holds the run.
    #[error("{} is in use by another fovea run ({holder}). Wait for it to end, or give this run another directory with run.dir=DIR.", path.display())]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// Who holds it, as it wrote: `pid 12`, `parts of 4`.
        holder: String,
    },
}

pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| StoreError::Io { action, path: path.to_owned(), source }
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum TrialOutcome {
    /// Trained and measured.
    Done,
    /// The loss became non-finite; running it again would do the same.
    Diverged {
        /// Full sentence.
        message: String,
    },
    /// It failed and will be tried again by the next run.
    Failed {
        /// Full sentence.
        message: String,
    },
}

/// Contents of `DONE.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// How the trial ended ([`TrialOutcome::Failed`] never gets a marker).
    pub ended: TrialOutcome,
    /// Version of Fovea that ran it.
    pub version: String,
    /// Device it ran on.
    pub device: String,
    /// Seconds in training.
    pub train_seconds: f64,
    /// Seconds in evaluation.
    pub eval_seconds: f64,
    /// The most memory, in bytes, that the worker had, GPUs' not counted; `None` in records of earlier versions and
    /// where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// BLAKE3 of every artefact, by path relative to the trial's directory.
    pub artefacts: BTreeMap<String, String>,
}

/// A trial as `plan.json` lists it: all that a report needs to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTrial {
    /// Its identity.
    pub id: TrialId,
    /// Position in the grid, from 0.
    pub index: usize,
    /// Label of the variant: the values of all axes but the seed (`loss=ria`). Trials that differ in nothing but the
    /// seed share it.
    pub variant: String,
    /// The named group that its variant belongs to. No part of the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Value of each axis, seed included, in declared order, as text.
    pub axes: Vec<(String, String)>,
    /// The stage it forks from, if its training prefix is shared.
    pub stage: Option<StageId>,
    /// The resolved configuration.
    pub config: serde_json::Value,
    /// Where each value of the configuration that is no default was given, by dotted key: `experiment.toml:12`,
    /// `environment FOVEA_SEED`, `command line: seed=3`. No part of the identity. Empty in plans of earlier versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<String, String>,
}

/// A published number, to be shown beside the run's own. No part of anything's identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The variant that it is compared with.
    pub variant: String,
    /// Split.
    pub split: String,
    /// Metric, one of [`crate::metrics::DEFINITIONS`].
    pub metric: String,
    /// Noise kind, for metrics under noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<String>,
    /// Noise level; `None` under noise is the mean over levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// The number; fractions, not per cent.
    pub value: f64,
    /// Its standard deviation, where it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// Where it is published.
    pub source: String,
}

/// Contents of `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// Name of the experiment.
    pub name: String,
    /// What the experiment asks, in words.
    pub question: Option<String>,
    /// Whether it is a smoke run: tiny data and models, to see that the experiment runs.
    #[serde(default)]
    pub smoke: bool,
    /// Names of the axes, in declared order.
    pub axes: Vec<String>,
    /// The axes that stand in the labels of variants; empty in plans from before there was a choice: all but the seed.
    #[serde(default)]
    pub label_axes: Vec<String>,
    /// The command that makes or continues this run.
    pub command: String,
    /// Variant that others are compared with.
    pub baseline: Option<String>,
    /// Published numbers to show beside the run's own.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// When trials are given up early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<Asha>,
    /// Trials in grid order.
    pub trials: Vec<PlannedTrial>,
}

/// A run directory. Reading needs no lock; [`RunStore::lock`] is for the one process that runs trials.
#[derive(Clone, Debug)]
pub struct RunStore {
    root: PathBuf,
}

/// Held while this value lives; the kernel releases it when the process dies, however it dies.
#[derive(Debug)]
pub struct RunLock {
    _files: Vec<File>,
}

impl RunStore {
    /// A store at `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The run directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Directory of a trial.
    #[must_use]
    pub fn trial_dir(&self, id: &TrialId) -> PathBuf {
        self.root.join("trials").join(id.as_str())
    }

    /// Directory of a stage.
    #[must_use]
    pub fn stage_dir(&self, id: &StageId) -> PathBuf {
        self.root.join("stages").join(id.as_str())
    }

    /// Directory of the tables.
    #[must_use]
    pub fn tables_dir(&self) -> PathBuf {
        self.root.join("tables")
    }

    /// Directory of the report.
    #[must_use]
    pub fn report_dir(&self) -> PathBuf {
        self.root.join("report")
    }

    /// Creates the directory and takes the kernel's lock on it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds it; [`StoreError::Io`] when the directory cannot be written.
    pub fn lock(&self) -> Result<RunLock, StoreError> {
        Ok(RunLock { _files: vec![self.lock_alone("lock")?] })
    }

    /// As [`RunStore::lock`], for part `index` of `count` of the trials: other parts can be run at the same time, but
    /// neither the whole nor parts of another size, which have trials in common with this one.
    ///
    /// # Errors
    /// As those of [`RunStore::lock`].
    pub fn lock_part(&self, index: u64, count: u64) -> Result<RunLock, StoreError> {
        // Parts that begin at the same moment take their turn, lest one sees the lock of another half taken.
        let _entering = FileLock::acquire(&self.root.join("lock-parts"))?;
        let (mut run, path) = self.open_lock("lock")?;
        let parts = format!("parts of {count}");
        if taken_alone(&run).map_err(io("lock", &path))? {
            note(&mut run, &path, &parts)?;
        }
        let shared = locks::take(&run, FlockOperation::NonBlockingLockShared).map_err(io("lock", &path))?;
        let holder = fs::read_to_string(&path).unwrap_or_default();
        if !shared || holder.trim() != parts {
            return Err(self.locked(&holder));
        }
        Ok(RunLock { _files: vec![run, self.lock_alone(&format!("lock-{index}-of-{count}"))?] })
    }

    fn lock_alone(&self, name: &str) -> Result<File, StoreError> {
        let (mut file, path) = self.open_lock(name)?;
        if !taken_alone(&file).map_err(io("lock", &path))? {
            return Err(self.locked(&fs::read_to_string(&path).unwrap_or_default()));
        }
        note(&mut file, &path, &format!("pid {}", std::process::id()))?;
        Ok(file)
    }

    fn open_lock(&self, name: &str) -> Result<(File, PathBuf), StoreError> {
        fs::create_dir_all(&self.root).map_err(io("create", &self.root))?;
        let path = self.root.join(name);
        let mut options = OpenOptions::new();
        let file = options.create(true).read(true).write(true).truncate(false).open(&path);
        Ok((file.map_err(io("write", &path))?, path))
    }

    fn locked(&self, holder: &str) -> StoreError {
        let holder = if holder.trim().is_empty() { "unknown" } else { holder.trim() };
        StoreError::Locked { path: self.root.clone(), holder: holder.to_owned() }
    }

    /// Who holds the lock now: `pid 17`, or `part 1 of 2: pid 17, part 2 of 2: pid 18`; `None` when nobody does. Changes
    /// nothing on disk.
    #[must_use]
    pub fn holder(&self) -> Option<String> {
        if let Some(alone) = self.holder_of("lock") {
            return Some(alone);
        }
        // Those who have a part share that lock with each other, and with whoever asks.
        let noted = fs::read_to_string(self.root.join("lock")).ok()?;
        let count: u64 = noted.trim().strip_prefix("parts of ")?.parse().ok()?;
        let part = |index| {
            let holder = self.holder_of(&format!("lock-{index}-of-{count}"))?;
            Some(format!("part {index} of {count}: {holder}"))
        };
        let parts: Vec<String> = (1..=count.min(1000)).filter_map(part).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn holder_of(&self, lock: &str) -> Option<String> {
        let path = self.root.join(lock);
        let file = File::open(&path).ok()?;
        // Where there are no locks nobody can hold one.
        if !matches!(locks::take(&file, FlockOperation::NonBlockingLockShared), Ok(false)) {
            return None;
        }
        let holder = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
        Some(if holder.is_empty() { "unknown".to_owned() } else { holder })
    }

    /// Writes `plan.json`, unless it says the same already.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_plan(&self, plan: &RunPlan) -> Result<(), StoreError> {
        let path = self.root.join("plan.json");
        write_new(&path, &pretty(&path, plan)?)
    }

    /// Reads `plan.json`.
    ///
    /// # Errors
    /// When the file is missing or not a plan.
    pub fn read_plan(&self) -> Result<RunPlan, StoreError> {
        read_json(&self.root.join("plan.json"), "plan")
    }

    /// The DONE marker of a trial; `None` while it is not done.
    ///
    /// # Errors
    /// When the marker exists but is not valid.
    pub fn done(&self, id: &TrialId) -> Result<Option<Done>, StoreError> {
        let path = self.trial_dir(id).join("DONE.json");
        if path.exists() { read_json(&path, "DONE marker").map(Some) } else { Ok(None) }
    }

    /// Appends to the journal.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn journal(&self, entry: &JournalEntry) -> Result<(), StoreError> {
        append_line(&self.root.join("journal.jsonl"), entry)
    }

    /// The entries of the journal; lines that are none are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_journal(&self) -> Result<Vec<JournalEntry>, StoreError> {
        Ok(self.journal_lines()?.values)
    }

    /// The journal with what in it cannot be read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn journal_lines(&self) -> Result<Lines<JournalEntry>, StoreError> {
        lines::tolerantly(&self.root.join("journal.jsonl"), "journal entry")
    }

    /// Events of a trial, in order; lines that are none are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_events(&self, id: &TrialId) -> Result<Vec<TrialEvent>, StoreError> {
        Ok(self.event_lines(id)?.values)
    }

    /// Events of a trial with what in their file cannot be read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn event_lines(&self, id: &TrialId) -> Result<Lines<TrialEvent>, StoreError> {
        lines::tolerantly(&self.trial_dir(id).join("events.jsonl"), "event")
    }

    /// Metric rows of a trial.
    ///
    /// # Errors
    /// When a line is not a row.
    pub fn read_metrics(&self, id: &TrialId) -> Result<Vec<MetricRow>, StoreError> {
        read_lines(&self.trial_dir(id).join("metrics.jsonl"), "metric row")
    }

    /// Per-picture predictions of a trial.
    ///
    /// # Errors
    /// When a line is not a record.
    pub fn read_predictions(&self, id: &TrialId) -> Result<Vec<PredictionRecord>, StoreError> {
        read_lines(&self.trial_dir(id).join("predictions.jsonl"), "prediction record")
    }

    /// Gallery of a trial.
    ///
    /// # Errors
    /// When a line is not an item.
    pub fn read_gallery(&self, id: &TrialId) -> Result<Vec<GalleryItem>, StoreError> {
        read_lines(&self.trial_dir(id).join("gallery").join("index.jsonl"), "gallery item")
    }

    /// What in the records of a trial that is done is not what was written when it ended; `None` where all is.
    ///
    /// It looks at what tables and reports are made of, which is small. Weights, traces and pictures of the gallery are for
    /// `fovea verify`.
    #[must_use]
    pub fn changed_record(&self, id: &TrialId, done: &Done) -> Option<String> {
        let dir = self.trial_dir(id);
        RECORDS.iter().find_map(|name| {
            let hash = done.artefacts.get(*name)?;
            match fs::read(dir.join(name)) {
                Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == hash => None,
                Ok(_) => {
                    Some(format!("{name} is not what was written: its hash is not the one in DONE.json"))
                }
                Err(error) if error.kind() == ErrorKind::NotFound => Some(format!("{name} is gone")),
                Err(error) => Some(format!("{name} cannot be read: {error}")),
            }
        })
    }

    /// Marks a trial as ended for good, with the hash of every artefact in its directory.
    ///
    /// # Errors
    /// When a trial that is done lacks an artefact, one cannot be read, or the marker cannot be written.
    pub fn mark_done(&self, id: &TrialId, mut done: Done) -> Result<(), StoreError> {
        let dir = self.trial_dir(id);
        done.artefacts = hash_files(&dir, &is_artefact)?;
        if done.ended == TrialOutcome::Done {
            let lacks = |name: &&&str| !done.artefacts.contains_key(**name);
            let missing: Vec<&str> = ARTEFACTS.iter().filter(lacks).copied().collect();
            if !missing.is_empty() {
                return Err(StoreError::Incomplete { dir, missing: missing.join(", ") });
            }
        }
        write_json(&dir.join("DONE.json"), &done)
    }
}

/// Every artefact that a trial which is done has, whatever its configuration.
pub const ARTEFACTS: [&str; 7] = [
    "trial.toml",
    "events.jsonl",
    "metrics.jsonl",
    "predictions.jsonl",
    "provenance.jsonl",
    "trace.jsonl",
    "checkpoint/model.safetensors",
];

/// Artefacts that tables and reports are made of.
const RECORDS: [&str; 6] = [
    "trial.toml",
    "events.jsonl",
    "metrics.jsonl",
    "predictions.jsonl",
    "provenance.jsonl",
    "gallery/index.jsonl",
];

/// Whether a file of a trial is a result of it. What is there for whoever watches may go at any time.
#[must_use]
pub fn is_artefact(name: &str) -> bool {
    let watched = name.starts_with("progress.json") || name.starts_with("tensorboard/");
    // What was being written or removed when a process was killed.
    let is_torn = name.split('/').any(temporary::is_one);
    let passing = watched || is_torn || crate::checkpoint::is_for_resuming(name);
    name != "DONE.json" && !passing && crate::attempts::attempt_of(name).is_none()
}

/// Takes the exclusive lock if it is free. Whoever asks who holds a run has its lock for a moment, so a second look
/// decides.
fn taken_alone(file: &File) -> std::io::Result<bool> {
    let taken = || locks::take(file, FlockOperation::NonBlockingLockExclusive);
    if taken()? {
        return Ok(true);
    }
    std::thread::sleep(Duration::from_millis(50));
    taken()
}

/// Says in a lock file who holds it.
fn note(file: &mut File, path: &Path, holder: &str) -> Result<(), StoreError> {
    file.set_len(0).and_then(|()| writeln!(file, "{holder}")).map_err(io("write", path))
}

/// BLAKE3 of every file below `dir`, by relative path with `/`.
///
/// # Errors
/// When a file cannot be read.
pub fn hash_tree(dir: &Path) -> Result<BTreeMap<String, String>, StoreError> {
    hash_files(dir, &|_| true)
}

/// As [`hash_tree`], of the files with a name that is `wanted`; the others are not read.
fn hash_files(dir: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, String>, StoreError> {
    let mut hashes = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(io("read", &folder))? {
            let path = entry.map_err(io("read", &folder))?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let relative = path.strip_prefix(dir).unwrap_or(&path);
                let name = relative
                    .components()
                    .map(|c| c.as_os_str().to_string_lossy())
                    .collect::<Vec<_>>()
                    .join("/");
                if !wanted(&name) {
                    continue;
                }
                let bytes = fs::read(&path).map_err(io("read", &path))?;
                hashes.insert(name, blake3::hash(&bytes).to_hex().to_string());
            }
        }
    }
    Ok(hashes)
}

/// A lock on a file, held until this is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock, waiting for whoever holds it. The file is made where it is missing.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn acquire(path: &Path) -> Result<Self, StoreError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(io("create", dir))?;
        let file = File::create(path).map_err(io("write", path))?;
        file.lock().map_err(locks::told).map_err(io("lock", path))?;
        Ok(Self { _file: file })
    }

    /// Takes the lock unless somebody holds it.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, StoreError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(io("create", dir))?;
        let file = File::create(path).map_err(io("write", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(io("lock", path)(locks::told(source))),
        }
    }
}

/// Writes a file so that it appears whole or not at all, and survives a power cut once this returns.
///
/// # Errors
/// When the directory cannot be created or written.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(io("create", dir))?;
    let temporary = Temporary::beside(path);
    let mut file = File::create(temporary.path()).map_err(io("write", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write", path))?;
    temporary.keep().map_err(io("write", path))?;
    sync_dir(dir)
}

/// Flushes a directory's entries to disk.
///
/// # Errors
/// When the directory cannot be opened.
pub fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    // The parent of a bare file name is the empty path, which cannot be opened.
    let dir = if dir == Path::new("") { Path::new(".") } else { dir };
    File::open(dir).and_then(|d| d.sync_all()).map_err(io("write", dir))
}

/// As [`write_atomic`], of a file that need not hold these bytes already; one that does is left alone.
///
/// # Errors
/// As those of [`write_atomic`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let same = fs::metadata(path).is_ok_and(|known| known.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|known| known == bytes);
    if same { Ok(()) } else { write_atomic(path, bytes) }
}

/// Writes pretty JSON atomically.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    write_atomic(path, &pretty(path, value)?)
}

fn pretty<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut text = finite::to_vec_pretty(value).map_err(unwritable(path))?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a JSON array atomically, an element a line: thousands of numbers would fill a line each otherwise.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json_array<T: Serialize>(path: &Path, values: &[T]) -> Result<(), StoreError> {
    let lines: Result<Vec<Vec<u8>>, _> = values.iter().map(finite::to_vec).collect();
    let lines = lines.map_err(unwritable(path))?;
    write_atomic(path, &[b"[\n", lines.join(&b",\n"[..]).as_slice(), b"\n]\n"].concat())
}

/// Reads a JSON file.
///
/// # Errors
/// When it is missing or does not hold a `T`; `what` names that in the message.
pub fn read_json<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, StoreError> {
    let text = fs::read_to_string(path).map_err(io("read", path))?;
    serde_json::from_str(&text).map_err(|e| corrupt(path, e.line(), what, &e))
}

/// Appends one JSON line.
///
/// # Errors
/// When the file cannot be written.
pub fn append_line<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    append_lines(path, std::slice::from_ref(value))
}

/// Appends JSON lines with one call of the operating system.
///
/// # Errors
/// When the file cannot be written.
pub fn append_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), StoreError> {
    let text = lines_of(path, values)?;
    let mut file =
        OpenOptions::new().create(true).read(true).append(true).open(path).map_err(io("write", path))?;
    // Parts of a run on several machines share a journal.
    let written = file.lock().and_then(|()| drop_torn_line(&mut file)).and_then(|()| file.write_all(&text));
    written.map_err(io("write", path))
}

fn lines_of<T: Serialize>(path: &Path, values: &[T]) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    for value in values {
        text.extend(finite::to_vec(value).map_err(unwritable(path))?);
        text.push(b'\n');
    }
    Ok(text)
}

/// Removes a last line that a crash cut short: what is appended next would be glued to it and spoil the file.
fn drop_torn_line(file: &mut File) -> std::io::Result<()> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == [b'\n'] {
        return Ok(());
    }
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    file.set_len(whole as u64)
}

/// Writes JSON lines atomically.
///
/// # Errors
/// When the file cannot be written.
pub fn write_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), StoreError> {
    write_atomic(path, &lines_of(path, values)?)
}

/// Reads JSON lines strictly ([`lines::strictly`]).
///
/// # Errors
/// When a complete line does not hold a `T`.
pub fn read_lines<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<Vec<T>, StoreError> {
    lines::strictly(path, what)
}

fn unwritable(path: &Path) -> impl FnOnce(Unwritable) -> StoreError {
    move |why| StoreError::Unwritable { path: path.to_owned(), why }
}

fn corrupt(path: &Path, line: usize, what: &'static str, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { path: path.to_owned(), line, what, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path().join("run"));
        let lock = store.lock().unwrap();
        let error = store.lock().unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert_eq!(store.holder(), Some(format!("pid {}", std::process::id())));
        drop(lock);
        assert_eq!(store.holder(), None);
        store.lock().unwrap();
    }

    #[test]
    fn parts_are_locked_beside_each_other_but_not_beside_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path());
        let first = store.lock_part(1, 2).unwrap();
        let own = format!("pid {}", std::process::id());
        assert_eq!(store.holder(), Some(format!("part 1 of 2: {own}")));
        let second = store.lock_part(2, 2).unwrap();
        assert_eq!(store.holder(), Some(format!("part 1 of 2: {own}, part 2 of 2: {own}")));
        for refused in [store.lock_part(1, 2), store.lock_part(1, 3), store.lock()] {
            assert!(matches!(refused, Err(StoreError::Locked { .. })));
        }
        drop(first);
        assert!(store.lock().unwrap_err().to_string().contains("parts of 2"));
        drop(second);
        let whole = store.lock().unwrap();
        assert!(store.lock_part(1, 2).unwrap_err().to_string().contains("pid"));
        drop(whole);
        store.lock_part(3, 3).unwrap();
    }

    #[test]
    fn parts_that_begin_at_the_same_moment_do_not_keep_each_other_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path().join("run"));
        for _ in 0..50 {
            std::thread::scope(|scope| {
                let parts: Vec<_> = (1..=4)
                    .map(|part| {
                        scope.spawn({
                            let store = &store;
                            move || store.lock_part(part, 4)
                        })
                    })
                    .collect();
                let _locks: Vec<RunLock> = parts.into_iter().map(|p| p.join().unwrap().unwrap()).collect();
            });
        }
    }

    #[test]
    fn a_line_cut_short_is_left_out_and_a_bad_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let row = MetricRow::new("test", "accuracy", 0.5, 2);
        append_line(&path, &row).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"split\":\"te").unwrap();
        assert_eq!(read_lines::<MetricRow>(&path, "metric row").unwrap(), std::slice::from_ref(&row));
        append_line(&path, &row).unwrap();
        assert_eq!(read_lines::<MetricRow>(&path, "metric row").unwrap(), [row.clone(), row]);
        fs::write(&path, "{}\n").unwrap();
        let error = read_lines::<MetricRow>(&path, "metric row").unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl:1: not a valid metric row"), "{error}");
    }

    #[test]
    fn no_writer_takes_a_number_that_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let good = MetricRow::new("test", "accuracy", 0.5, 2);
        write_lines(&path, std::slice::from_ref(&good)).unwrap();
        let bad = MetricRow { value: f64::NAN, ..good.clone() };
        let refused = [
            write_lines(&path, &[good.clone(), bad.clone()]),
            append_lines(&path, &[good.clone(), bad.clone()]),
            write_json(&path, &bad),
            write_json_array(&path, std::slice::from_ref(&bad)),
        ];
        for error in refused {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("metrics.jsonl: value is NaN"), "{error}");
        }
        assert_eq!(read_lines::<MetricRow>(&path, "metric row").unwrap(), [good]);
    }

    #[test]
    fn done_carries_the_hash_of_every_artefact() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path());
        let id = TrialId::of("x");
        write_atomic(&store.trial_dir(&id).join("gallery/a.txt"), b"abc").unwrap();
        for watched in [
            "worker.log",
            "worker.1.log",
            "progress.json.tmp",
            "tensorboard/events.out.tfevents.1",
            "checkpoint/epoch-00002/model.bpk",
            "checkpoint/.epoch-00001.17-0.tmp/model.bpk",
        ] {
            write_atomic(&store.trial_dir(&id).join(watched), b"x").unwrap();
        }
        assert_eq!(store.done(&id).unwrap(), None);
        for name in ARTEFACTS {
            write_atomic(&store.trial_dir(&id).join(name), name.as_bytes()).unwrap();
        }
        let done = Done {
            ended: TrialOutcome::Done,
            version: "0".into(),
            device: "cpu".into(),
            train_seconds: 1.0,
            eval_seconds: 1.0,
            peak_memory: None,
            artefacts: BTreeMap::new(),
        };
        for name in ARTEFACTS {
            let path = store.trial_dir(&id).join(name);
            fs::remove_file(&path).unwrap();
            let error = store.mark_done(&id, done.clone()).unwrap_err().to_string();
            assert!(error.ends_with(&format!("it has no {name}")), "{error}");
            write_atomic(&path, name.as_bytes()).unwrap();
        }
        store.mark_done(&id, done).unwrap();
        let read = store.done(&id).unwrap().unwrap();
        assert_eq!(read.artefacts["gallery/a.txt"], blake3::hash(b"abc").to_hex().to_string());
        assert_eq!(read.artefacts.len(), 1 + ARTEFACTS.len());
        assert_eq!(store.changed_record(&id, &read), None);
        for name in RECORDS.iter().filter(|name| ARTEFACTS.contains(name)) {
            let path = store.trial_dir(&id).join(name);
            for changed in ["", "another"] {
                write_atomic(&path, changed.as_bytes()).unwrap();
                let what = store.changed_record(&id, &read).unwrap();
                assert!(what.starts_with(name), "{what}");
            }
            fs::remove_file(&path).unwrap();
            assert_eq!(store.changed_record(&id, &read), Some(format!("{name} is gone")));
            write_atomic(&path, name.as_bytes()).unwrap();
        }
    }
}

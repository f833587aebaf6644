//! How far a task is, from its events. The main type is [`TaskProgress`].
//!
//! The same value is a line of the live view and, written to `progress.json` at most once a second, what
//! `fovea status` reads from another process.

use crate::store::{self, StoreError};
use crate::{TrialEvent, now};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a task is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// Reads its data and builds its network.
    #[default]
    Starting,
    /// Waits for target boxes.
    Localizing,
    /// Trains.
    Training,
    /// Is measured.
    Evaluating {
        /// What is measured (`test under gaussian noise`).
        what: String,
    },
}

/// How far a task is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskProgress {
    /// Seconds since the Unix epoch of the last event.
    pub time: f64,
    /// Which worker does it, from 0.
    pub slot: usize,
    /// What it is doing.
    pub phase: Phase,
    /// Steps of the epoch, or pictures, that are done.
    pub done: usize,
    /// Steps of an epoch, or pictures, in total.
    pub total: usize,
    /// Epochs finished.
    pub epoch: usize,
    /// Epochs in total.
    pub epochs: usize,
    /// Objective of late.
    pub loss: Option<f64>,
    /// Training pictures per second of late.
    pub images_per_second: Option<f64>,
}

impl TaskProgress {
    /// A task that begins on this worker.
    #[must_use]
    pub fn new(slot: usize) -> Self {
        Self { time: now(), slot, ..Self::default() }
    }

    /// Takes one event in.
    pub fn apply(&mut self, event: &TrialEvent) {
        self.time = now();
        match event {
            TrialEvent::Started { from_epoch, epochs, .. } => {
                (self.epoch, self.epochs) = (*from_epoch, *epochs);
            }
            TrialEvent::Localizing { done, total } => self.enter(Phase::Localizing, *done, *total),
            TrialEvent::Step { epoch, step, steps, loss, images_per_second } => {
                self.enter(Phase::Training, *step, *steps);
                self.epoch = *epoch;
                self.loss = Some(*loss);
                self.images_per_second = Some(*images_per_second);
            }
            TrialEvent::Epoch(summary) => {
                self.enter(Phase::Training, 0, self.total);
                (self.epoch, self.epochs) = (summary.epoch, summary.epochs.min(self.epochs));
                self.loss = Some(summary.loss);
                self.images_per_second = Some(summary.images_per_second);
            }
            TrialEvent::Evaluating { what, done, total } => {
                self.enter(Phase::Evaluating { what: what.clone() }, *done, *total);
            }
            TrialEvent::Metric(_)
            | TrialEvent::Warning { .. }
            | TrialEvent::Diverged { .. }
            | TrialEvent::Failed { .. }
            | TrialEvent::Finished { .. }
            | TrialEvent::Panicked { .. }
            | TrialEvent::Stopped => {}
        }
    }

    fn enter(&mut self, phase: Phase, done: usize, total: usize) {
        (self.phase, self.done, self.total) = (phase, done, total);
    }

    /// How much of the training, or of what else it is doing, is done: 0 to 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        let part = self.done as f64 / self.total.max(1) as f64;
        match self.phase {
            Phase::Starting => 0.0,
            Phase::Training => ((self.epoch as f64 + part) / self.epochs.max(1) as f64).min(1.0),
            Phase::Localizing | Phase::Evaluating { .. } => part.min(1.0),
        }
    }
}

/// Name of the file in the folder of a trial or stage that is being worked on.
pub const PROGRESS: &str = "progress.json";

/// Time between two writes.
const PERIOD: Duration = Duration::from_secs(1);

/// Keeps `progress.json` fresh while a task goes on, and removes it in the end.
#[derive(Debug)]
pub struct ProgressFile {
    path: PathBuf,
    progress: TaskProgress,
    written: Option<Instant>,
}

impl ProgressFile {
    /// The file of a task that begins in this folder.
    #[must_use]
    pub fn begin(dir: &Path, slot: usize) -> Self {
        let mut file = Self { path: dir.join(PROGRESS), progress: TaskProgress::new(slot), written: None };
        file.write();
        file
    }

    /// Takes one event in.
    pub fn event(&mut self, event: &TrialEvent) {
        self.progress.apply(event);
        if self.written.is_none_or(|at| at.elapsed() >= PERIOD) {
            self.write();
        }
    }

    /// Whole or not at all, but without waiting for the disk: the file is worth nothing after a power cut. A write
    /// that fails costs whoever watches a second, and must not cost the trial.
    fn write(&mut self) {
        self.written = Some(Instant::now());
        let temporary = self.path.with_extension("json.tmp");
        let Ok(text) = crate::finite::to_vec(&self.progress) else { return };
        let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
    }
}

impl Drop for ProgressFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// The progress of the task in this folder; `None` where nobody works, or stopped in an orderly way.
///
/// # Errors
/// When the file cannot be read.
pub fn read(dir: &Path) -> Result<Option<TaskProgress>, StoreError> {
    match store::read_json(&dir.join(PROGRESS), "progress record") {
        Ok(progress) => Ok(Some(progress)),
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_follows_the_events_and_its_file_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ProgressFile::begin(dir.path(), 1);
        assert_eq!(read(dir.path()).unwrap().unwrap().phase, Phase::Starting);
        file.event(&TrialEvent::Started {
            device: "cpu".into(),
            from_epoch: 1,
            epochs: 4,
            origin: "stage".into(),
        });
        let step = TrialEvent::Step { epoch: 1, step: 5, steps: 10, loss: 0.5, images_per_second: 9.0 };
        file.event(&step);
        assert_eq!(file.progress.fraction(), 1.5 / 4.0);
        assert_eq!(read(dir.path()).unwrap().unwrap().phase, Phase::Starting, "once a second is enough");
        file.written = None;
        file.event(&step);
        let read_back = read(dir.path()).unwrap().unwrap();
        assert_eq!((read_back.slot, read_back.epoch, read_back.loss), (1, 1, Some(0.5)));
        file.event(&TrialEvent::Evaluating { what: "test".into(), done: 3, total: 4 });
        assert_eq!(file.progress.fraction(), 0.75);
        drop(file);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_could_not_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // In the way of the rename, which fails as on a full disk.
        fs::create_dir(dir.path().join(PROGRESS)).unwrap();
        fs::write(dir.path().join(PROGRESS).join("x"), "").unwrap();
        let _file = ProgressFile::begin(dir.path(), 0);
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [PROGRESS]);
    }
}

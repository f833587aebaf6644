//! What is written while a worker does a task. The main type is [`Recorder`].

use crate::tensorboard::EventFile;
use fovea_records::attempts::AttemptLog;
use fovea_records::progress::ProgressFile;
use fovea_records::{LoggedEvent, StoreError, TrialEvent, WorkerTask, lines, now, store};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Records the events of one attempt at a task, in its folder: facts in `events.jsonl`, how far it is in
/// `progress.json`, and, where that is asked for, curves for TensorBoard.
#[derive(Debug)]
pub(crate) struct Recorder {
    events: PathBuf,
    attempt: usize,
    progress: ProgressFile,
    curves: Option<EventFile>,
    stage: Option<PathBuf>,
    failed: Option<StoreError>,
}

impl Recorder {
    /// Begins an attempt, and gives back the file for the worker's stderr.
    pub(crate) fn begin(
        task: &WorkerTask,
        slot: usize,
        tensorboard: bool,
    ) -> Result<(Self, File), StoreError> {
        let (log, stderr) = AttemptLog::begin(&task.dir)?;
        let curves = tensorboard.then(|| EventFile::create(&task.dir.join("tensorboard"))).transpose()?;
        let recorder = Self {
            events: task.dir.join("events.jsonl"),
            attempt: log.attempt,
            progress: ProgressFile::begin(&task.dir, slot),
            curves,
            stage: task.stage_dir.clone(),
            failed: None,
        };
        Ok((recorder, stderr))
    }

    /// Records one event.
    pub(crate) fn event(&mut self, event: &TrialEvent) {
        self.progress.event(event);
        if event.is_tick() || self.failed.is_some() {
            return;
        }
        self.failed = self.keep(event).err();
    }

    fn keep(&mut self, event: &TrialEvent) -> Result<(), StoreError> {
        let time = now();
        let logged = LoggedEvent { time: Some(time), attempt: Some(self.attempt), event: event.clone() };
        store::append_line(&self.events, &logged)?;
        let Some(curves) = &mut self.curves else { return Ok(()) };
        // The curve of a trial begins at epoch 1, wherever the trial was forked.
        if let (TrialEvent::Started { origin, .. }, Some(stage)) = (event, &self.stage)
            && origin == "stage"
        {
            for earlier in epochs_of(stage)? {
                curves.event(earlier.time.unwrap_or(time), &earlier.event)?;
            }
        }
        curves.event(time, event)
    }

    /// The attempt is over; what could not be written is an error.
    pub(crate) fn end(mut self) -> Result<(), StoreError> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

fn epochs_of(stage: &Path) -> Result<Vec<LoggedEvent>, StoreError> {
    let mut events = lines::tolerantly::<LoggedEvent>(&stage.join("events.jsonl"), "event")?.values;
    events.retain(|logged| matches!(logged.event, TrialEvent::Epoch(_)));
    Ok(events)
}

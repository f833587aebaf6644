//! What is said while a run goes on. The main type is [`TrialEvent`].

use crate::prune::Pruned;
use crate::{MetricRow, StageId, TrialId};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch. Only records carry it; no result depends on it.
#[must_use]
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// `2026-11-23 15:36:18 UTC` of seconds since the Unix epoch.
#[must_use]
pub fn date(time: f64) -> String {
    let total = time.max(0.0) as i64;
    let (days, seconds) = (total / 86400, total % 86400);
    // The proleptic Gregorian calendar in eras of 400 years, years beginning in March (Hinnant, "chrono-compatible
    // low-level date algorithms").
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Numbers of one finished training epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochSummary {
    /// Epochs finished, this one included.
    pub epoch: usize,
    /// Epochs in total.
    pub epochs: usize,
    /// Mean objective.
    pub loss: f64,
    /// Mean cross-entropy.
    pub cross_entropy: f64,
    /// Mean explanation loss over valid pictures; `None` in CE-only epochs.
    pub explanation: Option<f64>,
    /// Pictures that had no explanation loss although the epoch has one (no target box, or zero CAM).
    pub skipped: usize,
    /// Running accuracy on the training batches.
    pub accuracy: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Seconds of these in which training waited for pictures.
    #[serde(default)]
    pub waited: f64,
    /// Training pictures per second.
    pub images_per_second: f64,
}

/// What a worker says while it computes, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum TrialEvent {
    /// Work begins. `from_epoch` is above 0 when a checkpoint is resumed or a stage is forked.
    Started {
        /// Device in words (`cpu (2 threads)`, `cuda:0`).
        device: String,
        /// First epoch to be trained.
        from_epoch: usize,
        /// Epochs in total.
        epochs: usize,
        /// Where the state came from (`scratch`, `checkpoint`, `stage <id>`).
        origin: String,
    },
    /// Boxes of the localizer are being computed.
    Localizing {
        /// Pictures done.
        done: usize,
        /// Pictures in total.
        total: usize,
    },
    /// A training step, throttled to a few a second.
    Step {
        /// Epoch in progress, from 0.
        epoch: usize,
        /// Steps done in the epoch.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Objective at this step.
        loss: f64,
        /// Training pictures per second of late.
        images_per_second: f64,
    },
    /// An epoch ended.
    Epoch(EpochSummary),
    /// Evaluation goes on.
    Evaluating {
        /// What is evaluated (`test`, `test under gaussian noise`).
        what: String,
        /// Forward passes (in pictures) done.
        done: usize,
        /// Forward passes (in pictures) in total.
        total: usize,
    },
    /// One metric of the final evaluation, as it becomes known.
    Metric(MetricRow),
    /// Something the user should know; the trial goes on.
    Warning {
        /// Full sentence.
        message: String,
    },
    /// The loss, or what the network says, became NaN or infinite. The trial stops here for good.
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Step in the epoch, from 0.
        step: usize,
        /// The loss.
        loss: String,
        /// What else became NaN or infinite, where it was not the loss of that step: a full sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<String>,
    },
    /// The work failed.
    Failed {
        /// Full sentence, with where and what to do.
        message: String,
    },
    /// The worker was asked to stop and did, at a point from which the work can go on.
    Stopped,
    /// A panic ended the work, which may be tried again.
    Panicked {
        /// What it said, and where.
        message: String,
    },
    /// The work is finished and every artefact is on disk.
    Finished {
        /// Seconds spent in training by this process.
        train_seconds: f64,
        /// Seconds spent in evaluation.
        eval_seconds: f64,
        /// The most memory, in bytes, that the process had meanwhile, what earlier tasks left in it included; `None` in
        /// events of earlier versions and where the system does not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_memory: Option<u64>,
    },
}

impl TrialEvent {
    /// Whether it only tells how far something is. Ticks are for whoever watches; what is kept are the others, facts.
    #[must_use]
    pub fn is_tick(&self) -> bool {
        matches!(self, Self::Step { .. } | Self::Evaluating { .. } | Self::Localizing { .. })
    }

    /// What became NaN or infinite, and where, of a trial that diverged.
    #[must_use]
    pub fn divergence(&self) -> Option<String> {
        let Self::Diverged { epoch, step, loss, found } = self else { return None };
        let of_a_step = || format!("the loss became {loss} in epoch {}, step {}", epoch + 1, step + 1);
        Some(found.clone().unwrap_or_else(of_a_step))
    }
}

/// A line of `events.jsonl`: an event with when it was heard. Lines of older runs have nothing but the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedEvent {
    /// Seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Attempt at the trial, from 1, over all runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<usize>,
    /// The event.
    #[serde(flatten)]
    pub event: TrialEvent,
}

/// What the orchestrator did, one JSON object a line in `journal.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum JournalEntry {
    /// `fovea run` began.
    RunStarted {
        /// Seconds since the Unix epoch.
        time: f64,
        /// Version of Fovea.
        version: String,
        /// Trials to do.
        pending: usize,
        /// Trials that were done before.
        done: usize,
    },
    /// A stage was trained.
    StageFinished {
        /// Seconds since the Unix epoch.
        time: f64,
        /// The stage.
        stage: StageId,
        /// Wall-clock seconds.
        seconds: f64,
    },
    /// A trial began.
    TrialStarted {
        /// Seconds since the Unix epoch.
        time: f64,
        /// The trial.
        trial: TrialId,
        /// Which attempt, from 1.
        attempt: usize,
    },
    /// A worker died over a stage or trial, or was ended because it took too long.
    TaskCrashed {
        /// Seconds since the Unix epoch.
        time: f64,
        /// Id of the stage or trial.
        task: String,
        /// Which attempt, from 1.
        attempt: usize,
        /// Full sentence.
        message: String,
        /// Seconds until it is tried again; `None`: it is not.
        retry_in: Option<f64>,
    },
    /// A trial was interrupted; the next run goes on with it.
    TrialInterrupted {
        /// Seconds since the Unix epoch.
        time: f64,
        /// The trial.
        trial: TrialId,
    },
    /// A trial was stopped because others did better; it goes on under another rule.
    TrialPruned {
        /// Seconds since the Unix epoch.
        time: f64,
        /// The trial.
        trial: TrialId,
        /// Why.
        #[serde(flatten)]
        pruned: Pruned,
    },
    /// A trial ended.
    TrialFinished {
        /// Seconds since the Unix epoch.
        time: f64,
        /// The trial.
        trial: TrialId,
        /// How.
        outcome: crate::TrialOutcome,
        /// Wall-clock seconds.
        seconds: f64,
    },
    /// `fovea run` ended.
    RunFinished {
        /// Seconds since the Unix epoch.
        time: f64,
        /// Trials done in total.
        done: usize,
        /// Trials failed.
        failed: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_event_is_read_with_and_without_its_time() {
        let event = TrialEvent::Metric(MetricRow::new("test", "accuracy", 0.1 + 0.2, 3));
        let logged = LoggedEvent { time: Some(1.5), attempt: Some(2), event: event.clone() };
        let line = serde_json::to_string(&logged).unwrap();
        assert!(line.starts_with(r#"{"time":1.5,"attempt":2,"event":"metric","split":"test""#), "{line}");
        assert_eq!(serde_json::from_str::<LoggedEvent>(&line).unwrap(), logged);
        assert_eq!(serde_json::from_str::<TrialEvent>(&line).unwrap(), event, "older readers go on");
        let old = serde_json::to_string(&event).unwrap();
        assert_eq!(
            serde_json::from_str::<LoggedEvent>(&old).unwrap(),
            LoggedEvent { time: None, attempt: None, event }
        );
    }
}

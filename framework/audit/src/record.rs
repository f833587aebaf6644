//! All that is on disk of one trial. The main type is [`TrialRecord`].

use crate::AuditError;
use fovea_plan::{DeviceRequest, TrialConfig};
use fovea_records::{Done, PlannedTrial, Provenance, RunPlan, RunStore, StoreError, TrialId};
use std::path::{Path, PathBuf};

/// File of the trained weights within a trial's folder.
pub const WEIGHTS: &str = "checkpoint/model.safetensors";

/// One trial with what is recorded of it.
#[derive(Clone, Debug)]
pub struct TrialRecord {
    /// Its run.
    pub store: RunStore,
    /// Its id.
    pub id: TrialId,
    /// Its entry in `plan.json`; none for a trial of an earlier plan.
    pub planned: Option<PlannedTrial>,
    /// How it ended, if it did.
    pub done: Option<Done>,
    /// The processes that trained it; none for runs of earlier versions.
    pub provenance: Vec<Provenance>,
}

impl TrialRecord {
    /// Reads what is recorded of a trial of a run with this plan.
    ///
    /// # Errors
    /// When a record exists and cannot be read.
    pub fn open(store: &RunStore, plan: &RunPlan, id: &TrialId) -> Result<Self, StoreError> {
        Ok(Self {
            planned: plan.trials.iter().find(|trial| trial.id == *id).cloned(),
            done: store.done(id)?,
            provenance: store.read_provenance(id)?,
            store: store.clone(),
            id: id.clone(),
        })
    }

    /// As [`open`](Self::open), with what cannot be read left out and told.
    #[must_use]
    pub fn open_damaged(store: &RunStore, plan: &RunPlan, id: &TrialId) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut keep = |problem: StoreError| problems.push(format!("{problem}."));
        let done = store.done(id).map_err(&mut keep).unwrap_or_default();
        let provenance = store.read_provenance(id).map_err(&mut keep).unwrap_or_default();
        let planned = plan.trials.iter().find(|trial| trial.id == *id).cloned();
        (Self { planned, done, provenance, store: store.clone(), id: id.clone() }, problems)
    }

    /// Reads what is recorded of the trial in `dir`, a folder below `RUN/trials`.
    ///
    /// # Errors
    /// When a record cannot be read, or the folder's name is no id.
    pub fn in_folder(dir: &Path) -> Result<Self, AuditError> {
        let run = dir.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let store = RunStore::new(run);
        let plan = store.read_plan()?;
        Ok(Self::open(&store, &plan, &id_of(dir)?)?)
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.store.trial_dir(&self.id)
    }

    /// The label of its variant with its seed.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.planned {
            Some(planned) => format!("{}, seed {}", planned.variant, planned.seed),
            None => "(of an earlier plan)".to_owned(),
        }
    }

    /// Its resolved configuration: that of the plan, which has every key, else that of its folder.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn config(&self) -> Result<TrialConfig, String> {
        match &self.planned {
            Some(planned) => serde_json::from_value(planned.config.clone())
                .map_err(|e| format!("plan.json does not hold its configuration: {e}")),
            None => TrialConfig::read(&self.dir().join("trial.toml"))
                .map_err(|e| format!("trial.toml does not hold its configuration: {e}")),
        }
    }

    /// The process that ended its training.
    #[must_use]
    pub fn last_process(&self) -> Option<&Provenance> {
        self.provenance.iter().rev().find(|line| line.stage.is_none()).or(self.provenance.last())
    }

    /// The device that it ran on, in words (`cpu (2 threads)`, `cuda:0`).
    #[must_use]
    pub fn device_name(&self) -> &str {
        let recorded = self.last_process().map(|line| line.device.name.as_str());
        recorded.or(self.done.as_ref().map(|done| done.device.as_str())).unwrap_or_default()
    }

    /// The device that it ran on, to ask for it again.
    #[must_use]
    pub fn device(&self) -> Option<DeviceRequest> {
        self.device_name().split(' ').next()?.parse().ok()
    }

    /// CPU threads of the worker that ended its training.
    #[must_use]
    pub fn threads(&self) -> Option<usize> {
        self.last_process().map(|line| line.threads).or_else(|| threads_in(self.device_name()))
    }

    /// Seconds in training and evaluation; 0 for one that has not ended.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.done.as_ref().map_or(0.0, |done| done.train_seconds + done.eval_seconds)
    }
}

/// The id that a trial's folder is named by.
///
/// # Errors
/// When it is no id.
pub fn id_of(dir: &Path) -> Result<TrialId, AuditError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    serde_json::from_value(name.into())
        .map_err(|e| AuditError::NotReady(format!("{} is no folder of a trial: {e}", dir.display())))
}

/// The threads in `cpu (2 threads)`.
fn threads_in(device: &str) -> Option<usize> {
    device.split_once('(')?.1.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_read_off_a_device() {
        assert_eq!(threads_in("cpu (12 threads)"), Some(12));
        assert_eq!(threads_in("cpu (1 thread)"), Some(1));
        assert_eq!(threads_in("cuda:0"), None);
    }
}

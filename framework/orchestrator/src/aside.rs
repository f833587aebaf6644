//! Trials whose records are not what was written. The main function is `set_aside`.

use crate::TrialStatus;
use fovea_plan::Trial;
use fovea_records::{RunStore, StoreError};
use std::fs;

/// Folder of a run that keeps trials as they were found damaged; `fovea gc` offers them for deletion.
pub const DAMAGED: &str = "damaged";

/// Moves what is left of a damaged trial out of the way, so that it is trained again and whoever wants to know what happened
/// to it can still look. Gives back a sentence for the user; `None` where the trial is not damaged.
///
/// # Errors
/// When the folder cannot be moved.
pub(crate) fn set_aside(
    store: &RunStore,
    trial: &Trial,
    status: &TrialStatus,
) -> Result<Option<String>, StoreError> {
    let TrialStatus::Damaged(reason) = status else { return Ok(None) };
    let from = store.trial_dir(&trial.id);
    let folder = store.root().join(DAMAGED);
    let failed = |source| StoreError::Io { action: "move away", path: from.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let numbered = |n: usize| folder.join(format!("{}-{n}", trial.id));
    let to = (1..).map(numbered).find(|to| !to.exists()).unwrap_or_else(|| numbered(0));
    fs::rename(&from, &to).map_err(failed)?;
    Ok(Some(format!(
        "trial {} ({}, seed {}) is damaged and is trained again: {reason}; what was there is in {}",
        trial.id,
        trial.variant,
        trial.config.seed,
        to.display()
    )))
}

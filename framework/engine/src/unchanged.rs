//! Whether a trial's files still are those of its identity. The main function is [`check`].
//!
//! A trial's id is made of fingerprints of its data, weights and other files, taken when the plan was made. Files that
//! change while a sweep goes on would be trained on under the id of what they were, so a task looks again: when it begins,
//! when boxes have been found, and before it says that it is done. Files whose length, time of modification and inode are
//! as they were are not read again, so that costs a look at each; a change that keeps all three goes unnoticed.

use crate::EngineError;
use crate::catalog::Catalog;
use crate::data::packs::Packs;
use crate::data::targets::Targets;
use fovea_api::{DatasetSource, Registry};
use fovea_plan::{PluginCatalog as _, PluginConfig, PluginKind, TrialConfig};
use fovea_records::{TaskKind, WorkerTask, checkpoint, remove};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files and folders that are named.
const NAMED: usize = 3;
/// Files and folders that are looked at to find some to name.
const LOOKED_AT: usize = 200_000;

/// What a task has read of its files so far.
pub(crate) enum Used<'a> {
    /// Nothing.
    Nothing,
    /// All that it is built from; the pictures of the data set are read on.
    Built(&'a dyn DatasetSource),
    /// All. What is needed for building only may be gone by now, and does no harm.
    All(&'a dyn DatasetSource),
}

/// Refuses to go on where data, weights or another plugin's files are no longer those of the task's configuration. What
/// the cache and the task's checkpoints may have of them is removed, as it would be taken for what they were.
///
/// # Errors
/// What has changed, since when, and how to go on.
pub(crate) fn check(
    task: &WorkerTask,
    config: &TrialConfig,
    registry: &Registry,
    used: &Used<'_>,
) -> Result<(), EngineError> {
    let catalog = Catalog::new(registry.clone(), task.base_dir.clone());
    for (kind, plugin) in config.plugins() {
        // A stage trains by cross-entropy on the data: nothing else can matter to it.
        let matters = match used {
            Used::All(_) => kind == PluginKind::Dataset,
            _ => task.kind == TaskKind::Trial || matches!(kind, PluginKind::Dataset | PluginKind::Model),
        };
        if !matters || plugin.fingerprint.is_empty() {
            continue;
        }
        let now = match catalog.resolve(kind, &plugin.name, plugin.config.clone()) {
            Ok(now) if now.fingerprint == plugin.fingerprint => continue,
            Ok(_) => changed_files(plugin, task),
            Err(issues) => {
                format!(" ({})", issues.into_iter().map(|i| i.message).collect::<Vec<_>>().join("; "))
            }
        };
        forget(task, config, used)?;
        let what = match kind {
            PluginKind::Dataset => format!("data set {}", plugin.name),
            _ => format!("{kind} {}", plugin.name),
        };
        return Err(EngineError::Config(format!(
            "the files of {what} are no longer those that the plan was made with{now}, and the trial's id stands for what \
             they were, so it is not recorded as done. Bring them back, or run the same command again: it plans anew with what is \
             there now"
        )));
    }
    Ok(())
}

/// Removes what may hold something of the changed files under the name of what they were.
fn forget(task: &WorkerTask, config: &TrialConfig, used: &Used<'_>) -> Result<(), EngineError> {
    if let Used::Built(dataset) | Used::All(dataset) = used {
        Packs::forget(*dataset, &config.dataset, &task.cache_dir);
    }
    Targets::forget("train", (&config.dataset, &config.localizer), &task.cache_dir);
    Ok(remove::whole(&checkpoint::folder(&task.dir))?)
}

/// The files and folders of a plugin that were modified since the plan was made, as the end of a sentence; nothing where
/// none are found: some may be gone.
fn changed_files(plugin: &PluginConfig, task: &WorkerTask) -> String {
    let plan = task.dir.parent().and_then(Path::parent).map(|run| run.join("plan.json"));
    let Some(planned) = plan.and_then(|plan| fs::metadata(plan).ok()?.modified().ok()) else {
        return String::new();
    };
    let roots = plugin.paths.iter().filter_map(|key| plugin.config.get(key)?.as_str());
    let mut to_see: Vec<PathBuf> = roots.map(|root| task.base_dir.join(root)).collect();
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    let mut seen = 0;
    while let Some(path) = to_see.pop().filter(|_| seen < LOOKED_AT) {
        seen += 1;
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            to_see.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        if let Some(modified) = metadata.modified().ok().filter(|modified| *modified > planned) {
            found.push((modified, path));
        }
    }
    found.sort();
    let more = found.len().saturating_sub(NAMED);
    let names: Vec<String> =
        found.iter().take(NAMED).map(|(_, path)| format!("`{}`", path.display())).collect();
    match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" (modified since: {})", names.join(", ")),
        (false, more) => format!(" (modified since: {} and {more} more)", names.join(", ")),
    }
}

//! What of the runs can be deleted. The main functions are [`leftovers`] and [`remove`].
//!
//! Nothing here is a result that a report or a command still needs: weights of finished trials are artefacts, not
//! leftovers; so are their traces, and the patches of the run that say from which source they came. Trials of earlier plans are results, too, and are looked at only when they are asked for.

use crate::aside::DAMAGED;
use crate::ledger::Ledger;
use crate::status::{TrialStatus, status_of};
use fovea_records::{Done, RunStore, StoreError, Usage, store};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Folder of a run that keeps what reruns of its trials left; each is a run directory of its own.
pub const RERUNS: &str = "reruns";

/// Why something can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A stage that no trial of the plan needs, or that none needs any more.
    Stage,
    /// A trial that is in no plan any more.
    Trial,
    /// A training checkpoint of a trial that is done.
    Checkpoint,
    /// What a rerun left, of a check or of `fovea rerun`.
    Rerun,
    /// A trial as it was found damaged, before it was trained again.
    Damaged,
    /// Boxes and decoded pictures that were neither written nor read for long.
    Cache,
    /// What a process that was killed left half written.
    Temporary,
}

impl Kind {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Stage => "shared warm-ups whose trials are all done or gone",
            Self::Trial => "trials that are in no plan any more",
            Self::Checkpoint => "training checkpoints of trials that are done",
            Self::Damaged => "trials that were found damaged, as they were found",
            Self::Rerun => "what reruns and checks of trials left",
            Self::Cache => "cached boxes and pictures that were not used of late",
            Self::Temporary => "what was left half written",
        }
    }
}

/// Something that can be deleted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leftover {
    /// Why.
    pub kind: Kind,
    /// The file or folder.
    pub path: PathBuf,
    /// How much that frees.
    pub bytes: u64,
}

impl Leftover {
    fn new(kind: Kind, path: PathBuf) -> Self {
        Self { kind, bytes: Usage::of(&path).bytes, path }
    }
}

/// What can be deleted in a run directory; with `trials`, trials that are in no plan any more, too.
///
/// # Errors
/// When its plan, its journal or a DONE marker cannot be read: nobody knows then what is needed.
pub fn leftovers(store: &RunStore, trials: bool) -> Result<Vec<Leftover>, StoreError> {
    let plan = store.read_plan()?;
    let ledger = Ledger::read(store)?;
    let mut needed = BTreeSet::new();
    let mut planned = BTreeMap::new();
    for trial in &plan.trials {
        // A trial that was given up may go on some day.
        let state = status_of(&trial.id, store, &ledger.of(&trial.id), plan.prune.as_ref())?;
        let pending = !matches!(state, TrialStatus::Done | TrialStatus::Diverged(_));
        if let Some(stage) = trial.stage.as_ref().filter(|_| pending) {
            needed.insert(stage.to_string());
        }
        planned.insert(trial.id.to_string(), pending);
    }
    let mut found = Vec::new();
    for (name, dir) in entries(&store.root().join("stages")) {
        if !needed.contains(&name) {
            found.push(Leftover::new(Kind::Stage, dir));
        }
    }
    for (name, dir) in entries(&store.root().join("trials")) {
        match planned.get(&name) {
            None if trials => found.push(Leftover::new(Kind::Trial, dir)),
            Some(true) => {}
            Some(false) | None => found.extend(checkpoints(&dir)),
        }
    }
    let reruns = entries(&store.root().join(RERUNS)).into_iter();
    let over = reruns.filter(|(_, dir)| RunStore::new(dir).holder().is_none());
    found.extend(over.map(|(_, dir)| Leftover::new(Kind::Rerun, dir)));
    let damaged = entries(&store.root().join(DAMAGED)).into_iter();
    found.extend(damaged.map(|(_, dir)| Leftover::new(Kind::Damaged, dir)));
    let whole: Vec<PathBuf> = found.iter().map(|leftover| leftover.path.clone()).collect();
    temporaries(store.root(), &whole, &mut found);
    Ok(found)
}

/// Checkpoints beside the weights of a trial that is done; artefacts are none.
pub(crate) fn checkpoints(dir: &Path) -> Vec<Leftover> {
    let Ok(done) = store::read_json::<Done>(&dir.join("DONE.json"), "DONE marker") else { return Vec::new() };
    let is_artefact = |name: &str| {
        let prefix = format!("checkpoint/{name}/");
        done.artefacts.keys().any(|artefact| artefact.starts_with(&prefix))
    };
    let of = |(name, path): (String, PathBuf)| {
        (name.starts_with("epoch-") && !is_artefact(&name)).then(|| Leftover::new(Kind::Checkpoint, path))
    };
    entries(&dir.join("checkpoint")).into_iter().filter_map(of).collect()
}

/// Files and folders that are renamed once they are whole, outside of `whole`, which goes anyway.
fn temporaries(dir: &Path, whole: &[PathBuf], found: &mut Vec<Leftover>) {
    for (name, path) in entries(dir) {
        if whole.contains(&path) {
            continue;
        }
        if name.starts_with('.') && Path::new(&name).extension().is_some_and(|extension| extension == "tmp") {
            found.push(Leftover::new(Kind::Temporary, path));
        } else if path.is_dir() && !path.is_symlink() {
            temporaries(&path, whole, found);
        }
    }
}

/// Cached boxes, and decoded pictures of whole data sets, that were neither written nor read for this long. The cache can
/// always be made again.
#[must_use]
pub fn stale_cache(cache: &Path, unused: Duration, now: SystemTime) -> Vec<Leftover> {
    let old = |(_, path): (String, PathBuf)| {
        let usage = Usage::of(&path);
        let age = now.duration_since(usage.touched?).unwrap_or_default();
        (age >= unused).then_some(Leftover { kind: Kind::Cache, path, bytes: usage.bytes })
    };
    ["boxes", "pictures"].into_iter().flat_map(|kind| entries(&cache.join(kind))).filter_map(old).collect()
}

/// Deletes what was found.
///
/// # Errors
/// When something cannot be deleted; what comes after it is left.
pub fn remove(leftovers: &[Leftover]) -> Result<(), StoreError> {
    leftovers.iter().try_for_each(|leftover| fovea_records::remove::whole(&leftover.path))
}

/// Names and paths of what is in a folder, by name.
fn entries(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_used_of_late_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        store::write_atomic(&dir.path().join("boxes/a.json"), b"[]").unwrap();
        let day = Duration::from_secs(86400);
        let now = SystemTime::now();
        for (name, bytes) in [("0000.pack", "whole"), ("0001.pack", "too")] {
            store::write_atomic(&dir.path().join("pictures/a").join(name), bytes.as_bytes()).unwrap();
        }
        assert_eq!(stale_cache(dir.path(), day, now), []);
        let found = stale_cache(dir.path(), day, now + 2 * day);
        let sizes: Vec<u64> = found.iter().map(|leftover| leftover.bytes).collect();
        assert_eq!(sizes, [2, 8], "boxes by file, pictures by data set");
        remove(&found).unwrap();
        assert!(!dir.path().join("boxes/a.json").exists() && !dir.path().join("pictures/a").exists());
        remove(&found).unwrap();
    }
}

//! What processes that were killed left behind, removed when a run begins. The main function is [`tidy`].

use crate::{RunOptions, gc};
use fovea_plan::{Plan, Trial};
use fovea_records::{JournalEntry, RunStore, checkpoint, progress, temporary};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// Nobody takes longer to write a file of the cache, which other runs share; those may be on other machines, where process
/// ids say nothing.
const LONG_IDLE: Duration = Duration::from_secs(3600);

/// Removes leftovers from the run directory, whose lock is held, and old ones from the cache. Of the trials that are asked
/// for, `pending` are to be run, and `done` have their results.
pub(crate) fn tidy(plan: &Plan, store: &RunStore, options: &RunOptions, pending: &[&Trial], done: &[&Trial]) {
    let root = store.root();
    if options.selection.shard.is_some() {
        // Other parts are at work beside this one.
        for trial in pending {
            let stage = trial.stage.iter().map(|id| store.stage_dir(id));
            for folder in stage.chain([store.trial_dir(&trial.id)]) {
                temporary::tidy(&folder, 2, Duration::ZERO);
                forget_progress(&folder);
            }
        }
    } else if pending.is_empty() && ended_well(store) {
        // A finished run of 100,000 trials is not walked through each time somebody asks for its table.
        temporary::tidy(root, 0, Duration::ZERO);
        ["tables", "report"].iter().for_each(|name| temporary::tidy(&root.join(name), 2, Duration::ZERO));
    } else {
        temporary::tidy(root, 4, Duration::ZERO);
        for kind in ["trials", "stages"] {
            let folders = fs::read_dir(root.join(kind)).into_iter().flatten().flatten();
            folders.for_each(|folder| forget_progress(&folder.path()));
        }
    }
    // Also where the run ended well: a disk that refused to remove them then may not now.
    done.iter().for_each(|trial| forget_checkpoints(&store.trial_dir(&trial.id)));
    temporary::tidy(&plan.run.cache, 3, LONG_IDLE);
}

/// Who holds the lock and has no worker yet knows that nobody works on a task.
fn forget_progress(task_dir: &Path) {
    let _ = fs::remove_file(task_dir.join(progress::PROGRESS));
}

/// A trial is marked as done before what only resuming needs is removed, and in between somebody may have been killed.
fn forget_checkpoints(trial_dir: &Path) {
    temporary::tidy(&checkpoint::folder(trial_dir), 0, Duration::ZERO);
    if !checkpoint::saved(trial_dir).is_empty() {
        let _ = gc::remove(&gc::checkpoints(trial_dir));
    }
}

/// Whether the last thing that the journal tells is that a run came to its end.
fn ended_well(store: &RunStore) -> bool {
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(store.root().join("journal.jsonl"))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tail().unwrap_or_default();
    let last = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    matches!(serde_json::from_slice(last), Ok(JournalEntry::RunFinished { .. }))
}

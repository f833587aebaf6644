//! Checkpoints of training on disk: how they are named, whole, sound, removed. The main type is [`Saved`].
//!
//! ```text
//! trials/<id>/checkpoint/          and stages/<id>/checkpoint/
//!   epoch-00003/                   after the third epoch
//!   epoch-00003-step-0000005/      in the middle of the fourth
//!     model.bpk  optimizer.bpk  progress.json
//!     hashes.json                  BLAKE3 of the others
//! ```
//!
//! A folder appears whole, by a rename, and disappears whole, by another. What is in it may still be damaged later, so
//! whoever reads it compares it with `hashes.json`; checkpoints from before there were hashes are taken as they are. The
//! newest two are kept: should the last one be damaged, training goes on from the one before.

use crate::remove;
use crate::store::{self, StoreError};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// File of a checkpoint that says how far training is. Without it a folder is no checkpoint.
pub const PROGRESS: &str = "progress.json";
const HASHES: &str = "hashes.json";
/// How many checkpoints a task has once it has saved often enough.
const KEPT: usize = 2;

/// How far training was when it was saved. Marks are ordered as training is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Epochs done.
    pub epoch: usize,
    /// Steps done of the next one.
    pub step: usize,
}

impl Mark {
    /// Name of the folder.
    #[must_use]
    pub fn name(self) -> String {
        let Self { epoch, step } = self;
        if step == 0 { format!("epoch-{epoch:05}") } else { format!("epoch-{epoch:05}-step-{step:07}") }
    }

    /// The mark that a folder is named by.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("epoch-")?;
        let (epoch, step) = rest.split_once("-step-").unwrap_or((rest, "0"));
        Some(Self { epoch: epoch.parse().ok()?, step: step.parse().ok()? })
    }
}

/// A checkpoint that was saved whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// How far training was.
    pub mark: Mark,
    /// Its folder.
    pub path: PathBuf,
}

/// Folder of the checkpoints of a trial or stage.
#[must_use]
pub fn folder(task_dir: &Path) -> PathBuf {
    task_dir.join("checkpoint")
}

/// The checkpoints in the folder of a trial or stage, the newest first. Their contents are not looked at.
#[must_use]
pub fn saved(task_dir: &Path) -> Vec<Saved> {
    let mut found: Vec<Saved> = folders(task_dir)
        .into_iter()
        .filter_map(|path| Some(Saved { mark: Mark::parse(path.file_name()?.to_str()?)?, path }))
        .filter(|saved| saved.path.join(PROGRESS).exists())
        .collect();
    found.sort_by_key(|saved| std::cmp::Reverse(saved.mark));
    found
}

/// Whether a task has trained this many epochs, by the names of its checkpoints.
#[must_use]
pub fn has_trained(task_dir: &Path, epochs: usize) -> bool {
    saved(task_dir).first().is_some_and(|newest| newest.mark.epoch >= epochs)
}

/// As [`has_trained`], by checkpoints that are what was written. This reads them.
#[must_use]
pub fn has_trained_soundly(task_dir: &Path, epochs: usize) -> bool {
    let far_enough = |saved: &Saved| saved.mark.epoch >= epochs;
    saved(task_dir).iter().take_while(|saved| far_enough(saved)).any(|saved| saved.check().is_ok())
}

/// Writes a checkpoint, then removes those before the one before it.
///
/// # Errors
/// When it cannot be written; those that there were are there still.
pub fn write(task_dir: &Path, mark: Mark, files: &[(&str, &[u8])]) -> Result<(), StoreError> {
    let dir = folder(task_dir);
    let target = dir.join(mark.name());
    let temporary = dir.join(format!(".{}.tmp", mark.name()));
    remove::whole(&temporary)?;
    let hash = |(name, bytes): &(&str, &[u8])| ((*name).to_owned(), blake3::hash(bytes).to_hex().to_string());
    let hashes: BTreeMap<String, String> = files.iter().map(hash).collect();
    for (name, bytes) in files {
        store::write_atomic(&temporary.join(name), bytes)?;
    }
    store::write_json(&temporary.join(HASHES), &hashes)?;
    // One of the same name is there where training went on from an earlier one.
    remove::whole(&target)?;
    fs::rename(&temporary, &target).map_err(store::io("write", &target))?;
    store::sync_dir(&dir)?;
    let mut older = saved(task_dir).into_iter().filter(|saved| saved.mark <= mark).skip(KEPT);
    older.try_for_each(|saved| remove::whole(&saved.path))
}

impl Saved {
    /// Compares every file with its hash.
    ///
    /// # Errors
    /// What is wrong, in words, with the file.
    pub fn check(&self) -> Result<(), String> {
        let hashes = self.hashes()?;
        hashes.keys().try_for_each(|name| self.read_against(name, &hashes).map(drop))
    }

    /// Reads its files, in this order.
    ///
    /// # Errors
    /// As those of [`Saved::check`].
    pub fn read<const N: usize>(&self, names: [&str; N]) -> Result<[Vec<u8>; N], String> {
        let hashes = self.hashes()?;
        let mut files = names.map(|_| Vec::new());
        for (file, name) in files.iter_mut().zip(names) {
            *file = self.read_against(name, &hashes)?;
        }
        Ok(files)
    }

    /// Takes it out of the way, so that what is trained next is newer than all that is left.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_aside(&self) -> Result<(), StoreError> {
        remove::whole(&self.path)
    }

    /// Hashes by file; none where it was written before there were hashes.
    fn hashes(&self) -> Result<BTreeMap<String, String>, String> {
        let path = self.path.join(HASHES);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("{} does not hold hashes: {error}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }

    fn read_against(&self, name: &str, hashes: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
        let path = self.path.join(name);
        let bytes = fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let differs = |hash: &String| blake3::hash(&bytes).to_hex().as_str() != hash;
        match hashes.get(name) {
            Some(hash) if differs(hash) => {
                Err(format!("{} is not what was written: its hash is another", path.display()))
            }
            // A checkpoint with hashes has one of every file.
            None if !hashes.is_empty() => Err(format!("{} has no hash beside it", path.display())),
            _ => Ok(bytes),
        }
    }
}

/// Removes what only resuming needs, each folder at once; what a process that was killed left of one, too.
///
/// # Errors
/// When a folder cannot be removed.
pub fn clear(task_dir: &Path) -> Result<(), StoreError> {
    folders(task_dir).iter().try_for_each(|path| remove::whole(path))
}

/// Whether a path within the folder of a trial is that of something that only resuming needs.
#[must_use]
pub fn is_for_resuming(name: &str) -> bool {
    let below = name.strip_prefix("checkpoint/").unwrap_or_default();
    below.starts_with("epoch-") || below.starts_with(".epoch-")
}

/// Folders of checkpoints, also those that a crash left half written or half removed.
fn folders(task_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(task_dir)).into_iter().flatten().flatten();
    let is_one = |entry: &fs::DirEntry| {
        is_for_resuming(&format!("checkpoint/{}", entry.file_name().to_string_lossy()))
    };
    entries.filter(is_one).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_one(dir: &Path, epoch: usize, step: usize) {
        let model = format!("model of {epoch}, {step}");
        let files = [("model.bpk", model.as_bytes()), (PROGRESS, b"{}")];
        write(dir, Mark { epoch, step }, &files).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        saved(dir).iter().map(|saved| saved.mark.name()).collect()
    }

    #[test]
    fn names_sort_as_training_goes_and_are_read_back() {
        let marks = [(2, 0), (2, 7), (3, 0)].map(|(epoch, step)| Mark { epoch, step });
        assert!(marks.is_sorted());
        assert!(marks.iter().all(|mark| Mark::parse(&mark.name()) == Some(*mark)));
        assert_eq!(marks[1].name(), "epoch-00002-step-0000007");
        assert_eq!(Mark::parse("model.safetensors"), None);
    }

    #[test]
    fn the_one_before_is_kept_until_the_next_but_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        write_one(dir.path(), 1, 0);
        assert_eq!(names(dir.path()), ["epoch-00001"]);
        write_one(dir.path(), 1, 4);
        write_one(dir.path(), 2, 0);
        assert_eq!(names(dir.path()), ["epoch-00002", "epoch-00001-step-0000004"]);
        assert!(has_trained(dir.path(), 2) && !has_trained(dir.path(), 3));
        // Training that went on from the one before writes the same name again.
        write_one(dir.path(), 2, 0);
        assert_eq!(names(dir.path()), ["epoch-00002", "epoch-00001-step-0000004"]);
        clear(dir.path()).unwrap();
        assert_eq!(fs::read_dir(folder(dir.path())).unwrap().count(), 0);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        write_one(dir.path(), 1, 0);
        write_one(dir.path(), 2, 0);
        let newest = saved(dir.path()).remove(0);
        assert_eq!(newest.check(), Ok(()));
        for name in ["model.bpk", PROGRESS, HASHES] {
            let path = newest.path.join(name);
            let whole = fs::read(&path).unwrap();
            for damage in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[damage] ^= 1;
                fs::write(&path, bytes).unwrap();
                assert!(newest.check().is_err(), "{name}, byte {damage}");
                let cut = &whole[..damage];
                fs::write(&path, cut).unwrap();
                // Hashes without their last newline say what they said.
                assert!(newest.check().is_err() || cut == whole.trim_ascii_end(), "{name}, {damage} bytes");
            }
            fs::write(&path, whole).unwrap();
        }
        let model = newest.path.join("model.bpk");
        fs::write(&model, "x").unwrap();
        let message = newest.read(["model.bpk"]).unwrap_err();
        assert!(message.contains("model.bpk is not what was written"), "{message}");
        assert!(has_trained_soundly(dir.path(), 1) && !has_trained_soundly(dir.path(), 2));
        newest.set_aside().unwrap();
        assert_eq!(names(dir.path()), ["epoch-00001"]);
    }

    #[test]
    fn one_from_before_there_were_hashes_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let old = folder(dir.path()).join("epoch-00003");
        store::write_atomic(&old.join(PROGRESS), b"{}").unwrap();
        assert!(has_trained_soundly(dir.path(), 3));
        assert_eq!(saved(dir.path())[0].read([PROGRESS]), Ok([b"{}".to_vec()]));
    }

    #[test]
    fn what_a_crash_left_is_no_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        write_one(dir.path(), 1, 0);
        let torn = folder(dir.path()).join(".epoch-00002.tmp");
        store::write_atomic(&torn.join(PROGRESS), b"{}").unwrap();
        fs::create_dir_all(folder(dir.path()).join("epoch-00009")).unwrap();
        assert_eq!(names(dir.path()), ["epoch-00001"]);
        write_one(dir.path(), 2, 0);
        assert!(!torn.exists());
    }
}

//! Whether the records of a run are still what they were. The main function is [`RunStore::digest`].

use crate::{RunStore, StoreError};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

impl RunStore {
    /// One number for all that a report is made of: the plan, the journal, the verdicts, and of every trial the DONE marker,
    /// which has the hashes of its artefacts, or the events of one that is not done, and what was measured later. It is
    /// equal as long as they are.
    ///
    /// # Errors
    /// When one of them exists and cannot be read.
    pub fn digest(&self) -> Result<String, StoreError> {
        let mut hasher = blake3::Hasher::new();
        for name in ["plan.json", "journal.jsonl", crate::verdict::FILE] {
            add(&mut hasher, &self.root().join(name))?;
        }
        let entries = fs::read_dir(self.root().join("trials")).into_iter().flatten().flatten();
        let mut folders: Vec<_> = entries.map(|entry| entry.path()).collect();
        folders.sort();
        for folder in folders {
            hasher.update(folder.file_name().unwrap_or_default().as_encoded_bytes());
            if !add(&mut hasher, &folder.join("DONE.json"))? {
                add(&mut hasher, &folder.join("events.jsonl"))?;
            }
            if let Some(id) = folder.file_name() {
                let mut later = id.to_owned();
                later.push(".jsonl");
                add(&mut hasher, &self.root().join("evals").join(later))?;
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// Adds a file with its length; whether it is there.
fn add(hasher: &mut blake3::Hasher, path: &Path) -> Result<bool, StoreError> {
    match fs::read(path) {
        Ok(bytes) => {
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            hasher.update(&u64::MAX.to_le_bytes());
            Ok(false)
        }
        Err(source) => Err(StoreError::Io { action: "read", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TrialId, store};

    #[test]
    fn a_digest_changes_with_the_records_and_with_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path());
        let trial = store.trial_dir(&TrialId::of("x"));
        let empty = store.digest().unwrap();
        store::write_atomic(&dir.path().join("plan.json"), b"{}").unwrap();
        let planned = store.digest().unwrap();
        store::write_atomic(&trial.join("events.jsonl"), b"{}\n").unwrap();
        let begun = store.digest().unwrap();
        store::write_atomic(&trial.join("DONE.json"), b"{}").unwrap();
        let done = store.digest().unwrap();
        let all = [&empty, &planned, &begun, &done];
        assert!(all.iter().enumerate().all(|(i, a)| all[..i].iter().all(|b| a != b)), "{all:?}");
        store::write_atomic(&trial.join("worker.log"), b"x").unwrap();
        store::write_atomic(&dir.path().join("report/index.html"), b"x").unwrap();
        assert_eq!(store.digest().unwrap(), done);
    }
}

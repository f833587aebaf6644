//! What workers wrote to stderr about a trial. The main type is [`AttemptLog`].
//!
//! `worker.log` is of the newest attempt; earlier ones are `worker.1.log`, `worker.2.log`, ... in order.

use crate::StoreError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const NEWEST: &str = "worker.log";

/// The file of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptLog {
    /// Attempt, from 1.
    pub attempt: usize,
    /// Its file.
    pub path: PathBuf,
}

impl AttemptLog {
    /// Begins the file of a further attempt in the folder of a trial or stage.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(dir: &Path) -> Result<(Self, File), StoreError> {
        let path = dir.join(NEWEST);
        let failed = |source| StoreError::Io { action: "write", path: path.clone(), source };
        let earlier = list(dir).last().map_or(0, |log| log.attempt);
        if path.exists() {
            fs::rename(&path, dir.join(format!("worker.{earlier}.log"))).map_err(failed)?;
        }
        let file = File::create(&path).map_err(failed)?;
        Ok((Self { attempt: earlier + 1, path }, file))
    }
}

/// The attempt of a rotated file, by its name; 0 for the newest; `None` for any other file.
pub(crate) fn attempt_of(name: &str) -> Option<usize> {
    if name == NEWEST {
        return Some(0);
    }
    name.strip_prefix("worker.")?.strip_suffix(".log")?.parse().ok()
}

/// The attempts whose files are there, in order.
#[must_use]
pub fn list(dir: &Path) -> Vec<AttemptLog> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut logs: Vec<AttemptLog> = entries
        .filter_map(|entry| {
            let attempt = attempt_of(&entry.file_name().to_string_lossy())?;
            Some(AttemptLog { attempt, path: entry.path() })
        })
        .collect();
    let last = logs.iter().map(|log| log.attempt).max().unwrap_or(0);
    for newest in logs.iter_mut().filter(|log| log.attempt == 0) {
        newest.attempt = last + 1;
    }
    logs.sort_by_key(|log| log.attempt);
    logs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn every_attempt_has_its_file() {
        let dir = tempfile::tempdir().unwrap();
        for attempt in 1..=3 {
            let (log, mut file) = AttemptLog::begin(dir.path()).unwrap();
            assert_eq!(log.attempt, attempt);
            write!(file, "{attempt}").unwrap();
        }
        let read: Vec<(usize, String)> = list(dir.path())
            .into_iter()
            .map(|log| (log.attempt, fs::read_to_string(log.path).unwrap()))
            .collect();
        assert_eq!(read, [(1, "1".into()), (2, "2".into()), (3, "3".into())]);
    }
}

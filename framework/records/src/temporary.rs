//! What is being written or removed: how it is called until it is done, and what becomes of it when somebody was killed
//! over it. The main type is [`Temporary`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that gets its name once it is whole. Dropped before, it goes away.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Temporary {
    /// One that will take the place of `target`: `.NAME.PID.tmp` beside it. Nothing is created yet.
    #[must_use]
    pub fn beside(target: &Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        Self { path, target: target.to_owned(), kept: false }
    }

    /// Where it is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // It may never have been created; and who could not write it can do no more about it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a file or folder of this name is being written or removed, or was when somebody was killed.
#[must_use]
pub fn is_one(name: &str) -> bool {
    (name.starts_with('.') && name.ends_with(".tmp")) || name == "progress.json.tmp"
}

/// Removes what the dead left in a folder, and in folders up to so many levels below it, unless it was written within the
/// last `idle`. Nobody else may be writing there, or `idle` must be longer than anybody takes. What cannot be removed stays:
/// it costs some space and is read by nobody.
pub fn tidy(folder: &Path, levels: usize, idle: Duration) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        if name.to_str().is_some_and(is_one) {
            if is_idle(&entry, idle) {
                let path = entry.path();
                let _ = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            }
        } else if kind.is_dir() && levels > 0 {
            tidy(&entry.path(), levels - 1, idle);
        }
    }
}

fn is_idle(entry: &fs::DirEntry, idle: Duration) -> bool {
    let written = entry.metadata().and_then(|found| found.modified());
    idle.is_zero()
        || written.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age >= idle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.json");
        let given_up = Temporary::beside(&target);
        fs::write(given_up.path(), "ha").unwrap();
        drop(given_up);
        assert!(names(dir.path()).is_empty());
        let kept = Temporary::beside(&target);
        fs::write(kept.path(), "whole").unwrap();
        kept.keep().unwrap();
        assert_eq!(
            (names(dir.path()), fs::read(&target).unwrap()),
            (vec!["a.json".to_owned()], b"whole".to_vec())
        );
    }

    #[test]
    fn what_the_dead_left_goes_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let trial = dir.path().join("trials/1");
        for folder in
            ["checkpoint/.epoch-00002.17-0.tmp", "checkpoint/.epoch-00003.tmp", "checkpoint/epoch-00001"]
        {
            fs::create_dir_all(trial.join(folder)).unwrap();
            fs::write(trial.join(folder).join("model.bpk"), "x").unwrap();
        }
        for file in [".DONE.json.17.tmp", "progress.json.tmp", ".hidden", "notes.tmp"] {
            fs::write(trial.join(file), "x").unwrap();
        }
        tidy(dir.path(), 3, Duration::from_secs(3600));
        assert_eq!(names(&trial).len(), 5, "they are young");
        tidy(dir.path(), 3, Duration::ZERO);
        assert_eq!(names(&trial), [".hidden", "checkpoint", "notes.tmp"]);
        assert_eq!(names(&trial.join("checkpoint")), ["epoch-00001"]);
        fs::write(trial.join("checkpoint/.deep.1.tmp"), "x").unwrap();
        tidy(dir.path(), 1, Duration::ZERO);
        assert_eq!(names(&trial.join("checkpoint")).len(), 2, "it is too deep");
    }
}

//! How much is below a folder. The main type is [`Usage`].

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// What is below a folder, or what a single file is. What cannot be read counts as nothing: it is shown, never decided on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all files.
    pub bytes: u64,
    /// When the latest of them was written.
    pub written: Option<SystemTime>,
    /// When the latest of them was read or written, as far as the file system keeps note of reading.
    pub touched: Option<SystemTime>,
}

impl Usage {
    /// Of everything below `path`. Links are not followed.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let Ok(metadata) = path.symlink_metadata() else { return Self::default() };
        if metadata.is_dir() {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            return entries.fold(Self::default(), |sum, entry| sum.and(Self::of(&entry.path())));
        }
        let written = metadata.modified().ok();
        Self { bytes: metadata.len(), written, touched: written.max(metadata.accessed().ok()) }
    }

    fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            written: self.written.max(other.written),
            touched: self.touched.max(other.touched),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_added_up_and_the_latest_counts() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/x"), [0; 10]).unwrap();
        fs::write(dir.path().join("y"), [0; 5]).unwrap();
        let usage = Usage::of(dir.path());
        assert_eq!(usage.bytes, 15);
        assert_eq!(usage.written, fs::metadata(dir.path().join("y")).unwrap().modified().ok());
        assert_eq!(Usage::of(&dir.path().join("nothing")), Usage::default());
    }
}

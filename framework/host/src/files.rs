//! Which library it is. The main type is [`LibraryFile`].

use crate::HostError;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A library and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LibraryFile {
    /// The file, absolute.
    pub path: PathBuf,
    /// BLAKE3 of its contents, in hexadecimal digits.
    pub blake3: String,
}

impl LibraryFile {
    /// The file as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, HostError> {
        let (file, _) = Self::with_contents(path)?;
        Ok(file)
    }

    /// The file as it is now, and its contents.
    pub(crate) fn with_contents(path: &Path) -> Result<(Self, Vec<u8>), HostError> {
        let failed = |e: std::io::Error| HostError::new(path, format!("it cannot be read: {e}"));
        let path = path.canonicalize().map_err(failed)?;
        let contents = std::fs::read(&path).map_err(failed)?;
        let blake3 = blake3::hash(&contents).to_hex().to_string();
        Ok((Self { path, blake3 }, contents))
    }

    /// Whether the file is still what it was.
    ///
    /// # Errors
    /// When it is another now, with both hashes.
    pub fn unchanged(&self) -> Result<(), HostError> {
        let now = Self::read(&self.path)?.blake3;
        if now == self.blake3 {
            return Ok(());
        }
        let message = format!(
            "the file changed after the run was planned (BLAKE3 {} then, {} now): results of two versions would be \
             mixed; run the same command again to plan with the new one, or put the old file back",
            short(&self.blake3),
            short(&now)
        );
        Err(HostError::new(&self.path, message))
    }

    /// The file's name without its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// What tells versions of a file apart without reading it.
pub(crate) fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

/// The digits of a hash that people see.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

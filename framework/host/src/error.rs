//! What can go wrong before a plugin is called. The main type is [`HostError`].

use std::path::PathBuf;

/// A library cannot be used. The text says which file, what was found, what was expected and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {}: {message}", file.display())]
pub struct HostError {
    /// The library.
    pub file: PathBuf,
    /// What is wrong and what to do.
    pub message: String,
}

impl HostError {
    /// An error about `file`.
    pub fn new(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), message: message.into() }
    }
}

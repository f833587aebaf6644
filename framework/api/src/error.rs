//! What can go wrong in a plugin. The main types are [`PluginError`], [`DataError`] and [`ConfigIssue`].

use std::path::PathBuf;

/// A plugin could not do its work.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{plugin}: {message}")]
pub struct PluginError {
    /// Kind and name (`localizer lost`).
    pub plugin: String,
    /// Full sentence: what is wrong, with the picture or file, and what to do.
    pub message: String,
}

impl PluginError {
    /// An error of the plugin called `plugin`.
    pub fn new(plugin: impl Into<String>, message: impl Into<String>) -> Self {
        Self { plugin: plugin.into(), message: message.into() }
    }
}

/// A picture or mask could not be delivered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct DataError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it and what to do.
    pub message: String,
}

/// Something is wrong with a plugin's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", path.join("."))]
pub struct ConfigIssue {
    /// Keys from the plugin's table down to the culprit.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
}

impl ConfigIssue {
    /// An issue at a key of the plugin's table.
    pub fn at(key: &str, message: impl Into<String>) -> Self {
        let path = if key.is_empty() { Vec::new() } else { vec![key.to_owned()] };
        Self { path, message: message.into(), suggestion: None }
    }
}

//! What can go wrong in a plugin. The main types are [`Error`] and [`Issue`].

use serde::Serialize;
use std::fmt;

/// A plugin could not do its work. Any error converts to it with `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Full sentence: what is wrong and what to do.
    pub message: String,
    /// Which picture or heatmap of the batch it is about; the crate fills it in where a method gets them one by one.
    pub item: Option<usize>,
}

impl Error {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), item: None }
    }

    /// The same error, about an item of the batch unless it already names one.
    #[must_use]
    pub fn about(mut self, item: usize) -> Self {
        self.item.get_or_insert(item);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// With causes, as far as there are. This is why [`Error`] itself is no [`std::error::Error`].
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::new(message)
    }
}

/// Something is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// Keys from the plugin's table down to the culprit.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
}

impl Issue {
    /// An issue at a key of the plugin's table; an empty key is the table itself.
    pub fn at(key: &str, message: impl Into<String>) -> Self {
        let path = if key.is_empty() { Vec::new() } else { vec![key.to_owned()] };
        Self { path, message: message.into(), suggestion: None }
    }

    /// The same issue, with what to write instead.
    #[must_use]
    pub fn instead(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }
}

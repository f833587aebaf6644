//! What is wrong with an experiment, and where. The main type is [`PlanErrors`].

use std::fmt;
use std::path::{Path, PathBuf};

/// Characters of an override that an error shows.
const LONGEST_OVERRIDE: usize = 300;

/// Where an error is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// At a place in the file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The line's text; empty where there is nothing to show.
        snippet: String,
        /// How many characters to underline.
        width: usize,
    },
    /// In an override, as the user gave it (`command line: training.epochs=3`).
    Override(String),
    /// The file as a whole.
    Path(PathBuf),
}

impl Location {
    /// File places first, a file at a time in its order; then overrides.
    fn order(&self) -> (u8, Option<&Path>, usize, usize, &str) {
        match self {
            Self::Path(_) => (0, None, 0, 0, ""),
            Self::File { path, line, column, .. } => (1, Some(path), *line, *column, ""),
            Self::Override(text) => (2, None, 0, 0, text),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column, .. } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Override(text) => match text.char_indices().nth(LONGEST_OVERRIDE) {
                Some((at, _)) => write!(f, "{}…", &text[..at]),
                None => f.write_str(text),
            },
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Where.
    pub location: Location,
    /// Keys that lead to it, dotted; `None` where it is no key.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.location)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        if let Location::File { line, column, snippet, width, .. } = &self.location
            && !snippet.trim().is_empty()
        {
            // Tabs stay tabs, so that the caret stands below its text whatever a tab's width.
            let indent = snippet.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' });
            let indent: String = indent.collect();
            write!(f, "\n{line:>5} | {snippet}\n      | {indent}{}", "^".repeat((*width).max(1)))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n      = {help}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with an experiment; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", render(.errors))]
pub struct PlanErrors {
    errors: Vec<PlanError>,
}

impl PlanErrors {
    pub(crate) fn new(mut errors: Vec<PlanError>) -> Self {
        errors.sort_by(|a, b| a.location.order().cmp(&b.location.order()));
        Self { errors }
    }

    /// How many.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// The errors, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, PlanError> {
        self.errors.iter()
    }
}

impl<'a> IntoIterator for &'a PlanErrors {
    type Item = &'a PlanError;
    type IntoIter = std::slice::Iter<'a, PlanError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn render(errors: &[PlanError]) -> String {
    let mut text = errors.iter().map(PlanError::to_string).collect::<Vec<_>>().join("\n\n");
    if errors.len() > 1 {
        text.push_str(&format!("\n\n{} errors", errors.len()));
    }
    text
}

/// What to underline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Something wrong at a key path of the document, not yet located.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Issue {
    pub(crate) path: Vec<String>,
    pub(crate) at: At,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Issue {
    pub(crate) fn new(path: Vec<String>, at: At, message: impl Into<String>) -> Self {
        Self { path, at, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }
}

/// Which of `known` a misspelt `word` may have meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let limit = (word.chars().count() / 3).max(1);
    let distances = known.into_iter().map(|k| (strsim::damerau_levenshtein(&word, &plain(k)), k));
    distances.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, k)| k)
}

/// Help for a word that is none of `known`: the nearest, else all of them.
pub(crate) fn did_you_mean(word: &str, known: &[&str], what: &str) -> Option<String> {
    match nearest(word, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known {what}: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_forgives_small_slips_only() {
        let known = ["epochs", "warmup_epochs", "batch_size"];
        assert_eq!(nearest("epohcs", known), Some("epochs"));
        assert_eq!(nearest("warmup-epochs", known), Some("warmup_epochs"));
        assert_eq!(nearest("Batch_Size", known), Some("batch_size"));
        assert_eq!(nearest("momentum", known), None);
    }

    #[test]
    fn errors_are_in_the_order_of_their_files() {
        let error = |path: &str, line| PlanError {
            location: Location::File { path: path.into(), line, column: 1, snippet: String::new(), width: 0 },
            key: None,
            message: "bad".to_owned(),
            help: None,
        };
        let errors = PlanErrors::new(vec![
            error("b.toml", 2),
            error("a.toml", 3),
            error("b.toml", 1),
            error("a.toml", 20),
        ]);
        let places: Vec<String> = errors.iter().map(|error| error.location.to_string()).collect();
        assert_eq!(places, ["a.toml:3:1", "a.toml:20:1", "b.toml:1:1", "b.toml:2:1"]);
    }

    #[test]
    fn carets_stand_below_tabs() {
        let location =
            Location::File { path: "a.toml".into(), line: 3, column: 2, snippet: "\tx = 1".into(), width: 1 };
        let error = PlanError { location, key: None, message: "bad".into(), help: Some("try y".into()) };
        assert_eq!(error.to_string(), "a.toml:3:2: bad\n    3 | \tx = 1\n      | \t^\n      = try y");
    }
}

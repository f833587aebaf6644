//! What is wrong with a graph. The main type is [`Issue`].

use fovea_api::ConfigIssue;
use fovea_api::registry::nearest;
use std::fmt;

/// Known names that an issue lists.
const MAX_KNOWN: usize = 40;

/// A mistake in a graph, and where it is. Its text is whole: `layers[3].body[1] (conv "stem"): kernel must be ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Keys and indices from the top of the document.
    pub path: Vec<String>,
    /// The layer's operation and id.
    pub layer: Option<String>,
    /// What is wrong.
    pub message: String,
    /// The nearest known name.
    pub suggestion: Option<String>,
    /// Whether it depends on the size of the input.
    pub sized: bool,
}

impl Issue {
    pub(super) fn known<'a>(mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
        self.suggestion = nearest(wrong, &known).map(str::to_owned);
        let list = match known.as_slice() {
            [] => "none".to_owned(),
            known if known.len() <= MAX_KNOWN => known.join(", "),
            known => format!("{} and {} more", known[..MAX_KNOWN].join(", "), known.len() - MAX_KNOWN),
        };
        self.message = format!("{}; known: {list}", self.message);
        self
    }

    pub(super) fn sized(self) -> Self {
        Self { sized: true, ..self }
    }

    fn text(&self) -> String {
        match &self.suggestion {
            Some(name) => format!("{}; did you mean `{name}`?", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Place { path: self.path.clone(), layer: self.layer.clone() };
        match place.to_string().as_str() {
            "" => f.write_str(&self.text()),
            place => write!(f, "{place}: {}", self.text()),
        }
    }
}

impl From<Issue> for ConfigIssue {
    fn from(issue: Issue) -> Self {
        let message = match &issue.layer {
            Some(layer) => format!("{layer}: {}", issue.message),
            None => issue.message,
        };
        Self { path: issue.path, message, suggestion: issue.suggestion }
    }
}

/// A place in the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: Vec<String>,
    pub(super) layer: Option<String>,
}

impl Place {
    /// The place at a key of this one.
    pub(super) fn key(&self, key: &str) -> Self {
        let path = self.path.iter().cloned().chain([key.to_owned()]).collect();
        Self { path, layer: None }
    }

    /// The place of a layer in the list that this is.
    pub(super) fn layer(&self, index: usize, op: &str, id: Option<&str>) -> Self {
        let label = match id {
            Some(id) if !id.is_empty() => format!("{op} \"{id}\""),
            _ => op.to_owned(),
        };
        Self { layer: Some(label), ..self.key(&index.to_string()) }
    }

    pub(super) fn issue(&self, message: impl Into<String>) -> Issue {
        let (path, layer) = (self.path.clone(), self.layer.clone());
        Issue { path, layer, message: message.into(), suggestion: None, sized: false }
    }

    /// `layers[3].body[1]`
    pub(super) fn position(&self) -> String {
        let mut text = String::new();
        for part in &self.path {
            if part.bytes().all(|b| b.is_ascii_digit()) {
                text.push_str(&format!("[{part}]"));
            } else {
                text.push_str(if text.is_empty() { "" } else { "." });
                text.push_str(part);
            }
        }
        text
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.position())?;
        match &self.layer {
            Some(layer) => write!(f, " ({layer})"),
            None => Ok(()),
        }
    }
}

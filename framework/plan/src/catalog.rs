//! What the plan asks about plugins. The main type is [`PluginCatalog`].

use crate::{DeviceRequest, PluginConfig, TrialConfig};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;

/// The kinds of plugins that a trial names, each with a table of its own in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginKind {
    /// Where pictures come from.
    Dataset,
    /// The classifier.
    Model,
    /// Who says where the object is.
    Localizer,
    /// How a heatmap becomes a box.
    Extractor,
    /// The explanation loss.
    Loss,
}

impl PluginKind {
    /// Every kind, in the order of the document.
    pub const ALL: [Self; 5] = [Self::Dataset, Self::Model, Self::Localizer, Self::Extractor, Self::Loss];

    /// Key of the plugin's table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Model => "model",
            Self::Localizer => "localizer",
            Self::Extractor => "extractor",
            Self::Loss => "loss",
        }
    }

    /// The kind whose table is called `key`.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == key)
    }

    /// The kind whose whole table `path` leads to.
    pub(crate) fn of_path(path: &[String]) -> Option<Self> {
        match path {
            [key] => Self::from_key(key),
            _ => None,
        }
    }
}

/// A plugin given as plain text is the table that only names it.
pub(crate) fn plugin_table(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::String(name) => Cow::Owned(json!({ "name": name })),
        other => Cow::Borrowed(other),
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something wrong in a plugin's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginIssue {
    /// Keys that lead to it within the plugin's table; empty: the plugin as a whole.
    pub path: Vec<String>,
    /// What is wrong, without the key.
    pub message: String,
    /// What to write instead: a single word is shown as `did you mean`, anything longer as it is.
    pub suggestion: Option<String>,
}

/// Something that keeps a trial from being trained, found before it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Dotted keys that may be blamed for it: the first that the user set is.
    pub suspects: Vec<String>,
    /// What is wrong, without the key.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Obstacle {
    /// One without help.
    pub fn new<'a>(suspects: impl IntoIterator<Item = &'a str>, message: impl Into<String>) -> Self {
        let suspects = suspects.into_iter().map(str::to_owned).collect();
        Self { suspects, message: message.into(), help: None }
    }
}

/// The registry of plugins, as far as the plan needs it.
///
/// A trait, because the plan depends on no plugin and not even on their traits: the registry lies above it.
pub trait PluginCatalog {
    /// Checks a plugin's table (without `name`) and fills in its defaults. It is asked once for each distinct table of
    /// a grid, so it may read files and hash weights.
    ///
    /// # Errors
    /// Everything that is wrong with the table.
    fn resolve(&self, kind: PluginKind, name: &str, config: Value) -> Result<PluginConfig, Vec<PluginIssue>>;

    /// Registered names of a kind, in the order in which to show them.
    fn names(&self, kind: PluginKind) -> Vec<String>;

    /// JSON Schema of the table of a registered plugin, without `name`.
    fn schema(&self, kind: PluginKind, name: &str) -> Value;

    /// What keeps a trial, each of whose sections is right, from being trained on one of these devices. It is asked for
    /// every trial of a grid.
    fn ahead(&self, _trial: &TrialConfig, _devices: &[DeviceRequest]) -> Vec<Obstacle> {
        Vec::new()
    }
}

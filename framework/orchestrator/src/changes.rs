//! What became different between two resolved configurations. The main function is [`changes`].

use fovea_plan::{PluginKind, is_left_out};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// What kind of thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A key has another value.
    Value,
    /// Another plugin takes the place; its keys are not compared.
    Plugin,
    /// The implementation of a plugin has a new version.
    Version,
    /// The library that a plugin is loaded from has other contents.
    Library,
    /// The files of a data set have other contents.
    Data,
    /// The weights of a model or localizer are others.
    Weights,
    /// Something else in a plugin's fingerprint.
    Fingerprint,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What kind of thing.
    pub kind: ChangeKind,
    /// Dotted key, as in the experiment file (`training.epochs`, `dataset.root`); the plugin's kind for what no key says.
    pub key: String,
    /// The plugin's name, where it is about a plugin as a whole.
    pub plugin: Option<String>,
    /// What it was; null: absent.
    pub from: Value,
    /// What it is; null: absent.
    pub to: Value,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, key, plugin, from, to } = self;
        let plugin = plugin.as_deref().unwrap_or_default();
        match kind {
            ChangeKind::Value | ChangeKind::Plugin => write!(f, "{key} {} -> {}", plain(from), plain(to)),
            ChangeKind::Version => write!(f, "plugin {key} {plugin} {} -> {}", plain(from), plain(to)),
            ChangeKind::Library => {
                write!(f, "plugin {key} {plugin} was built again: {} -> {}", plain(from), plain(to))
            }
            ChangeKind::Data => write!(f, "dataset contents changed ({plugin})"),
            ChangeKind::Weights => write!(f, "weights of {key} {plugin} changed"),
            ChangeKind::Fingerprint => write!(f, "{key} {plugin} changed: {} -> {}", plain(from), plain(to)),
        }
    }
}

/// A value as a reader would write it.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "(absent)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Every difference between two resolved configurations, in the order of the document; what no identity contains
/// (paths, the order of keys, defaults of keys that are younger than they are) is none. TOML has no null, so an absent key
/// and null are equal.
#[must_use]
pub fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    for key in keys(from, to) {
        match PluginKind::from_key(&key) {
            Some(kind) => plugin(kind, &from[&key], &to[&key], &mut found),
            None => values(&key, &from[&key], &to[&key], &mut found),
        }
    }
    found
}

fn plugin(kind: PluginKind, from: &Value, to: &Value, found: &mut Vec<Change>) {
    let key = kind.as_str();
    let name = to["name"].as_str().map(str::to_owned);
    if from["name"] != to["name"] {
        let (from, to) = (from["name"].clone(), to["name"].clone());
        found.push(Change { kind: ChangeKind::Plugin, key: key.to_owned(), plugin: None, from, to });
        return;
    }
    let mut add = |kind, from: &str, to: &str| {
        if from != to {
            let (from, to) = (from.into(), to.into());
            found.push(Change { kind, key: key.to_owned(), plugin: name.clone(), from, to });
        }
    };
    let (old, new) = (parts(&from["fingerprint"]), parts(&to["fingerprint"]));
    if old.library == new.library {
        add(ChangeKind::Version, old.version, new.version);
    } else {
        add(ChangeKind::Library, &old.library_in_words(), &new.library_in_words());
    }
    let rest = match kind {
        PluginKind::Dataset => ChangeKind::Data,
        PluginKind::Model | PluginKind::Localizer => ChangeKind::Weights,
        PluginKind::Extractor | PluginKind::Loss => ChangeKind::Fingerprint,
    };
    add(rest, &old.rest, &new.rest);
    values(key, &without_paths(from), &without_paths(to), found);
}

/// A fingerprint, taken apart: `v2 4f8c...`, `v1.2.0 so:9d03... files=...`.
struct Parts<'a> {
    version: &'a str,
    /// Hash of the library; none for a plugin that is compiled in.
    library: Option<&'a str>,
    rest: String,
}

impl Parts<'_> {
    fn library_in_words(&self) -> String {
        let hash = self.library.map_or("compiled in", |hash| hash.get(..12).unwrap_or(hash));
        format!("{} ({hash})", self.version)
    }
}

fn parts(fingerprint: &Value) -> Parts<'_> {
    let text = fingerprint.as_str().unwrap_or_default();
    let (version, rest) = text.split_once(' ').unwrap_or((text, ""));
    let library = rest.split(' ').find_map(|word| word.strip_prefix("so:"));
    let rest = rest.split(' ').filter(|word| !word.starts_with("so:")).collect::<Vec<_>>().join(" ");
    Parts { version, library, rest }
}

/// A plugin's own configuration without the keys that say where files are.
pub(crate) fn without_paths(section: &Value) -> Value {
    let mut config = section["config"].as_object().cloned().unwrap_or_default();
    for path in section["paths"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        config.shift_remove(path);
    }
    Value::Object(config)
}

fn values(key: &str, from: &Value, to: &Value, found: &mut Vec<Change>) {
    if from.is_object() || to.is_object() {
        for below in keys(from, to) {
            values(&format!("{key}.{below}"), &from[&below], &to[&below], found);
        }
        return;
    }
    let absent = |value: &Value| value.is_null() || is_left_out(key, value);
    if from != to && !(absent(from) && absent(to)) {
        let (from, to) = (from.clone(), to.clone());
        found.push(Change { kind: ChangeKind::Value, key: key.to_owned(), plugin: None, from, to });
    }
}

/// Keys of both, those of the second in its order and then the others.
fn keys(from: &Value, to: &Value) -> Vec<String> {
    let (none, mut seen) = (Map::new(), BTreeSet::new());
    let of = |value| Value::as_object(value).unwrap_or(&none).keys().cloned().collect::<Vec<_>>();
    of(to).into_iter().chain(of(from)).filter(|key| seen.insert(key.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(dataset: &str, epochs: usize) -> Value {
        json!({
            "seed": 0,
            "dataset": { "name": "folder", "config": { "root": "a" }, "fingerprint": dataset, "paths": ["root"] },
            "localizer": { "name": "lost", "config": { "k": 1 }, "fingerprint": "v1 abc" },
            "training": { "epochs": epochs },
        })
    }

    fn texts(from: &Value, to: &Value) -> Vec<String> {
        changes(from, to).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_change_says_what_it_is() {
        let from = config("v1 abc", 12);
        let mut to = config("v1 def", 14);
        to["dataset"]["config"]["root"] = json!("b");
        assert_eq!(texts(&from, &to), ["dataset contents changed (folder)", "training.epochs 12 -> 14"]);
        to = config("v2 abc", 12);
        to["localizer"] = json!({ "name": "lost", "config": { "k": 2 }, "fingerprint": "v2 def" });
        assert_eq!(
            texts(&from, &to),
            [
                "plugin dataset folder v1 -> v2",
                "plugin localizer lost v1 -> v2",
                "weights of localizer lost changed",
                "localizer.k 1 -> 2"
            ]
        );
        to = config("v1 abc", 12);
        to["localizer"] = json!({ "name": "center-box", "config": {}, "fingerprint": "v1" });
        assert_eq!(texts(&from, &to), ["localizer lost -> center-box"]);
    }

    #[test]
    fn a_library_that_was_built_again_is_named_with_both_hashes() {
        let from = config("v1 abc", 12);
        let with = |fingerprint: &str| {
            let mut config = from.clone();
            config["localizer"]["fingerprint"] = json!(fingerprint);
            config
        };
        let (old, new) = ("a".repeat(64), "b".repeat(64));
        let rebuilt = texts(&with(&format!("v1.0 so:{old}")), &with(&format!("v1.1 so:{new}")));
        assert_eq!(
            rebuilt,
            ["plugin localizer lost was built again: v1.0 (aaaaaaaaaaaa) -> v1.1 (bbbbbbbbbbbb)"]
        );
        let loaded = texts(&with("v1"), &with(&format!("v1 so:{new}")));
        assert_eq!(loaded, ["plugin localizer lost was built again: v1 (compiled in) -> v1 (bbbbbbbbbbbb)"]);
        let weights = texts(&with(&format!("v1 so:{old} files=1")), &with(&format!("v1 so:{old} files=2")));
        assert_eq!(weights, ["weights of localizer lost changed"]);
    }

    #[test]
    fn null_and_absent_are_equal_and_so_are_moved_files() {
        let mut to = config("v1 abc", 12);
        to["localizer"]["config"]["weights"] = Value::Null;
        to["dataset"]["config"]["root"] = json!("elsewhere");
        to["training"]["precision"] = json!("f32");
        assert_eq!(texts(&config("v1 abc", 12), &to), [""; 0]);
        to["training"]["precision"] = json!("bf16");
        assert_eq!(texts(&config("v1 abc", 12), &to), ["training.precision (absent) -> bf16"]);
    }
}

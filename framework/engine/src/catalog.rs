//! The registry as the plan sees it. The main type is [`Catalog`].

use crate::ahead::{Lookout, MemoryOf};
use fovea_api::Registry;
use fovea_api::registry::{Entry, Origin, nearest};
use fovea_plan::{
    DeviceRequest, Obstacle, PluginCatalog, PluginConfig, PluginIssue, PluginKind, TrialConfig,
};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Lets the plan, which knows no plugins, check their tables.
pub struct Catalog {
    registry: Registry,
    base_dir: PathBuf,
    read_files: bool,
    lookout: Option<Lookout>,
}

impl Catalog {
    /// A catalog of `registry`; relative paths in plugin tables start at `base_dir`.
    #[must_use]
    pub fn new(registry: Registry, base_dir: PathBuf) -> Self {
        Self { registry, base_dir, read_files: true, lookout: None }
    }

    /// The fingerprint of a plugin that another one wraps (`inner` of `shuffled`), if it is one that is not built in:
    /// those that are, the wrapping plugin knows itself.
    fn wrapped(&self, kind: PluginKind, config: &Value) -> Option<String> {
        let mut inner = config.get("inner")?.as_object()?.clone();
        let name = inner.shift_remove("name")?;
        let entry = self.registry.get(kind_of(kind), name.as_str()?).ok()?;
        if entry.origin == Origin::BuiltIn {
            return None;
        }
        // What is wrong with its table, the wrapping plugin says when it is built.
        let resolve = if self.read_files { Entry::resolve } else { Entry::resolve_unread };
        Some(resolve(entry, Value::Object(inner), &self.base_dir).ok()?.fingerprint)
    }

    /// Refuses trials that cannot be trained, too: for want of a split, of pixels, or of the memory that devices have.
    #[must_use]
    pub fn looking_ahead(self, memory: MemoryOf) -> Self {
        let lookout = Lookout::new(self.registry.clone(), self.base_dir.clone(), memory);
        Self { lookout: Some(lookout), ..self }
    }

    /// Leaves data and weights unread: the plan is for looking at, its identities are not those of trials.
    #[must_use]
    pub fn unread(self) -> Self {
        Self { read_files: false, ..self }
    }
}

fn kind_of(kind: PluginKind) -> fovea_api::PluginKind {
    match kind {
        PluginKind::Dataset => fovea_api::PluginKind::Dataset,
        PluginKind::Model => fovea_api::PluginKind::Model,
        PluginKind::Localizer => fovea_api::PluginKind::Localizer,
        PluginKind::Extractor => fovea_api::PluginKind::Extractor,
        PluginKind::Loss => fovea_api::PluginKind::Loss,
    }
}

impl PluginCatalog for Catalog {
    fn resolve(&self, kind: PluginKind, name: &str, config: Value) -> Result<PluginConfig, Vec<PluginIssue>> {
        let entry = self.registry.get(kind_of(kind), name).map_err(|e| {
            vec![PluginIssue { path: vec!["name".to_owned()], message: e.message, suggestion: None }]
        })?;
        let unknown = unknown_keys(&entry.schema, &config);
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let resolve = if self.read_files { Entry::resolve } else { Entry::resolve_unread };
        let resolved = resolve(entry, config, &self.base_dir).map_err(|issues| {
            issues
                .into_iter()
                .map(|i| PluginIssue { path: i.path, message: i.message, suggestion: i.suggestion })
                .collect::<Vec<_>>()
        })?;
        let fingerprint = match self.wrapped(kind, &resolved.config) {
            Some(inner) => format!("{} {inner}", resolved.fingerprint),
            None => resolved.fingerprint,
        };
        Ok(PluginConfig {
            name: name.to_owned(),
            config: resolved.config,
            fingerprint,
            paths: resolved.paths,
        })
    }

    fn names(&self, kind: PluginKind) -> Vec<String> {
        self.registry.names(kind_of(kind))
    }

    fn schema(&self, kind: PluginKind, name: &str) -> Value {
        self.registry
            .get(kind_of(kind), name)
            .map_or_else(|_| Value::Object(Map::new()), |entry| entry.schema.clone())
    }

    fn ahead(&self, trial: &TrialConfig, devices: &[DeviceRequest]) -> Vec<Obstacle> {
        self.lookout.as_ref().map(|lookout| lookout.look(trial, devices)).unwrap_or_default()
    }
}

/// Keys of the table that the plugin's schema does not know, each at its own place; the parser would stop at the first.
fn unknown_keys(schema: &Value, config: &Value) -> Vec<PluginIssue> {
    let (Some(known), Some(table)) = (schema["properties"].as_object(), config.as_object()) else {
        return Vec::new();
    };
    let names: Vec<String> = known.keys().cloned().collect();
    table
        .keys()
        .filter(|key| !known.contains_key(*key))
        .map(|key| PluginIssue {
            path: vec![key.clone()],
            message: format!(
                "unknown key; known: {}",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            ),
            suggestion: nearest(key, &names).map(str::to_owned),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_unknown_key_is_found_with_its_neighbour() {
        let schema = json!({"properties": {"lambda": {}, "diagonal": {}}});
        let issues = unknown_keys(&schema, &json!({"lamda": 1, "diagonal": "pixels", "x": 0}));
        assert_eq!(issues.len(), 2);
        assert_eq!(issues[0].suggestion.as_deref(), Some("lambda"));
        assert_eq!(issues[1].suggestion, None);
    }
}

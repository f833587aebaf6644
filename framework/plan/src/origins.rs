//! Where each value of a trial was given, for whoever asks why it is what it is. The way in is [`Expansion::origins`].
//!
//! What is not named is a default. Origins are kept beside a trial and never enter its identity.

use crate::errors::{At, Location};
use crate::expand::{Expansion, Point};
use crate::spans::join;
use crate::{PluginKind, TrialConfig, identity};
use serde_json::Value;
use std::collections::BTreeMap;

impl Expansion<'_> {
    /// Origin of every value of a trial's configuration that is no default, by dotted key.
    pub(crate) fn origins(&mut self, point: &Point<'_>, config: &TrialConfig) -> BTreeMap<String, String> {
        let mut leaves = Vec::new();
        if let Value::Object(sections) = identity::json(config) {
            for (key, value) in &sections {
                let path = vec![key.clone()];
                if PluginKind::from_key(key).is_some() {
                    leaves.push(join(&path, "name"));
                    collect(&value["config"], &path, &mut leaves);
                } else {
                    collect(value, &path, &mut leaves);
                }
            }
        }
        let mut origins = BTreeMap::new();
        for path in leaves {
            if let Some(origin) = self.origin(point, &path) {
                origins.insert(path.join("."), origin);
            }
        }
        origins
    }

    fn origin(&mut self, point: &Point<'_>, path: &[String]) -> Option<String> {
        if let Some(location) = self.above_base(point, path, At::Value) {
            let axis = self.layers.axes.iter().find(|axis| path.starts_with(&axis.path));
            let overridden = point.above.iter().any(|entry| path.starts_with(&entry.path));
            let axis = axis.filter(|_| !overridden).map(|axis| format!("axis {}, ", axis.name()));
            return location.map(|location| axis.unwrap_or_default() + &text(&location));
        }
        // Figment looks each key up anew; the base document is the same at every point of the grid.
        let layers = self.layers;
        let base = self.base_origins.entry(path.to_vec());
        base.or_insert_with(|| layers.given_in_base(path, At::Value).as_ref().map(text)).clone()
    }
}

/// Paths of the values below a table; a list is a value.
fn collect(value: &Value, path: &[String], leaves: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                collect(value, &join(path, key), leaves);
            }
        }
        _ => leaves.push(path.to_vec()),
    }
}

/// `experiment.toml:12`, `environment FOVEA_SEED`, `command line: seed=3`.
fn text(location: &Location) -> String {
    match location {
        Location::File { path, line, .. } => format!("{}:{line}", path.display()),
        Location::Override(given) => match given.strip_prefix("environment: ") {
            Some(variable) => format!("environment {}", variable.split('=').next().unwrap_or(variable)),
            None => given.clone(),
        },
        Location::Path(path) => path.display().to_string(),
    }
}

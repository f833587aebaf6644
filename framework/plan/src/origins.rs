//! Where each value was given, for whoever asks why it is what it is: of a trial with [`Expansion::origins`], of the
//! document without axes with [`Layers::origin`].
//!
//! What has no origin is a default. Origins are kept beside a trial and never enter its identity.

use crate::PluginKind;
use crate::errors::{At, Location};
use crate::expand::{Above, Expansion, Point};
use crate::layers::Layers;
use crate::spans::join;
use serde_json::Value;

impl Expansion<'_> {
    /// Origin of every value of a section that is no default, by dotted key.
    pub(crate) fn origins(
        &mut self,
        point: &Point<'_, '_>,
        section: &str,
        value: &Value,
    ) -> Vec<(String, String)> {
        let (mut leaves, path) = (Vec::new(), vec![section.to_owned()]);
        if PluginKind::from_key(section).is_some() {
            leaves.push(join(&path, "name"));
            collect(&value["config"], &path, &mut leaves);
        } else {
            collect(value, &path, &mut leaves);
        }
        let origin = |path: Vec<String>| Some((path.join("."), self.origin(point, &path)?));
        leaves.into_iter().filter_map(origin).collect()
    }

    fn origin(&mut self, point: &Point<'_, '_>, path: &[String]) -> Option<String> {
        let layers = self.layers;
        match self.above_base(point, path, At::Value) {
            Some(Above::Override(location)) => Some(text(&location)),
            Some(Above::Axis(index, below)) => {
                let (axis, position) = (&layers.axes[index], point.choice[index]);
                let origin = || {
                    let location = layers.location(&axis.values[position].given, below, At::Value);
                    format!("axis {}, {}", axis.name(), text(&location))
                };
                if below.is_empty() {
                    Some(self.axis_origins.entry((index, position)).or_insert_with(origin).clone())
                } else {
                    Some(origin())
                }
            }
            Some(Above::Replaced) => None,
            // Figment looks each key up anew; the base document is the same at every point of the grid.
            None => match self.base_origins.get(path) {
                Some(known) => known.clone(),
                None => {
                    let origin = layers.origin(path);
                    self.base_origins.insert(path.to_vec(), origin.clone());
                    origin
                }
            },
        }
    }
}

impl Layers {
    /// Origin of a value of the base document, unless it is a default.
    pub(crate) fn origin(&self, path: &[String]) -> Option<String> {
        self.given_in_base(path, At::Value).as_ref().map(text)
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
pub(crate) fn text(location: &Location) -> String {
    match location {
        Location::File { path, line, .. } => format!("{}:{line}", path.display()),
        Location::Override(given) => match given.strip_prefix("environment: ") {
            Some(variable) => format!("environment {}", variable.split('=').next().unwrap_or(variable)),
            None => given.clone(),
        },
        Location::Path(path) => path.display().to_string(),
    }
}

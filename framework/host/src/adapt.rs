//! From loaded plugins to entries of the registry. The main function is [`entry`].

use crate::config;
use crate::extractor::LoadedExtractor;
use crate::library::{Functions, LoadedPlugin};
use crate::localizer::LoadedLocalizer;
use crate::loss::LoadedLoss;
use crate::model;
use fovea_api::registry::{Description, Entry, Factory, Origin, Resolved};
use fovea_api::{BuildContext, PluginError};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// The plugin as an entry of the registry.
#[must_use]
pub fn entry(plugin: &Arc<LoadedPlugin>) -> Entry {
    let description = Description {
        kind: plugin.kind,
        name: plugin.name.clone(),
        version: plugin.version.clone(),
        summary: plugin.summary.clone(),
        schema: plugin.schema.clone(),
        origin: Origin::File { path: plugin.file.path.clone(), blake3: plugin.file.blake3.clone() },
    };
    let (read, unread) = (Arc::clone(plugin), Arc::clone(plugin));
    let resolve = move |config: Value, base_dir: &Path| {
        let config = config::resolve(&read, &config, base_dir)?;
        let files = config::files_hash(&read, &config, base_dir).map_err(|issue| vec![issue])?;
        Ok(Resolved { config, fingerprint: fingerprint(&read, &files), paths: read.path_keys.clone() })
    };
    let resolve_unread = move |config: Value, base_dir: &Path| {
        let config = config::resolve(&unread, &config, base_dir)?;
        Ok(Resolved { config, fingerprint: fingerprint(&unread, ""), paths: Vec::new() })
    };
    let entry = Entry::new(description, Arc::new(resolve), Arc::new(resolve_unread), factory(plugin));
    let Functions::Model(functions) = plugin.functions else { return entry };
    let plugin = Arc::clone(plugin);
    entry.forecasting(Arc::new(move |config, ahead| model::forecast(&plugin, functions, config, ahead)))
}

/// `v1.2.0 so:HASH files=HASH`: version, library, and what the configuration names. `fovea plan` takes it apart.
fn fingerprint(plugin: &LoadedPlugin, files: &str) -> String {
    let space = if files.is_empty() { "" } else { " " };
    format!("v{} so:{}{space}{files}", plugin.version, plugin.file.blake3)
}

fn factory(plugin: &Arc<LoadedPlugin>) -> Factory {
    let plugin = Arc::clone(plugin);
    match plugin.functions {
        Functions::Localizer(functions) => {
            Factory::Localizer(Arc::new(move |config, context: &BuildContext| {
                let base_dir = &context.base_dir;
                let files = config::files_hash(&plugin, &config, base_dir)
                    .map_err(|issue| PluginError::new(plugin.title(), issue.to_string()))?;
                let identity = fingerprint(&plugin, &files);
                let key = format!("{} {identity} {}", plugin.name, config::without_paths(&plugin, &config));
                Ok(Box::new(LoadedLocalizer::new(&plugin, functions, (&config, base_dir), key)?))
            }))
        }
        Functions::Extractor(functions) => {
            Factory::Extractor(Arc::new(move |config, context: &BuildContext| {
                Ok(Box::new(LoadedExtractor::new(&plugin, functions, (&config, &context.base_dir))?))
            }))
        }
        Functions::Loss(functions) => Factory::Loss(Arc::new(move |config, context: &BuildContext| {
            Ok(Box::new(LoadedLoss::new(&plugin, functions, (&config, &context.base_dir))?))
        })),
        Functions::Model(functions) => {
            Factory::Model(Arc::new(move |config, context| model::build(&plugin, functions, config, context)))
        }
    }
}

//! A loaded model: a graph of layers, which this program builds. The main functions are [`build`] and [`forecast`].

use crate::call::{Instance, Written};
use crate::library::LoadedPlugin;
use fovea_abi::raw::{FoveaModel, FoveaModelRequest};
use fovea_api::{Ahead, BuiltModel, ConfigIssue, Forecast, ModelContext, PluginError};
use fovea_models::Freeze;
use fovea_models::graph::{BuildOptions, GraphSpec};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Asks the plugin for its graph and builds the network.
///
/// `weights` of the configuration, where they are, are loaded by this program: the plugin describes layers only.
pub(crate) fn build(
    plugin: &Arc<LoadedPlugin>,
    functions: &'static FoveaModel,
    config: Value,
    context: &ModelContext,
) -> Result<BuiltModel, PluginError> {
    let weights = config["weights"].as_str().map(PathBuf::from);
    let ahead =
        Ahead { classes: context.classes, input_size: context.input_size, base_dir: &context.base_dir };
    let spec = graph(plugin, functions, config, &ahead)?;
    let options =
        BuildOptions { plugin: &plugin.name, weights: weights.as_deref(), freeze: Freeze::default() };
    fovea_models::graph::build(&spec, context, &options)
        .map_err(|error| PluginError::new(plugin.title(), error.message))
}

/// Asks the plugin for its graph and counts what the network will need.
pub(crate) fn forecast(
    plugin: &Arc<LoadedPlugin>,
    functions: &'static FoveaModel,
    config: Value,
    ahead: &Ahead<'_>,
) -> Result<Option<Forecast>, ConfigIssue> {
    let spec = graph(plugin, functions, config, ahead).map_err(|e| ConfigIssue::at("name", e.message))?;
    fovea_models::graph::forecast(&spec, ahead.input_size, ahead.classes, Freeze::default())
        .map(Some)
        .map_err(|text| ConfigIssue::at("name", text))
}

/// The graph that the plugin describes.
fn graph(
    plugin: &Arc<LoadedPlugin>,
    functions: &'static FoveaModel,
    mut config: Value,
    ahead: &Ahead<'_>,
) -> Result<GraphSpec, PluginError> {
    let failed = |message: String| PluginError::new(plugin.title(), message);
    if let (Some(table), true) = (config.as_object_mut(), plugin.schema["properties"]["weights"].is_null()) {
        // Trained weights are put there to be loaded; the plugin does not know the key.
        table.shift_remove("weights");
    }
    let instance = Instance::create(plugin, &config, ahead.base_dir)?;
    let graph = functions.graph.ok_or_else(|| failed("it has no `graph`".to_owned()))?;
    let side = u32::try_from(ahead.input_size).map_err(|e| failed(e.to_string()))?;
    let classes = u32::try_from(ahead.classes).map_err(|e| failed(e.to_string()))?;
    let size = size_of::<FoveaModelRequest>();
    let request = FoveaModelRequest { size, channels: 3, height: side, width: side, classes };
    let mut written = Written::default();
    let about = format_args!("{classes} classes, {side}x{side}");
    let outcome = instance.call("graph", about, |instance, error| {
        let sink = written.sink();
        // SAFETY: all arguments live for the call; the instance is locked.
        (unsafe { graph(instance, &raw const request, &raw const sink, error) }, 0)
    });
    outcome.map_err(|failure| failure.of(plugin, |_| None))?;
    let text = written.text().map_err(&failed)?;
    let json: Value =
        serde_json::from_str(&text).map_err(|e| failed(format!("`graph` wrote what is no JSON: {e}")))?;
    GraphSpec::from_json(&json).map_err(|issues| {
        let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
        failed(format!("`graph` wrote a graph with mistakes:\n{}", issues.join("\n")))
    })
}

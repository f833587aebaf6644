//! What hosts call. The main functions are [`check`], [`forecast`] and [`build`].

use super::blueprint::{Blueprint, InputShape};
use super::issue::Issue;
use super::network::Graph;
use super::spec::GraphSpec;
use super::summary::Summary;
use crate::init::Scope;
use crate::options::{Freeze, built};
use fovea_api::weights::WeightsError;
use fovea_api::{BuiltModel, Forecast, ModelContext, PluginError, StateDict, load_state_dict};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// What is not in the graph itself.
#[derive(Clone, Copy, Debug)]
pub struct BuildOptions<'a> {
    /// Name of the model, for errors.
    pub plugin: &'a str,
    /// Weights to begin from; a relative path starts at the context's `base_dir`.
    pub weights: Option<&'a Path>,
    /// What is not trained.
    pub freeze: Freeze,
}

/// Checks a graph for pictures of this shape: its layers with their shapes and parameter counts.
///
/// # Errors
/// Everything that is wrong with it: first what is wrong with the document, then with shapes, then with the CAM layer.
pub fn check(json: &Value, input: InputShape, classes: usize) -> Result<Summary, Vec<Issue>> {
    let spec = GraphSpec::from_json(json)?;
    Blueprint::new(&spec, input, classes).map(|blueprint| Summary::new(&blueprint))
}

/// As [`build`], from the document.
///
/// # Errors
/// Those of [`build`], and every mistake in the document.
pub fn build_json(
    json: &Value,
    context: &ModelContext,
    options: &BuildOptions<'_>,
) -> Result<BuiltModel, PluginError> {
    let spec = GraphSpec::from_json(json).map_err(|issues| {
        PluginError::new(
            format!("model {}", options.plugin),
            format!("its graph has mistakes:\n  {}", list(&issues)),
        )
    })?;
    build(&spec, context, options)
}

/// What a graph will need for pictures of this side.
///
/// # Errors
/// When it is no network for them, in words.
pub fn forecast(spec: &GraphSpec, side: usize, classes: usize, freeze: Freeze) -> Result<Forecast, String> {
    let input = InputShape { channels: 3, height: side, width: side };
    let blueprint = Blueprint::new(spec, input, classes).map_err(|issues| no_network(side, &issues))?;
    Ok(blueprint.forecast(freeze == Freeze::Features))
}

fn no_network(side: usize, issues: &[Issue]) -> String {
    format!("its graph is no network for pictures of {side}x{side}:\n  {}", list(issues))
}

fn list(issues: &[Issue]) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

/// Builds and initialises the network of a graph, and loads its weights.
///
/// # Errors
/// When the graph is no network for this input and number of classes, or the weights do not fit it.
pub fn build(
    spec: &GraphSpec,
    context: &ModelContext,
    options: &BuildOptions<'_>,
) -> Result<BuiltModel, PluginError> {
    let error = |message| PluginError::new(format!("model {}", options.plugin), message);
    let size = context.input_size;
    let input = InputShape { channels: 3, height: size, width: size };
    let blueprint =
        Blueprint::new(spec, input, context.classes).map_err(|issues| error(no_network(size, &issues)))?;
    let frozen = options.freeze == Freeze::Features;
    let trained = |(index, node): (usize, &super::blueprint::Node)| {
        node.operation.parameters() > 0 && !(frozen && blueprint.in_features(index))
    };
    if !blueprint.nodes.iter().enumerate().any(trained) {
        let why = if frozen { "freeze = \"features\" leaves nothing to train" } else { "it has no weights" };
        return Err(error(format!("{why}: the graph needs a linear layer")));
    }
    let blueprint = Arc::new(blueprint);
    let network = Graph::new(Arc::clone(&blueprint), options.freeze, &Scope::new(context));
    let Some(weights) = options.weights else { return built(options.plugin, Ok((network, None))) };
    let path = context.base_dir.join(weights);
    let loaded = StateDict::read(&path).and_then(|dict| {
        load_state_dict(network, dict, blueprint.head_name())
            .map_err(|mismatch| WeightsError { path, kind: mismatch.into() })
    });
    built(options.plugin, loaded)
}

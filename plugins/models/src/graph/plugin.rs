//! The built-in model `graph`. The main types are [`GraphConfig`] and [`GraphPlugin`].

use super::assemble::{BuildOptions, build, forecast};
use super::blueprint::{Blueprint, InputShape};
use super::issue::Issue;
use super::spec::{GraphSpec, LayerSpec};
use crate::options::Freeze;
use fovea_api::registry::ModelPlugin;
use fovea_api::weights::{check_weights, fingerprint_weights};
use fovea_api::{Ahead, BuiltModel, ConfigIssue, Forecast, ModelContext, Plugin, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Configuration of a network that is declared layer by layer, in a file or here.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GraphConfig {
    /// A JSON file with the layers.
    pub file: Option<PathBuf>,
    /// The layers.
    #[schemars(with = "Vec<LayerSpec>")]
    pub layers: Vec<Value>,
    /// Name of the layer whose output is explained; default: the file's, or the map that the global pooling or
    /// flattening takes.
    pub cam: Option<String>,
    /// Weights (.pth or .safetensors) to begin from.
    pub weights: Option<PathBuf>,
    /// What is not trained.
    pub freeze: Freeze,
}

impl GraphConfig {
    /// The graph, read from its file if it is in one.
    fn spec(&self, base_dir: &Path) -> Result<GraphSpec, Vec<ConfigIssue>> {
        let one = |key: &str, text: String| vec![ConfigIssue::at(key, text)];
        let mut json = match &self.file {
            None if self.layers.is_empty() => {
                return Err(one("layers", "a graph needs `layers`, or a `file` with them".to_owned()));
            }
            None => Value::Object(Map::from_iter([("layers".to_owned(), self.layers.clone().into())])),
            Some(_) if !self.layers.is_empty() => {
                return Err(one("file", "give either `file` or `layers`".to_owned()));
            }
            Some(file) => {
                let path = base_dir.join(file);
                let read = |e: std::io::Error| one("file", format!("cannot read `{}`: {e}", path.display()));
                let text = std::fs::read_to_string(&path).map_err(read)?;
                serde_json::from_str(&text)
                    .map_err(|e| one("file", format!("`{}` is not JSON: {e}", path.display())))?
            }
        };
        if let (Some(cam), Value::Object(map)) = (&self.cam, &mut json) {
            map.insert("cam".to_owned(), cam.clone().into());
        }
        GraphSpec::from_json(&json).map_err(|issues| self.located(issues))
    }

    /// Issues at their keys, or at the file that they are in.
    fn located(&self, issues: Vec<Issue>) -> Vec<ConfigIssue> {
        let locate = |issue: Issue| match &self.file {
            Some(file) => ConfigIssue::at("file", format!("`{}`: {issue}", file.display())),
            None => issue.into(),
        };
        issues.into_iter().map(locate).collect()
    }
}

/// The plugin.
#[derive(Debug)]
pub struct GraphPlugin;

impl Plugin for GraphPlugin {
    const NAME: &'static str = "graph";
    const PATHS: &'static [&'static str] = &["weights"];
    const SUMMARY: &'static str = "A network declared layer by layer, in a JSON file or in the experiment.";
    type Config = GraphConfig;

    fn check(config: &Self::Config, base_dir: &Path) -> Vec<ConfigIssue> {
        let mut issues = check_weights(config.weights.as_deref(), base_dir);
        match config.spec(base_dir) {
            Err(wrong) => issues.extend(wrong),
            Ok(spec) => {
                // The size of the input is not known here, so only what is wrong at any size counts.
                let input = InputShape { channels: 3, height: 224, width: 224 };
                let mut wrong = Blueprint::new(&spec, input, 10).err().unwrap_or_default();
                wrong.retain(|issue| !issue.sized);
                issues.extend(config.located(wrong));
            }
        }
        issues
    }

    /// A trial's record has the layers themselves, so that it needs the file no more.
    fn embed(config: Self::Config, base_dir: &Path) -> Result<Self::Config, ConfigIssue> {
        let issue = |e: serde_json::Error| ConfigIssue::at("layers", e.to_string());
        let first = |issues: Vec<ConfigIssue>| {
            issues.into_iter().next().unwrap_or_else(|| ConfigIssue::at("layers", "not a graph"))
        };
        let spec = config.spec(base_dir).map_err(first)?;
        let layers = spec.layers.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(issue)?;
        Ok(GraphConfig { file: None, layers, cam: spec.cam, ..config })
    }

    fn fingerprint(config: &Self::Config, base_dir: &Path) -> Result<String, ConfigIssue> {
        fingerprint_weights(config.weights.as_deref(), base_dir)
    }
}

impl ModelPlugin for GraphPlugin {
    fn build(config: Self::Config, context: &ModelContext) -> Result<BuiltModel, PluginError> {
        let spec = config.spec(&context.base_dir).map_err(|issues| {
            let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
            PluginError::new(format!("model {}", Self::NAME), issues.join("\n"))
        })?;
        let options =
            BuildOptions { plugin: Self::NAME, weights: config.weights.as_deref(), freeze: config.freeze };
        build(&spec, context, &options)
    }

    fn forecast(config: Self::Config, ahead: &Ahead<'_>) -> Result<Option<Forecast>, ConfigIssue> {
        // What is wrong with the layers themselves, the check has said.
        let Ok(spec) = config.spec(ahead.base_dir) else { return Ok(None) };
        forecast(&spec, ahead.input_size, ahead.classes, config.freeze)
            .map(Some)
            .map_err(|text| ConfigIssue::at("layers", text))
    }
}

//! @NAME@: a network for Fovea, which builds it from its own layers.

use fovea_abi::serde_json::{Value, json};
use fovea_abi::{Context, Error, Issue, Model, ModelRequest, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What an experiment can set: `model = { name = "@NAME@", width = 32 }`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Channels of the first layer.
    pub width: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { width: 16 }
    }
}

/// The network.
pub struct @TYPE@ {
    config: Config,
}

impl Plugin for @TYPE@ {
    const NAME: &'static str = "@NAME@";
    const SUMMARY: &'static str = "Two convolutions and a linear layer.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = Config;

    fn check(config: &Config, _: &Path) -> Vec<Issue> {
        if (1..=1024).contains(&config.width) {
            return Vec::new();
        }
        let message = format!("the width is between 1 and 1024, not {}", config.width);
        vec![Issue::at("width", message).instead("16")]
    }

    fn new(config: Config, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Model for @TYPE@ {
    fn graph(&mut self, _: &ModelRequest) -> Result<Value, Error> {
        let width = self.config.width;
        // Padding that is not given keeps the size of the map; "classes" is the number of classes.
        Ok(json!({"layers": [
            {"op": "conv", "out": width, "kernel": 3},
            {"op": "batch-norm"},
            {"op": "relu"},
            {"op": "max-pool", "kernel": 2},
            {"op": "conv", "out": 2 * width, "kernel": 3},
            {"op": "batch-norm"},
            {"op": "relu"},
            {"op": "global-avg-pool"},
            {"op": "linear", "out": "classes"},
        ]}))
    }
}

fovea_abi::plugins! { model @TYPE@ }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_layer_is_linear() {
        let mut model = @TYPE@::new(Config::default(), &Context::default()).unwrap();
        let request = ModelRequest {
            channels: 3,
            height: 32,
            width: 32,
            classes: 10,
        };
        let graph = model.graph(&request).unwrap();
        assert_eq!(
            graph["layers"].as_array().unwrap().last().unwrap()["op"],
            "linear"
        );
    }
}

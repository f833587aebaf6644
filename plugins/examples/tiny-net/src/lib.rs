//! A small network as a plugin: it says which layers there are, and Fovea builds, trains and explains them. The main
//! type is [`TinyNet`].
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

use fovea_abi::serde_json::{Value, json};
use fovea_abi::{Context, Error, Issue, Model, ModelRequest, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Configuration of [`TinyNet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TinyNetConfig {
    /// Channels of the first stage; each further one has twice as many.
    pub width: usize,
    /// Number of stages, each of which halves the map.
    pub stages: usize,
    /// Residual blocks in a stage.
    pub blocks: usize,
}

impl Default for TinyNetConfig {
    fn default() -> Self {
        Self { width: 16, stages: 3, blocks: 1 }
    }
}

/// The network.
#[derive(Debug)]
pub struct TinyNet {
    config: TinyNetConfig,
}

impl Plugin for TinyNet {
    const NAME: &'static str = "tiny-net";
    const SUMMARY: &'static str =
        "Stages of residual blocks behind max pooling, global average, one linear layer.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = TinyNetConfig;

    fn check(config: &TinyNetConfig, _: &Path) -> Vec<Issue> {
        let mut issues = Vec::new();
        for (key, value, most, instead) in [
            ("width", config.width, 512, "16"),
            ("stages", config.stages, 5, "3"),
            ("blocks", config.blocks, 16, "1"),
        ] {
            if !(1..=most).contains(&value) {
                let message = format!("{key} is between 1 and {most}, not {value}");
                issues.push(Issue::at(key, message).instead(instead));
            }
        }
        issues
    }

    fn new(config: TinyNetConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Model for TinyNet {
    fn graph(&mut self, request: &ModelRequest) -> Result<Value, Error> {
        let TinyNetConfig { width, stages, blocks } = self.config;
        let least = 1 << stages;
        if request.height.min(request.width) < least {
            let (h, w) = (request.height, request.width);
            let message =
                format!("{stages} stages halve a picture of {h} x {w} pixels away: {least} is the least");
            return Err(Error::new(message));
        }
        let mut layers = Vec::new();
        for stage in 0..stages {
            let out = width << stage;
            layers.extend(unit(out));
            layers.push(json!({"op": "max-pool", "kernel": 2}));
            let body =
                [unit(out), vec![json!({"op": "conv", "out": out}), json!({"op": "batch-norm"})]].concat();
            let block = [json!({"op": "residual", "body": body}), json!({"op": "relu"})];
            layers.push(json!({"op": "repeat", "times": blocks, "body": block}));
        }
        layers.push(json!({"op": "global-avg-pool"}));
        layers.push(json!({"op": "linear", "out": "classes"}));
        Ok(json!({"description": "tiny-net", "layers": layers}))
    }
}

/// A convolution with what belongs to it.
fn unit(out: usize) -> Vec<Value> {
    vec![json!({"op": "conv", "out": out}), json!({"op": "batch-norm"}), json!({"op": "relu"})]
}

fovea_abi::plugins! { model TinyNet }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_blocks() {
        let config = TinyNetConfig { stages: 2, blocks: 3, ..TinyNetConfig::default() };
        assert!(TinyNet::check(&config, Path::new("")).is_empty());
        let mut model = TinyNet::new(config, &Context::default()).unwrap();
        let request = ModelRequest { channels: 3, height: 32, width: 32, classes: 10 };
        let graph = model.graph(&request).unwrap();
        let ops: Vec<_> =
            graph["layers"].as_array().unwrap().iter().map(|l| l["op"].as_str().unwrap()).collect();
        let stage = ["conv", "batch-norm", "relu", "max-pool", "repeat"];
        assert_eq!(ops, [&stage[..], &stage, &["global-avg-pool", "linear"]].concat());
        assert_eq!(graph["layers"][9]["times"], 3);
        assert_eq!(graph["layers"][9]["body"][0]["body"][3]["out"], 32);
        assert!(model.graph(&ModelRequest { width: 3, ..request }).is_err());
    }

    #[test]
    fn bad_configurations() {
        let bad = TinyNetConfig { width: 0, stages: 9, blocks: 0 };
        assert_eq!(TinyNet::check(&bad, Path::new("")).len(), 3);
    }
}

//! The document of one grid point, typed but not yet resolved. The main type is [`ExperimentSpec`].

use crate::config::{AugmentationConfig, CamConfig, EvaluationConfig, InputConfig, TrainingConfig};
use crate::{CacheSize, PerDevice, PluginKind};
use fovea_records::prune::Asha;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::str::FromStr;

/// An experiment with one value for every axis: what `experiment.toml` holds beside `[axes]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// Name of the experiment; default: the file's name without `.toml`.
    pub name: String,
    /// What the experiment asks, in words.
    #[serde(default)]
    pub question: Option<String>,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    #[serde(default = "auto")]
    pub device: String,
    /// Label of the variant that others are compared with; default: the first.
    #[serde(default)]
    pub baseline: Option<String>,
    /// Where and how it runs; no part of a trial's identity.
    #[serde(default)]
    pub run: RunSpec,
    /// Libraries with plugins; no part of a trial's identity, as the plugins that it uses are.
    #[serde(default)]
    pub plugins: PluginsSpec,
    /// Seed of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// Where pictures come from.
    pub dataset: PluginSpec,
    /// How pictures become network input.
    #[serde(default)]
    pub input: InputConfig,
    /// Training-time augmentation.
    #[serde(default)]
    pub augmentation: AugmentationConfig,
    /// The classifier.
    pub model: PluginSpec,
    /// Who says where the object is.
    pub localizer: PluginSpec,
    /// How a heatmap becomes a box.
    pub extractor: PluginSpec,
    /// The explanation loss.
    pub loss: PluginSpec,
    /// How the heatmap is computed in training.
    #[serde(default)]
    pub cam: CamConfig,
    /// Schedule and optimizer.
    #[serde(default)]
    pub training: TrainingConfig,
    /// What is measured at the end.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
}

/// Top-level keys that are no part of a trial, and so cannot be axes.
pub(crate) const NOT_OF_A_TRIAL: [&str; 6] = ["name", "question", "device", "baseline", "run", "plugins"];

fn auto() -> String {
    "auto".to_owned()
}

impl ExperimentSpec {
    /// Those that its trials may be computed on.
    pub(crate) fn devices(&self) -> Vec<DeviceRequest> {
        let asked =
            if self.run.devices.is_empty() { std::slice::from_ref(&self.device) } else { &self.run.devices };
        asked.iter().filter_map(|device| device.parse().ok()).collect()
    }

    /// The lowest layer: defaults that no struct carries.
    pub(crate) fn defaults(name: &str) -> Map<String, Value> {
        let document = json!({
            "name": name,
            "localizer": { "name": "ground-truth" },
            "extractor": { "name": "threshold" },
            "loss": { "name": "ria" },
        });
        match document {
            Value::Object(table) => table,
            _ => Map::new(),
        }
    }

    /// The table of a plugin.
    #[must_use]
    pub fn plugin(&self, kind: PluginKind) -> &PluginSpec {
        match kind {
            PluginKind::Dataset => &self.dataset,
            PluginKind::Model => &self.model,
            PluginKind::Localizer => &self.localizer,
            PluginKind::Extractor => &self.extractor,
            PluginKind::Loss => &self.loss,
        }
    }
}

/// Where and how an experiment runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunSpec {
    /// Run directory; default: `runs/<name>`.
    pub dir: Option<String>,
    /// Cache that runs share; it can always be deleted.
    pub cache: String,
    /// Decoded pictures that a worker keeps in memory: a size such as `4GiB`, 0 for none, or `auto`: its share of half
    /// of what is free when the run begins, 4 GiB at most.
    pub memory_cache: CacheSize,
    /// Decoded pictures of a data set of files that are kept in the cache for all workers and runs: a size such as
    /// `20GiB`, 0 for none, or `auto`: half of what is free on the disk, 16 GiB at most. A larger data set is not kept.
    pub disk_cache: CacheSize,
    /// Worker processes at a time.
    pub workers: usize,
    /// CPU threads of a worker; 0: all, divided among the workers.
    pub threads: usize,
    /// Whether every trial's curves are written for TensorBoard, too, to `trials/<id>/tensorboard`.
    pub tensorboard: bool,
    /// Devices that the workers are spread over, instead of `device`; `workers` does not count then.
    pub devices: Vec<String>,
    /// Workers for each of `devices`, or `auto`: first one for each of them (or for `device`, and `workers` does not count),
    /// then as many as fit into its memory, as nvidia-smi tells it, with a tenth in reserve.
    pub per_device: PerDevice,
    /// How often a trial is tried again whose worker died or took too long.
    pub retries: usize,
    /// Seconds before it is tried again; twice as many before each further time.
    pub retry_delay: f64,
    /// Minutes that an attempt at a trial may take; 0: any number.
    pub timeout: f64,
    /// Minutes that a worker may be silent; 0: any number.
    pub stall_timeout: f64,
    /// Which trials are given up early; default: none.
    pub prune: PruneSpec,
}

/// Libraries with plugins, and what a call of them may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PluginsSpec {
    /// Libraries, or folders of them; relative paths start at the folder of the file that says so.
    pub paths: Vec<String>,
    /// Seconds that a call of a loaded plugin may take; 0: any number.
    pub timeout: f64,
    /// Megabytes that a loaded plugin may make its worker grow by, over all calls but its first; 0: any number.
    pub memory: f64,
}

impl Default for PluginsSpec {
    fn default() -> Self {
        Self { paths: Vec::new(), timeout: 60.0, memory: 2048.0 }
    }
}

/// How hopeless trials are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PruneSpec {
    /// Asynchronous successive halving: those that have done worst so far.
    pub asha: Option<Asha>,
}

impl Default for RunSpec {
    fn default() -> Self {
        Self {
            dir: None,
            cache: "runs/.cache".to_owned(),
            memory_cache: CacheSize::Auto,
            disk_cache: CacheSize::Auto,
            workers: 1,
            threads: 0,
            tensorboard: false,
            devices: Vec::new(),
            per_device: PerDevice::Count(1),
            retries: 1,
            retry_delay: 2.0,
            timeout: 0.0,
            stall_timeout: 0.0,
            prune: PruneSpec::default(),
        }
    }
}

/// A plugin's table: `name` and the plugin's own keys, which only the catalog knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PluginSpec(pub Map<String, Value>);

impl PluginSpec {
    /// Registered name, if the table has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.get("name").and_then(Value::as_str)
    }

    /// The plugin's own keys.
    #[must_use]
    pub fn config(&self) -> Value {
        let own = self.0.iter().filter(|(key, _)| *key != "name");
        Value::Object(own.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl JsonSchema for PluginSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PluginSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": { "name": { "type": "string" } },
            "additionalProperties": true,
        })
    }
}

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// The first GPU if there is one and the binary can use it, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index.
    Cuda(usize),
}

impl FromStr for DeviceRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => match text.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(index)) => Ok(Self::Cuda(index)),
                _ => Err(format!("unknown device `{text}`: it is one of auto, cpu, cuda, cuda:N")),
            },
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(index) => f.pad(&format!("cuda:{index}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_parsed_and_shown() {
        for (text, shown) in [("auto", "auto"), ("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:3", "cuda:3")] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), shown);
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(text.parse::<DeviceRequest>().is_err(), "{text}");
        }
    }
}

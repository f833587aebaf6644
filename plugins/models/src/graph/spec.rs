//! A graph as one writes it. The main type is [`GraphSpec`].

use super::activation::Activation;
use super::issue::{Issue, Place};
use super::parse;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A network: layers one after the other, each of which may take its input from elsewhere.
///
/// ```json
/// { "layers": [
///     { "op": "conv", "out": 16 }, { "op": "batch-norm" }, { "op": "relu" },
///     { "op": "residual", "body": [{ "op": "conv", "out": 16 }] },
///     { "op": "global-avg-pool" }, { "op": "linear", "out": "classes" } ] }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphSpec {
    /// What the network is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The layers; the last one gives the logits.
    pub layers: Vec<LayerSpec>,
    /// Name of the layer whose output is explained; default: the map that the global pooling or flattening takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cam: Option<String>,
}

impl GraphSpec {
    /// Reads a graph from JSON.
    ///
    /// # Errors
    /// Every mistake that is one whatever the shapes.
    pub fn from_json(json: &Value) -> Result<Self, Vec<Issue>> {
        parse::graph(json)
    }
}

/// One layer or block of layers.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// What other layers call it, and its name in state dicts; default: its place (`layers.3`).
    pub id: Option<String>,
    /// Ids of its inputs; empty: the layer before.
    pub inputs: Vec<String>,
    /// What it does.
    pub op: Op,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A convolution with a square kernel.
    Conv(Conv),
    /// Batch normalisation of a map.
    BatchNorm,
    /// A function of every element.
    Activation(Activation),
    /// The maximum of each window.
    MaxPool(MaxPool),
    /// The average of each window.
    AvgPool(AvgPool),
    /// Averages over a grid of bins, whatever the size of the map.
    AdaptiveAvgPool(AdaptiveAvgPool),
    /// The average of each channel.
    GlobalAvgPool,
    /// A map as a vector.
    Flatten,
    /// A fully connected layer.
    Linear(Linear),
    /// Zeroes elements at random in training.
    Dropout(Dropout),
    /// The sum of its inputs.
    Add,
    /// Its inputs one after the other, by channel.
    Concat,
    /// A body and a shortcut around it, added.
    Residual(Residual),
    /// A body several times over.
    Repeat(Repeat),
}

/// A number of channels or features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// This many.
    Count(usize),
    /// As many as there are classes, written `"classes"`.
    Classes,
}

/// Keys of `conv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    pub out: Width,
    /// Side of the kernel.
    #[serde(default = "three")]
    pub kernel: usize,
    /// Stride.
    #[serde(default = "one")]
    pub stride: usize,
    /// Zeros around the map; default: half the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<usize>,
    /// Whether there is a bias.
    #[serde(default)]
    pub bias: bool,
}

/// Keys of `max-pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// Side of the window.
    pub kernel: usize,
    /// Stride; default: the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Padding, at most half the kernel.
    #[serde(default)]
    pub padding: usize,
}

/// Keys of `avg-pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    /// Side of the window.
    pub kernel: usize,
    /// Stride; default: the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
}

/// Keys of `adaptive-avg-pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool {
    /// Side of the map after it.
    pub size: usize,
}

/// How a fully connected layer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinearInit {
    /// PyTorch's default: weight and bias uniform in plus or minus `1 / sqrt(in)`.
    #[default]
    Uniform,
    /// That of torchvision's VGG: weight normal with standard deviation 0.01, bias 0.
    Normal,
}

/// Keys of `linear`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Output features.
    pub out: Width,
    /// How it begins.
    #[serde(default)]
    pub init: LinearInit,
}

/// Keys of `dropout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability that an element is dropped in training.
    #[serde(default = "half")]
    pub p: f64,
}

/// Keys of `leaky-relu`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// Slope where negative.
    #[serde(default = "hundredth")]
    pub slope: f64,
}

/// No keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoKeys {}

/// Keys of `residual`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The layers that the shortcut goes around.
    pub body: Vec<LayerSpec>,
    /// The layers of the shortcut; none: the input as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<LayerSpec>,
}

/// Keys of `repeat`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often, each time with weights of its own.
    pub times: usize,
    /// Number of the first repetition in names.
    #[serde(default)]
    pub start: usize,
    /// What is repeated.
    pub body: Vec<LayerSpec>,
}

fn one() -> usize {
    1
}

fn three() -> usize {
    3
}

fn half() -> f64 {
    0.5
}

fn hundredth() -> f64 {
    0.01
}

impl Conv {
    pub(super) fn padding(&self) -> usize {
        self.padding.unwrap_or(self.kernel / 2)
    }
}

impl Op {
    /// Its name in the document.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::BatchNorm => "batch-norm",
            Self::Activation(activation) => match activation {
                Activation::Identity => "identity",
                Activation::Relu => "relu",
                Activation::LeakyRelu(_) => "leaky-relu",
                Activation::Gelu => "gelu",
                Activation::Silu => "silu",
                Activation::Tanh => "tanh",
                Activation::Sigmoid => "sigmoid",
            },
            Self::MaxPool(_) => "max-pool",
            Self::AvgPool(_) => "avg-pool",
            Self::AdaptiveAvgPool(_) => "adaptive-avg-pool",
            Self::GlobalAvgPool => "global-avg-pool",
            Self::Flatten => "flatten",
            Self::Linear(_) => "linear",
            Self::Dropout(_) => "dropout",
            Self::Add => "add",
            Self::Concat => "concat",
            Self::Residual(_) => "residual",
            Self::Repeat(_) => "repeat",
        }
    }

    /// Its keys, defaults filled in.
    fn keys(&self) -> serde_json::Result<Value> {
        match self {
            Self::Conv(keys) => serde_json::to_value(Conv { padding: Some(keys.padding()), ..keys.clone() }),
            Self::Activation(Activation::LeakyRelu(slope)) => Ok(json!({ "slope": slope })),
            Self::MaxPool(keys) => {
                let stride = Some(keys.stride.unwrap_or(keys.kernel));
                serde_json::to_value(MaxPool { stride, ..keys.clone() })
            }
            Self::AvgPool(keys) => {
                let stride = Some(keys.stride.unwrap_or(keys.kernel));
                serde_json::to_value(AvgPool { stride, ..keys.clone() })
            }
            Self::AdaptiveAvgPool(keys) => serde_json::to_value(keys),
            Self::Linear(keys) => serde_json::to_value(keys),
            Self::Dropout(keys) => serde_json::to_value(keys),
            Self::Residual(keys) => serde_json::to_value(keys),
            Self::Repeat(keys) => serde_json::to_value(keys),
            Self::BatchNorm
            | Self::Activation(_)
            | Self::GlobalAvgPool
            | Self::Flatten
            | Self::Add
            | Self::Concat => Ok(json!({})),
        }
    }
}

impl Serialize for LayerSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = Map::from_iter([("op".to_owned(), json!(self.op.name()))]);
        if let Some(id) = &self.id {
            map.insert("id".to_owned(), json!(id));
        }
        match self.inputs.as_slice() {
            [] => {}
            [input] => drop(map.insert("input".to_owned(), json!(input))),
            inputs => drop(map.insert("inputs".to_owned(), json!(inputs))),
        }
        if let Value::Object(keys) = self.op.keys().map_err(serde::ser::Error::custom)? {
            map.extend(keys);
        }
        map.serialize(serializer)
    }
}

fn join(issues: &[Issue]) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl<'de> Deserialize<'de> for LayerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        parse::one_layer(&value, &Place::default()).map_err(|issues| D::Error::custom(join(&issues)))
    }
}

impl<'de> Deserialize<'de> for GraphSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(&value).map_err(|issues| D::Error::custom(join(&issues)))
    }
}

impl Serialize for Width {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => count.serialize(serializer),
            Self::Classes => "classes".serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Width {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let count = value.as_u64().and_then(|n| usize::try_from(n).ok());
        match (count, value.as_str()) {
            (Some(count), _) => Ok(Self::Count(count)),
            (None, Some("classes")) => Ok(Self::Classes),
            _ => Err(D::Error::custom(format!("{value} is neither a number of outputs nor \"classes\""))),
        }
    }
}

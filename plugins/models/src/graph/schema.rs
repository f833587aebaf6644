//! The operations, and the JSON Schema that is made of them. The main item is [`OPS`].

use super::activation::Activation;
use super::spec::{
    AdaptiveAvgPool, AvgPool, Conv, Dropout, LayerSpec, LeakyRelu, Linear, MaxPool, NoKeys, Op, Repeat,
    Residual, Width,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// One input, by default the layer before.
    One,
    /// Several, always named.
    Several,
}

impl Arity {
    /// The key that names the inputs.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::One => "input",
            Self::Several => "inputs",
        }
    }
}

/// How an operation's keys are read.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// From the keys alone.
    Keys(fn(Value) -> Result<Op, String>),
    /// A body and a shortcut.
    Residual,
    /// A body and how often.
    Repeat,
}

/// An operation.
pub(super) struct OpInfo {
    pub(super) name: &'static str,
    summary: &'static str,
    pub(super) arity: Arity,
    keys: fn(&mut SchemaGenerator) -> Schema,
    pub(super) read: Read,
}

/// Every operation, in the order in which lists show them.
pub(super) const OPS: [OpInfo; 20] = [
    op("conv", "Convolution with a square kernel.", Conv::json_schema, |v| typed(v).map(Op::Conv)),
    plain("batch-norm", "Batch normalisation.", |v| empty(v, Op::BatchNorm)),
    plain("relu", "max(0, x).", |v| empty(v, Op::Activation(Activation::Relu))),
    op("leaky-relu", "max(slope x, x).", LeakyRelu::json_schema, |v| {
        typed(v).map(|LeakyRelu { slope }| Op::Activation(Activation::LeakyRelu(slope)))
    }),
    plain("gelu", "x Phi(x), exact.", |v| empty(v, Op::Activation(Activation::Gelu))),
    plain("silu", "x sigmoid(x).", |v| empty(v, Op::Activation(Activation::Silu))),
    plain("tanh", "tanh(x).", |v| empty(v, Op::Activation(Activation::Tanh))),
    plain("sigmoid", "1 / (1 + exp(-x)).", |v| empty(v, Op::Activation(Activation::Sigmoid))),
    plain("identity", "x: a place with a name.", |v| empty(v, Op::Activation(Activation::Identity))),
    op("max-pool", "The maximum of each window.", MaxPool::json_schema, |v| typed(v).map(Op::MaxPool)),
    op("avg-pool", "The average of each window.", AvgPool::json_schema, |v| typed(v).map(Op::AvgPool)),
    op("adaptive-avg-pool", "Averages over a grid of bins.", AdaptiveAvgPool::json_schema, |v| {
        typed(v).map(Op::AdaptiveAvgPool)
    }),
    plain("global-avg-pool", "The average of each channel: a vector.", |v| empty(v, Op::GlobalAvgPool)),
    plain("flatten", "A map as a vector.", |v| empty(v, Op::Flatten)),
    op("linear", "Fully connected layer.", Linear::json_schema, |v| typed(v).map(Op::Linear)),
    op("dropout", "Zeroes elements at random in training.", Dropout::json_schema, |v| {
        typed(v).map(Op::Dropout)
    }),
    OpInfo { arity: Arity::Several, ..plain("add", "The sum of its inputs.", |v| empty(v, Op::Add)) },
    OpInfo {
        arity: Arity::Several,
        ..plain("concat", "Its inputs one after the other, by channel.", |v| empty(v, Op::Concat))
    },
    OpInfo {
        read: Read::Residual,
        ..op("residual", "A body plus a shortcut.", Residual::json_schema, |_| unread())
    },
    OpInfo {
        read: Read::Repeat,
        ..op("repeat", "A body several times over.", Repeat::json_schema, |_| unread())
    },
];

const fn op(
    name: &'static str,
    summary: &'static str,
    keys: fn(&mut SchemaGenerator) -> Schema,
    read: fn(Value) -> Result<Op, String>,
) -> OpInfo {
    OpInfo { name, summary, arity: Arity::One, keys, read: Read::Keys(read) }
}

const fn plain(name: &'static str, summary: &'static str, read: fn(Value) -> Result<Op, String>) -> OpInfo {
    op(name, summary, NoKeys::json_schema, read)
}

fn unread() -> Result<Op, String> {
    Err("blocks are read with their bodies".to_owned())
}

fn empty(keys: Value, op: Op) -> Result<Op, String> {
    typed::<NoKeys>(keys).map(|NoKeys {}| op)
}

fn typed<T: DeserializeOwned>(keys: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(keys).map_err(|error| {
        let key = error.path().to_string();
        let message = error.into_inner().to_string();
        if key == "." { message } else { format!("{key}: {message}") }
    })
}

impl OpInfo {
    /// All keys of a layer of this operation.
    pub(super) fn all_keys(&self) -> &'static [String] {
        static KEYS: LazyLock<HashMap<&'static str, Vec<String>>> =
            LazyLock::new(|| OPS.iter().map(|op| (op.name, op.read_keys())).collect());
        KEYS.get(self.name).map_or(&[], Vec::as_slice)
    }

    fn read_keys(&self) -> Vec<String> {
        let schema = (self.keys)(&mut SchemaGenerator::default());
        let own = schema.get("properties").and_then(Value::as_object);
        let common = ["op", "id", self.arity.key()].map(str::to_owned);
        common.into_iter().chain(own.into_iter().flat_map(|own| own.keys().cloned())).collect()
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        let mut schema = (self.keys)(generator).to_value();
        let inputs = match self.arity {
            Arity::One => {
                json!({ "type": "string", "description": "Id of its input; default: the layer before." })
            }
            Arity::Several => json!({
                "type": "array", "items": { "type": "string" }, "minItems": 2,
                "description": "Ids of its inputs; `previous` is the layer before.",
            }),
        };
        let mut properties = Map::from_iter([
            ("op".to_owned(), json!({ "type": "string", "const": self.name, "description": self.summary })),
            (
                "id".to_owned(),
                json!({ "type": "string", "description": "What others call it, and its name in state dicts." }),
            ),
            (self.arity.key().to_owned(), inputs),
        ]);
        if let Some(Value::Object(own)) = schema.get_mut("properties") {
            properties.extend(std::mem::take(own));
        }
        let mut required = vec![json!("op")];
        required.extend((self.arity == Arity::Several).then(|| json!("inputs")));
        required.extend(schema["required"].as_array().into_iter().flatten().cloned());
        json!({
            "type": "object", "description": self.summary, "properties": properties,
            "required": required, "additionalProperties": false,
        })
    }
}

impl JsonSchema for LayerSpec {
    fn schema_name() -> Cow<'static, str> {
        "LayerSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<Value> = OPS.iter().map(|op| op.schema(generator)).collect();
        json_schema!({ "description": "A layer of a graph.", "oneOf": kinds })
    }
}

impl JsonSchema for Width {
    fn schema_name() -> Cow<'static, str> {
        "Width".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of channels or features; `classes`: one per class.",
            "oneOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "const": "classes" }],
        })
    }
}

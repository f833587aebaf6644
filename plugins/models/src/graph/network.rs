//! The network that a graph describes. The main type is [`Graph`].

use super::blueprint::{Blueprint, Operation};
use super::derive::Need;
use super::head::{GraphHead, Trace};
use super::spec::LinearInit;
use crate::init::Scope;
use crate::layers::{
    BatchNorm2d, Conv2d, Conv2dConfig, Linear, adaptive_average, dropout_mask, global_average,
};
use crate::map::Map;
use crate::norm::Then;
use crate::options::Freeze;
use crate::pool::max_pool;
use burn::module::{Module, ModuleMapper, ModuleVisitor};
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor, module};
use fovea_api::{CamForward, Classifier, Mode};
use std::collections::HashMap;
use std::sync::Arc;

/// A network built from a checked graph.
#[derive(Clone, Debug)]
pub struct Graph {
    blueprint: Arc<Blueprint>,
    /// The layers with weights, in the order of nodes.
    layers: Vec<Named>,
    /// Whether everything on maps stays as it is.
    frozen: bool,
}

/// A layer with its name in a state dict.
#[derive(Clone, Debug)]
struct Named {
    node: usize,
    name: String,
    layer: Layer,
}

/// A layer with weights.
#[derive(Clone, Debug)]
enum Layer {
    Conv(Conv2d),
    Norm(BatchNorm2d),
    Linear(Linear),
}

/// What a node gives.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// With space.
    Map(Map),
    /// `[N, F]`
    Vector(Tensor<2>),
}

impl Value {
    pub(super) fn map(self) -> Map {
        match self {
            Self::Map(map) => map,
            Self::Vector(_) => unreachable!("shapes were checked: a map is expected here"),
        }
    }

    pub(super) fn vector(self) -> Tensor<2> {
        match self {
            Self::Vector(vector) => vector,
            Self::Map(_) => unreachable!("shapes were checked: a vector is expected here"),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        match self {
            Self::Map(map) => Self::Map(map.both(other.map(), |a, b| a + b)),
            Self::Vector(vector) => Self::Vector(vector + other.vector()),
        }
    }

    fn size(&self) -> [usize; 2] {
        match self {
            Self::Map(map) => {
                let [_, _, height, width] = map.dims();
                [height, width]
            }
            Self::Vector(_) => [1, 1],
        }
    }
}

impl Graph {
    /// The initialised network.
    pub(super) fn new(blueprint: Arc<Blueprint>, freeze: Freeze, scope: &Scope) -> Self {
        let frozen = freeze == Freeze::Features;
        let mut layers = Vec::new();
        for (index, node) in blueprint.nodes.iter().enumerate() {
            let scope = scope.enter(&node.name).trained(!(frozen && blueprint.in_features(index)));
            let layer = match node.operation {
                Operation::Conv { input, output, kernel, stride, padding, bias } => {
                    Layer::Conv(Conv2dConfig { input, output, kernel, stride, padding, bias }.init(&scope))
                }
                Operation::Norm { channels } => Layer::Norm(BatchNorm2d::new(channels, &scope)),
                Operation::Linear { input, output, init: LinearInit::Uniform } => {
                    Layer::Linear(Linear::uniform(input, output, &scope))
                }
                Operation::Linear { input, output, init: LinearInit::Normal } => {
                    Layer::Linear(Linear::normal(input, output, &scope))
                }
                _ => continue,
            };
            layers.push(Named { node: index, name: node.name.clone(), layer });
        }
        Self { blueprint, layers, frozen }
    }

    fn layer(&self, node: usize) -> &Layer {
        match self.layers.binary_search_by_key(&node, |named| named.node) {
            Ok(position) => &self.layers[position].layer,
            Err(_) => unreachable!("every node with weights has its layer"),
        }
    }

    /// What the way back needs with respect to a node's first input.
    fn needed_of_input(&self, node: usize) -> Need {
        self.blueprint.derivation.needs[self.blueprint.nodes[node].inputs[0]]
    }

    /// What a node gives, and what the way back needs of it.
    fn run(&self, index: usize, inputs: Vec<Value>, mode: Mode, device: &Device) -> (Value, Option<Trace>) {
        let node = &self.blueprint.nodes[index];
        let behind = self.blueprint.derivation.needs[index] != Need::Nothing;
        let keep = |trace: Trace| behind.then_some(trace);
        let Some(input) = inputs.first().cloned() else { unreachable!("only the input has no inputs") };
        match node.operation {
            Operation::Conv { .. } | Operation::Norm { .. } | Operation::Linear { .. } => {
                drop(inputs);
                match self.layer(index) {
                    Layer::Conv(layer) => (Value::Map(layer.forward(input.map())), None),
                    Layer::Norm(layer) => {
                        (Value::Map(layer.forward(input.map(), mode, Then::default())), None)
                    }
                    Layer::Linear(layer) => {
                        let (output, trace) = match self.needed_of_input(index) {
                            Need::Sum(channels) if behind => {
                                layer.forward_with_sums(input.vector(), channels).into()
                            }
                            _ => (layer.forward(input.vector()), layer.weight.val()),
                        };
                        let output = Value::Vector(output);
                        (output, keep(Trace::Weight(trace)))
                    }
                }
            }
            Operation::Input | Operation::Activation(super::Activation::Identity) => (input, None),
            Operation::Activation(activation) => {
                let output = match input.clone() {
                    Value::Map(x) => Value::Map(x.each(|x| activation.apply(x))),
                    Value::Vector(x) => Value::Vector(activation.apply(x)),
                };
                (output, keep(Trace::Argument(input)))
            }
            Operation::MaxPool { kernel, stride, padding } => {
                (Value::Map(max_pool(input.map(), kernel, stride, padding)), None)
            }
            Operation::AvgPool { kernel, stride } => {
                let options = AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
                let pooled = module::avg_pool2d(input.map().into_pictures(), options);
                (Value::Map(Map::of_pictures(pooled)), None)
            }
            Operation::AdaptiveAvgPool { size } => {
                let pooled = adaptive_average(input.map(), size);
                (Value::Map(Map::of_pictures(pooled)), None)
            }
            Operation::GlobalAvgPool => {
                let trace = keep(Trace::Size(input.size()));
                (Value::Vector(global_average(input.map())), trace)
            }
            Operation::Flatten => {
                let trace = keep(Trace::Size(input.size()));
                (Value::Vector(input.map().into_pictures().flatten(1, 3)), trace)
            }
            Operation::Dropout { probability } => {
                if mode == Mode::Eval || probability == 0.0 {
                    return (input, None);
                }
                match input {
                    Value::Map(x) => {
                        let mask = Map::of_pictures(dropout_mask(x.dims(), probability, device));
                        (
                            Value::Map(x.both(mask.clone(), |x, mask| x * mask)),
                            keep(Trace::Mask(Value::Map(mask))),
                        )
                    }
                    Value::Vector(x) => {
                        let mask = dropout_mask(x.dims(), probability, device);
                        (Value::Vector(x * mask.clone()), keep(Trace::Mask(Value::Vector(mask))))
                    }
                }
            }
            Operation::Add => (inputs.into_iter().skip(1).fold(input, Value::plus), None),
            Operation::Concat => match input {
                Value::Map(_) => {
                    let parts = inputs.into_iter().map(Value::map).collect();
                    (Value::Map(Map::concat(parts)), None)
                }
                Value::Vector(_) => {
                    let parts = inputs.into_iter().map(Value::vector).collect();
                    (Value::Vector(Tensor::cat(parts, 1)), None)
                }
            },
        }
    }
}

impl Classifier for Graph {
    fn forward(&self, images: Tensor<4>, mode: Mode) -> CamForward {
        let Blueprint { nodes, cam, last_use, .. } = &*self.blueprint;
        let device = images.device();
        let features_mode = if self.frozen { Mode::Eval } else { mode };
        let mut values: Vec<Option<Value>> = nodes.iter().map(|_| None).collect();
        let mut traces = HashMap::new();
        let mut features = None;
        values[0] = Some(Value::Map(Map::of_pictures(images)));
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                let given = |&input: &usize| match &values[input] {
                    Some(value) => value.clone(),
                    None => unreachable!("a value is kept until its last use"),
                };
                let inputs = node.inputs.iter().map(given).collect();
                let mode = if self.blueprint.in_features(index) { features_mode } else { mode };
                node.inputs.iter().filter(|&&i| last_use[i] == index).for_each(|&i| values[i] = None);
                let (value, trace) = self.run(index, inputs, mode, &device);
                traces.extend(trace.map(|trace| (index, trace)));
                values[index] = Some(value);
            }
            if index == *cam {
                features.clone_from(&values[index]);
                let size = features.as_ref().map_or([1, 1], Value::size);
                traces.insert(index, Trace::Size(size));
            }
        }
        let (Some(Some(logits)), Some(features)) = (values.pop(), features) else {
            unreachable!("the last node gives the logits, and the CAM layer is one of the nodes")
        };
        let head = GraphHead { blueprint: Arc::clone(&self.blueprint), traces };
        CamForward { logits: logits.vector(), features: features.map().into_pictures(), head: Box::new(head) }
    }
}

/// The same of whichever layer it is.
macro_rules! each {
    ($layer:expr, $module:ident => $result:expr) => {
        match $layer {
            Layer::Conv($module) => $result,
            Layer::Norm($module) => $result,
            Layer::Linear($module) => $result,
        }
    };
}

impl Graph {
    fn map_layers(self, mut f: impl FnMut(&str, Layer) -> Layer) -> Self {
        let layers = self.layers.into_iter().map(|named| {
            let layer = f(&named.name, named.layer);
            Named { layer, ..named }
        });
        Self { layers: layers.collect(), ..self }
    }
}

/// Written by hand, since the names of a graph's layers are not those of fields.
impl Module for Graph {
    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.layers
            .iter()
            .fold(devices, |devices, named| each!(&named.layer, m => m.collect_devices(devices)))
    }

    fn fork(self, device: &Device) -> Self {
        self.map_layers(|_, layer| match layer {
            Layer::Conv(m) => Layer::Conv(m.fork(device)),
            Layer::Norm(m) => Layer::Norm(m.fork(device)),
            Layer::Linear(m) => Layer::Linear(m.fork(device)),
        })
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_layers(|_, layer| match layer {
            Layer::Conv(m) => Layer::Conv(m.to_device(device)),
            Layer::Norm(m) => Layer::Norm(m.to_device(device)),
            Layer::Linear(m) => Layer::Linear(m.to_device(device)),
        })
    }

    fn train(self) -> Self {
        self.map_layers(|_, layer| match layer {
            Layer::Conv(m) => Layer::Conv(m.train()),
            Layer::Norm(m) => Layer::Norm(m.train()),
            Layer::Linear(m) => Layer::Linear(m.train()),
        })
    }

    fn valid(&self) -> Self {
        self.clone().map_layers(|_, layer| match layer {
            Layer::Conv(m) => Layer::Conv(m.valid()),
            Layer::Norm(m) => Layer::Norm(m.valid()),
            Layer::Linear(m) => Layer::Linear(m.valid()),
        })
    }

    fn materialize(self) -> Self {
        self.map_layers(|_, layer| match layer {
            Layer::Conv(m) => Layer::Conv(m.materialize()),
            Layer::Norm(m) => Layer::Norm(m.materialize()),
            Layer::Linear(m) => Layer::Linear(m.materialize()),
        })
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for named in &self.layers {
            visitor.enter_module(&named.name, "Graph");
            each!(&named.layer, m => m.visit(visitor));
            visitor.exit_module(&named.name, "Graph");
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.map_layers(|name, layer| {
            mapper.enter_module(name, "Graph");
            let layer = match layer {
                Layer::Conv(m) => Layer::Conv(m.map(mapper)),
                Layer::Norm(m) => Layer::Norm(m.map(mapper)),
                Layer::Linear(m) => Layer::Linear(m.map(mapper)),
            };
            mapper.exit_module(name, "Graph");
            layer
        })
    }
}

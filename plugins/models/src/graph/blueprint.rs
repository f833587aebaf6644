//! A graph unrolled into nodes, with shapes. The main type is [`Blueprint`].

use super::activation::Activation;
use super::derive::Derivation;
use super::issue::{Issue, Place};
use super::spec::{GraphSpec, LinearInit};
use super::{compile, derive};
pub(super) use crate::tally::product;
use fovea_api::Forecast;
use std::collections::BTreeSet;
use std::fmt;

/// Shape of one input picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputShape {
    /// Channels.
    pub channels: usize,
    /// Height, pixels.
    pub height: usize,
    /// Width, pixels.
    pub width: usize,
}

/// Shape of what a node gives, for one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Map { channels: usize, height: usize, width: usize },
    Vector(usize),
}

impl Shape {
    pub(super) fn elements(self) -> u128 {
        match self {
            Self::Map { channels, height, width } => product([channels, height, width]),
            Self::Vector(width) => width as u128,
        }
    }

    /// Whether another shape may be the same with another size of the input.
    pub(super) fn may_equal(self, other: Self) -> bool {
        match (self, other) {
            (Self::Map { channels: a, .. }, Self::Map { channels: b, .. }) => a == b,
            (Self::Vector(_), Self::Vector(_)) => true,
            _ => false,
        }
    }

    pub(super) fn dims(self) -> Vec<usize> {
        match self {
            Self::Map { channels, height, width } => vec![channels, height, width],
            Self::Vector(width) => vec![width],
        }
    }

    /// What it is, in words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Map { .. } => format!("a map of {self}"),
            Self::Vector(width) => format!("a vector of {width}"),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map { channels, height, width } => f.pad(&format!("{channels}x{height}x{width}")),
            Self::Vector(width) => f.pad(&width.to_string()),
        }
    }
}

/// What a node does, with everything that follows from its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    Input,
    Conv { input: usize, output: usize, kernel: usize, stride: usize, padding: usize, bias: bool },
    Norm { channels: usize },
    Activation(Activation),
    MaxPool { kernel: usize, stride: usize, padding: usize },
    AvgPool { kernel: usize, stride: usize },
    AdaptiveAvgPool { size: usize },
    GlobalAvgPool,
    Flatten,
    Linear { input: usize, output: usize, init: LinearInit },
    Dropout { probability: f64 },
    Add,
    Concat,
}

impl Operation {
    /// How many numbers are trained.
    pub(super) fn parameters(&self) -> u128 {
        match *self {
            Self::Conv { input, output, kernel, bias, .. } => {
                let bias = if bias { output as u128 } else { 0 };
                product([input, output, kernel, kernel]).saturating_add(bias)
            }
            Self::Norm { channels } => product([2, channels]),
            Self::Linear { input, output, .. } => product([input, output]).saturating_add(output as u128),
            _ => 0,
        }
    }
}

/// A node: one operation on what earlier nodes give.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) operation: Operation,
    pub(super) inputs: Vec<usize>,
    pub(super) shape: Shape,
    /// Whether there is one channel or feature per class, whatever their number.
    pub(super) per_class: bool,
    /// Name in a state dict.
    pub(super) name: String,
    pub(super) op: &'static str,
    pub(super) place: Place,
}

/// A checked network.
#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    /// The input first, the logits last; a node's inputs come before it.
    pub(super) nodes: Vec<Node>,
    /// The node whose output is explained.
    pub(super) cam: usize,
    /// How its gradient is found.
    pub(super) derivation: Derivation,
    /// The last node that takes what this one gives.
    pub(super) last_use: Vec<usize>,
}

impl Blueprint {
    /// Checks a graph.
    pub(super) fn new(spec: &GraphSpec, input: InputShape, classes: usize) -> Result<Self, Vec<Issue>> {
        let compiled = compile::compile(spec, input, classes)?;
        let cam = derive::cam_layer(&compiled, spec.cam.as_deref()).map_err(|issue| vec![issue])?;
        let derivation = Derivation::new(&compiled.nodes, cam)?;
        let mut last_use = vec![0; compiled.nodes.len()];
        for (index, node) in compiled.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| last_use[input] = index);
        }
        Ok(Self { nodes: compiled.nodes, cam, derivation, last_use })
    }

    /// Whether a node belongs to the features, which `freeze` is about: everything on maps.
    pub(super) fn in_features(&self, index: usize) -> bool {
        matches!(self.nodes[index].shape, Shape::Map { .. })
    }

    /// What it will need; `frozen`: the features are not trained.
    pub(super) fn forecast(&self, frozen: bool) -> Forecast {
        let mut forecast = Forecast::default();
        // A backward pass takes what these layers took.
        let mut held: BTreeSet<usize> = BTreeSet::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let trains = !(frozen && self.in_features(index));
            let parameters = node.operation.parameters();
            forecast.parameters = forecast.parameters.saturating_add(parameters);
            if trains && parameters > 0 {
                forecast.trained = forecast.trained.saturating_add(parameters);
                held.extend(&node.inputs);
            }
            let elements = |node: usize| self.nodes[node].shape.elements();
            forecast.widest = forecast.widest.max(elements(index));
            if let Operation::Conv { .. } = node.operation {
                let both = elements(index).saturating_add(elements(node.inputs[0]));
                forecast.widest = forecast.widest.max(both);
            }
        }
        let held = held.into_iter().map(|index| self.nodes[index].shape.elements());
        forecast.held = held.fold(0, u128::saturating_add);
        forecast
    }

    /// The layer that gives the logits: the last one with weights.
    pub(super) fn head_name(&self) -> &str {
        self.nodes.iter().rev().find(|node| node.operation.parameters() > 0).map_or("", |node| &node.name)
    }
}

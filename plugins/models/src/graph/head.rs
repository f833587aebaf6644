//! The derivative of a logit, in closed form. The main type is [`GraphHead`].

use super::blueprint::{Blueprint, Operation, Shape};
use super::derive::Need;
use super::network::Value;
use crate::map::Map;
use burn::tensor::{Int, Tensor};
use fovea_api::CamHead;
use std::collections::HashMap;
use std::sync::Arc;

/// What the way back needs of the pass forward.
pub(super) enum Trace {
    /// What an activation was applied to.
    Argument(Value),
    /// A scaled dropout mask, a constant.
    Mask(Value),
    /// Weight of a fully connected layer, `[out, in]`.
    Weight(Tensor<2>),
    /// Height and width of the map that was pooled, flattened or explained.
    Size([usize; 2]),
}

/// Everything behind the CAM layer, with one pass's own masks.
pub(super) struct GraphHead {
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) traces: HashMap<usize, Trace>,
}

impl GraphHead {
    fn size(&self, node: usize) -> [usize; 2] {
        match self.traces.get(&node) {
            Some(Trace::Size(size)) => *size,
            _ => unreachable!(
                "the pass forward keeps the sizes of maps that are pooled, flattened or explained"
            ),
        }
    }

    /// The weight of a linear layer, its columns summed where sums are all that is needed of its input.
    fn weight(&self, node: usize, need: Need) -> Tensor<2> {
        let Some(Trace::Weight(weight)) = self.traces.get(&node) else {
            unreachable!("the pass forward keeps the weights behind the CAM layer")
        };
        match need {
            // Summing before the product is the same as summing the product, and cheaper.
            Need::Sum(channels) => by_channel(weight.clone(), channels),
            _ => weight.clone(),
        }
    }

    /// The gradient with respect to one of a node's inputs, in the form that is needed there.
    fn back(&self, index: usize, which: usize, gradient: &Value) -> Value {
        let nodes = &self.blueprint.nodes;
        let node = &nodes[index];
        let input = node.inputs[which];
        let need = self.blueprint.derivation.needs[input];
        let form = self.blueprint.derivation.needs[index];
        match node.operation {
            Operation::Linear { .. } => {
                Value::Vector(gradient.clone().vector().matmul(self.weight(index, need)))
            }
            Operation::Activation(activation) => match self.traces.get(&index) {
                Some(Trace::Argument(Value::Map(x))) => {
                    let derivative = x.clone().each(|x| activation.derivative(x));
                    reduced(Value::Map(gradient.clone().map().both(derivative, |g, d| g * d)), need)
                }
                Some(Trace::Argument(Value::Vector(x))) => {
                    reduced(Value::Vector(gradient.clone().vector() * activation.derivative(x.clone())), need)
                }
                // The identity keeps nothing.
                _ => gradient.clone(),
            },
            Operation::Dropout { .. } => {
                let dropped = match self.traces.get(&index) {
                    Some(Trace::Mask(Value::Map(mask))) => {
                        Value::Map(gradient.clone().map().both(mask.clone(), |g, mask| g * mask))
                    }
                    Some(Trace::Mask(Value::Vector(mask))) => {
                        Value::Vector(gradient.clone().vector() * mask.clone())
                    }
                    _ => gradient.clone(),
                };
                reduced(dropped, need)
            }
            Operation::GlobalAvgPool => match need {
                // Each place gets an equal share of what there is.
                Need::Full => {
                    let [height, width] = self.size(index);
                    let share = gradient.clone().vector() / (height * width) as f64;
                    let [n, channels] = share.dims();
                    let share = share.reshape([n, channels, 1, 1]).expand([n, channels, height, width]);
                    Value::Map(Map::of_pictures(share))
                }
                _ => gradient.clone(),
            },
            Operation::Flatten => match form {
                Need::Full => {
                    let [height, width] = self.size(index);
                    let flat = gradient.clone().vector();
                    let [n, elements] = flat.dims();
                    let map = flat.reshape([n, elements / (height * width), height, width]);
                    Value::Map(Map::of_pictures(map))
                }
                _ => gradient.clone(),
            },
            Operation::Add => reduced_from(gradient.clone(), form, need),
            Operation::Concat => {
                let width = |i: usize| match nodes[i].shape {
                    Shape::Map { channels, .. } => channels,
                    Shape::Vector(width) => width,
                };
                let start: usize = node.inputs[..which].iter().map(|&i| width(i)).sum();
                let part = match gradient.clone() {
                    Value::Map(gradient) => {
                        let part = gradient.into_pictures().narrow(1, start, width(input));
                        Value::Map(Map::of_pictures(part))
                    }
                    Value::Vector(gradient) => Value::Vector(gradient.narrow(1, start, width(input))),
                };
                reduced_from(part, form, need)
            }
            // Poolings hand sums on; the others are refused when the network is checked.
            Operation::MaxPool { .. }
            | Operation::AvgPool { .. }
            | Operation::AdaptiveAvgPool { .. }
            | Operation::Input
            | Operation::Conv { .. }
            | Operation::Norm { .. } => gradient.clone(),
        }
    }

    /// The gradients that begin it all, at the node that gives the logits.
    fn begin(&self, class: Tensor<1, Int>, gradients: &mut [Option<Value>]) {
        let output = gradients.len() - 1;
        let node = &self.blueprint.nodes[output];
        let needs = &self.blueprint.derivation.needs;
        if let Operation::Linear { .. } = node.operation {
            let input = node.inputs[0];
            gradients[input] = Some(Value::Vector(self.weight(output, needs[input]).select(0, class)));
        } else if let Shape::Vector(classes) = node.shape {
            let [n] = class.dims();
            let device = class.device();
            let numbers = Tensor::<1, Int>::arange(0..classes as i64, &device).reshape([1, classes]);
            let chosen = class.reshape([n, 1]).expand([n, classes]).equal(numbers.expand([n, classes]));
            gradients[output] = Some(reduced(Value::Vector(chosen.float()), needs[output]));
        }
    }
}

impl CamHead for GraphHead {
    fn cam_weights(&self, class: Tensor<1, Int>) -> Tensor<2> {
        let Blueprint { nodes, cam, derivation, .. } = &*self.blueprint;
        let mut gradients: Vec<Option<Value>> = nodes.iter().map(|_| None).collect();
        self.begin(class, &mut gradients);
        for index in (cam + 1..nodes.len()).rev() {
            let Some(gradient) = gradients[index].take() else { continue };
            for (which, &input) in nodes[index].inputs.iter().enumerate() {
                if derivation.needs[input] == Need::Nothing {
                    continue;
                }
                let part = self.back(index, which, &gradient);
                gradients[input] = Some(match gradients[input].take() {
                    Some(sum) => sum.plus(part),
                    None => part,
                });
            }
        }
        let Some(Value::Vector(sum)) = gradients[*cam].take() else {
            unreachable!("every node leads to the logits, and the CAM layer needs a sum")
        };
        let [height, width] = self.size(*cam);
        sum / (height * width) as f64
    }
}

/// Sums a gradient over space if that is what is needed.
fn reduced(gradient: Value, need: Need) -> Value {
    match (need, gradient) {
        (Need::Sum(_), Value::Map(gradient)) => {
            let [n, channels, height, width] = gradient.dims();
            let sum = gradient.into_pictures().reshape([n, channels, height * width]).sum_dim(2);
            Value::Vector(sum.reshape([n, channels]))
        }
        (Need::Sum(channels), Value::Vector(gradient)) => Value::Vector(by_channel(gradient, channels)),
        (_, gradient) => gradient,
    }
}

/// The same for a gradient that may be a sum already.
fn reduced_from(gradient: Value, form: Need, need: Need) -> Value {
    if form == Need::Full { reduced(gradient, need) } else { gradient }
}

/// Sums rows of flattened maps over space, `[R, K h w] -> [R, K]`.
fn by_channel(rows: Tensor<2>, channels: usize) -> Tensor<2> {
    let [count, width] = rows.dims();
    rows.reshape([count, channels, width / channels]).sum_dim(2).reshape([count, channels])
}

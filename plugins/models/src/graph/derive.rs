//! How the derivative of a logit gets to the CAM layer. The main type is [`Derivation`].
//!
//! Burn differentiates once, so what is behind the CAM layer is differentiated here, by the chain rule, as operations of
//! the forward graph. Grad-CAM wants the mean of the gradient over space, and pooling preserves its sum: behind a
//! pooling the sums by channel are enough, and only sums can be known without the places of the maxima.

use super::activation::Activation;
use super::blueprint::{Node, Operation, Shape};
use super::compile::Compiled;
use super::issue::{Issue, Place};

/// In which form the gradient with respect to a node's output is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Not at all: the CAM layer does not lead there.
    Nothing,
    /// Summed over space by channel, this many: `[N, K]`, be the node a map or a flattened map.
    Sum(usize),
    /// Every element.
    Full,
}

/// What is needed at every node.
#[derive(Clone, Debug)]
pub(super) struct Derivation {
    pub(super) needs: Vec<Need>,
}

/// The CAM layer: the one of this name, or the map that the head takes.
pub(super) fn cam_layer(compiled: &Compiled, name: Option<&str>) -> Result<usize, Issue> {
    let Compiled { nodes, names } = compiled;
    let place = Place::default().key("cam");
    let Some(name) = name else { return default_layer(nodes) };
    let Some((_, index)) = names.iter().find(|(known, _)| known == name) else {
        let known = names.iter().filter(|(_, i)| matches!(nodes[*i].shape, Shape::Map { .. }));
        let issue = place.issue(format!("there is no layer `{name}`"));
        return Err(issue.known(name, known.map(|(name, _)| name.as_str())));
    };
    match nodes[*index].shape {
        Shape::Map { .. } => Ok(*index),
        shape => Err(place.issue(format!("`{name}` gives {}, not a map", shape.words()))),
    }
}

fn default_layer(nodes: &[Node]) -> Result<usize, Issue> {
    let ends = nodes.iter().filter(|n| matches!(n.operation, Operation::GlobalAvgPool | Operation::Flatten));
    let mut maps: Vec<usize> = ends.map(|node| node.inputs[0]).collect();
    maps.sort_unstable();
    maps.dedup();
    match maps.as_slice() {
        [map] => Ok(*map),
        maps => {
            let names: Vec<String> = maps.iter().map(|&map| format!("`{}`", nodes[map].name)).collect();
            let text = format!(
                "the head takes several maps, {}: say with `cam` which is explained",
                names.join(", ")
            );
            Err(Place::default().issue(text))
        }
    }
}

impl Derivation {
    /// Follows the gradient's way from the CAM layer to the logits.
    pub(super) fn new(nodes: &[Node], cam: usize) -> Result<Self, Vec<Issue>> {
        let mut needs = vec![Need::Nothing; nodes.len()];
        let mut issues = Vec::new();
        if let Shape::Map { channels, .. } = nodes[cam].shape {
            needs[cam] = Need::Sum(channels);
        }
        for (index, node) in nodes.iter().enumerate().skip(cam + 1) {
            let wanted = node.inputs.iter().map(|&input| needs[input]);
            let wanted: Vec<Need> = wanted.filter(|need| *need != Need::Nothing).collect();
            if wanted.is_empty() {
                continue;
            }
            match need(node, &wanted) {
                Ok(need) => needs[index] = need,
                Err(why) => {
                    let text = format!(
                        "{why}, so the Grad-CAM weights of `{}` have no closed form: choose a later layer as `cam`",
                        nodes[cam].name
                    );
                    issues.push(node.place.issue(text));
                    // What comes behind it is not to blame.
                    needs[index] = Need::Full;
                }
            }
        }
        if issues.is_empty() { Ok(Self { needs }) } else { Err(issues) }
    }
}

/// In which form a node needs its own gradient to give its inputs theirs.
fn need(node: &Node, wanted: &[Need]) -> Result<Need, &'static str> {
    let full = wanted.contains(&Need::Full);
    let map = matches!(node.shape, Shape::Map { .. });
    match node.operation {
        Operation::Conv { .. } => Err("a convolution lies behind the CAM layer"),
        Operation::Norm { .. } => Err("a batch normalisation lies behind the CAM layer"),
        Operation::Input | Operation::Flatten | Operation::Activation(Activation::Identity) => Ok(wanted[0]),
        Operation::MaxPool { .. } | Operation::AvgPool { .. } | Operation::AdaptiveAvgPool { .. } => {
            if full {
                Err(
                    "only the sum of a gradient is known behind a pooling, and a layer between it and the CAM layer needs all of it",
                )
            } else {
                Ok(wanted[0])
            }
        }
        Operation::Add if map && !full => Ok(wanted[0]),
        Operation::Concat if map && !full => match node.shape {
            Shape::Map { channels, .. } => Ok(Need::Sum(channels)),
            Shape::Vector(_) => Ok(Need::Full),
        },
        Operation::Activation(_)
        | Operation::Dropout { .. }
        | Operation::GlobalAvgPool
        | Operation::Linear { .. }
        | Operation::Add
        | Operation::Concat => Ok(Need::Full),
    }
}

//! A checked graph, for people to read. The main type is [`Summary`].

use super::blueprint::{Blueprint, Operation};
use serde::Serialize;
use std::fmt;

/// One layer of an unrolled network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerRow {
    /// Where it is in the document (`layers[3].body[1]`).
    pub place: String,
    /// Its operation.
    pub op: String,
    /// Its name in state dicts.
    pub name: String,
    /// Shape of its output for one picture: channels, height and width, or features.
    pub shape: Vec<usize>,
    /// How many numbers it trains.
    pub parameters: u64,
    /// Whether its output is explained.
    pub cam: bool,
}

/// Layers with shapes and parameter counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// In the order in which they run.
    pub layers: Vec<LayerRow>,
    /// How many numbers the network trains.
    pub parameters: u64,
}

impl Summary {
    pub(super) fn new(blueprint: &Blueprint) -> Self {
        let count = |operation: &Operation| u64::try_from(operation.parameters()).unwrap_or(u64::MAX);
        let rows = blueprint.nodes.iter().enumerate().skip(usize::from(blueprint.cam != 0));
        let layers: Vec<LayerRow> = rows
            .map(|(index, node)| LayerRow {
                place: node.place.position(),
                op: node.op.to_owned(),
                name: node.name.clone(),
                shape: node.shape.dims(),
                parameters: count(&node.operation),
                cam: index == blueprint.cam,
            })
            .collect();
        let parameters = layers.iter().map(|row| row.parameters).sum();
        Self { layers, parameters }
    }

    /// The layer whose output is explained.
    #[must_use]
    pub fn cam(&self) -> Option<&LayerRow> {
        self.layers.iter().find(|row| row.cam)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&LayerRow) -> usize| self.layers.iter().map(text).max().unwrap_or(0).max(5);
        let (name, op) = (width(|row| row.name.len()), width(|row| row.op.len()));
        writeln!(f, "{:name$}  {:op$}  {:>12}  {:>12}", "layer", "op", "output", "parameters")?;
        for row in &self.layers {
            let shape: Vec<String> = row.shape.iter().map(ToString::to_string).collect();
            let (shape, cam) = (shape.join("x"), if row.cam { "  explained" } else { "" });
            writeln!(f, "{:name$}  {:op$}  {shape:>12}  {:>12}{cam}", row.name, row.op, row.parameters)?;
        }
        write!(f, "{:name$}  {:op$}  {:>12}  {:>12}", "total", "", "", self.parameters)
    }
}

//! What variants are called. The main type is [`Labels`].

use crate::axes::Axis;
use crate::layers::Layers;
use serde_json::Value;

/// What the points of a plan are called.
#[derive(Debug)]
pub(crate) struct Labels<'a> {
    layers: &'a Layers,
    /// How each axis is called in a variant.
    short_names: Vec<String>,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(layers: &'a Layers) -> Self {
        Self { layers, short_names: short_names(&layers.axes) }
    }

    /// The label of a point's variant: the values of the axes that the grid shows. A point of an `[[include]]` shows
    /// all, since nothing says which of them tell it apart, but not the base's value of a key that is no axis of the
    /// grid.
    pub(crate) fn variant(&self, choice: &[usize], include: Option<usize>) -> String {
        let axes = self.layers.axes.iter().zip(choice).zip(&self.short_names);
        let shown = |axis: &Axis, position: usize| match include {
            // It is no point of the ablation, so none of that has its name.
            Some(_) if axis.names_points() => !axis.values[position].value.is_null(),
            Some(_) => !axis.is_seed() && (position > 0 || !is_added(axis)),
            None => axis.shown,
        };
        let axes = axes.filter(|((axis, position), _)| shown(axis, **position));
        let mut label = String::new();
        for ((axis, &position), short) in axes {
            let separator = if label.is_empty() { "" } else { ", " };
            for part in [separator, short, "=", &axis.values[position].label] {
                label.push_str(part);
            }
        }
        if !label.is_empty() {
            return label;
        }
        self.layers.base.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The seed of a point.
    pub(crate) fn seed(&self, choice: &[usize]) -> u64 {
        let axis = self.layers.axes.iter().zip(choice).find(|(axis, _)| axis.is_seed());
        let value = axis.map(|(axis, &position)| &axis.values[position].value);
        value.or_else(|| self.layers.base.get("seed")).and_then(Value::as_u64).unwrap_or(0)
    }

    /// The axes that stand in a label.
    pub(crate) fn axes(&self) -> Vec<String> {
        let included = self.layers.blocks.iter().any(|block| block.include.is_some());
        let shown = |axis: &&Axis| axis.shown || included && !axis.is_seed();
        self.layers.axes.iter().filter(shown).map(Axis::name).collect()
    }
}

/// Whether only an `[[include]]` names the key.
fn is_added(axis: &Axis) -> bool {
    !axis.shown && axis.zip.is_none()
}

/// The last key of each axis where no other that labels show ends in it, else the whole.
fn short_names(axes: &[Axis]) -> Vec<String> {
    let last = |axis: &Axis| axis.path.last().cloned().unwrap_or_default();
    let name = |axis: &Axis| {
        let shown = |other: &&Axis| other.shown || !axis.shown;
        let twins = axes.iter().filter(shown).filter(|other| last(other) == last(axis)).count();
        if twins > 1 { axis.name() } else { last(axis) }
    };
    axes.iter().map(name).collect()
}

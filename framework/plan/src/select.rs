//! `where`: the points of a grid that have these values. The main type is [`Selection`].

use crate::axes::{self, Axis};
use crate::errors::{At, Issue, did_you_mean};
use crate::spans::join;
use serde_json::{Map, Value};

/// For each axis that a `where` names, the positions of the values that fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection(Vec<(usize, Vec<usize>)>);

/// What a `where` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Whether the seed is one of the axes: not where variants are meant, which are averaged over seeds.
    pub(crate) seeds: bool,
    /// Whether overrides changed the grid, so that it may well lack a value.
    pub(crate) narrowed: bool,
}

impl Selection {
    /// What `table` selects: a value or a list of them for an axis, named in full or by its last key.
    pub(crate) fn new(table: &Map<String, Value>, axes: &[Axis], scope: Scope) -> Result<Self, Issue> {
        let mut selection = Self::default();
        selection.read(table, &[], axes, scope)?;
        Ok(selection)
    }

    /// Whether a point has the values; `choice` is the position of its value on each axis.
    pub(crate) fn fits(&self, choice: &[usize]) -> bool {
        self.0.iter().all(|(axis, positions)| positions.contains(&choice[*axis]))
    }

    /// Whether no point can have the values, which overrides took out of the grid.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.iter().any(|(_, positions)| positions.is_empty())
    }

    /// A `where` that selects the same by the labels of values.
    pub(crate) fn labels(&self, axes: &[Axis]) -> Map<String, Value> {
        let labels = |(axis, positions): &(usize, Vec<usize>)| {
            let axis = &axes[*axis];
            let labels = positions.iter().map(|&position| axis.values[position].label.clone());
            (axis.name(), labels.collect())
        };
        self.0.iter().map(labels).collect()
    }

    fn read(
        &mut self,
        table: &Map<String, Value>,
        above: &[String],
        axes: &[Axis],
        scope: Scope,
    ) -> Result<(), Issue> {
        let eligible = |axis: &Axis| scope.seeds || !axis.is_seed();
        for (key, value) in table {
            let place = join(above, key);
            let path = axes::split(&place);
            let meant =
                |axis: &Axis| axis.path == path || axis.path.last() == path.first() && path.len() == 1;
            let axis = axes.iter().position(|axis| eligible(axis) && meant(axis));
            match (axis, value) {
                (Some(axis), _) => self.0.push((axis, positions(&axes[axis], value, &place, scope)?)),
                (None, Value::Object(table)) => self.read(table, &place, axes, scope)?,
                (None, _) => {
                    let names: Vec<String> = axes.iter().filter(|a| eligible(a)).map(Axis::name).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let name = path.join(".");
                    let issue = Issue::new(place, At::Key, format!("there is no axis `{name}`"));
                    return Err(issue.help(did_you_mean(&name, &names, "axes")));
                }
            }
        }
        Ok(())
    }
}

/// The positions of one value or of a list of them.
fn positions(axis: &Axis, wanted: &Value, place: &[String], scope: Scope) -> Result<Vec<usize>, Issue> {
    let found = axis.matching(wanted);
    match wanted {
        // A list may be a value itself.
        Value::Array(list) if found.is_empty() && !list.is_empty() => {
            let mut found = Vec::new();
            for (index, value) in list.iter().enumerate() {
                found.extend(positions(axis, value, &join(place, &index.to_string()), scope)?);
            }
            Ok(found)
        }
        _ if found.is_empty() && !scope.narrowed => {
            let known: Vec<&str> = axis.values.iter().map(|value| value.label.as_str()).collect();
            let message = format!("the axis `{}` has no such value", axis.name());
            let help = did_you_mean(&axes::short(wanted), &known, "values");
            Err(Issue::new(place.to_vec(), At::Value, message).help(help))
        }
        _ => Ok(found),
    }
}

//! `[[include]]`: points beyond the cross product. The main type is [`Include`].
//!
//! The values that only an include has are appended to the axes, so that everything else sees one list of axes: the
//! cross product leaves them out ([`Axis::crossed`]). A key that is no axis of the grid becomes one, with the base
//! document's value at every other point.

use crate::axes::{self, Axis, AxisValue, Given, Located};
use crate::errors::{At, Issue};
use crate::layers::set;
use crate::overrides::Override;
use crate::points::Block;
use crate::ranges;
use crate::shape::Shape;
use crate::spans::Source;
use crate::tables;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// One `[[include]]`: its place, and the values of each key that it names.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    pub(crate) place: Vec<String>,
    axes: Vec<Axis>,
}

/// Takes `include` out of the file.
pub(crate) fn take(
    file: &mut Map<String, Value>,
    source: &Source,
    shape: &Shape,
    problems: &mut Vec<Located>,
) -> Vec<Include> {
    let mut includes = Vec::new();
    for (place, table) in tables::list(file, "include", "points to add", problems) {
        let given = Given::File(place.clone());
        let Some(table) = table.as_object().filter(|table| !table.is_empty()) else {
            let issue =
                Issue::new(vec!["include".to_owned()], At::Value, "it names no key, so it adds nothing");
            let help = "give it keys as in [axes], a value or a list each";
            problems.push(Located { given, issue: issue.help(help.to_owned()) });
            continue;
        };
        let whole = |table: &Map<String, Value>| ranges::is_range(table) || table.contains_key("name");
        let mut axes = Vec::new();
        for (keys, value) in axes::leaves(table, &given, source, whole) {
            let list = match value {
                Value::Array(_) => value.clone(),
                Value::Object(table) if ranges::is_range(table) => value.clone(),
                single => Value::Array(vec![single.clone()]),
            };
            // A list may be the value itself: `evaluation.gaussian = [30, 60]`.
            let is_list = matches!(shape.at(&axes::split(&keys)), Ok(Shape::List { .. }));
            let nested = value.as_array().is_some_and(|list| list.iter().any(Value::is_array));
            let list = if is_list && !nested { Value::Array(vec![value.clone()]) } else { list };
            let axis = axes::axis(&keys, &list, given.below(&keys), None);
            match axis.and_then(|axis| axes::check_path(&axis, shape).map(|()| axis)) {
                Ok(axis) => axes.push(axis),
                Err(mut problem) => {
                    problem.issue.path[0] = "include".to_owned();
                    problems.push(problem);
                }
            }
        }
        includes.push(Include { place, axes });
    }
    includes
}

/// Adds the includes' values to the axes; the points of each include. `documents` are the one without axes, and the
/// same with every default. What overrides say of a key holds here too.
pub(crate) fn extend(
    axes: &mut Vec<Axis>,
    includes: &[Include],
    documents: (&Value, &Value),
    overrides: &[Override],
) -> Vec<Block> {
    let base = documents.0;
    for own in includes.iter().flat_map(|include| &include.axes) {
        if !axes.iter().any(|axis| axis.path == own.path) {
            let given = own.given.clone();
            let value = AxisValue { extra: false, ..unset(&own.path, &given, documents) };
            axes.push(Axis { path: own.path.clone(), values: vec![value], given, zip: None, shown: false });
        }
    }
    let mut known: Vec<Known> = axes.iter().map(|axis| Known::new(axis, base)).collect();
    let mut positions = Vec::new();
    for include in includes {
        let (mut of_axes, mut named) = (Vec::new(), Vec::new());
        for (axis, known) in axes.iter_mut().zip(&mut known) {
            let fixed = matches!(axis.given, Given::Override(_));
            let own = include.axes.iter().find(|own| own.path == axis.path);
            named.push(fixed || own.is_some());
            let Some(own) = own else {
                let value = unset(&axis.path, &axis.given, documents);
                of_axes.push(vec![if fixed { 0 } else { known.position(axis, value, base) }]);
                continue;
            };
            let overridden = fixed || overrides.iter().any(|entry| entry.path == axis.path);
            let allowed = |value: &&AxisValue| !overridden || known.find(value, &axis.path, base).is_some();
            let wanted: Vec<AxisValue> = own.values.iter().filter(allowed).cloned().collect();
            let extra = wanted.into_iter().map(|value| AxisValue { extra: true, ..value });
            of_axes.push(extra.map(|value| known.position(axis, value, base)).collect());
        }
        positions.push((of_axes, named));
    }
    // Includes that overrides left without points are gone.
    let block = |(index, (positions, named)): (usize, (Vec<_>, _))| Block::included(&positions, named, index);
    let blocks = positions.into_iter().enumerate().map(block);
    blocks.filter(|block| block.size() != Some(0)).collect()
}

/// The positions of an axis' values, by what makes two values one.
struct Known(HashMap<String, usize>);

impl Known {
    fn new(axis: &Axis, base: &Value) -> Self {
        let mut known = HashMap::new();
        for (position, value) in axis.values.iter().enumerate() {
            known.entry(sameness(value, &axis.path, base)).or_insert(position);
            let mut plain = value.clone();
            // Who gives no label means the value, whatever it is called.
            if plain.value.as_object_mut().is_some_and(|table| table.shift_remove("label").is_some()) {
                known.entry(sameness(&plain, &axis.path, base)).or_insert(position);
            }
        }
        Self(known)
    }

    fn find(&self, value: &AxisValue, path: &[String], base: &Value) -> Option<usize> {
        self.0.get(&sameness(value, path, base)).copied()
    }

    /// The position of a value, which is appended if the axis lacks it.
    fn position(&mut self, axis: &mut Axis, value: AxisValue, base: &Value) -> usize {
        *self.0.entry(sameness(&value, &axis.path, base)).or_insert_with(|| {
            axis.values.push(value);
            axis.values.len() - 1
        })
    }
}

/// Equal texts for values that make the same document; a label of its own makes a value another one.
fn sameness(value: &AxisValue, path: &[String], base: &Value) -> String {
    if let Some(number) = value.value.as_f64() {
        return number.to_string();
    }
    let (mut document, mut own) = (base.clone(), value.value.clone());
    let label = own.as_object_mut().and_then(|table| table.shift_remove("label"));
    if !own.is_null() {
        set(&mut document, path, own);
    }
    format!("{label:?} {}", at(&document, path).unwrap_or(&Value::Null))
}

/// What a key has at points that do not name it. Null, where only a plugin knows its default, sets nothing.
fn unset(path: &[String], given: &Given, (base, full): (&Value, &Value)) -> AxisValue {
    let default = at(full, path).filter(|value| !value.is_object());
    let value = at(base, path).or(default).cloned().unwrap_or_default();
    AxisValue { value, label: String::new(), given: given.clone(), extra: true }
}

fn at<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, key| value.get(key))
}

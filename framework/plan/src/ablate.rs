//! `[ablate]`: which part of a method matters. The main function is [`take`].
//!
//! Its factors are switched together from point to point, as the axes of a `[[zip]]` move together. One more axis,
//! [`KEY`], has the names of the points (`full`, `without diagonal`) and sets nothing.

use crate::axes::{self, Axis, Given, Located, leaves};
use crate::errors::{At, Issue};
use crate::shape::{Shape, found};
use crate::spans::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The section, and the axis that names its points.
pub(crate) const KEY: &str = "ablate";
/// The number of its group among those of `[[zip]]`.
pub(crate) const GROUP: usize = usize::MAX;
const FACTOR_KEYS: [&str; 3] = ["key", "on", "off"];

/// Which combinations of factors are points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// All on, then each one off.
    #[default]
    LeaveOneOut,
    /// All off, then each one on.
    OneAtATime,
    /// All off, then each one on, then each two.
    Pairwise,
}

/// `[ablate]` as the file has it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AblateSpec {
    /// Which combinations of factors are points.
    #[serde(default)]
    mode: Mode,
    /// Dotted key or name of each factor, and its values.
    #[serde(default)]
    #[expect(dead_code, reason = "read one by one, for their places; here for the schema")]
    factors: BTreeMap<String, FactorSpec>,
}

/// A part that is on or off.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FactorSpec {
    /// The key that it sets; its name is the key where this is missing.
    key: Option<String>,
    /// The value that switches it on.
    on: Value,
    /// The value that switches it off.
    off: Value,
}

struct Factor {
    name: String,
    place: Given,
    spec: FactorSpec,
}

/// Takes `ablate` out of the file, as axes that move together.
pub(crate) fn take(
    file: &mut Map<String, Value>,
    source: &Source,
    shape: &Shape,
    problems: &mut Vec<Located>,
) -> Vec<Axis> {
    let place = Given::File(vec![KEY.to_owned()]);
    let Some(mut section) = file.shift_remove(KEY) else { return Vec::new() };
    let factors = section.as_object_mut().and_then(|table| table.shift_remove("factors"));
    checked(&mut section, &Shape::of::<AblateSpec>(), &[], &place, problems);
    let Ok(AblateSpec { mode, .. }) = serde_json::from_value(section) else { return Vec::new() };
    let before = problems.len();
    let below = place.below(&["factors".to_owned()]);
    let factors = match &factors {
        Some(Value::Object(factors)) => read(factors, &below, source, problems),
        None => Vec::new(),
        Some(other) => {
            let message = format!("expected a table of factors, found {}", found(other));
            let issue = Issue::new(axes::key(Some(GROUP), &[]), At::Value, message);
            problems.push(Located { given: below, issue });
            Vec::new()
        }
    };
    if factors.is_empty() {
        if problems.len() == before {
            let issue = Issue::new(vec![KEY.to_owned()], At::Key, "there is no factor to switch on and off");
            let help =
                "write [ablate.factors], and below it for example \"loss.lambda\" = { on = 0.1, off = 0.0 }";
            problems.push(Located { given: place, issue: issue.help(help.to_owned()) });
        }
        return Vec::new();
    }
    let points = points(mode, &factors.iter().map(|factor| factor.name.as_str()).collect::<Vec<_>>());
    let labels = points.iter().map(|point| Value::from(point.label.as_str())).collect();
    let names = axes::axis(&[KEY.to_owned()], &Value::Array(labels), place, Some(GROUP));
    let switched = factors.iter().enumerate().map(|(index, factor)| {
        let on = points.iter().map(|point| point.on[index]);
        axis(factor, on, shape)
    });
    let axes = std::iter::once(names).chain(switched);
    axes.filter_map(|axis| axis.map_err(|problem| problems.push(problem)).ok()).collect()
}

/// Takes what has not the shape out of a table; whether anything had to be.
fn checked(
    table: &mut Value,
    shape: &Shape,
    name: &[String],
    place: &Given,
    problems: &mut Vec<Located>,
) -> bool {
    let (mut issues, mut pruned) = (Vec::new(), Vec::new());
    shape.check(table, &mut issues, &mut pruned);
    let key = |path: &[String]| match name {
        [] => std::iter::once(KEY.to_owned()).chain(path.iter().cloned()).collect(),
        _ => axes::key(Some(GROUP), &[name, path].concat()),
    };
    if !table.is_object() && issues.is_empty() {
        issues.push(Issue::new(Vec::new(), At::Value, format!("expected a table, found {}", found(table))));
    }
    let clean = issues.is_empty();
    problems.extend(issues.into_iter().map(|mut issue| {
        let given = place.below(&issue.path);
        issue.path = key(&issue.path);
        Located { given, issue }
    }));
    clean
}

/// The factors, those that can be read, in the order of the text.
fn read(
    table: &Map<String, Value>,
    place: &Given,
    source: &Source,
    problems: &mut Vec<Located>,
) -> Vec<Factor> {
    let shape = Shape::of::<FactorSpec>();
    let whole = |table: &Map<String, Value>| {
        table.is_empty() || FACTOR_KEYS.iter().any(|key| table.contains_key(*key))
    };
    let mut factors = Vec::new();
    for (keys, value) in leaves(table, place, source, whole) {
        let (mut value, given) = (value.clone(), place.below(&keys));
        if !checked(&mut value, &shape, &keys, &given, problems) {
            continue;
        }
        let mut problem = |at, message: String| {
            let issue = Issue::new(axes::key(Some(GROUP), &keys), at, message);
            let help = "a factor is { key = \"loss.lambda\", on = 0.1, off = 0.0 }; without `key` its name is the key";
            problems.push(Located { given: given.clone(), issue: issue.help(help.to_owned()) });
        };
        match FACTOR_KEYS[1..].iter().find(|key| value.get(**key).is_none()) {
            Some(missing) => problem(At::Key, format!("missing: `{missing}`")),
            None if value.get("on") == value.get("off") => {
                problem(At::Value, "`on` and `off` are the same, so nothing is switched".to_owned());
            }
            None => factors.extend(serde_json::from_value(value).ok().map(|spec| Factor {
                name: keys.join("."),
                place: given,
                spec,
            })),
        }
    }
    factors
}

/// The axis of a factor: its value at each point.
fn axis(factor: &Factor, on: impl Iterator<Item = bool> + Clone, shape: &Shape) -> Result<Axis, Located> {
    let Factor { name, place, spec } = factor;
    let key = spec.key.as_ref().unwrap_or(name);
    let given = if spec.key.is_some() { place.below(&["key".to_owned()]) } else { place.clone() };
    let values = on.clone().map(|on| if on { spec.on.clone() } else { spec.off.clone() }).collect();
    let mut axis = axes::axis(std::slice::from_ref(key), &Value::Array(values), given, Some(GROUP))?;
    axes::check_path(&axis, shape)?;
    if axis.is_seed() {
        let message = "variants are averaged over seeds, so they are no part of a method";
        let issue = Issue::new(axes::key(Some(GROUP), &axis.path), At::Key, message);
        return Err(Located { given: axis.given, issue: issue.help("put it into [axes]".to_owned()) });
    }
    for (value, on) in axis.values.iter_mut().zip(on) {
        value.given = place.below(&[if on { "on" } else { "off" }.to_owned()]);
    }
    Ok(axis)
}

/// A point: what it is called, and whether each factor is on.
#[derive(Debug, PartialEq, Eq)]
struct Point {
    label: String,
    on: Vec<bool>,
}

fn points(mode: Mode, names: &[&str]) -> Vec<Point> {
    let others = mode == Mode::LeaveOneOut;
    // All have the same state but those that are switched.
    let point = |label: String, switched: &[usize]| Point {
        label,
        on: (0..names.len()).map(|factor| switched.contains(&factor) != others).collect(),
    };
    let (first, verb) = if others { ("full", "without") } else { ("none", "with") };
    let mut points = vec![point(first.to_owned(), &[])];
    points.extend(names.iter().enumerate().map(|(a, name)| point(format!("{verb} {name}"), &[a])));
    if mode == Mode::Pairwise {
        for (a, first) in names.iter().enumerate() {
            for (b, second) in names.iter().enumerate().skip(a + 1) {
                points.push(point(format!("{verb} {first}, {second}"), &[a, b]));
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_switch_what_they_say() {
        let table = |mode| -> Vec<String> {
            let points = points(mode, &["a", "b", "c"]);
            let states = |on: &[bool]| on.iter().map(|&on| if on { '1' } else { '0' }).collect::<String>();
            points.iter().map(|point| format!("{} {}", point.label, states(&point.on))).collect()
        };
        assert_eq!(table(Mode::LeaveOneOut), ["full 111", "without a 011", "without b 101", "without c 110"]);
        assert_eq!(table(Mode::OneAtATime), ["none 000", "with a 100", "with b 010", "with c 001"]);
        assert_eq!(table(Mode::Pairwise)[4..], ["with a, b 110", "with a, c 101", "with b, c 011"]);
    }
}

//! The axes of a grid. The main type is [`Axis`].

use crate::PluginKind;
use crate::ablate;
use crate::catalog::plugin_table;
use crate::errors::{At, Issue};
use crate::ranges;
use crate::shape::{Shape, found};
use crate::spans::{Source, join};
use crate::spec::NOT_OF_A_TRIAL;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Where an axis or one of its values was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// In the file, at this path.
    File(Vec<String>),
    /// In an override.
    Override(String),
}

impl Given {
    /// The place of something within it.
    pub(crate) fn below(&self, keys: &[String]) -> Self {
        match self {
            Self::File(path) => Self::File(path.iter().chain(keys).cloned().collect()),
            Self::Override(text) => Self::Override(text.clone()),
        }
    }
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AxisValue {
    pub(crate) value: Value,
    /// How the value is shown. Set by [`Axis::label`].
    pub(crate) label: String,
    pub(crate) given: Given,
    /// Whether only an `[[include]]` has it; such values stand last.
    pub(crate) extra: bool,
}

/// A key of the document that takes several values in turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// The key in the document.
    pub(crate) path: Vec<String>,
    pub(crate) values: Vec<AxisValue>,
    pub(crate) given: Given,
    /// The `[[zip]]` whose axes it moves together with, counted from 0, or [`ablate::GROUP`]; `None` for an axis of
    /// `[axes]`.
    pub(crate) zip: Option<usize>,
    /// Whether it stands in the labels of variants.
    pub(crate) shown: bool,
}

impl Axis {
    /// The dotted key.
    pub(crate) fn name(&self) -> String {
        self.path.join(".")
    }

    /// Whether this is the axis of seeds, over which variants are averaged.
    pub(crate) fn is_seed(&self) -> bool {
        self.path == ["seed"]
    }

    /// Whether it only names the points of its group, and sets no key.
    pub(crate) fn names_points(&self) -> bool {
        self.zip.is_some() && self.path == [ablate::KEY]
    }

    /// The plugin whose whole table the axis sets.
    pub(crate) fn plugin(&self) -> Option<PluginKind> {
        PluginKind::of_path(&self.path)
    }

    /// How many of its values the cross product takes.
    pub(crate) fn crossed(&self) -> usize {
        self.values.iter().take_while(|value| !value.extra).count()
    }

    /// A value as the file would have it: with the label that it would not have by itself. `base` is the document
    /// without axes.
    pub(crate) fn written(&self, position: usize, base: &Value) -> Value {
        let AxisValue { value, label: own, .. } = &self.values[position];
        let mut value = value.clone();
        let base = self.path.iter().try_fold(base, |value, key| value.get(key)).and_then(Value::as_object);
        let usual = label(&value, base, self.plugin().is_some());
        if let Some(table) = value.as_object_mut().filter(|_| *own != usual) {
            table.insert("label".to_owned(), Value::String(own.clone()));
        }
        value
    }

    /// The positions of the values that a user means by `wanted`: those that are equal to it or have it as label, else
    /// those of the plugin of this name.
    pub(crate) fn matching(&self, wanted: &Value) -> Vec<usize> {
        let positions = |fits: &dyn Fn(&AxisValue) -> bool| -> Vec<usize> {
            (0..self.values.len()).filter(|&position| fits(&self.values[position])).collect()
        };
        let equal = positions(&|entry| {
            let numbers = entry.value.as_f64().zip(wanted.as_f64());
            let own_label = entry.value.get("label").and_then(Value::as_str);
            numbers.map_or_else(|| plugin_table(&entry.value) == plugin_table(wanted), |(a, b)| a == b)
                || wanted.as_str().is_some_and(|text| entry.label == text || own_label == Some(text))
        });
        match wanted.as_str() {
            Some(name) if equal.is_empty() => {
                positions(&|entry| entry.value.get("name").and_then(Value::as_str) == Some(name))
            }
            _ => equal,
        }
    }

    /// Sets the labels, taking `label` keys out of the values. `base` is the document without axes.
    pub(crate) fn label(&mut self, base: &Value) -> Vec<Located> {
        let mut problems = Vec::new();
        let base = self.path.iter().try_fold(base, |value, key| value.get(key)).and_then(Value::as_object);
        let is_plugin = self.plugin().is_some();
        let mut earlier: HashMap<String, usize> = HashMap::new();
        for index in 0..self.values.len() {
            let entry = &mut self.values[index];
            let given = entry.value.as_object_mut().and_then(|table| table.shift_remove("label"));
            entry.label = match given {
                Some(Value::String(label)) if !label.trim().is_empty() => label,
                Some(other) => {
                    let message = format!("a label is text in quotes, found {}", found(&other));
                    let issue = Issue::new(key(self.zip, &self.path), At::Value, message);
                    problems.push(Located { given: entry.given.clone(), issue });
                    continue;
                }
                None => label(&entry.value, base, is_plugin),
            };
            let label = self.values[index].label.clone();
            let twin = earlier.get(&label).map(|&twin| &self.values[twin]);
            // In a [[zip]] the other keys may tell equal values apart.
            if let Some(first) = twin.filter(|_| self.zip.is_none()) {
                // Equal values are told apart by nothing; different ones would be averaged together.
                let message = match first.value == self.values[index].value {
                    true => format!("the value {label} is listed twice"),
                    false => format!("two values have the label `{label}`"),
                };
                let issue = Issue::new(key(self.zip, &self.path), At::Value, message);
                problems.push(Located { given: self.values[index].given.clone(), issue });
            }
            earlier.entry(label).or_insert(index);
        }
        problems
    }
}

/// An issue whose place is known without looking it up.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) given: Given,
    pub(crate) issue: Issue,
}

/// Reads `[axes]` or one `[[zip]]`, in the order of the text.
pub(crate) fn read(
    table: &Value,
    given: &Given,
    zip: Option<usize>,
    source: &Source,
) -> (Vec<Axis>, Vec<Located>) {
    let Some(table) = table.as_object() else {
        let message = "expected a table with one list per axis";
        let issue = Issue::new(key(zip, &[]), At::Value, message);
        return (Vec::new(), vec![Located { given: given.clone(), issue }]);
    };
    let (mut axes, mut problems) = (Vec::new(), Vec::new());
    for (keys, value) in leaves(table, given, source, ranges::is_range) {
        match axis(&keys, value, given.below(&keys), zip) {
            Ok(axis) => axes.push(axis),
            Err(problem) => problems.push(problem),
        }
    }
    (axes, problems)
}

/// The values of a table and of the tables in it, each with its keys, in the order of the text: TOML groups `a.x`, `b`,
/// `a.y` by table. Tables that are `whole` are values.
pub(crate) fn leaves<'a>(
    table: &'a Map<String, Value>,
    given: &Given,
    source: &Source,
    whole: impl Fn(&Map<String, Value>) -> bool,
) -> Vec<(Vec<String>, &'a Value)> {
    let mut found = every_leaf(table, whole);
    found.sort_by_key(|(keys, _)| match given.below(keys) {
        Given::File(path) => source.position(&path),
        Given::Override(_) => (0, 0),
    });
    found
}

/// As [`leaves`], of a table whose order does not matter and whose every table is open.
pub(crate) fn leaves_of(table: &Map<String, Value>) -> Vec<(Vec<String>, &Value)> {
    every_leaf(table, |_| false)
}

fn every_leaf(
    table: &Map<String, Value>,
    whole: impl Fn(&Map<String, Value>) -> bool,
) -> Vec<(Vec<String>, &Value)> {
    let (mut open, mut found) = (vec![(Vec::new(), table)], Vec::new());
    while let Some((path, table)) = open.pop() {
        for (key, value) in table {
            match value {
                Value::Object(inner) if !whole(inner) => open.push((join(&path, key), inner)),
                _ => found.push((join(&path, key), value)),
            }
        }
    }
    found
}

/// An axis from its keys below `axes` or a `zip`, and its list.
pub(crate) fn axis(
    keys: &[String],
    value: &Value,
    given: Given,
    zip: Option<usize>,
) -> Result<Axis, Located> {
    let path = split(keys);
    let problem = |at, message: String, help: Option<String>| {
        let issue = Issue::new(key(zip, &path), at, message).help(help);
        Located { given: given.clone(), issue }
    };
    let range = match value {
        Value::Object(table) if ranges::is_range(table) => {
            let values = ranges::expand(table).map_err(|mut issue| {
                let given = given.below(&issue.path);
                issue.path = key(zip, &path);
                Located { given, issue }
            });
            Some(values?)
        }
        _ => None,
    };
    let Some(list) = range.as_ref().or(value.as_array()) else {
        let message = format!("an axis is a list of values, found {}", found(value));
        let help =
            "put [ ] around it, or set the key outside [axes]; a range is { range = [0.0, 1.0], steps = 5 }";
        return Err(problem(At::Value, message, Some(help.to_owned())));
    };
    if list.is_empty() {
        let help = "give it at least one value, or remove it".to_owned();
        return Err(problem(
            At::Value,
            "the axis has no values, so the grid is empty".to_owned(),
            Some(help),
        ));
    }
    if path.first().is_some_and(|key| NOT_OF_A_TRIAL.contains(&key.as_str())) {
        let message = format!("`{}` is no part of a trial, so it cannot be an axis", path.join("."));
        return Err(problem(At::Key, message, None));
    }
    let values =
        list.iter().enumerate().filter(|(_, value)| !value.is_null()).map(|(index, value)| AxisValue {
            value: value.clone(),
            label: String::new(),
            given: given.below(&[index.to_string()]),
            extra: false,
        });
    let values = values.collect();
    let (path, values) = plugin_name(path, values);
    let shown = path != ["seed"];
    Ok(Axis { path, values, given, zip, shown })
}

/// Keys, split at their dots: `"training.epochs"` in quotes means `training.epochs`.
pub(crate) fn split(keys: &[String]) -> Vec<String> {
    keys.iter().flat_map(|key| key.split('.')).map(|key| key.trim().to_owned()).collect()
}

/// `loss.name = ["none", "ria"]` means `loss = ["none", "ria"]`: another plugin's keys must not stay behind.
fn plugin_name(path: Vec<String>, values: Vec<AxisValue>) -> (Vec<String>, Vec<AxisValue>) {
    match path.as_slice() {
        [kind, name] if name == "name" && PluginKind::from_key(kind).is_some() => {
            (vec![kind.clone()], values)
        }
        _ => (path, values),
    }
}

/// Whether the axis leads to a key that exists.
pub(crate) fn check_path(axis: &Axis, shape: &Shape) -> Result<(), Located> {
    if axis.names_points() {
        return Ok(());
    }
    shape.at(&axis.path).map(|_| ()).map_err(|mut issue| {
        issue.message = format!("there is no key `{}`", issue.path.join("."));
        issue.path = key(axis.zip, &axis.path);
        Located { given: axis.given.clone(), issue }
    })
}

/// The table of a group as the file has it.
pub(crate) fn table(zip: Option<usize>) -> &'static str {
    match zip {
        None => "[axes]",
        Some(ablate::GROUP) => "[ablate]",
        Some(_) => "[[zip]]",
    }
}

/// What messages call an axis: `axes.loss`, `zip.loss` in a `[[zip]]`, or `ablate.factors.loss`.
pub(crate) fn key(zip: Option<usize>, path: &[String]) -> Vec<String> {
    let table: &[&str] = match zip {
        None => &["axes"],
        Some(ablate::GROUP) => &[ablate::KEY, "factors"],
        Some(_) => &["zip"],
    };
    table.iter().map(|&key| key.to_owned()).chain(path.iter().cloned()).collect()
}

/// How a value is shown: what of it differs from the base.
fn label(value: &Value, base: Option<&Map<String, Value>>, is_plugin: bool) -> String {
    let Value::Object(table) = value else {
        return if value.is_null() { "default".to_owned() } else { plain(value) };
    };
    let own_name = table.get("name").and_then(Value::as_str);
    let base_name = base.and_then(|base| base.get("name")).and_then(Value::as_str);
    // Another plugin replaces the base table, so nothing of the base is there to be equal to.
    let base = if is_plugin && own_name.is_some_and(|name| Some(name) != base_name) { None } else { base };
    let name = if is_plugin { own_name.or(base_name) } else { own_name };
    let differing = table.iter().filter(|(key, value)| {
        (*key != "name" || name.is_none()) && base.and_then(|base| base.get(*key)) != Some(*value)
    });
    let differing: Vec<String> = differing.map(|(key, value)| format!("{key}={}", plain(value))).collect();
    match (name, differing.is_empty()) {
        (Some(name), true) => name.to_owned(),
        (Some(name), false) => format!("{name}({})", differing.join(", ")),
        (None, _) => format!("{{{}}}", differing.join(", ")),
    }
}

/// A value in a list of values to choose from: its label or its plugin's name where it has one.
pub(crate) fn short(value: &Value) -> String {
    let text = ["label", "name"].into_iter().find_map(|key| value.get(key).and_then(Value::as_str));
    text.map_or_else(|| plain(value), str::to_owned)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let entries: Vec<String> =
                table.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_say_what_differs() {
        let base = json!({ "name": "ria", "lambda": 0.1, "threshold": 0.5 });
        let base = base.as_object();
        assert_eq!(label(&json!("none"), base, true), "none");
        assert_eq!(label(&json!(0.5), None, false), "0.5");
        assert_eq!(label(&json!(1), None, false), "1");
        assert_eq!(label(&json!([0.5, 1.0]), None, false), "[0.5, 1.0]");
        assert_eq!(
            label(&json!({ "name": "ria", "lambda": 0.2, "threshold": 0.5 }), base, true),
            "ria(lambda=0.2)"
        );
        assert_eq!(label(&json!({ "lambda": 0.2 }), base, true), "ria(lambda=0.2)");
        assert_eq!(label(&json!({ "name": "iou", "lambda": 0.1 }), base, true), "iou(lambda=0.1)");
        assert_eq!(
            label(&json!({ "name": "sgd", "learning_rate": 0.1 }), None, false),
            "sgd(learning_rate=0.1)"
        );
        assert_eq!(label(&json!({ "learning_rate": 0.1 }), None, false), "{learning_rate=0.1}");
    }
}

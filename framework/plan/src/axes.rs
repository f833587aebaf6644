//! The axes of a grid. The main type is [`Axis`].

use crate::PluginKind;
use crate::errors::{At, Issue};
use crate::shape::{Shape, found};
use crate::spans::{Source, join};
use crate::spec::NOT_OF_A_TRIAL;
use serde_json::{Map, Value};

/// Where an axis or one of its values was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// In the file, at this path.
    File(Vec<String>),
    /// In an override.
    Override(String),
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AxisValue {
    pub(crate) value: Value,
    /// How the value is shown. Set by [`Axis::label`].
    pub(crate) label: String,
    pub(crate) given: Given,
}

/// A key of the document that takes several values in turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// The key in the document.
    pub(crate) path: Vec<String>,
    pub(crate) values: Vec<AxisValue>,
    pub(crate) given: Given,
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

    /// The plugin whose whole table the axis sets.
    pub(crate) fn plugin(&self) -> Option<PluginKind> {
        PluginKind::of_path(&self.path)
    }

    /// Sets the labels, taking `label` keys out of the values. `base` is the document without axes.
    pub(crate) fn label(&mut self, base: &Value) -> Vec<Located> {
        let mut problems = Vec::new();
        let name = self.name();
        let base = self.path.iter().try_fold(base, |value, key| value.get(key)).and_then(Value::as_object);
        let is_plugin = self.plugin().is_some();
        for index in 0..self.values.len() {
            let entry = &mut self.values[index];
            let given = entry.value.as_object_mut().and_then(|table| table.shift_remove("label"));
            entry.label = match given {
                Some(Value::String(label)) if !label.trim().is_empty() => label,
                Some(other) => {
                    let message = format!("a label is text in quotes, found {}", found(&other));
                    let path = vec!["axes".to_owned(), name.clone()];
                    problems.push(Located {
                        given: entry.given.clone(),
                        issue: Issue::new(path, At::Value, message),
                    });
                    continue;
                }
                None => label(&entry.value, base, is_plugin),
            };
            let label = self.values[index].label.clone();
            if let Some(first) = self.values[..index].iter().find(|earlier| earlier.label == label) {
                // Equal values are told apart by nothing; different ones would be averaged together.
                let message = match first.value == self.values[index].value {
                    true => format!("the value {label} is listed twice"),
                    false => format!("two values have the label `{label}`"),
                };
                let issue = Issue::new(vec!["axes".to_owned(), name.clone()], At::Value, message);
                problems.push(Located { given: self.values[index].given.clone(), issue });
            }
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

/// Reads the file's `[axes]`, in declared order.
pub(crate) fn read(axes: &Value, source: &Source) -> (Vec<Axis>, Vec<Located>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    flatten(axes, &["axes".to_owned()], &mut found);
    // TOML groups `a.x`, `b`, `a.y` by table; the order of the text is the order of the axes.
    found.sort_by_key(|(path, _)| source.position(path));
    let mut result: Vec<Axis> = Vec::new();
    for (place, value) in found {
        match axis(&place[1..], value, Given::File(place.clone())) {
            Ok(axis) => match result.iter().find(|other| other.path == axis.path) {
                Some(_) => {
                    let issue = Issue::new(axes_path(&axis.path), At::Key, "this axis is declared twice");
                    problems.push(Located { given: Given::File(place), issue });
                }
                None => result.push(axis),
            },
            Err(problem) => problems.push(problem),
        }
    }
    (result, problems)
}

fn flatten<'a>(value: &'a Value, path: &[String], found: &mut Vec<(Vec<String>, &'a Value)>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                flatten(value, &join(path, key), found);
            }
        }
        _ => found.push((path.to_vec(), value)),
    }
}

/// An axis from its keys below `axes` and its list.
pub(crate) fn axis(keys: &[String], value: &Value, given: Given) -> Result<Axis, Located> {
    let path: Vec<String> =
        keys.iter().flat_map(|key| key.split('.')).map(|key| key.trim().to_owned()).collect();
    let problem = |at, message: String, help: Option<String>| {
        let issue = Issue::new(axes_path(&path), at, message).help(help);
        Located { given: given.clone(), issue }
    };
    let Value::Array(list) = value else {
        let message = format!("an axis is a list of values, found {}", found(value));
        return Err(problem(
            At::Value,
            message,
            Some("put [ ] around it, or set the key outside [axes]".to_owned()),
        ));
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
            given: match &given {
                Given::File(place) => Given::File(join(place, &index.to_string())),
                Given::Override(text) => Given::Override(text.clone()),
            },
        });
    let values = values.collect();
    let (path, values) = plugin_name(path, values);
    Ok(Axis { path, values, given })
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
    shape.at(&axis.path).map(|_| ()).map_err(|mut issue| {
        issue.message = format!("there is no key `{}`", issue.path.join("."));
        issue.path = axes_path(&axis.path);
        Located { given: axis.given.clone(), issue }
    })
}

fn axes_path(path: &[String]) -> Vec<String> {
    let mut full = vec!["axes".to_owned()];
    full.extend(path.iter().cloned());
    full
}

/// How a value is shown: what of it differs from the base.
fn label(value: &Value, base: Option<&Map<String, Value>>, is_plugin: bool) -> String {
    let Value::Object(table) = value else { return plain(value) };
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

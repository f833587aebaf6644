//! Lists of tables such as `[[reference]]` and `[[exclude]]`. The main function is [`take`].

use crate::axes::{Given, Located};
use crate::errors::{At, Issue};
use crate::shape::{Shape, found};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// One table of a list: its path in the file and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    pub(crate) place: Vec<String>,
    pub(crate) spec: T,
}

/// Takes the tables of `[[key]]` out of the file, those that can be read. `what` says what they are of, `check` what
/// types cannot.
pub(crate) fn take<T: DeserializeOwned + JsonSchema>(
    file: &mut Map<String, Value>,
    (key, what): (&str, &str),
    required: &[&str],
    check: impl Fn(&T) -> Vec<Issue>,
    problems: &mut Vec<Located>,
) -> Vec<Entry<T>> {
    let shape = Shape::of::<T>();
    let mut entries = Vec::new();
    for (place, mut table) in list(file, key, what, problems) {
        let (mut issues, mut pruned) = (Vec::new(), Vec::new());
        shape.check(&mut table, &mut issues, &mut pruned);
        for &name in required {
            if table.get(name).is_none() && !pruned.contains(&vec![name.to_owned()]) {
                issues.push(Issue::new(Vec::new(), At::Key, format!("missing: `{name}`")));
            }
        }
        if let Ok(spec) = serde_json::from_value::<T>(table) {
            issues.extend(check(&spec));
            entries.push(Entry { place: place.clone(), spec });
        }
        for mut issue in issues {
            let given = Given::File(place.clone()).below(&issue.path);
            issue.path.insert(0, key.to_owned());
            problems.push(Located { given, issue });
        }
    }
    entries
}

/// The tables of `[[key]]`, unread, each with its path.
pub(crate) fn list(
    file: &mut Map<String, Value>,
    key: &str,
    what: &str,
    problems: &mut Vec<Located>,
) -> Vec<(Vec<String>, Value)> {
    let place = vec![key.to_owned()];
    match file.shift_remove(key) {
        None => Vec::new(),
        Some(Value::Array(list)) => {
            let below = |index: usize| crate::spans::join(&place, &index.to_string());
            list.into_iter().enumerate().map(|(index, table)| (below(index), table)).collect()
        }
        Some(other) => {
            let issue = Issue::new(
                place.clone(),
                At::Value,
                format!("expected tables of {what}, found {}", found(&other)),
            );
            let issue = issue.help(format!("write [[{key}]] above each of them"));
            problems.push(Located { given: Given::File(place), issue });
            Vec::new()
        }
    }
}

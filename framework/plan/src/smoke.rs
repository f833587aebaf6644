//! `[smoke]`: overrides that make an experiment small enough to see that it runs. The main function is [`take`].

use crate::PluginKind;
use crate::axes::{self, Given, Located};
use crate::catalog::plugin_table;
use crate::errors::{At, Issue};
use crate::grammar::Action;
use crate::grid::Grid;
use crate::layers::nest;
use crate::overrides::Override;
use crate::shape::Shape;
use crate::spans::{Source, join};
use serde_json::{Map, Value};

/// Takes `smoke` out of the file; what it overrides, if `wanted`. Its mistakes are problems in any case, so that they
/// are found before anyone needs it.
pub(crate) fn take(
    file: &mut Map<String, Value>,
    source: &Source,
    shape: &Shape,
    wanted: bool,
    grid: &Grid<'_>,
    problems: &mut Vec<Located>,
) -> Vec<Override> {
    let place = vec!["smoke".to_owned()];
    let table = match file.shift_remove("smoke") {
        Some(table) if table.is_object() => table,
        None if !wanted => return Vec::new(),
        given => {
            let message = match given {
                Some(_) => "expected a table of overrides",
                None => "there is no such table, so --smoke has nothing that would make the experiment small",
            };
            let help = "for example [smoke], and below it training.epochs = 2 and axes.seed = [0]";
            let issue = Issue::new(place.clone(), At::Value, message).help(help.to_owned());
            problems.push(Located { given: Given::File(place), issue });
            return Vec::new();
        }
    };
    // A smoke run must not write into the folder of the real one.
    if wanted && let Some(Value::String(dir)) = file.get_mut("run").and_then(|run| run.get_mut("dir")) {
        dir.push_str("-smoke");
    }
    let mut entries = Vec::new();
    flatten(&table, &place, source, &mut entries);
    let mut grid = grid.clone();
    entries.retain(|entry| {
        let before = problems.len();
        if !grid.apply(entry, problems) {
            check(entry, shape, problems);
        }
        problems.len() == before
    });
    if !wanted {
        return Vec::new();
    }
    // A whole plugin takes the file's place, so that keys that make no sense with it (`weights`) go with the rest.
    let whole = |entry: &&Override| entry.value.is_string() || entry.value.get("name").is_some();
    for kind in entries.iter().filter(whole).filter_map(|entry| PluginKind::of_path(&entry.path)) {
        file.shift_remove(kind.as_str());
    }
    entries
}

/// One override for each key that leads to a value; a table in braces is a value.
fn flatten(value: &Value, place: &[String], source: &Source, entries: &mut Vec<Override>) {
    match value {
        Value::Object(table) if place.len() == 1 || source.scattered(place) || place[1..] == ["axes"] => {
            for (key, value) in table {
                flatten(value, &join(place, key), source, entries);
            }
        }
        _ => entries.push(Override {
            path: axes::split(&place[1..]),
            value: value.clone(),
            action: Action::Set,
            given: Given::File(place.to_vec()),
        }),
    }
}

/// Whether the key exists and can have the value.
fn check(entry: &Override, shape: &Shape, problems: &mut Vec<Located>) {
    let plugin = PluginKind::of_path(&entry.path).is_some();
    let value = if plugin { plugin_table(&entry.value).into_owned() } else { entry.value.clone() };
    let (mut issues, mut pruned) = (Vec::new(), Vec::new());
    shape.check(&mut nest(&entry.path, value), &mut issues, &mut pruned);
    for mut issue in issues {
        let given = entry.given.below(issue.path.get(entry.path.len()..).unwrap_or_default());
        issue.path.insert(0, "smoke".to_owned());
        problems.push(Located { given, issue });
    }
}

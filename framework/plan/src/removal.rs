//! `~key` and `+key=value` on the command line: what they take out of the file, and what must not be in it.

use crate::axes::{self, Given, Located};
use crate::errors::{At, Issue, did_you_mean};
use crate::grammar::Action;
use crate::grid::Grid;
use crate::overrides::Override;
use crate::spans::Source;
use serde_json::{Map, Value};

/// Top-level keys that are no part of the document of a trial.
pub(crate) const SECTIONS: [&str; 8] =
    ["axes", "zip", "ablate", "exclude", "include", "reference", "group", "smoke"];

/// Removes whole sections, before anything reads them; says whether axes were among them.
pub(crate) fn sections(file: &mut Map<String, Value>, overrides: &mut Vec<Override>) -> bool {
    let mut axes = false;
    overrides.retain(|entry| match entry.path.as_slice() {
        [key] if entry.action == Action::Remove && SECTIONS.contains(&key.as_str()) => {
            let removed = file.shift_remove(key).is_some();
            axes |= removed && matches!(key.as_str(), "axes" | "zip" | "ablate");
            !removed
        }
        _ => true,
    });
    axes
}

/// Removes an axis, or a key from every layer but the defaults; the lowest of `layers` is the file.
pub(crate) fn remove(
    entry: &Override,
    grid: &mut Grid<'_>,
    layers: &mut [(String, Map<String, Value>)],
) -> Result<(), Located> {
    let path = match entry.path.split_first() {
        Some((first, keys)) if first == "axes" => axes::split(keys),
        _ => axes::split(&entry.path),
    };
    let mut known: Vec<String> = grid.axes.iter().map(axes::Axis::name).collect();
    if grid.axes.iter().any(|axis| axis.path == path) {
        grid.axes.retain(|axis| axis.path != path);
        grid.changed = true;
        return Ok(());
    }
    let removed = layers.iter_mut().filter_map(|(_, table)| take(table, &path)).count();
    if removed > 0 {
        return Ok(());
    }
    for (_, table) in layers {
        let leaves = axes::leaves_of(table);
        known.extend(leaves.into_iter().map(|(keys, _)| keys.join(".")));
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let name = path.join(".");
    let issue = Issue::new(path, At::Key, "there is nothing to remove: the file does not have it");
    Err(Located {
        given: entry.given.clone(),
        issue: issue.help(did_you_mean(&name, &known, "keys of the file")),
    })
}

/// Whether the file lacks the key that is to be added.
pub(crate) fn check_new(entry: &Override, grid: &Grid<'_>, source: &Source) -> Result<(), Located> {
    let own = entry.path.strip_prefix(&["axes".to_owned()]).unwrap_or(&entry.path);
    let axis = grid.axes.iter().find(|axis| axis.path == own).map(|axis| axis.given.clone());
    let in_file = source.contains(&entry.path).then(|| Given::File(entry.path.clone()));
    let place = match axis.or(in_file) {
        None => return Ok(()),
        Some(Given::File(path)) => source.locate(&path, At::Key).to_string(),
        Some(Given::Override(text)) => text,
    };
    let name = own.join(".");
    let issue = Issue::new(
        entry.path.clone(),
        At::Key,
        format!("+ adds a key, and `{name}` is there already: {place}"),
    );
    let help = format!("{name}=... changes it, ++{name}=... sets it either way");
    Err(Located { given: entry.given.clone(), issue: issue.help(help) })
}

fn take(table: &mut Map<String, Value>, path: &[String]) -> Option<Value> {
    match path {
        [] => None,
        [key] => table.shift_remove(key),
        [key, rest @ ..] => take(table.get_mut(key)?.as_object_mut()?, rest),
    }
}

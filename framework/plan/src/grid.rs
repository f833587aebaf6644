//! The axes of an experiment and what overrides make of them. The main type is [`Grid`].
//!
//! The axes of one `[[zip]]` move together: the group crosses with the others as one axis, slower than `[axes]`. Labels
//! name its first key where that tells its positions apart, else all of its keys. An override of one of its keys keeps
//! the positions that have the value: any other would leave the keys beside it without theirs.

use crate::PluginKind;
use crate::ablate;
use crate::axes::{self, Axis, AxisValue, Given, Located};
use crate::errors::{At, Issue};
use crate::overrides::Override;
use crate::shape::{Shape, found};
use crate::spans::Source;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The axes: those of every `[[zip]]` in order, then those of `[ablate]`, then those of `[axes]`.
#[derive(Clone, Debug)]
pub(crate) struct Grid<'a> {
    pub(crate) axes: Vec<Axis>,
    /// Whether overrides changed the axes.
    pub(crate) changed: bool,
    source: &'a Source,
    shape: &'a Shape,
}

/// Axes that move together: the axes of one `[[zip]]` or of `[ablate]`, or one axis alone.
pub(crate) fn groups(axes: &[Axis]) -> impl DoubleEndedIterator<Item = &[Axis]> {
    axes.chunk_by(|a, b| a.zip.is_some() && a.zip == b.zip)
}

impl<'a> Grid<'a> {
    /// Takes `zip`, `ablate` and `axes` out of the file.
    pub(crate) fn take(
        file: &mut Map<String, Value>,
        source: &'a Source,
        shape: &'a Shape,
        problems: &mut Vec<Located>,
    ) -> Self {
        let mut grid = Self { axes: Vec::new(), changed: false, source, shape };
        let place = |key: &str| Given::File(vec![key.to_owned()]);
        if let Some(groups) = file.shift_remove("zip") {
            grid.axes = grid.zipped(&groups, &place("zip"), problems);
        }
        grid.axes.extend(ablate::take(file, source, shape, problems));
        if let Some(table) = file.shift_remove("axes") {
            grid.axes.extend(grid.table(&table, &place("axes"), None, problems));
        }
        grid
    }

    /// Applies an override to the axes; says whether it is about them at all.
    pub(crate) fn apply(&mut self, entry: &Override, problems: &mut Vec<Located>) -> bool {
        let first_axis = self.axes.iter().position(|axis| axis.path == collapsing(&entry.path));
        match (entry.path.as_slice(), first_axis) {
            ([key], _) if key == "zip" => {
                let mut axes = self.zipped(&entry.value, &entry.given, problems);
                axes.extend(
                    self.axes.drain(..).filter(|axis| axis.zip.is_none_or(|zip| zip == ablate::GROUP)),
                );
                self.axes = axes;
            }
            ([key, keys @ ..], _) if key == "axes" && !keys.is_empty() => {
                let axis = axes::axis(keys, &entry.value, entry.given.clone(), None);
                problems.extend(axis.and_then(|axis| self.replace(axis)).err());
            }
            (_, Some(place)) => match self.axes[place].zip {
                None => {
                    let given = entry.given.clone();
                    let value =
                        AxisValue { value: entry.value.clone(), label: String::new(), given, extra: false };
                    self.axes[place].given = entry.given.clone();
                    self.axes[place].values = vec![value];
                }
                Some(zip) => problems.extend(self.narrow(zip, place, entry).err()),
            },
            _ => return false,
        }
        self.changed = true;
        true
    }

    /// An axis of an override takes the place of the file's.
    fn replace(&mut self, axis: Axis) -> Result<(), Located> {
        axes::check_path(&axis, self.shape)?;
        let Some(place) = self.axes.iter_mut().find(|other| other.path == axis.path) else {
            self.axes.push(axis);
            return Ok(());
        };
        if place.zip.is_none() {
            *place = axis;
            return Ok(());
        }
        let (name, table) = (axis.name(), axes::table(place.zip));
        let message =
            format!("`{name}` moves together with other keys in {table}, so it is no axis of its own");
        let help = match place.zip {
            Some(ablate::GROUP) => format!("keep one position with {name}=VALUE, or drop all with ~ablate"),
            _ => format!("keep one position with {name}=VALUE, or replace every [[zip]] with zip=[{{...}}]"),
        };
        let issue = Issue::new(axes::key(None, &axis.path), At::Key, message).help(help);
        Err(Located { given: axis.given, issue })
    }

    /// Keeps the positions of a `[[zip]]` at which the axis at `place` has the override's value.
    fn narrow(&mut self, zip: usize, place: usize, entry: &Override) -> Result<(), Located> {
        let axis = &self.axes[place];
        let kept = axis.matching(&entry.value);
        if kept.is_empty() {
            let name = axis.name();
            let known: Vec<String> =
                axis.values.iter().map(|value| format!("`{}`", axes::short(&value.value))).collect();
            let message = format!(
                "no position of {} has this value, and the keys that move with `{name}` have none for another",
                axes::table(Some(zip))
            );
            let ways = match zip {
                ablate::GROUP => "~ablate drops them",
                _ => "zip=[{...}] replaces every [[zip]], zip=[] drops them",
            };
            let help = format!("it has {}; {ways}", known.join(", "));
            let issue = Issue::new(entry.path.clone(), At::Value, message).help(help);
            return Err(Located { given: entry.given.clone(), issue });
        }
        self.axes[place].given = entry.given.clone();
        for axis in self.axes.iter_mut().filter(|axis| axis.zip == Some(zip)) {
            axis.values = kept.iter().map(|&position| axis.values[position].clone()).collect();
        }
        Ok(())
    }

    /// The axes of a list of `[[zip]]` tables.
    fn zipped(&self, list: &Value, given: &Given, problems: &mut Vec<Located>) -> Vec<Axis> {
        let mut problem = |given: Given, at, path: &[String], message: String, help: &str| {
            let issue = Issue::new(axes::key(Some(0), path), at, message).help(help.to_owned());
            problems.push(Located { given, issue });
        };
        let Some(tables) = list.as_array() else {
            let message = format!("expected tables of axes that move together, found {}", found(list));
            problem(given.clone(), At::Value, &[], message, "write [[zip]] above each of them");
            return Vec::new();
        };
        let mut axes = Vec::new();
        let mut unreadable = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            let given = given.below(&[index.to_string()]);
            if table.as_object().is_some_and(Map::is_empty) {
                let help = "give it axes of one length, or remove it";
                problem(given, At::Value, &[], "the group has no axes".to_owned(), help);
                continue;
            }
            let mut group = self.table(table, &given, Some(index), &mut unreadable);
            if let Some(seed) = group.iter().find(|axis| axis.is_seed()) {
                let message = "variants are averaged over seeds, so nothing can move with them".to_owned();
                problem(seed.given.clone(), At::Key, &seed.path, message, "put it into [axes]");
            }
            let length = group.iter().map(|axis| axis.values.len()).min().unwrap_or(0);
            if let Some(odd) = group.iter().find(|axis| axis.values.len() != group[0].values.len()) {
                let lengths: Vec<String> =
                    group.iter().map(|axis| format!("{} has {}", axis.name(), axis.values.len())).collect();
                let message =
                    format!("axes that move together need equally many values: {}", lengths.join(", "));
                problem(odd.given.clone(), At::Value, &odd.path, message, "the lists are read side by side");
            }
            group.iter_mut().for_each(|axis| axis.values.truncate(length));
            axes.extend(group);
        }
        problems.extend(unreadable);
        axes
    }

    /// The axes of one table whose keys exist.
    fn table(
        &self,
        table: &Value,
        given: &Given,
        zip: Option<usize>,
        problems: &mut Vec<Located>,
    ) -> Vec<Axis> {
        let (mut axes, found) = axes::read(table, given, zip, self.source);
        problems.extend(found);
        axes.retain(|axis| {
            axes::check_path(axis, self.shape).map_err(|problem| problems.push(problem)).is_ok()
        });
        axes
    }
}

/// Drops axes that are there already.
pub(crate) fn distinct(axes: &mut Vec<Axis>) -> Vec<Located> {
    let mut problems = Vec::new();
    let all = std::mem::take(axes);
    for axis in all {
        let Some(other) = axes.iter().find(|other| other.path == axis.path) else {
            axes.push(axis);
            continue;
        };
        let message = match (other.zip, axis.zip) {
            (None, None) => "this axis is declared twice".to_owned(),
            (a, b) if axes::table(a) == axes::table(b) => {
                format!("`{}` is in {} twice", axis.name(), axes::table(a))
            }
            (a, b) => format!("`{}` is in {} and in {}", axis.name(), axes::table(b), axes::table(a)),
        };
        let issue = Issue::new(axes::key(axis.zip, &axis.path), At::Key, message);
        problems.push(Located { given: axis.given, issue });
    }
    problems
}

/// Names the values, once all overrides are applied. `base` is the document without axes.
pub(crate) fn label(axes: &mut [Axis], base: &Value) -> Vec<Located> {
    let mut problems = Vec::new();
    for axis in axes.iter_mut() {
        problems.extend(axis.label(base));
    }
    let mut start = 0;
    let lengths: Vec<usize> = groups(axes).map(<[Axis]>::len).collect();
    for length in lengths {
        let group = &mut axes[start..start + length];
        problems.extend(name_group(group));
        start += length;
    }
    problems
}

/// Decides which keys of a `[[zip]]` stand in labels: the first where it tells the positions apart, else all.
fn name_group(group: &mut [Axis]) -> Option<Located> {
    let first = group.first().filter(|axis| axis.zip.is_some())?;
    let labels = |axes: &[Axis], position: usize| -> Vec<String> {
        axes.iter().filter_map(|axis| axis.values.get(position)).map(|value| value.label.clone()).collect()
    };
    let twin = |axes: &[Axis]| {
        let mut earlier = HashMap::new();
        (0..first.crossed()).find_map(|b| earlier.insert(labels(axes, b), b).map(|a| (a, b)))
    };
    let first_alone = twin(&group[..1]).is_none();
    let problem = twin(group).map(|(a, b)| {
        let message = format!("positions {} and {} of {} are the same", a + 1, b + 1, axes::table(first.zip));
        let issue = Issue::new(axes::key(first.zip, &first.path), At::Value, message);
        Located { given: first.values[b].given.clone(), issue: issue.help("remove one of them".to_owned()) }
    });
    if first_alone {
        group[1..].iter_mut().for_each(|axis| axis.shown = false);
    }
    problem
}

/// The axis that an override of this key sets to a single value: `loss.name=iou` means `loss=iou`.
fn collapsing(path: &[String]) -> &[String] {
    match path {
        [kind, name] if name == "name" && PluginKind::from_key(kind).is_some() => &path[..1],
        _ => path,
    }
}

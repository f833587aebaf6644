//! `[group]`: names for variants that belong together in reports. The main functions are [`take`] and [`assign`].

use crate::axes::{Given, Located};
use crate::errors::{At, Issue, PlanError};
use crate::expand::Points;
use crate::layers::{self, Layers};
use crate::select::{Scope, Selection};
use crate::shape::found;
use serde_json::{Map, Value};

pub(crate) const KEY: &str = "group";

/// A group: its name and the values of axes that its variants have.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    name: String,
    r#where: Map<String, Value>,
}

/// Takes `group` out of the file.
pub(crate) fn take(file: &mut Map<String, Value>, problems: &mut Vec<Located>) -> Vec<Group> {
    let mut problem = |path: Vec<String>, what: &str, value: &Value| {
        let issue = Issue::new(path.clone(), At::Value, format!("expected {what}, found {}", found(value)));
        let help = "for example [group], and below it boxes = { loss = [\"iou\", \"ria\"] }";
        problems.push(Located { given: Given::File(path), issue: issue.help(help.to_owned()) });
    };
    let place = vec![KEY.to_owned()];
    let table = match file.shift_remove(KEY) {
        None => return Vec::new(),
        Some(Value::Object(table)) => table,
        Some(other) => {
            problem(place, "a table of groups", &other);
            return Vec::new();
        }
    };
    let mut groups = Vec::new();
    for (name, value) in table {
        match value {
            Value::Object(r#where) if !r#where.is_empty() => groups.push(Group { name, r#where }),
            Value::Object(_) => problem(path(&name), "values of axes", &Value::Null),
            other => problem(path(&name), "a table of values of axes", &other),
        }
    }
    groups
}

/// Puts every trial into the group that it belongs to. A grid that overrides narrowed may leave groups empty.
pub(crate) fn assign(layers: &Layers, points: &mut Points, errors: &mut Vec<PlanError>) {
    for group in &layers.groups {
        let mut problem = |mut issue: Issue| {
            let place = path(&group.name);
            let given = Given::File(place.clone()).below(&issue.path);
            issue.path.splice(..0, place);
            errors.push(layers::place(&layers.source, Located { given, issue }));
        };
        let selection = match Selection::new(&group.r#where, &layers.axes, scope(layers)) {
            Ok(selection) => selection,
            Err(_) if layers.axes_changed => continue,
            Err(issue) => {
                problem(issue);
                continue;
            }
        };
        let mut empty = true;
        let chosen =
            points.trials.iter_mut().zip(&points.choices).filter(|(_, choice)| selection.fits(choice));
        for (trial, _) in chosen {
            empty = false;
            match &trial.group {
                None => trial.group = Some(group.name.clone()),
                Some(other) => {
                    let message = format!("`{}` is in the group `{other}`, too", trial.variant);
                    problem(Issue::new(Vec::new(), At::Key, message));
                    break;
                }
            }
        }
        if empty && !layers.axes_changed {
            problem(Issue::new(
                Vec::new(),
                At::Key,
                "no variant has all these values, so the group is empty",
            ));
        }
    }
}

/// What a group's `where` may name: variants, which are averaged over seeds.
pub(crate) fn scope(layers: &Layers) -> Scope {
    Scope { seeds: false, narrowed: layers.axes_changed }
}

fn path(name: &str) -> Vec<String> {
    vec![KEY.to_owned(), name.to_owned()]
}

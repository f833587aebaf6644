//! What can be judged only when every point is known.

use crate::axes::{self, Axis};
use crate::errors::{At, Location, PlanError};
use crate::expand::{MOST_ERRORS, Points};
use crate::grid::groups;
use crate::layers::Layers;
use crate::plan::Trial;
use crate::spec::ExperimentSpec;
use fovea_records::TrialId;
use serde_json::Value;
use std::collections::HashMap;

/// Grids larger than this are a mistake.
pub(crate) const MOST_TRIALS: u128 = 100_000;

/// The error of a grid with more points than that; `None`: than anyone can count.
pub(crate) fn too_large(layers: &Layers, size: Option<u128>) -> PlanError {
    let size = size.map_or_else(|| "more than 2^128".to_owned(), |size| size.to_string());
    let crossed = |group: &&[Axis]| group[0].shown || group[0].crossed() > 1;
    let factors = groups(&layers.axes).filter(crossed).map(|group| {
        let names: Vec<String> = group.iter().map(Axis::name).collect();
        format!("{} ({})", names.join(" with "), group[0].crossed())
    });
    let factors: Vec<String> = factors.collect();
    let sizes = layers.blocks.iter().filter_map(|block| Some((block.include?, block.size())));
    let large = sizes.filter(|(_, size)| size.is_none_or(|size| size > MOST_TRIALS)).map(|(index, _)| index);
    let (place, help) = match large.max() {
        Some(include) => {
            (layers.includes[include].clone(), "this [[include]] is larger than that".to_owned())
        }
        None => (vec!["axes".to_owned()], format!("it is the product of {}", factors.join(" x "))),
    };
    PlanError {
        location: layers.source.locate(&place, At::Key),
        key: Some(place[0].clone()),
        message: format!("the grid has {size} points; at most {MOST_TRIALS} are planned"),
        help: Some(help),
    }
}

/// The error of a plan without trials.
pub(crate) fn nothing_left(layers: &Layers) -> PlanError {
    PlanError {
        location: layers.source.locate(&["exclude".to_owned()], At::Key),
        key: Some("exclude".to_owned()),
        message: "every point is excluded, so nothing is left to run".to_owned(),
        help: None,
    }
}

/// An override that no point could use is a mistake; `used` says which could.
pub(crate) fn overrides_below_axes(layers: &Layers, used: &[bool]) -> Vec<PlanError> {
    let unused = layers.below_axes.iter().zip(used).filter(|(_, used)| !**used);
    let error = |entry: &crate::overrides::Override| {
        let axis = layers.axes.iter().find(|axis| entry.path.starts_with(&axis.path));
        let name = axis.map(Axis::name).unwrap_or_default();
        let base = layers.base.get(&entry.path[0]).and_then(|table| table.get("name"));
        let base = base.and_then(Value::as_str).unwrap_or_default();
        PlanError {
            location: layers.location(&entry.given, &[], At::Value),
            key: Some(entry.path.join(".")),
            message: format!("this changes nothing: `{base}` is no value of the axis `{name}`"),
            help: Some(match axis.and_then(|axis| axis.zip) {
                Some(zip) => format!("give it with the values of {}", axes::table(Some(zip))),
                None => format!("give the axis its values with axes.{name}=[...]"),
            }),
        }
    };
    unused.map(|(entry, _)| error(entry)).collect()
}

/// Two points must not be one trial.
pub(crate) fn distinct(layers: &Layers, points: &Points) -> Vec<PlanError> {
    let mut errors: Vec<PlanError> = Vec::new();
    let mut first: HashMap<&TrialId, usize> = HashMap::with_capacity(points.trials.len());
    for (position, trial) in points.trials.iter().enumerate() {
        let Some(&other) = first.get(&trial.id) else {
            first.insert(&trial.id, position);
            continue;
        };
        let other = &points.trials[other];
        let error = match points.includes[position] {
            Some(include) => Some(included_twice(layers, include, trial, other)),
            None => crossed_twice(layers, trial, other),
        };
        if let Some(error) = error
            && !errors.contains(&error)
            && errors.len() < MOST_ERRORS
        {
            errors.push(error);
        }
    }
    errors
}

fn included_twice(layers: &Layers, include: usize, trial: &Trial, other: &Trial) -> PlanError {
    let say = |trial: &Trial| format!("`{}` with seed {}", trial.variant, trial.config.seed);
    PlanError {
        location: layers.source.locate(&layers.includes[include], At::Key),
        key: Some("include".to_owned()),
        message: format!("{} is the same trial as {}, which is there already", say(trial), say(other)),
        help: Some("remove one of them".to_owned()),
    }
}

fn crossed_twice(layers: &Layers, trial: &Trial, other: &Trial) -> Option<PlanError> {
    let differing: Vec<usize> =
        (0..trial.axes.len()).filter(|&axis| trial.axes[axis] != other.axes[axis]).collect();
    let say = |trial: &Trial| {
        let parts = differing.iter().map(|&axis| format!("{}={}", trial.axes[axis].0, trial.axes[axis].1));
        parts.collect::<Vec<_>>().join(", ")
    };
    let axis = *differing.last()?;
    let value = layers.axes[axis].values.iter().find(|value| value.label == trial.axes[axis].1)?;
    Some(PlanError {
        location: layers.location(&value.given, &[], At::Value),
        key: Some(axes::key(layers.axes[axis].zip, &layers.axes[axis].path).join(".")),
        message: format!("two grid points are the same trial: `{}` and `{}`", say(other), say(trial)),
        help: Some("remove one of them".to_owned()),
    })
}

/// The baseline's label.
pub(crate) fn baseline(
    layers: &Layers,
    spec: &ExperimentSpec,
    trials: &[Trial],
) -> Result<Option<String>, Box<PlanError>> {
    let first = trials.first().map(|trial| trial.variant.clone());
    let Some(label) = &spec.baseline else { return Ok(first) };
    if trials.iter().any(|trial| trial.variant == *label) {
        return Ok(Some(label.clone()));
    }
    let path = ["baseline".to_owned()];
    let location = layers.given_in_base(&path, At::Value);
    // An override that narrows the grid may well leave the file's baseline out.
    if layers.axes_changed && matches!(location, Some(Location::File { .. })) {
        return Ok(first);
    }
    let mut known: Vec<&str> = Vec::new();
    for trial in trials {
        if known.len() < 16 && !known.contains(&trial.variant.as_str()) {
            known.push(&trial.variant);
        }
    }
    let quoted: Vec<String> = known.iter().map(|label| format!("`{label}`")).collect();
    let help = match crate::errors::nearest(label, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known variants: {}", quoted.join(", ")),
    };
    Err(Box::new(PlanError {
        location: location.unwrap_or_else(|| layers.source.locate(&path, At::Value)),
        key: Some("baseline".to_owned()),
        message: format!("no variant is called `{label}`"),
        help: Some(help),
    }))
}

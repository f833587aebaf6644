//! `[[reference]]`: published numbers to show beside the run's own. The main functions are [`take`] and [`resolve`].

use crate::axes::{self, Axis, Given, Located};
use crate::errors::{At, Issue, PlanError, did_you_mean};
use crate::layers::{self, Layers};
use crate::plan::Trial;
use crate::shape::{Shape, found};
use crate::spans::join;
use fovea_records::{Reference, Unit, metrics};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Keys that every `[[reference]]` has.
const REQUIRED: [&str; 4] = ["split", "metric", "value", "source"];
const NOISES: [&str; 2] = ["gaussian", "l2"];
/// Metrics that are measured under noise only.
const NOISY: [&str; 4] = ["accuracy-fg", "accuracy-bg", "rfs", "rfs-normalised"];

/// A `[[reference]]` as the file has it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReferenceSpec {
    /// Values of axes; the variants that have them are compared with the number.
    #[serde(default)]
    r#where: Map<String, Value>,
    split: String,
    metric: String,
    noise: Option<String>,
    level: Option<f64>,
    value: f64,
    sd: Option<f64>,
    source: String,
}

/// A `[[reference]]` whose variants are not known yet.
#[derive(Debug)]
pub(crate) struct Published {
    place: Vec<String>,
    spec: ReferenceSpec,
}

/// Takes `reference` out of the file and checks what can be checked without the grid.
pub(crate) fn take(file: &mut Map<String, Value>, problems: &mut Vec<Located>) -> Vec<Published> {
    let root = "reference".to_owned();
    let list = match file.shift_remove(&root) {
        None => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            let message = format!("expected tables of published numbers, found {}", found(&other));
            let issue = Issue::new(vec![root], At::Value, message);
            let issue = issue.help("write [[reference]] above each of them".to_owned());
            problems.push(Located { given: Given::File(issue.path.clone()), issue });
            return Vec::new();
        }
    };
    let shape = Shape::of::<ReferenceSpec>();
    let mut references = Vec::new();
    for (index, mut entry) in list.into_iter().enumerate() {
        let place = vec![root.clone(), index.to_string()];
        let (mut issues, mut pruned) = (Vec::new(), Vec::new());
        shape.check(&mut entry, &mut issues, &mut pruned);
        let key = |key: &str| vec![key.to_owned()];
        for name in REQUIRED {
            if entry.get(name).is_none() && !pruned.contains(&key(name)) {
                issues.push(Issue::new(Vec::new(), At::Key, format!("missing: `{name}`")));
            }
        }
        if let Ok(spec) = serde_json::from_value::<ReferenceSpec>(entry) {
            issues.extend(check(&spec));
            references.push(Published { place: place.clone(), spec });
        }
        for mut issue in issues {
            let given = Given::File(place.clone()).below(&issue.path);
            issue.path.insert(0, root.clone());
            problems.push(Located { given, issue });
        }
    }
    references
}

/// Values that have the right type and still make no sense.
fn check(spec: &ReferenceSpec) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut issue = |key: &str, message: String, help: Option<String>| {
        issues.push(Issue::new(vec![key.to_owned()], At::Value, message).help(help));
    };
    match metrics::definition(&spec.metric) {
        None => {
            let known: Vec<&str> = metrics::DEFINITIONS.iter().map(|metric| metric.name).collect();
            let message = format!("unknown metric `{}`", spec.metric);
            issue("metric", message, did_you_mean(&spec.metric, &known, "metrics"));
        }
        Some(metric) if metric.unit == Unit::Fraction && spec.value.abs() > 1.0 => {
            let message = format!("{} is a fraction, not per cent, found {}", metric.label, spec.value);
            issue("value", message, Some(format!("write {}", spec.value / 100.0)));
        }
        Some(_) => {}
    }
    match &spec.noise {
        Some(noise) if !NOISES.contains(&noise.as_str()) => {
            let message = format!("unknown noise `{noise}`");
            issue("noise", message, did_you_mean(noise, &NOISES, "noises"));
        }
        None if NOISY.contains(&spec.metric.as_str()) || spec.level.is_some() => {
            let message = "this is measured under noise, and which is not said".to_owned();
            let help = "add noise = \"gaussian\" or \"l2\", and a level unless it is the mean over levels";
            issue(if spec.level.is_some() { "level" } else { "metric" }, message, Some(help.to_owned()));
        }
        _ => {}
    }
    if spec.sd.is_some_and(|sd| sd < 0.0) {
        issue("sd", "must not be negative".to_owned(), None);
    }
    issues
}

/// One reference for each variant that a number is compared with. A grid that overrides narrowed may leave some out.
pub(crate) fn resolve(layers: &Layers, trials: &[Trial], errors: &mut Vec<PlanError>) -> Vec<Reference> {
    let mut references = Vec::new();
    for Published { place, spec } in &layers.references {
        let mut chosen = Vec::new();
        match choose(&spec.r#where, &[], &layers.axes, &mut chosen) {
            Ok(()) => {}
            Err(_) if layers.axes_changed => continue,
            Err(mut issue) => {
                let given = Given::File(join(place, "where")).below(&issue.path);
                issue.path.splice(..0, ["reference".to_owned(), "where".to_owned()]);
                errors.push(layers::place(&layers.source, Located { given, issue }));
                continue;
            }
        }
        let fits = |trial: &Trial| {
            chosen.iter().all(|(axis, positions): &(usize, Vec<usize>)| {
                let values = &layers.axes[*axis].values;
                positions.iter().any(|&position| values[position].label == trial.axes[*axis].1)
            })
        };
        let mut variants: Vec<&str> = Vec::new();
        for trial in trials.iter().filter(|trial| fits(trial)) {
            if !variants.contains(&trial.variant.as_str()) {
                variants.push(&trial.variant);
            }
        }
        if variants.is_empty() && !layers.axes_changed {
            let issue = Issue::new(vec!["reference".to_owned()], At::Key, "no variant has all these values");
            let given = Given::File(join(place, "where"));
            errors.push(layers::place(&layers.source, Located { given, issue }));
        }
        references.extend(variants.into_iter().map(|variant| Reference {
            variant: variant.to_owned(),
            split: spec.split.clone(),
            metric: spec.metric.clone(),
            noise: spec.noise.clone(),
            level: spec.level,
            value: spec.value,
            sd: spec.sd,
            source: spec.source.clone(),
        }));
    }
    references
}

/// The positions that `where` selects, axis by axis.
fn choose(
    table: &Map<String, Value>,
    above: &[String],
    axes: &[Axis],
    chosen: &mut Vec<(usize, Vec<usize>)>,
) -> Result<(), Issue> {
    for (key, value) in table {
        let place = join(above, key);
        let path = axes::split(&place);
        let meant = |axis: &Axis| axis.path == path || axis.path.last() == path.first() && path.len() == 1;
        let axis = axes.iter().position(|axis| !axis.is_seed() && meant(axis));
        match (axis, value) {
            (Some(axis), _) => {
                let positions = axes[axis].matching(value);
                if positions.is_empty() {
                    let known: Vec<&str> = axes[axis].values.iter().map(|v| v.label.as_str()).collect();
                    let message = format!("the axis `{}` has no such value", axes[axis].name());
                    let word = axes::short(value);
                    return Err(
                        Issue::new(place, At::Value, message).help(did_you_mean(&word, &known, "values"))
                    );
                }
                chosen.push((axis, positions));
            }
            (None, Value::Object(table)) => choose(table, &place, axes, chosen)?,
            (None, _) => {
                let names: Vec<String> = axes.iter().filter(|axis| !axis.is_seed()).map(Axis::name).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let name = path.join(".");
                let issue = Issue::new(place, At::Key, format!("there is no axis `{name}`"));
                return Err(issue.help(did_you_mean(&name, &names, "axes")));
            }
        }
    }
    Ok(())
}

//! `[[reference]]`: published numbers to show beside the run's own. The main functions are [`take`] and [`resolve`].

use crate::axes::{Given, Located};
use crate::errors::{At, Issue, PlanError, did_you_mean};
use crate::expand::Points;
use crate::layers::{self, Layers};
use crate::select::{Scope, Selection};
use crate::spans::join;
use crate::tables::{self, Entry};
use fovea_records::{Reference, Unit, metrics};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Keys that every `[[reference]]` has.
const REQUIRED: [&str; 4] = ["split", "metric", "value", "source"];
const NOISES: [&str; 2] = ["gaussian", "l2"];
/// Metrics that are measured under noise only.
const NOISY: [&str; 4] = ["accuracy-fg", "accuracy-bg", "rfs", "rfs-normalised"];

/// A `[[reference]]` as the file has it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferenceSpec {
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

/// Takes `reference` out of the file and checks what can be checked without the grid.
pub(crate) fn take(file: &mut Map<String, Value>, problems: &mut Vec<Located>) -> Vec<Entry<ReferenceSpec>> {
    tables::take(file, ("reference", "published numbers"), &REQUIRED, check, problems)
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
pub(crate) fn resolve(layers: &Layers, points: &Points, errors: &mut Vec<PlanError>) -> Vec<Reference> {
    let mut references = Vec::new();
    for Entry { place, spec } in &layers.references {
        let scope = Scope { seeds: false, narrowed: false };
        let selection = match Selection::new(&spec.r#where, &layers.axes, scope) {
            Ok(selection) => selection,
            Err(_) if layers.axes_changed => continue,
            Err(mut issue) => {
                let given = Given::File(join(place, "where")).below(&issue.path);
                issue.path.splice(..0, ["reference".to_owned(), "where".to_owned()]);
                errors.push(layers::place(&layers.source, Located { given, issue }));
                continue;
            }
        };
        let (mut variants, mut seen): (Vec<&str>, HashSet<&str>) = (Vec::new(), HashSet::new());
        let chosen = points.trials.iter().zip(&points.choices).filter(|(_, choice)| selection.fits(choice));
        for (trial, _) in chosen {
            if seen.insert(&trial.variant) {
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

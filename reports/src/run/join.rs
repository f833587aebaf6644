//! Several runs as one. The main function is [`all`].

use super::names::tell_apart;
use super::{Run, Source, Trial};
use std::collections::{HashMap, HashSet};

/// Puts the runs one after the other. Everything is compared with the baseline of the first.
pub(super) fn all(runs: Vec<Run>) -> Run {
    let labels = labels(&runs);
    let headings: HashSet<&String> = runs.iter().map(|run| &run.variant_heading).collect();
    let one_heading = headings.len() == 1;
    let questions: HashSet<&Option<String>> = runs.iter().map(|run| &run.question).collect();
    let mut joined = Run {
        sources: Vec::new(),
        name: labels.join(" + "),
        smoke: runs.iter().any(|run| run.smoke),
        references: Vec::new(),
        // Different questions stand beside their runs.
        question: if questions.len() == 1 { runs[0].question.clone() } else { None },
        axes: Vec::new(),
        variant_heading: if one_heading { runs[0].variant_heading.clone() } else { "variant".to_owned() },
        trials: Vec::new(),
        variants: Vec::new(),
        baseline: runs[0].baseline,
        baseline_named: runs[0].baseline_named,
        problems: Vec::new(),
    };
    let mut references = Vec::new();
    for (source, run) in runs.into_iter().enumerate() {
        let (first_trial, first_variant) = (joined.trials.len(), joined.variants.len());
        let label = &labels[source];
        for axis in run.axes {
            if !joined.axes.contains(&axis) {
                joined.axes.push(axis);
            }
        }
        for reference in run.references {
            let place = run.variants.iter().position(|variant| variant.name == reference.variant);
            references.push((place.map(|place| place + first_variant), reference));
        }
        for mut variant in run.variants {
            variant.source = source;
            variant.trials.iter_mut().for_each(|trial| *trial += first_trial);
            if !one_heading {
                variant.short.clone_from(&variant.label);
            }
            joined.variants.push(variant);
        }
        for mut trial in run.trials {
            trial.source = source;
            trial.variant += first_variant;
            joined.trials.push(trial);
        }
        joined.problems.extend(run.problems.into_iter().map(|problem| format!("{label}: {problem}")));
        joined.sources.extend(run.sources.into_iter().map(|own| Source { label: label.clone(), ..own }));
    }
    tell_apart(&mut joined.variants, &labels, |variant| &mut variant.name);
    for (place, reference) in &mut references {
        if let Some(place) = place {
            reference.variant.clone_from(&joined.variants[*place].name);
        }
    }
    joined.references = references.into_iter().map(|(_, reference)| reference).collect();
    for trial in &mut joined.trials {
        trial.planned.variant.clone_from(&joined.variants[trial.variant].name);
    }
    let contradictions = contradictions(&joined);
    joined.problems.extend(contradictions);
    joined
}

/// What to call each run: its experiment's name, or where several have that, its folder's name or path.
fn labels(runs: &[Run]) -> Vec<String> {
    let root = |run: &Run| run.sources[0].store.root().to_owned();
    let folder = |run: &Run| root(run).file_name().map(|name| name.to_string_lossy().into_owned());
    let ways: [&dyn Fn(&Run) -> String; 2] =
        [&|run| run.name.clone(), &|run| folder(run).unwrap_or_else(|| run.name.clone())];
    for way in ways {
        let labels: Vec<String> = runs.iter().map(way).collect();
        if labels.iter().collect::<HashSet<_>>().len() == labels.len() {
            return labels;
        }
    }
    runs.iter().map(|run| root(run).display().to_string()).collect()
}

/// What follows from an id alone and does not: trials of one id that did not end with the same bits.
fn contradictions(run: &Run) -> Vec<String> {
    let mut first: HashMap<&str, &Trial> = HashMap::new();
    let mut found = Vec::new();
    for trial in &run.trials {
        let id = trial.planned.id.as_str();
        let other = *first.entry(id).or_insert(trial);
        let (Some(a), Some(b)) = (&other.done, &trial.done) else { continue };
        let differing: Vec<&str> = ["metrics.jsonl", "predictions.jsonl", "checkpoint/model.safetensors"]
            .into_iter()
            .filter(|name| matches!((a.artefacts.get(*name), b.artefacts.get(*name)), (Some(a), Some(b)) if a != b))
            .collect();
        if !differing.is_empty() {
            let [a, b] = [other, trial].map(|trial| &run.sources[trial.source].label);
            found.push(format!(
                "Trial {id} is in {a} and in {b} and should have ended with the same bits, but {} differ: another binary, \
                 another kind of processor or a change by hand. `fovea verify` tells which step and tensor were the first.",
                differing.join(" and ")
            ));
        }
    }
    found
}

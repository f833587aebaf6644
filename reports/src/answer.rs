//! The findings in words, generated from the numbers. The main type is [`Answer`].

use crate::format::{difference, minus, plural, value};
use crate::measures::{Measure, MeasureKind};
use crate::run::{Run, Status};
use fovea_records::Unit;
use serde::Serialize;

/// More variants than this are not put into words one by one.
const MOST_VARIANTS: usize = 12;

/// What the run says about its question.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// Paragraphs about the whole run and its baseline.
    pub(crate) lead: Vec<String>,
    /// One item per variant that is compared with the baseline.
    pub(crate) findings: Vec<String>,
    /// How to read the findings.
    pub(crate) caveat: Option<String>,
}

impl Answer {
    /// Puts the headline numbers into words.
    pub(crate) fn new(run: &Run, measures: &[Measure]) -> Self {
        let mut lead = Vec::new();
        let open = run.trials.len() - run.count(Status::Done);
        if measures.is_empty() {
            lead.push("No trial has been measured yet, so there is no answer yet.".to_owned());
            return Self { lead, findings: Vec::new(), caveat: None };
        }
        if run.smoke {
            lead.push(
                "A smoke run shows that the experiment runs from data to report; it answers nothing."
                    .to_owned(),
            );
            return Self { lead, findings: Vec::new(), caveat: None };
        }
        if open > 0 {
            lead.push(format!(
                "This report covers {} of {} planned trials; the others have no numbers (see Status).",
                run.count(Status::Done),
                run.trials.len()
            ));
        }
        if let Some(sentence) = run.baseline.and_then(|b| baseline_sentence(run, measures, b)) {
            lead.push(sentence);
        }
        let compared: Vec<usize> = (0..run.variants.len()).filter(|&v| Some(v) != run.baseline).collect();
        let mut findings: Vec<String> =
            compared.iter().take(MOST_VARIANTS).filter_map(|&v| finding(run, measures, v)).collect();
        if compared.len() > MOST_VARIANTS {
            findings.push(format!("The other {} variants are in the table.", compared.len() - MOST_VARIANTS));
        }
        let shared = || measures.iter().flat_map(|m| m.deltas.iter().flatten()).map(|d| d.n);
        let caveat = match (shared().min(), shared().max()) {
            (Some(_), Some(most)) if most < 2 => Some("Differences are paired by seed.".to_owned()),
            (Some(fewest), Some(_)) => {
                let mut text =
                    "Differences are paired by seed; brackets are 95 % Student t intervals of the mean \
                                difference, not corrected for the number of comparisons."
                        .to_owned();
                if fewest < 5 {
                    text.push_str(" With so few seeds the intervals are wide: only large effects can be told from chance.");
                }
                Some(text)
            }
            _ => None,
        };
        Self { lead, findings, caveat }
    }
}

fn baseline_sentence(run: &Run, measures: &[Measure], baseline: usize) -> Option<String> {
    let mean = |m: &Measure| m.stats[baseline].map(|s| minus(&value(m.unit, s.mean)));
    let accuracies: Vec<String> = measures
        .iter()
        .filter(|m| m.kind == MeasureKind::Accuracy)
        .filter_map(|m| Some(format!("{} % on {}", mean(m)?, m.split)))
        .collect();
    if accuracies.is_empty() {
        return None;
    }
    let mut sentence = format!(
        "The baseline {} classifies {} correctly",
        run.variants[baseline].name,
        accuracies.join(" and ")
    );
    let find = |kind| measures.iter().find(|m| m.kind == kind);
    if let Some(gap) = find(MeasureKind::Gap).and_then(mean) {
        sentence.push_str(&format!(", a gap of {gap} points"));
    }
    if let Some(rfs) = find(MeasureKind::Rfs).and_then(mean) {
        sentence.push_str(&format!("; its RFS under Gaussian noise is {rfs}"));
    }
    if let Some(iou) = find(MeasureKind::BoxIou).and_then(mean) {
        sentence.push_str(&format!(" and its Grad-CAM boxes overlap the object with an IoU of {iou}"));
    }
    sentence.push('.');
    Some(sentence)
}

fn finding(run: &Run, measures: &[Measure], variant: usize) -> Option<String> {
    let baseline = &run.variants[run.baseline?].name;
    let name = &run.variants[variant].name;
    let compared: Vec<&Measure> =
        [MeasureKind::Rfs, MeasureKind::Accuracy, MeasureKind::Gap, MeasureKind::BoxIou]
            .iter()
            .flat_map(|&kind| measures.iter().filter(move |m| m.kind == kind))
            .filter(|m| m.deltas[variant].is_some())
            .collect();
    let seeds = compared.iter().filter_map(|m| m.deltas[variant]).map(|d| d.n).min();
    let Some(seeds) = seeds else {
        return Some(format!(
            "{name} shares no finished seed with {baseline}, so nothing can be said of it yet."
        ));
    };
    let mut parts = Vec::new();
    let mut clear = Vec::new();
    let mut unclear = Vec::new();
    for (position, measure) in compared.iter().enumerate() {
        let delta = measure.deltas[variant]?;
        let points = if measure.unit == Unit::Fraction { " points" } else { "" };
        let change = minus(&difference(measure.unit, delta.mean));
        let interval = delta.interval().map(|(low, high)| {
            let list = if low <= 0.0 && high >= 0.0 { &mut unclear } else { &mut clear };
            list.push(measure.phrase.clone());
            let ends = [low, high].map(|end| minus(&difference(measure.unit, end)));
            format!(" [{}, {}]", ends[0], ends[1])
        });
        let interval = interval.unwrap_or_default();
        parts.push(match (position, measure.kind) {
            (0, MeasureKind::Rfs) => format!("RFS of {name} is {change}{interval} against {baseline}"),
            (0, _) => format!(
                "{} of {name} changes by {change}{points}{interval} against {baseline}",
                measure.phrase
            ),
            _ => format!("{} changes by {change}{points}{interval}", measure.phrase),
        });
    }
    let mut text = format!("Over {}, {}.", plural(seeds, "seed"), parts.join("; "));
    if seeds < 2 {
        text.push_str(" With fewer than 2 seeds no interval can be given: this may be chance.");
    } else if clear.is_empty() {
        text.push_str(" Every interval contains 0: these seeds do not tell it from no change.");
    } else {
        text.push_str(&format!(" Intervals clear of 0: {}.", list(&clear)));
        if !unclear.is_empty() {
            let (noun, verb) =
                if unclear.len() == 1 { ("interval", "contains") } else { ("intervals", "contain") };
            text.push_str(&format!(
                " The {noun} for {} {verb} 0: no change there can be told from chance.",
                list(&unclear)
            ));
        }
    }
    Some(text)
}

fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

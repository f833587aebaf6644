//! The trials behind each row of the leaderboard. The main type is [`Block`].

use super::leaderboard::Delta;
use super::{Links, ProvenanceView};
use crate::answer::Tests;
use crate::format::{duration, mean_sd, minus, value};
use crate::measures::Measure;
use crate::run::{Run, Trial};
use serde::Serialize;

/// A variant with its numbers and its trials.
#[derive(Debug, Serialize)]
pub(crate) struct Block {
    anchor: String,
    label: String,
    full: String,
    /// The run, where there are several.
    run: Option<String>,
    baseline: bool,
    /// Trials by status, in words.
    counts: String,
    numbers: Vec<Number>,
    /// Headings of the trials' values.
    headings: Vec<[String; 2]>,
    trials: Vec<TrialLine>,
}

/// One measure of a variant.
#[derive(Debug, Serialize)]
struct Number {
    phrase: String,
    text: String,
    interval: Option<String>,
    seeds: usize,
    delta: Option<Delta>,
}

#[derive(Debug, Serialize)]
struct TrialLine {
    anchor: String,
    id: String,
    href: String,
    seed: u64,
    status: &'static str,
    /// In the order of the headings.
    values: Vec<String>,
    seconds: Option<String>,
    remarks: Vec<String>,
    /// Finding of the last check, and its element.
    verdict: Option<(&'static str, String)>,
    /// Group of provenance, from 1.
    provenance: Option<usize>,
    rerun: String,
    show: String,
}

impl Block {
    /// All variants, in grid order.
    pub(crate) fn all(
        run: &Run,
        measures: &[Measure],
        tests: &Tests,
        links: &Links,
        provenance: &ProvenanceView,
    ) -> Vec<Self> {
        let block = |(place, variant): (usize, &crate::run::Variant)| {
            let counts = run.counts(&variant.trials);
            let mut words = format!("{} of {} done", counts.of(crate::run::Status::Done), counts.planned());
            if let Some(open) = counts.without_numbers() {
                words += &format!(", {open}");
            }
            let numbers = measures.iter().enumerate().filter_map(|(m, measure)| {
                let stats = measure.stats[place]?;
                let show = |number: f64| minus(&value(measure.unit, number));
                Some(Number {
                    phrase: measure.phrase.clone(),
                    text: minus(&mean_sd(measure.unit, &stats)),
                    interval: stats.interval().map(|(low, high)| format!("[{}, {}]", show(low), show(high))),
                    seeds: stats.n,
                    delta: Delta::new(run, tests, measures, m, place),
                })
            });
            Self {
                anchor: Links::variant(place),
                label: variant.label.clone(),
                full: variant.name.clone(),
                run: run.is_joined().then(|| run.sources[variant.source].label.clone()),
                baseline: run.baseline == Some(place),
                counts: words,
                numbers: numbers.collect(),
                headings: measures.iter().map(|measure| measure.heading.clone()).collect(),
                trials: variant.trials.iter().map(|&t| line(run, measures, links, provenance, t)).collect(),
            }
        };
        run.variants.iter().enumerate().map(block).collect()
    }
}

fn line(
    run: &Run,
    measures: &[Measure],
    links: &Links,
    provenance: &ProvenanceView,
    place: usize,
) -> TrialLine {
    let trial = &run.trials[place];
    let number = |measure: &Measure| {
        measure.values[place].map_or("–".to_owned(), |number| minus(&value(measure.unit, number)))
    };
    TrialLine {
        anchor: links.anchor(run, place),
        id: trial.planned.id.to_string(),
        href: links.trial(trial),
        seed: trial.planned.seed,
        status: trial.standing(),
        values: measures.iter().map(number).collect(),
        seconds: trial.seconds().map(duration),
        remarks: remarks(trial),
        verdict: trial
            .verdict
            .as_ref()
            .map(|verdict| (verdict.finding.words(), format!("check-{}", links.anchor(run, place)))),
        provenance: provenance.group_of(place),
        rerun: links.rerun(trial),
        show: links.command("show", trial),
    }
}

/// What else there is to know of a trial, in short.
fn remarks(trial: &Trial) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(reason) = &trial.reason {
        remarks.push(reason.lines().next().unwrap_or_default().to_owned());
    }
    remarks.extend(trial.provenance.iter().filter(|p| p.stage.is_none()).skip(1).map(
        |p| match p.from_step {
            0 => format!("resumed after epoch {}", p.from_epoch),
            step => format!("resumed after epoch {}, step {step}", p.from_epoch),
        },
    ));
    remarks.extend(trial.warnings.iter().map(|warning| format!("warning: {warning}")));
    remarks
}

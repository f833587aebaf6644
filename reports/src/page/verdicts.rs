//! What came of running trials again. The main type is [`Verification`].

use super::Links;
use crate::format::{date, plural};
use crate::run::{Run, Status};
use fovea_records::{Finding, Verdict};
use serde::Serialize;

const FINDINGS: [Finding; 5] =
    [Finding::BitExact, Finding::WithinTolerance, Finding::Diverged, Finding::Tampered, Finding::NotRun];

/// The latest verdict on every trial that was checked.
#[derive(Debug, Serialize)]
pub(crate) struct Verification {
    /// One sentence for the top of the page.
    summary: String,
    /// Whether a check found something wrong.
    alarm: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    anchor: String,
    trial: String,
    id: String,
    variant: String,
    seed: u64,
    finding: &'static str,
    /// `good`, `fair` or `bad`.
    grade: &'static str,
    time: String,
    /// Where the rerun left the record, and everything else there is to say, in sentences.
    notes: Vec<String>,
}

impl Verification {
    /// `None` where no trial was ever checked.
    pub(crate) fn of(run: &Run, links: &Links) -> Option<Self> {
        let checked: Vec<(usize, &Verdict)> = run
            .trials
            .iter()
            .enumerate()
            .filter_map(|(place, trial)| Some((place, trial.verdict.as_ref()?)))
            .collect();
        if checked.is_empty() {
            return None;
        }
        let count = |finding| checked.iter().filter(|(_, verdict)| verdict.finding == finding).count();
        let words: Vec<String> = FINDINGS
            .into_iter()
            .filter(|finding| count(*finding) > 0)
            .map(|finding| format!("{} {}", count(finding), finding.words()))
            .collect();
        let checks = checked.iter().map(|&(place, verdict)| {
            let trial = &run.trials[place];
            let anchor = links.anchor(run, place);
            Check {
                anchor: format!("check-{anchor}"),
                trial: anchor,
                id: trial.planned.id.to_string(),
                variant: run.variants[trial.variant].label.clone(),
                seed: trial.planned.seed,
                finding: verdict.finding.words(),
                grade: match verdict.finding {
                    Finding::BitExact => "good",
                    Finding::WithinTolerance | Finding::NotRun => "fair",
                    Finding::Diverged | Finding::Tampered => "bad",
                },
                time: date(verdict.time),
                notes: notes(verdict),
            }
        });
        Some(Self {
            summary: format!(
                "Checked: {} of {}; {}.",
                checked.len(),
                plural(run.count(Status::Done), "finished trial"),
                words.join(", ")
            ),
            alarm: count(Finding::Diverged) + count(Finding::Tampered) > 0,
            checks: checks.collect(),
        })
    }
}

fn notes(verdict: &Verdict) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(departure) = &verdict.departure {
        let place = match departure.step {
            Some(step) => format!("First difference at step {step}"),
            None => "Training is the same; first difference in evaluation".to_owned(),
        };
        let tensor = departure
            .tensor
            .as_ref()
            .map(|(step, tensor)| format!(" First tensor that differs: {tensor}, at step {step}."))
            .unwrap_or_default();
        notes.push(format!(
            "{place}: {}, recorded {}, now {}.{tensor}",
            departure.what, departure.recorded, departure.rerun
        ));
    }
    if !verdict.metrics.is_empty() {
        let metrics: Vec<String> =
            verdict.metrics.iter().map(|(name, difference)| format!("{name} by {difference:+.3e}")).collect();
        notes.push(format!("Metrics differ: {} (tolerance {}).", metrics.join(", "), verdict.tolerance));
    }
    notes.extend(verdict.reasons.iter().cloned());
    notes.extend(verdict.changes.iter().map(|change| {
        format!("Changed since: {}, recorded {}, now {}.", change.what, change.recorded, change.now)
    }));
    notes
}

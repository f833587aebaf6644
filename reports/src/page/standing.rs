//! What did not work, and how far a run is that goes on. The main types are [`Failure`] and [`Live`].

use super::Links;
use crate::format::date;
use crate::run::{Run, Status};
use fovea_records::{Phase, now};
use serde::Serialize;

/// A trial without numbers, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    id: String,
    anchor: String,
    variant: String,
    seed: u64,
    status: &'static str,
    attempts: usize,
    /// First line of the reason.
    first: String,
    /// All of it, where there is more.
    whole: Option<String>,
    /// The command that tells more.
    logs: String,
}

impl Failure {
    /// All that diverged, failed or were given up.
    pub(crate) fn all(run: &Run, links: &Links) -> Vec<Self> {
        let ended = |status| matches!(status, Status::Diverged | Status::Failed | Status::Pruned);
        let failures = run.trials.iter().enumerate().filter(|(_, trial)| ended(trial.status));
        let failure = |(place, trial): (usize, &crate::run::Trial)| {
            let reason = trial.reason.as_deref().unwrap_or("No reason is recorded.").trim();
            let first = reason.lines().next().unwrap_or_default();
            Self {
                id: trial.planned.id.to_string(),
                anchor: links.anchor(run, place),
                variant: run.variants[trial.variant].label.clone(),
                seed: trial.planned.seed,
                status: trial.status.name(),
                attempts: trial.attempts,
                first: first.to_owned(),
                whole: (first.len() < reason.len()).then(|| reason.to_owned()),
                logs: links.command("logs", trial),
            }
        };
        failures.map(failure).collect()
    }
}

/// A run that somebody is at work on.
#[derive(Debug, Serialize)]
pub(crate) struct Live {
    /// When this was read.
    made: String,
    /// Who is at work.
    holders: Vec<String>,
    done: usize,
    running: Vec<Running>,
    waiting: usize,
    planned: usize,
    /// The command that reads again.
    command: String,
}

#[derive(Debug, Serialize)]
struct Running {
    anchor: String,
    variant: String,
    seed: u64,
    doing: String,
    percent: u32,
}

impl Live {
    /// `None` where nobody is.
    pub(crate) fn of(run: &Run, links: &Links) -> Option<Self> {
        if !run.is_going() {
            return None;
        }
        let running: Vec<Running> = run
            .trials
            .iter()
            .enumerate()
            .filter_map(|(place, trial)| {
                let progress = trial.progress.as_ref()?;
                let doing = match &progress.phase {
                    Phase::Starting => "starting".to_owned(),
                    Phase::Localizing => "waiting for target boxes".to_owned(),
                    Phase::Training => {
                        format!("training, {} of {} epochs done", progress.epoch, progress.epochs)
                    }
                    Phase::Evaluating { what } => format!("evaluating {what}"),
                };
                Some(Running {
                    anchor: links.anchor(run, place),
                    variant: run.variants[trial.variant].label.clone(),
                    seed: trial.planned.seed,
                    doing,
                    percent: (100.0 * progress.fraction()).floor() as u32,
                })
            })
            .collect();
        let holders = run.sources.iter().filter_map(|source| {
            let holder = source.holder.as_ref()?;
            Some(if run.is_joined() { format!("{}: {holder}", source.label) } else { holder.clone() })
        });
        Some(Self {
            made: date(now()),
            holders: holders.collect(),
            done: run.count(Status::Done),
            waiting: run.count(Status::Pending) - running.len(),
            running,
            planned: run.trials.len(),
            command: links.report(),
        })
    }
}

//! A run as its records tell it. The main type is [`Run`].

use fovea_records::prune::Asha;
use fovea_records::{
    Done, GalleryItem, JournalEntry, MetricRow, PlannedTrial, Reference, RunStore, TrialEvent, TrialId,
    TrialOutcome,
};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

use crate::ReportError;
use crate::pictures::Pictures;
use crate::stats::Stats;

/// Said of smoke runs wherever their numbers are.
pub(crate) const SMOKE: &str = "Smoke run: tiny data and narrow models; numbers mean nothing.";

/// Heading of the column of named groups.
pub(crate) const GROUP: &str = "group";

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Trained and measured.
    Done,
    /// Its loss became non-finite.
    Diverged,
    /// It failed, or its records cannot be read.
    Failed,
    /// Given up because others did better.
    Pruned,
    /// Not run yet, or running.
    Pending,
}

impl Status {
    /// In the order in which counts are shown.
    pub(crate) const ALL: [Self; 5] = [Self::Done, Self::Diverged, Self::Failed, Self::Pruned, Self::Pending];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Pruned => "pruned",
            Self::Pending => "pending",
        }
    }
}

/// How many trials stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts([usize; 5]);

impl Counts {
    /// Those of one status.
    pub(crate) fn of(self, status: Status) -> usize {
        self.0[status as usize]
    }

    /// All.
    pub(crate) fn planned(self) -> usize {
        self.0.iter().sum()
    }

    /// Those without numbers, in words (`1 failed, 2 pending`); `None` where all are done.
    pub(crate) fn without_numbers(self) -> Option<String> {
        let open: Vec<String> = Status::ALL[1..]
            .iter()
            .filter(|&&status| self.of(status) > 0)
            .map(|&status| format!("{} {}", self.of(status), status.name()))
            .collect();
        (!open.is_empty()).then(|| open.join(", "))
    }
}

/// Values by epoch of one metric on one split.
pub(crate) type Curve = BTreeMap<usize, f64>;

/// One trial with all its records.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Its line of the plan.
    pub(crate) planned: PlannedTrial,
    /// Index into [`Run::variants`].
    pub(crate) variant: usize,
    /// Where it stands.
    pub(crate) status: Status,
    /// Why it diverged, failed or was given up; what a running trial said last.
    pub(crate) reason: Option<String>,
    /// Its DONE marker.
    pub(crate) done: Option<Done>,
    /// Metric rows, as recorded.
    pub(crate) rows: Vec<MetricRow>,
    /// Training curves by (split, metric).
    pub(crate) curves: BTreeMap<(String, String), Curve>,
    /// Its gallery.
    pub(crate) gallery: Vec<GalleryItem>,
    /// What it did on each test picture, once done.
    pub(crate) pictures: Pictures,
    /// Training pictures per second, mean over the epochs of its own.
    pub(crate) images_per_second: Option<f64>,
    /// Warnings it gave.
    pub(crate) warnings: Vec<String>,
}

impl Trial {
    /// Seconds of training and evaluation, once done.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.done.as_ref().map(|d| d.train_seconds + d.eval_seconds)
    }
}

/// Trials that differ in nothing but the seed.
#[derive(Debug)]
pub(crate) struct Variant {
    /// Label as planned (`loss=ria`).
    pub(crate) name: String,
    /// The axis value alone where labels are made of only one axis (`ria`).
    pub(crate) short: String,
    /// The named group that it belongs to.
    pub(crate) group: Option<String>,
    /// Indices into [`Run::trials`], by seed.
    pub(crate) trials: Vec<usize>,
}

/// Everything that was read of a run.
#[derive(Debug)]
pub(crate) struct Run {
    /// Name of the experiment.
    pub(crate) name: String,
    /// Whether it only shows that the experiment runs.
    pub(crate) smoke: bool,
    /// Published numbers to compare with.
    pub(crate) references: Vec<Reference>,
    /// What it asks.
    pub(crate) question: Option<String>,
    /// The command that makes or continues the run.
    pub(crate) command: String,
    /// Axes in declared order.
    pub(crate) axes: Vec<String>,
    /// What [`Variant::short`] are values of.
    pub(crate) variant_heading: String,
    /// Trials in grid order.
    pub(crate) trials: Vec<Trial>,
    /// Variants in grid order, those of a group together.
    pub(crate) variants: Vec<Variant>,
    /// What variants are compared with.
    pub(crate) baseline: Option<usize>,
    /// Whether the experiment names its baseline; otherwise it is the first variant of the grid.
    pub(crate) baseline_named: bool,
    /// Records that cannot be read, in sentences.
    pub(crate) problems: Vec<String>,
}

impl Run {
    /// Reads all records. Only a plan that cannot be read is an error.
    pub(crate) fn load(store: &RunStore) -> Result<Self, ReportError> {
        let mut plan = store.read_plan()?;
        plan.trials.sort_by_key(|t| t.index);
        let mut problems = Vec::new();
        let journal = store.read_journal().unwrap_or_else(|e| {
            problems.push(e.to_string());
            Vec::new()
        });
        let said = journal_states(&journal, plan.prune.as_ref());

        let mut variants: Vec<Variant> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let free_axes: Vec<&String> = match plan.label_axes.is_empty() {
            true => plan.axes.iter().filter(|a| *a != "seed").collect(),
            false => plan.label_axes.iter().collect(),
        };
        for (position, trial) in plan.trials.iter().enumerate() {
            let place = *places.entry(trial.variant.clone()).or_insert_with(|| {
                let name = if trial.variant.is_empty() { "all trials" } else { &trial.variant };
                let value = match free_axes[..] {
                    [axis] => trial.axes.iter().find(|(a, _)| a == axis).map(|(_, v)| v.clone()),
                    _ => None,
                };
                variants.push(Variant {
                    name: name.to_owned(),
                    short: value.unwrap_or_else(|| name.to_owned()),
                    group: trial.group.clone(),
                    trials: Vec::new(),
                });
                variants.len() - 1
            });
            variants[place].trials.push(position);
        }
        let order = by_group(&variants);
        places.values_mut().for_each(|place| *place = order[*place]);
        let mut sorted: Vec<(usize, Variant)> = order.into_iter().zip(variants).collect();
        sorted.sort_by_key(|(place, _)| *place);
        let variants: Vec<Variant> = sorted.into_iter().map(|(_, variant)| variant).collect();
        let variant_heading = match free_axes[..] {
            [axis] => axis.clone(),
            _ => "variant".to_owned(),
        };

        let read: Vec<(Trial, Vec<String>)> = plan
            .trials
            .into_par_iter()
            .map(|planned| {
                let variant = places.get(&planned.variant).copied().unwrap_or(0);
                let state = said.get(&planned.id);
                read_trial(store, planned, variant, state)
            })
            .collect();
        let mut trials = Vec::with_capacity(read.len());
        for (trial, mut found) in read {
            trials.push(trial);
            problems.append(&mut found);
        }

        let named = plan.baseline.as_ref().and_then(|name| places.get(name).copied());
        if let (Some(name), None) = (&plan.baseline, named) {
            problems.push(format!(
                "The baseline {name} is not a variant of this run; the first variant of the grid takes its place."
            ));
        }
        Ok(Self {
            name: plan.name,
            smoke: plan.smoke,
            references: plan.references,
            question: plan.question,
            command: plan.command,
            axes: plan.axes,
            variant_heading,
            baseline: named.or((!variants.is_empty()).then_some(0)),
            baseline_named: named.is_some(),
            trials,
            variants,
            problems,
        })
    }

    /// Whether any variant is in a named group.
    pub(crate) fn has_groups(&self) -> bool {
        self.variants.iter().any(|variant| variant.group.is_some())
    }

    /// How many trials have this status.
    pub(crate) fn count(&self, status: Status) -> usize {
        self.trials.iter().filter(|t| t.status == status).count()
    }

    /// How many trials of a variant have this status.
    pub(crate) fn count_in(&self, variant: usize, status: Status) -> usize {
        self.counts(&self.variants[variant].trials).of(status)
    }

    /// What became of some trials.
    pub(crate) fn counts(&self, places: &[usize]) -> Counts {
        let mut counts = Counts::default();
        for &place in places {
            counts.0[self.trials[place].status as usize] += 1;
        }
        counts
    }
}

/// The place of each variant among all: groups in the order of their first variants, then those in none.
fn by_group(variants: &[Variant]) -> Vec<usize> {
    let mut groups: Vec<&str> = Vec::new();
    let mut order: Vec<(usize, usize)> = Vec::with_capacity(variants.len());
    for (position, variant) in variants.iter().enumerate() {
        let rank = variant.group.as_deref().map_or(usize::MAX, |name| {
            groups.iter().position(|group| *group == name).unwrap_or_else(|| {
                groups.push(name);
                groups.len() - 1
            })
        });
        order.push((rank, position));
    }
    order.sort_unstable();
    let mut places = vec![0; variants.len()];
    for (place, (_, position)) in order.into_iter().enumerate() {
        places[position] = place;
    }
    places
}

/// What the journal says last of a trial: running, interrupted, given up, or ended in some way.
enum Said {
    Running(usize),
    Interrupted,
    Pruned(String),
    Ended(TrialOutcome),
}

/// `rule` is the plan's: what was given up by another one is to go on.
fn journal_states(journal: &[JournalEntry], rule: Option<&Asha>) -> HashMap<TrialId, Said> {
    let mut said = HashMap::new();
    for entry in journal {
        match entry {
            JournalEntry::TrialStarted { trial, attempt, .. } => {
                said.insert(trial.clone(), Said::Running(*attempt));
            }
            JournalEntry::TrialInterrupted { trial, .. } => {
                said.insert(trial.clone(), Said::Interrupted);
            }
            JournalEntry::TrialPruned { trial, pruned, .. } => {
                let holds = rule == Some(&pruned.rule);
                let state = if holds { Said::Pruned(pruned.to_string()) } else { Said::Interrupted };
                said.insert(trial.clone(), state);
            }
            JournalEntry::TrialFinished { trial, outcome, .. } => {
                said.insert(trial.clone(), Said::Ended(outcome.clone()));
            }
            JournalEntry::RunStarted { .. }
            | JournalEntry::StageFinished { .. }
            | JournalEntry::TaskCrashed { .. }
            | JournalEntry::RunFinished { .. } => {}
        }
    }
    said
}

fn read_trial(
    store: &RunStore,
    planned: PlannedTrial,
    variant: usize,
    said: Option<&Said>,
) -> (Trial, Vec<String>) {
    let id = &planned.id;
    let mut problems = Vec::new();
    // A marker or metrics that cannot be read cost the trial its numbers; the rest only what it would have shown.
    let mut unreadable = None;
    let mut fatal = |error: fovea_records::StoreError| {
        unreadable.get_or_insert_with(|| error.to_string());
    };
    let done = store.done(id).unwrap_or_else(|e| {
        fatal(e);
        None
    });
    let mut rows = store.read_metrics(id).unwrap_or_else(|e| {
        fatal(e);
        Vec::new()
    });
    if let Some(done) = &done {
        match store.read_later(id, done) {
            Ok(later) => rows.extend(later.into_iter().map(|later| later.row)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let events = store.read_events(id).unwrap_or_else(|e| {
        problems.push(e.to_string());
        Vec::new()
    });
    let gallery = store.read_gallery(id).unwrap_or_else(|e| {
        problems.push(e.to_string());
        Vec::new()
    });

    let (status, reason) = if let Some(error) = unreadable {
        problems.push(error.clone());
        (Status::Failed, Some(error))
    } else {
        status(done.as_ref(), said, &events)
    };
    let warnings = events
        .iter()
        .filter_map(|event| match event {
            TrialEvent::Warning { message } => Some(message.clone()),
            _ => None,
        })
        .collect();
    let predictions = match status {
        Status::Done => store.read_predictions(id).unwrap_or_else(|e| {
            problems.push(e.to_string());
            Vec::new()
        }),
        _ => Vec::new(),
    };
    let curves = curves(&rows, &events);
    let trial = Trial {
        variant,
        status,
        reason,
        pictures: Pictures::of(predictions),
        images_per_second: speed(&events),
        done,
        rows,
        curves,
        gallery,
        warnings,
        planned,
    };
    (trial, problems)
}

fn status(done: Option<&Done>, said: Option<&Said>, events: &[TrialEvent]) -> (Status, Option<String>) {
    let ended = |outcome: &TrialOutcome| match outcome {
        TrialOutcome::Done => (Status::Done, None),
        TrialOutcome::Diverged { message } => (Status::Diverged, Some(message.clone())),
        TrialOutcome::Failed { message } => (Status::Failed, Some(message.clone())),
    };
    if let Some(done) = done {
        return ended(&done.ended);
    }
    match said {
        Some(Said::Ended(TrialOutcome::Done)) => {
            (Status::Failed, Some("The journal says done, but DONE.json is missing.".to_owned()))
        }
        Some(Said::Ended(outcome)) => ended(outcome),
        Some(Said::Running(attempt)) => (Status::Pending, Some(format!("attempt {attempt} was started"))),
        Some(Said::Pruned(why)) => (Status::Pruned, Some(why.clone())),
        Some(Said::Interrupted) => (Status::Pending, Some("was interrupted".to_owned())),
        None => events
            .iter()
            .rev()
            .find_map(|event| match event {
                TrialEvent::Failed { message } => Some((Status::Failed, Some(message.clone()))),
                TrialEvent::Started { .. } => Some((Status::Pending, Some("was started".to_owned()))),
                _ => None,
            })
            .unwrap_or((Status::Pending, None)),
    }
}

/// Mean over the epochs that were trained for this trial alone.
fn speed(events: &[TrialEvent]) -> Option<f64> {
    let speeds = events.iter().filter_map(|event| match event {
        TrialEvent::Epoch(summary) => Some(summary.images_per_second),
        _ => None,
    });
    Stats::of(speeds).map(|stats| stats.mean)
}

/// Curves from metric rows, filled up from epoch events where a trial is not measured yet.
fn curves(rows: &[MetricRow], events: &[TrialEvent]) -> BTreeMap<(String, String), Curve> {
    let mut curves: BTreeMap<(String, String), Curve> = BTreeMap::new();
    let mut measured = |split: &str, metric: &str, epoch: usize, value: f64| {
        if value.is_finite() {
            curves.entry((split.to_owned(), metric.to_owned())).or_default().insert(epoch, value);
        }
    };
    for event in events {
        if let TrialEvent::Epoch(summary) = event {
            measured("train", "loss", summary.epoch, summary.loss);
            measured("train", "cross-entropy", summary.epoch, summary.cross_entropy);
            measured("train", "accuracy", summary.epoch, summary.accuracy);
            if let Some(value) = summary.explanation {
                measured("train", "explanation-loss", summary.epoch, value);
            }
        }
    }
    for row in rows {
        if let (Some(epoch), None, None) = (row.epoch, &row.noise, &row.subset) {
            measured(&row.split, &row.metric, epoch, row.value);
        }
    }
    curves
}

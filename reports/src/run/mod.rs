//! A run as its records tell it, or several as one. The main type is [`Run`].
//!
//! `load` reads one, `join` makes one of several, `names` says what variants are called.

mod join;
mod load;
mod names;

use crate::ReportError;
use crate::pictures::Pictures;
use fovea_records::{
    Done, GalleryItem, MetricRow, PlannedTrial, Provenance, Reference, RunStore, TaskProgress, Verdict,
};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

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
    /// Index into [`Run::sources`].
    pub(crate) source: usize,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// Index into [`Run::variants`].
    pub(crate) variant: usize,
    /// Where it stands.
    pub(crate) status: Status,
    /// Why it diverged, failed or was given up; what a running trial said last.
    pub(crate) reason: Option<String>,
    /// How far it is, while a worker has it in hand.
    pub(crate) progress: Option<TaskProgress>,
    /// How often it was begun.
    pub(crate) attempts: usize,
    /// Its DONE marker.
    pub(crate) done: Option<Done>,
    /// What its numbers rest on, a line per process that trained; empty for trials of earlier versions.
    pub(crate) provenance: Vec<Provenance>,
    /// What came of checking it last.
    pub(crate) verdict: Option<Verdict>,
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

    /// The word for where it stands; one that is pending may be running.
    pub(crate) fn standing(&self) -> &'static str {
        if self.progress.is_some() { "running" } else { self.status.name() }
    }
}

/// Trials that differ in nothing but the seed.
#[derive(Debug)]
pub(crate) struct Variant {
    /// Label as planned (`loss=ria, beta=0.5`), with the run where others have the same.
    pub(crate) name: String,
    /// The name without what all variants have in common (`loss=ria`).
    pub(crate) label: String,
    /// The axis value alone where labels differ in only one axis (`ria`).
    pub(crate) short: String,
    /// Index into [`Run::sources`].
    pub(crate) source: usize,
    /// The named group that it belongs to.
    pub(crate) group: Option<String>,
    /// Indices into [`Run::trials`], by seed.
    pub(crate) trials: Vec<usize>,
}

/// Where trials come from: a run directory.
#[derive(Debug)]
pub(crate) struct Source {
    /// The directory.
    pub(crate) store: RunStore,
    /// What tells it apart from the others: the name of its experiment, of its folder, or its path.
    pub(crate) label: String,
    /// Name of the experiment.
    pub(crate) name: String,
    /// What it asks.
    pub(crate) question: Option<String>,
    /// The command that makes or continues it.
    pub(crate) command: String,
    /// Who is at work on it, [`RunStore::holder`].
    pub(crate) holder: Option<String>,
}

/// Everything that was read of a run, or of several.
#[derive(Debug)]
pub(crate) struct Run {
    /// The run directories.
    pub(crate) sources: Vec<Source>,
    /// Name of the experiment, or the labels of several.
    pub(crate) name: String,
    /// Whether it only shows that the experiment runs.
    pub(crate) smoke: bool,
    /// Published numbers to compare with.
    pub(crate) references: Vec<Reference>,
    /// What it asks.
    pub(crate) question: Option<String>,
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
    /// Reads all records of one run or of several. Only a plan that cannot be read is an error.
    pub(crate) fn load(stores: &[RunStore]) -> Result<Self, ReportError> {
        let mut runs = stores.iter().map(load::one).collect::<Result<Vec<_>, _>>()?;
        let run = if runs.len() == 1 { runs.remove(0) } else { join::all(runs) };
        Ok(names::shorten(run))
    }

    /// Whether trials are of several runs.
    pub(crate) fn is_joined(&self) -> bool {
        self.sources.len() > 1
    }

    /// How many trials of one of several runs are in another one, too, and done.
    pub(crate) fn shared_with_others(&self, source: usize) -> usize {
        let others: HashSet<&str> = self
            .trials
            .iter()
            .filter(|trial| trial.source != source && trial.status == Status::Done)
            .map(|trial| trial.planned.id.as_str())
            .collect();
        let own = self.trials.iter().filter(|trial| trial.source == source && trial.status == Status::Done);
        own.filter(|trial| others.contains(trial.planned.id.as_str())).count()
    }

    /// Whether somebody is at work on it.
    pub(crate) fn is_going(&self) -> bool {
        self.sources.iter().any(|source| source.holder.is_some())
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

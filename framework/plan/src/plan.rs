//! The ordered list of everything there is to do. The main type is [`Plan`]; [`load`] makes one.

use crate::errors::{Location, PlanError};
use crate::layers::Layers;
use crate::shape::Shape;
use crate::{
    CacheSize, DeviceRequest, Origins, Overrides, PerDevice, PlanErrors, PluginCatalog, RunSpec, TrialConfig,
    effective, expand, extends, identity,
};
use fovea_records::prune::Asha;
use fovea_records::{PlannedTrial, Reference, RunPlan, StageId, TrialId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An experiment, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the experiment.
    pub name: String,
    /// What the experiment asks, in words.
    pub question: Option<String>,
    /// Where to compute.
    pub device: DeviceRequest,
    /// Where and how it runs.
    pub run: RunConfig,
    /// Whether it is the small form that `[smoke]` makes of the experiment.
    pub smoke: bool,
    /// Dotted keys of the axes: those of every `[[zip]]`, those of `[ablate]`, then those of `[axes]`, in declared order.
    pub axes: Vec<String>,
    /// The axes that stand in the labels of variants.
    pub label_axes: Vec<String>,
    /// Label of the variant that others are compared with.
    pub baseline: Option<String>,
    /// Published numbers to show beside the run's own.
    pub references: Vec<Reference>,
    /// Trials in grid order: the last axis is fastest, and the axes of a `[[zip]]` are one. Then those of every
    /// `[[include]]`.
    pub trials: Vec<Trial>,
    /// Points of the grid that an `[[exclude]]` leaves out, in grid order.
    pub excluded: Vec<Excluded>,
    /// Prefixes of training that trials share, in the order of their first trial.
    pub stages: Vec<Stage>,
    /// The command that makes this plan: environment, file and arguments.
    pub command: String,
    /// The text of the file; of one that extends others, the document that they make together.
    pub source: String,
    /// The file.
    pub path: PathBuf,
}

/// Where and how an experiment runs. No part of a trial's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunConfig {
    /// Run directory.
    pub dir: PathBuf,
    /// Cache that runs share.
    pub cache: PathBuf,
    /// Decoded pictures that a worker keeps in memory.
    pub memory_cache: CacheSize,
    /// Decoded pictures of a data set of files that are kept in the cache.
    pub disk_cache: CacheSize,
    /// Worker processes at a time.
    pub workers: usize,
    /// CPU threads of a worker; 0: all, divided among the workers.
    pub threads: usize,
    /// Whether every trial's curves are written for TensorBoard, too.
    pub tensorboard: bool,
    /// Devices that the workers are spread over, instead of the plan's.
    pub devices: Vec<DeviceRequest>,
    /// Workers for each of `devices`.
    pub per_device: PerDevice,
    /// How often a trial is tried again whose worker died or took too long.
    pub retries: usize,
    /// Time before it is tried again; twice as much before each further time.
    pub retry_delay: Duration,
    /// Time that an attempt at a trial may take.
    pub timeout: Option<Duration>,
    /// Time that a worker may be silent.
    pub stall_timeout: Option<Duration>,
    /// When trials are given up early.
    pub prune: Option<Asha>,
}

impl RunConfig {
    /// From a table that was checked; `folder` is where it runs if the table does not say.
    pub(crate) fn new(spec: RunSpec, folder: &str) -> Self {
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let minutes = |minutes: f64| (minutes > 0.0).then(|| seconds(minutes * 60.0));
        Self {
            dir: spec.dir.map_or_else(|| PathBuf::from("runs").join(folder), PathBuf::from),
            cache: PathBuf::from(spec.cache),
            memory_cache: spec.memory_cache,
            disk_cache: spec.disk_cache,
            workers: spec.workers,
            threads: spec.threads,
            tensorboard: spec.tensorboard,
            devices: spec.devices.iter().filter_map(|device| device.parse().ok()).collect(),
            per_device: spec.per_device,
            retries: spec.retries,
            retry_delay: seconds(spec.retry_delay),
            timeout: minutes(spec.timeout),
            stall_timeout: minutes(spec.stall_timeout),
            prune: spec.prune.asha,
        }
    }
}

/// One grid point.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Identity.
    pub id: TrialId,
    /// Position among the trials, from 0.
    pub index: usize,
    /// Label of the values of all axes but the seed.
    pub variant: String,
    /// The `[group]` that its variant belongs to. No part of the identity.
    pub group: Option<String>,
    /// Dotted key and value of each axis, seed included, in declared order.
    pub axes: Vec<(String, String)>,
    /// The stage it forks from, if its training prefix is shared.
    pub stage: Option<StageId>,
    /// The resolved configuration.
    pub config: TrialConfig,
    /// Where each value that is no default was given, by dotted key. No part of the identity.
    pub origins: TrialOrigins,
}

impl Trial {
    /// The warm-up stage that it has, whether or not another trial shares it; `None` without warm-up.
    #[must_use]
    pub fn warm_up(&self) -> Option<StageId> {
        (self.config.training.warmup_epochs > 0).then(|| identity::stage_id(&self.config))
    }
}

/// Where the values of a trial were given, by dotted key; what is not in it is a default. A section of the
/// configuration at a time, since trials of a grid have most of them in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialOrigins(pub(crate) Vec<Arc<Vec<(String, String)>>>);

impl TrialOrigins {
    /// Where a value was given.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == key).map(|(_, origin)| origin)
    }

    /// Every key with its origin.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|section| section.iter()).map(|(key, origin)| (key.as_str(), origin.as_str()))
    }

    /// The same, by key, as records have it.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(key, origin)| (key.to_owned(), origin.to_owned())).collect()
    }
}

/// A point that is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Excluded {
    /// Label of the values of all axes but the seed.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Why it is left out, in the words of the rule.
    pub reason: String,
    /// Where the rule stands.
    pub rule: Location,
}

/// A prefix of training (the CE-only warm-up) that several trials share.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Identity.
    pub id: StageId,
    /// Epochs it trains, from 0.
    pub epochs: usize,
    /// Configuration of the first trial that uses it; what differs between them does not matter here.
    pub config: TrialConfig,
    /// The trials that fork from it, in grid order.
    pub trials: Vec<TrialId>,
}

impl Plan {
    /// What `plan.json` holds.
    #[must_use]
    pub fn to_run_plan(&self) -> RunPlan {
        let planned = self.trials.iter().map(|trial| PlannedTrial {
            id: trial.id.clone(),
            index: trial.index,
            variant: trial.variant.clone(),
            group: trial.group.clone(),
            seed: trial.config.seed,
            axes: trial.axes.clone(),
            stage: trial.stage.clone(),
            config: identity::json(&trial.config),
            origins: trial.origins.to_map(),
        });
        RunPlan {
            prune: self.run.prune.clone(),
            name: self.name.clone(),
            question: self.question.clone(),
            smoke: self.smoke,
            axes: self.axes.clone(),
            label_axes: self.label_axes.clone(),
            command: self.command.clone(),
            baseline: self.baseline.clone(),
            references: self.references.clone(),
            trials: planned.collect(),
        }
    }
}

/// Reads an experiment and plans it.
///
/// # Errors
/// Everything that is wrong with the file and the overrides, each with its place.
pub fn load(path: &Path, overrides: &Overrides, catalog: &dyn PluginCatalog) -> Result<Plan, PlanErrors> {
    let shape = Shape::of_experiment();
    let mut errors = Vec::new();
    let layers = layers(path, overrides, &shape, &mut errors)?;
    let mut plan = expand::expand(&layers, &shape, catalog, errors)?;
    plan.command = overrides.command(path);
    if !layers.source.bases.is_empty() {
        // A run directory must not depend on files elsewhere.
        let text = effective::written(&layers, Some(&plan), catalog, Origins::Hidden);
        plan.source = format!(
            "# {} with what it extends, and with its changes: {}\n{text}",
            path.display(),
            plan.command
        );
    }
    Ok(plan)
}

/// Reads an experiment and merges what it says with everything else.
pub(crate) fn layers(
    path: &Path,
    overrides: &Overrides,
    shape: &Shape,
    errors: &mut Vec<PlanError>,
) -> Result<Layers, PlanErrors> {
    let (source, table) = extends::read(path, errors)?;
    Layers::merge(source, table, overrides, shape, errors)
}

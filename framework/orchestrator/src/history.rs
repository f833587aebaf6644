//! How long trials took that were trained before. The main type is [`Sample`]; [`collect`] reads them.

use crate::changes::without_paths;
use crate::standing::read_config;
use fovea_plan::is_left_out;
use fovea_records::{Done, EpochSummary, RunStore, TrialEvent, store};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// More trials than this say nothing new, and reading them takes time.
const MOST_SAMPLES: usize = 500;

/// What the time of a training step depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The model, name and configuration.
    pub model: Value,
    /// The data set: name, configuration and contents.
    pub dataset: Value,
    /// The type in which its layers multiply; none: the default.
    pub precision: Option<String>,
    /// Side of the network input.
    pub size: f64,
    /// Pictures a step.
    pub batch: f64,
    /// The explanation loss by name.
    pub loss: String,
    /// Passes over the pictures that an evaluation makes, noise included.
    pub passes: f64,
}

impl Workload {
    /// Of a resolved configuration, as `plan.json` and `trial.toml` have it.
    #[must_use]
    pub fn of(config: &Value) -> Self {
        let number = |section: &str, key: &str| config[section][key].as_f64().unwrap_or_default();
        let plugin = |kind: &str| json!([config[kind]["name"], without_paths(&config[kind])]);
        let levels = |key: &str| config["evaluation"][key].as_array().map_or(0, Vec::len) as f64;
        Self {
            model: plugin("model"),
            dataset: json!([plugin("dataset"), config["dataset"]["fingerprint"]]),
            precision: Some(&config["training"]["precision"])
                .filter(|value| !is_left_out("training.precision", value))
                .and_then(|value| value.as_str().map(str::to_owned)),
            size: number("input", "size"),
            batch: number("training", "batch_size"),
            loss: config["loss"]["name"].as_str().unwrap_or_default().to_owned(),
            passes: 1.0 + number("evaluation", "draws").max(1.0) * (levels("gaussian") + levels("l2")),
        }
    }

    /// Whether a step of both is the same work, but for the explanation loss.
    #[must_use]
    pub fn same_step(&self, other: &Self) -> bool {
        self.same_model(other)
            && self.dataset == other.dataset
            && (self.size, self.batch) == (other.size, other.batch)
    }

    pub(crate) fn same_model(&self, other: &Self) -> bool {
        self.model == other.model && self.precision == other.precision
    }
}

/// Seconds of what one process trained, and of its evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What was trained.
    pub workload: Workload,
    /// Device in words.
    pub device: String,
    /// Seconds of each epoch of cross-entropy only.
    pub plain: Vec<f64>,
    /// Seconds of each epoch with an explanation loss.
    pub explained: Vec<f64>,
    /// Training pictures of an epoch.
    pub pictures: f64,
    /// Seconds of the evaluation, where there was one.
    pub evaluation: Option<f64>,
    /// Whether it was measured by a probe, a few steps long.
    pub probed: bool,
}

/// A few training steps, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Device in words.
    pub device: String,
    /// Seconds of each step of cross-entropy only.
    pub plain: Vec<f64>,
    /// Seconds of each step with an explanation loss.
    pub explained: Vec<f64>,
    /// Training pictures of an epoch.
    pub pictures: usize,
    /// Forward passes of an evaluation, in pictures.
    pub forwards: usize,
    /// How much slower everything is when the workers of a run share the device.
    pub slowdown: f64,
}

impl Sample {
    /// What a probe says of whole epochs. A forward pass is a third of a training step: the backward pass computes two
    /// products for each one of the forward pass.
    #[must_use]
    pub fn of_probe(config: &Value, probe: Probe) -> Self {
        let workload = Workload::of(config);
        let steps = (probe.pictures as f64 / workload.batch).ceil() * probe.slowdown;
        let mean = probe.plain.iter().sum::<f64>() / probe.plain.len().max(1) as f64;
        let evaluation = probe.forwards as f64 * probe.slowdown * mean / workload.batch / 3.0;
        let epochs = |seconds: Vec<f64>| seconds.into_iter().map(|s| s * steps).collect();
        Self {
            workload,
            device: probe.device,
            plain: epochs(probe.plain),
            explained: epochs(probe.explained),
            pictures: probe.pictures as f64,
            evaluation: Some(evaluation),
            probed: true,
        }
    }

    /// From the events of a trial or stage; `None` without a whole epoch.
    fn of(config: &Value, events: &[TrialEvent], done: Option<&Done>) -> Option<Self> {
        let workload = Workload::of(config);
        let mut device = done.map(|done| done.device.clone()).unwrap_or_default();
        let mut epochs: Vec<&EpochSummary> = Vec::new();
        for event in events {
            match event {
                TrialEvent::Started { device: name, .. } => device.clone_from(name),
                TrialEvent::Epoch(epoch) => epochs.push(epoch),
                _ => {}
            }
        }
        let pictures = epochs.iter().map(|e| e.images_per_second * e.seconds).fold(0.0, f64::max);
        let seconds = |explained: bool| {
            let of_kind = epochs.iter().filter(|e| e.explanation.is_some() == explained);
            of_kind.map(|e| e.seconds).collect::<Vec<_>>()
        };
        let (plain, explained) = (seconds(false), seconds(true));
        let evaluation = done.map(|done| done.eval_seconds).filter(|seconds| *seconds > 0.0);
        (pictures > 0.0).then(|| Self {
            workload,
            device,
            plain,
            explained,
            pictures: pictures.round(),
            evaluation,
            probed: false,
        })
    }
}

/// The run directories beside `run`, itself first, then the latest first.
#[must_use]
pub fn beside(run: &Path) -> Vec<PathBuf> {
    let parent = run.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let mut runs = crate::survey::run_dirs(parent);
    runs.retain(|dir| dir.file_name() != run.file_name());
    runs.sort_by_key(|dir| {
        std::cmp::Reverse(fs::metadata(dir.join("plan.json")).and_then(|m| m.modified()).ok())
    });
    runs.insert(0, run.to_owned());
    runs
}

/// Samples of the runs' trials and stages that trained one of these models. What cannot be read is left out: an
/// estimate must not fail over the past.
#[must_use]
pub fn collect(runs: &[PathBuf], models: &[&str]) -> Vec<Sample> {
    let mut samples = Vec::new();
    for run in runs {
        let store = RunStore::new(run);
        let of_stages: HashMap<String, Value> = store
            .read_plan()
            .map(|plan| plan.trials)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|trial| Some((trial.stage?.to_string(), trial.config)))
            .collect();
        for dir in folders(&run.join("stages")) {
            let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            samples.extend(of_stages.get(&name).and_then(|config| read(&dir, config, models)));
        }
        for dir in folders(&run.join("trials")) {
            samples.extend(read_config(&dir).and_then(|config| read(&dir, &config, models)));
            if samples.len() >= MOST_SAMPLES {
                return samples;
            }
        }
    }
    samples
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn read(dir: &Path, config: &Value, models: &[&str]) -> Option<Sample> {
    let model = config["model"]["name"].as_str()?;
    if !models.contains(&model) {
        return None;
    }
    let events: Vec<TrialEvent> = store::read_lines(&dir.join("events.jsonl"), "event").ok()?;
    let done: Option<Done> = store::read_json(&dir.join("DONE.json"), "DONE marker").ok();
    Sample::of(config, &events, done.as_ref())
}

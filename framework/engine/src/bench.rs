//! How fast training steps and localizers are. The main functions are [`step_times`] and [`localize_times`].

use crate::data::loader::Batch;
use crate::objective::Objective;
use crate::train::{StepSettings, step};
use crate::{EngineError, device, precision, schedule};
use fovea_api::{BBox, BuildContext, ImageView, Key, ModelContext, Registry, RgbImage};
use fovea_plan::{CamConfig, DeviceRequest, OptimizerConfig, Precision, TrainingConfig};
use rand::RngExt as _;
use serde_json::json;
use std::time::Instant;

/// What is measured.
#[derive(Clone, Debug)]
pub struct StepBench {
    /// Model by name.
    pub model: String,
    /// Its configuration, a JSON object; what is left out has its default.
    pub model_config: serde_json::Value,
    /// Pictures a step.
    pub batch: usize,
    /// Side of the network input.
    pub size: usize,
    /// Timed steps of each kind.
    pub steps: usize,
    /// Device.
    pub device: DeviceRequest,
    /// The type in which layers multiply.
    pub precision: Precision,
}

/// Median seconds of a step.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StepTimes {
    /// Device in words.
    pub device: String,
    /// CE only.
    pub ce_seconds: f64,
    /// CE + RIA, straight-through box, closed-form alpha.
    pub ria_seconds: f64,
    /// Seconds of each timed step, CE only, sorted.
    pub ce: Vec<f64>,
    /// Seconds of each timed step, CE + RIA, sorted.
    pub ria: Vec<f64>,
}

/// Times CE and RIA steps in turn, on one random batch: the same work as `pytorch_ria.py` (Adam, 10 classes, target
/// box from a quarter to three quarters of each side).
///
/// # Errors
/// When the device or a plugin is not there.
pub fn step_times(bench: &StepBench, registry: &Registry) -> Result<StepTimes, EngineError> {
    precision::check([bench.precision], bench.device)?;
    let open = device::open(bench.device)?;
    precision::kept(bench.precision, &open)?;
    let training = training_config(bench);
    let context =
        BuildContext { base_dir: ".".into(), device: open.device.clone(), registry: registry.clone() };
    let autodiff = open.device.clone().autodiff();
    let model = ModelContext {
        classes: 10,
        input_size: bench.size,
        seed: 0,
        device: autodiff.clone(),
        precision: precision::of_layers(bench.precision),
        base_dir: ".".into(),
    };
    let mut model = registry.build_model(&bench.model, bench.model_config.clone(), &model)?.model;
    let extractor = registry.build_extractor("threshold", json!({}), &context)?;
    let loss = registry.build_loss("ria", json!({}), &context)?;
    let cam = CamConfig::default();
    let objective =
        Objective { loss: loss.as_ref(), extractor: extractor.as_ref(), cam: &cam, size: bench.size };
    let mut optimizer = schedule::optimizer(&training);
    let batch = random_batch(bench);
    let settings = StepSettings {
        size: bench.size,
        normalize: false,
        alpha: training.alpha,
        beta: training.beta,
        learning_rate: training.optimizer.learning_rate,
    };
    let mut timed = |objective: Option<&Objective<'_>>| -> Result<f64, EngineError> {
        let batch = batch.clone();
        let started = Instant::now();
        step(model.as_mut(), &mut optimizer, batch, objective, &settings, &autodiff)?;
        Ok(started.elapsed().as_secs_f64())
    };
    timed(None)?;
    timed(Some(&objective))?;
    let (mut ce, mut ria) = (Vec::new(), Vec::new());
    for _ in 0..bench.steps.max(1) {
        ce.push(timed(None)?);
        ria.push(timed(Some(&objective))?);
    }
    Ok(StepTimes { device: open.name, ce_seconds: median(&mut ce), ria_seconds: median(&mut ria), ce, ria })
}

/// What is measured of a localizer.
#[derive(Clone, Debug)]
pub struct LocalizeBench {
    /// Localizer by name.
    pub localizer: String,
    /// Its configuration, a JSON object.
    pub config: serde_json::Value,
    /// Pictures a repeat.
    pub images: usize,
    /// Side of the pictures.
    pub size: usize,
    /// Timed repeats.
    pub repeats: usize,
    /// Device.
    pub device: DeviceRequest,
}

/// Device in words, and median seconds in which random pictures are localized.
///
/// # Errors
/// When the device or the localizer is not there.
pub fn localize_times(bench: &LocalizeBench, registry: &Registry) -> Result<(String, f64), EngineError> {
    let open = device::open(bench.device)?;
    let context = BuildContext { base_dir: ".".into(), device: open.device, registry: registry.clone() };
    let localizer = registry.build_localizer(&bench.localizer, bench.config.clone(), &context)?;
    let mut rng = Key::new(0).purpose("bench").rng();
    let mut picture = || RgbImage {
        width: bench.size,
        height: bench.size,
        pixels: (0..3 * bench.size * bench.size).map(|_| rng.random()).collect(),
    };
    let pictures: Vec<RgbImage> = (0..bench.images).map(|_| picture()).collect();
    let view = |(index, image)| ImageView { id: "random", split: "bench", index, image, mask: None };
    let views: Vec<ImageView<'_>> = pictures.iter().enumerate().map(view).collect();
    localizer.localize(&views[..views.len().min(4)])?;
    let mut seconds = Vec::new();
    for _ in 0..bench.repeats.max(1) {
        let started = Instant::now();
        localizer.localize(&views)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok((open.name, median(&mut seconds)))
}

fn training_config(bench: &StepBench) -> TrainingConfig {
    TrainingConfig {
        batch_size: bench.batch,
        optimizer: OptimizerConfig { learning_rate: 1e-4, ..OptimizerConfig::default() },
        ..TrainingConfig::default()
    }
}

fn random_batch(bench: &StepBench) -> Batch {
    let mut rng = Key::new(0).purpose("bench").rng();
    let size = bench.size as f32;
    let quarter = BBox::new(size * 0.25, size * 0.25, size * 0.75, size * 0.75);
    Batch {
        images: (0..bench.batch * 3 * bench.size * bench.size).map(|_| rng.random()).collect(),
        labels: (0..bench.batch).map(|_| rng.random_range(0..10)).collect(),
        targets: vec![Some(quarter); bench.batch],
        masks: None,
    }
}

/// The middle value, or the mean of the two middle values.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    f64::midpoint(values[(n - 1) / 2], values[n / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
    }
}

//! How fast the steps of a planned trial are, and how many it has. The main functions are [`steps`] and [`pictures`].

use crate::EngineError;
use crate::bench::{Measurement, StepBench};
use crate::data::check;
use fovea_api::Registry;
use fovea_plan::{DeviceRequest, TrialConfig};
use std::path::Path;

/// Timed steps of each kind: enough to see how much they differ.
const STEPS: usize = 5;

/// How many pictures a trial looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// Training pictures of an epoch.
    pub train: usize,
    /// Forward passes of the evaluation, in pictures.
    pub forwards: usize,
}

/// Times a few steps of the trial's model, at its input and batch size, on random pictures: by cross-entropy only, and
/// with RIA.
///
/// # Errors
/// When the device or the model is not there.
pub fn steps(
    config: &TrialConfig,
    device: DeviceRequest,
    registry: &Registry,
) -> Result<[Measurement; 2], EngineError> {
    let bench = StepBench {
        model: config.model.name.clone(),
        model_config: config.model.config.clone(),
        losses: vec!["ria".to_owned()],
        batch: config.training.batch_size,
        size: config.input.size,
        repeats: STEPS,
        device,
        precision: config.training.precision,
    };
    let found = bench.run(registry)?;
    Ok(found.try_into().expect("one loss was asked for beside `none`"))
}

/// Counts the pictures of the trial's data set, which is opened but not read.
///
/// # Errors
/// When the data set cannot be opened.
pub fn pictures(config: &TrialConfig, base_dir: &Path, registry: &Registry) -> Result<Pictures, EngineError> {
    let dataset = check::open(&config.dataset, base_dir, registry)?;
    let evaluation = &config.evaluation;
    let train = dataset.len("train").unwrap_or(0);
    let is_evaluated = |name: &String| match evaluation.splits.as_slice() {
        [] => name != "train" && name != "val",
        wanted => wanted.contains(name),
    };
    let splits: Vec<_> = dataset.splits().iter().filter(|split| is_evaluated(&split.name)).collect();
    let noisy = splits.iter().find(|split| split.name == evaluation.noise_split).or(splits.last());
    let noisy = noisy.map_or(0, |split| match evaluation.noise_images {
        0 => split.len,
        most => split.len.min(most),
    });
    let levels = evaluation.gaussian.len() + evaluation.l2.len();
    let clean: usize = splits.iter().map(|split| split.len).sum();
    Ok(Pictures { train, forwards: clean + noisy * levels * evaluation.draws.max(1) })
}

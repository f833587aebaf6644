//! What a trained network is worth (method.md section 8).
//!
//! - [`accuracy`]: predictions, accuracy over all, per class, per group.
//! - [`noise`]: accuracy under noise in foreground and background, RFS.
//! - [`saliency`]: how a heatmap agrees with a mask.
//! - [`explain`]: heatmaps of a split against its masks.
//! - [`gallery`]: pictures for the report.
//! - [`later`]: metrics that can be had of a finished trial.
//!
//! The main type is [`Evaluator`].

pub mod accuracy;
pub mod explain;
pub mod gallery;
pub mod later;
pub mod noise;
pub mod saliency;

use crate::cam::PredictedCams;
use crate::data::source::Source;
use crate::data::transform::Transform;
use crate::objective::{host_floats, network_input};
use crate::{Emit, EngineError};
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::{BoxExtractor, DataError, DynClassifier, Mask, Mode};
use fovea_plan::TrialConfig;
use fovea_records::{MetricRow, PredictionRecord};
use rayon::prelude::*;
use std::time::Instant;

/// Does a part of the evaluation and says how long it took.
fn timed<T>(part: &str, split: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    tracing::debug!(part, split, took = ?started.elapsed(), "evaluated");
    result
}

/// Measures one network on one data set.
pub struct Evaluator<'a> {
    /// The trial.
    pub config: &'a TrialConfig,
    /// The network, outside autodiff.
    pub model: &'a dyn DynClassifier,
    /// The pictures.
    pub source: &'a Source,
    /// Heatmap to box.
    pub extractor: &'a dyn BoxExtractor,
    /// Device without autodiff.
    pub device: &'a Device,
    /// Where events go.
    pub emit: Emit<'a>,
}

/// Metrics and per-picture outputs.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Metric rows.
    pub rows: Vec<MetricRow>,
    /// Per-picture outputs.
    pub records: Vec<PredictionRecord>,
}

/// A picture as network input, before normalisation, with its mask at that size.
#[derive(Debug, Clone)]
pub struct Input {
    /// `[3, size, size]` in 0..=1.
    pub image: Vec<f32>,
    /// Mask of the object.
    pub mask: Option<Mask>,
}

impl Input {
    /// A picture of a split, squashed to the network's size.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(source: &Source, split: &str, index: usize, size: usize) -> Result<Self, DataError> {
        let sample = source.sample(split, index)?;
        let transform = Transform::squash(sample.image.width, sample.image.height, size);
        let mut image = vec![0.0; 3 * size * size];
        transform.image(&sample.image, &mut image);
        Ok(Self { image, mask: sample.mask.as_ref().map(|m| transform.mask(m)) })
    }
}

impl Evaluator<'_> {
    /// Everything the configuration asks for.
    ///
    /// # Errors
    /// When the data set lacks a split that is asked for, a picture cannot be read, or a plugin fails.
    pub fn run(&self) -> Result<Evaluation, EngineError> {
        let splits = self.splits()?;
        let mut evaluation = Evaluation::default();
        for split in &splits {
            timed("accuracy", split, || self.accuracy(split, &mut evaluation))?;
        }
        let split = self.noise_split(&splits)?;
        timed("explanations", &split, || self.explanations(&split, &mut evaluation))?;
        timed("noise", &split, || self.noise(&split, &mut evaluation))?;
        Ok(evaluation)
    }

    /// Splits on which accuracy is measured.
    ///
    /// # Errors
    /// When a split does not exist.
    pub fn splits(&self) -> Result<Vec<String>, EngineError> {
        let known: Vec<&str> = self.source.dataset().splits().iter().map(|s| s.name.as_str()).collect();
        let asked = &self.config.evaluation.splits;
        if asked.is_empty() {
            return Ok(known
                .iter()
                .filter(|n| !["train", "val"].contains(n))
                .map(|n| (*n).to_owned())
                .collect());
        }
        for split in asked {
            self.require(split, &known, "evaluation.splits")?;
        }
        Ok(asked.clone())
    }

    /// Split on which noise and explanations are measured.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn noise_split(&self, splits: &[String]) -> Result<String, EngineError> {
        let asked = &self.config.evaluation.noise_split;
        if !asked.is_empty() {
            let known: Vec<&str> = self.source.dataset().splits().iter().map(|s| s.name.as_str()).collect();
            self.require(asked, &known, "evaluation.noise_split")?;
            return Ok(asked.clone());
        }
        splits.last().cloned().ok_or_else(|| {
            EngineError::Config("the data set has no test split, so there is nothing to measure".into())
        })
    }

    fn require(&self, split: &str, known: &[&str], key: &str) -> Result<(), EngineError> {
        if known.contains(&split) {
            return Ok(());
        }
        let name = &self.config.dataset.name;
        let known = known.join(", ");
        Err(EngineError::Config(format!("{key}: data set `{name}` has no split `{split}`; it has {known}")))
    }

    /// Pictures of a split as network inputs, in order.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn inputs(&self, split: &str, indices: &[usize]) -> Result<Vec<Input>, DataError> {
        let (source, size) = (self.source, self.config.input.size);
        indices.par_iter().map(|&index| Input::load(source, split, index, size)).collect()
    }

    /// Pictures on the device, `[N, 3, size, size]`, normalised if the trial does so.
    fn tensor(&self, images: Vec<f32>) -> Tensor<4> {
        let size = self.config.input.size;
        let n = images.len() / (3 * size * size);
        let images = Tensor::from_data(TensorData::new(images, [n, 3, size, size]), self.device);
        network_input(images, self.config.input.normalize)
    }

    /// Logits of a batch, a row a picture.
    fn logits(&self, images: Vec<f32>) -> Vec<Vec<f32>> {
        let logits = self.model.forward(self.tensor(images), Mode::Eval).logits;
        let classes = logits.dims()[1];
        host_floats(&logits).chunks_exact(classes).map(<[f32]>::to_vec).collect()
    }

    /// Logits and heatmaps of the predicted classes, upsampled and normalised by their maxima, `[N, size * size]`.
    fn heatmaps(&self, images: Vec<f32>) -> (Vec<Vec<f32>>, Vec<f32>) {
        let size = self.config.input.size;
        let pass = PredictedCams::new(self.model, self.tensor(images));
        let heatmaps = host_floats(&pass.heatmaps((size, size)));
        (pass.logits, heatmaps)
    }

    fn progress(&self, what: &str, done: usize, total: usize) {
        (self.emit)(fovea_records::TrialEvent::Evaluating { what: what.to_owned(), done, total });
    }
}

//! What a trained network is worth (method.md section 8).
//!
//! - `inputs`: pictures as network input, batch by batch. `clean`: the one pass over pictures as they are.
//! - [`accuracy`]: predictions, accuracy over all, per class, per group.
//! - [`noise`]: accuracy under noise in foreground and background, RFS; `noisy`: the pictures for it.
//! - [`saliency`]: how a heatmap agrees with a mask.
//! - [`explain`]: heatmaps of a split against its masks.
//! - [`gallery`]: pictures for the report.
//! - `splits`: which splits are evaluated. [`later`]: metrics that can be had of a finished trial.
//!
//! The main type is [`Evaluator`].

pub mod accuracy;
mod clean;
pub mod explain;
pub mod gallery;
mod inputs;
pub mod later;
pub mod noise;
mod noisy;
pub mod saliency;
pub(crate) mod splits;

use crate::data::source::Source;
use crate::{Emit, EngineError};
use burn::tensor::Device;
use clean::Purpose;
use fovea_api::{BoxExtractor, DynClassifier};
use fovea_plan::TrialConfig;
use fovea_records::{MetricRow, PredictionRecord};
pub use inputs::Input;
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

impl Evaluator<'_> {
    /// Everything the configuration asks for.
    ///
    /// # Errors
    /// When the data set lacks a split that is asked for, a picture cannot be read, or a plugin fails.
    pub fn run(&self) -> Result<Evaluation, EngineError> {
        let splits = self.splits()?;
        let noise_split = self.noise_split(&splits)?;
        let mut evaluation = Evaluation::default();
        let mut explained = None;
        for split in &splits {
            let purpose = if *split == noise_split { Purpose::Heatmaps } else { Purpose::Logits };
            let clean = timed("pictures as they are", split, || self.clean(split, purpose, split))?;
            self.accuracy(split, &clean.logits, &mut evaluation);
            explained = clean.explained.or(explained);
        }
        let explained = match explained {
            Some(explained) => explained,
            // Its accuracy was not asked for.
            None => {
                let what = format!("{noise_split} heatmaps");
                let pass = || self.clean(&noise_split, Purpose::Heatmaps, &what);
                timed("heatmaps", &noise_split, pass)?.explained.unwrap_or_default()
            }
        };
        explained.rows(&noise_split, &mut evaluation);
        timed("noise", &noise_split, || self.noise(&noise_split, &mut evaluation))?;
        Ok(evaluation)
    }

    /// Splits on which accuracy is measured.
    ///
    /// # Errors
    /// When a split does not exist.
    pub fn splits(&self) -> Result<Vec<String>, EngineError> {
        let known = self.source.dataset().splits();
        Ok(splits::evaluated(&self.config.evaluation, &self.config.dataset.name, known)?)
    }

    /// Split on which noise and explanations are measured.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn noise_split(&self, splits: &[String]) -> Result<String, EngineError> {
        let known = self.source.dataset().splits();
        Ok(splits::noisy(&self.config.evaluation, splits, &self.config.dataset.name, known)?)
    }

    fn progress(&self, what: &str, done: usize, total: usize) {
        (self.emit)(fovea_records::TrialEvent::Evaluating { what: what.to_owned(), done, total });
    }
}

//! Exact resume. The main type is [`Checkpoint`].
//!
//! A checkpoint holds everything the next step depends on: parameters and buffers, optimizer state, epochs and steps done. All
//! other randomness is keyed by (seed, epoch, picture), so a trial that is resumed has the bits of one that was not
//! interrupted.

use crate::EngineError;
use crate::epoch::PartialEpoch;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use fovea_api::{DynClassifier, NamedTensor};
use fovea_records::checkpoint::{self, Mark, Saved};
use fovea_records::{EpochSummary, MetricRow, store};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How far training is, with what the records need of the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// What is done of the next one.
    #[serde(default)]
    pub partial: PartialEpoch,
    /// Seconds spent in training, over all attempts.
    pub seconds: f64,
    /// Summaries of the epochs done.
    pub epochs: Vec<EpochSummary>,
    /// Metric rows known so far (training curves, target quality).
    pub rows: Vec<MetricRow>,
}

/// The checkpoints of a trial or stage.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    task_dir: PathBuf,
}

const FILES: [&str; 3] = ["model.bpk", "optimizer.bpk", checkpoint::PROGRESS];

/// What there was to go on from.
pub struct Loaded {
    /// Optimizer and progress, unless no checkpoint was sound. The network was given its weights.
    pub state: Option<(ModuleOptimizer, Progress)>,
    /// What was wrong with newer ones, in words; whole sentences.
    pub damage: Vec<String>,
}

impl Checkpoint {
    /// Checkpoints of the trial or stage with this folder, which need not exist.
    #[must_use]
    pub fn new(task_dir: impl Into<PathBuf>) -> Self {
        Self { task_dir: task_dir.into() }
    }

    /// Saves, and keeps the one before until the next is whole. The folder appears whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(
        &self,
        model: &dyn DynClassifier,
        optimizer: &ModuleOptimizer,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        let mark = Mark { epoch: progress.epoch, step: progress.partial.step };
        let unwritten =
            |error: &dyn std::fmt::Display| failed("write", &checkpoint::folder(&self.task_dir), error);
        let model = model.to_record().into_bytes().map_err(|e| unwritten(&e))?;
        let optimizer = optimizer.into_bytes().map_err(|e| unwritten(&e))?;
        let progress = serde_json::to_vec_pretty(progress).map_err(|e| unwritten(&e))?;
        let bytes = model.len() + optimizer.len();
        let files: [&[u8]; 3] = [&model, &optimizer, &progress];
        let files: Vec<(&str, &[u8])> = FILES.into_iter().zip(files).collect();
        checkpoint::write(&self.task_dir, mark, &files)?;
        tracing::debug!(epoch = mark.epoch, bytes, took = ?started.elapsed(), "checkpoint saved");
        Ok(())
    }

    /// Puts the newest sound checkpoint into `model` and gives back the optimizer, made from a `fresh` one, and the progress.
    ///
    /// A checkpoint that is not what was written is never gone on from, and costs no more than what was trained since the
    /// one before.
    pub fn load(&self, model: &mut dyn DynClassifier, fresh: &dyn Fn() -> ModuleOptimizer) -> Loaded {
        let mut damage = Vec::new();
        for saved in checkpoint::saved(&self.task_dir) {
            match read(&saved, model, fresh()) {
                Ok(state) => return Loaded { state: Some(state), damage },
                Err(message) => damage.push(message),
            }
        }
        Loaded { state: None, damage }
    }

    /// Takes checkpoints that are damaged out of the way of those that will be saved.
    ///
    /// # Errors
    /// When one cannot be renamed.
    pub fn set_damaged_aside(&self) -> Result<(), EngineError> {
        for saved in checkpoint::saved(&self.task_dir) {
            if saved.check().is_ok() {
                break;
            }
            saved.set_aside()?;
        }
        Ok(())
    }
}

/// Reads a checkpoint, and gives the network its weights once all else is known to be sound.
fn read(
    saved: &Saved,
    model: &mut dyn DynClassifier,
    optimizer: ModuleOptimizer,
) -> Result<(ModuleOptimizer, Progress), String> {
    let at =
        |name: &str, error: &dyn std::fmt::Display| format!("{}: {error}", saved.path.join(name).display());
    let [weights, state, progress] = saved.read(FILES)?;
    let progress: Progress = serde_json::from_slice(&progress).map_err(|e| at(FILES[2], &e))?;
    let optimizer = optimizer.from_bytes(Bytes::from_bytes_vec(state)).map_err(|e| at(FILES[1], &e))?;
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(weights)).map_err(|e| at(FILES[0], &e))?;
    model.load_record(record).map_err(|e| at(FILES[0], &e))?;
    Ok((optimizer, progress))
}

/// Where a finished trial has its weights.
#[must_use]
pub fn weights_path(trial_dir: &Path) -> PathBuf {
    trial_dir.join("checkpoint").join("model.safetensors")
}

/// Writes parameters and buffers under torchvision's names. Equal weights give equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor]) -> Result<(), EngineError> {
    use safetensors::tensor::{Dtype, TensorView};
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|t| t.data.iter::<f32>().flat_map(f32::to_le_bytes).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(t, b)| {
            let shape: Vec<usize> = t.data.shape().iter().copied().collect();
            TensorView::new(Dtype::F32, shape, b).map(|v| (t.name.clone(), v))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| failed("write", path, &e))?;
    let file = safetensors::serialize(views, None).map_err(|e| failed("write", path, &e))?;
    store::write_atomic(path, &file)?;
    Ok(())
}

fn failed(action: &str, path: &Path, error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Checkpoint(format!("cannot {action} {}: {error}", path.display()))
}

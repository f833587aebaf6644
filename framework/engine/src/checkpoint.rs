//! Exact resume. The main type is [`Checkpoint`].
//!
//! A checkpoint holds everything the next step depends on: parameters and buffers, optimizer state, epochs done. All
//! other randomness is keyed by (seed, epoch, picture), so a trial that is resumed has the bits of one that was not
//! interrupted.

use crate::EngineError;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use fovea_api::{DynClassifier, NamedTensor};
use fovea_records::{EpochSummary, MetricRow, store};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How far training is, with what the records need of the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// Seconds spent in training, over all attempts.
    pub seconds: f64,
    /// Summaries of the epochs done.
    pub epochs: Vec<EpochSummary>,
    /// Metric rows known so far (training curves, target quality).
    pub rows: Vec<MetricRow>,
}

/// A folder of checkpoints, of which the newest counts.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    dir: PathBuf,
}

const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.json";

impl Checkpoint {
    /// Checkpoints below `dir`, which need not exist.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Folders of checkpoints, also those that a crash left half written or half removed.
    fn folders(&self) -> Vec<PathBuf> {
        let is_one = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("epoch-") || name.starts_with(".epoch-")
        };
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect()
    }

    /// Folder of the newest complete checkpoint.
    fn newest(&self) -> Option<PathBuf> {
        let complete = |path: &PathBuf| {
            path.join(PROGRESS).exists()
                && !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))
        };
        self.folders().into_iter().filter(complete).max()
    }

    /// Whether there is one.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.newest().is_some()
    }

    /// Saves, then removes older ones. The folder appears whole or not at all.
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
        let previous = self.newest();
        let name = format!("epoch-{:05}", progress.epoch);
        let temporary = self.dir.join(format!(".{name}.tmp"));
        let target = self.dir.join(name);
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(|e| failed("remove", &temporary, &e))?;
        }
        let model = model.to_record().into_bytes().map_err(|e| failed("write", &temporary, &e))?;
        let optimizer = optimizer.into_bytes().map_err(|e| failed("write", &temporary, &e))?;
        store::write_atomic(&temporary.join(MODEL), &model)?;
        store::write_atomic(&temporary.join(OPTIMIZER), &optimizer)?;
        store::write_json(&temporary.join(PROGRESS), progress)?;
        if target.exists() {
            fs::remove_dir_all(&target).map_err(|e| failed("remove", &target, &e))?;
        }
        fs::rename(&temporary, &target).map_err(|e| failed("write", &target, &e))?;
        store::sync_dir(&self.dir)?;
        if let Some(previous) = previous.filter(|p| *p != target) {
            fs::remove_dir_all(&previous).map_err(|e| failed("remove", &previous, &e))?;
        }
        let (epoch, bytes) = (progress.epoch, model.len() + optimizer.len());
        tracing::debug!(epoch, bytes, took = ?started.elapsed(), "checkpoint saved");
        Ok(())
    }

    /// Puts the newest checkpoint into `model` and gives back the optimizer and the progress.
    ///
    /// # Errors
    /// When there is none, or it is damaged, or it is of another network.
    pub fn load(
        &self,
        model: &mut dyn DynClassifier,
        optimizer: ModuleOptimizer,
    ) -> Result<(ModuleOptimizer, Progress), EngineError> {
        let dir = self.newest().ok_or_else(|| {
            EngineError::Checkpoint(format!("there is no checkpoint in {}", self.dir.display()))
        })?;
        let progress: Progress = store::read_json(&dir.join(PROGRESS), "progress record")?;
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).map(Bytes::from_bytes_vec).map_err(|e| failed("read", &path, &e))
        };
        let record =
            ModuleRecord::from_bytes(read(MODEL)?).map_err(|e| failed("read", &dir.join(MODEL), &e))?;
        model.load_record(record)?;
        let optimizer =
            optimizer.from_bytes(read(OPTIMIZER)?).map_err(|e| failed("read", &dir.join(OPTIMIZER), &e))?;
        Ok((optimizer, progress))
    }

    /// Removes what only resuming needs.
    ///
    /// # Errors
    /// When a folder cannot be removed.
    pub fn clear(&self) -> Result<(), EngineError> {
        for dir in self.folders() {
            fs::remove_dir_all(&dir).map_err(|e| failed("remove", &dir, &e))?;
        }
        Ok(())
    }
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

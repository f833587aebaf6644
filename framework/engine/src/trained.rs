//! The network of a finished trial. The main type is [`TrainedTrial`].

use crate::{EngineError, checkpoint};
use fovea_plan::TrialConfig;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A finished trial: what was configured, and the weights that came out.
#[derive(Clone, Debug)]
pub struct TrainedTrial {
    /// Its resolved configuration.
    pub config: TrialConfig,
    /// The trained weights under torchvision's names.
    pub weights: PathBuf,
}

impl TrainedTrial {
    /// Reads `trial.toml` in the trial's folder.
    ///
    /// # Errors
    /// When it cannot be read or is of another version of Fovea.
    pub fn open(dir: &Path) -> Result<Self, EngineError> {
        let path = dir.join("trial.toml");
        let config = TrialConfig::read(&path).map_err(|e| {
            EngineError::Checkpoint(format!("{}: {e}; was it written by another version?", path.display()))
        })?;
        Ok(Self { config, weights: checkpoint::weights_path(dir) })
    }

    /// The model's configuration with `weights` set: every model that begins from weights has this key.
    #[must_use]
    pub fn model_config(&self, weights: Option<&Path>) -> Value {
        let mut config = self.config.model.config.clone();
        config["weights"] = weights.map_or(Value::Null, |path| path.to_string_lossy().into());
        config
    }
}

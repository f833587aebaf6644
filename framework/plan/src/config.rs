//! The resolved configuration of one trial: every default filled in, every value checked. The main type is
//! [`TrialConfig`]; the engine reads nothing else.
//!
//! Keys are snake_case, values of enums kebab-case, in TOML and here alike.

use crate::{PluginKind, identity};
use fovea_records::TrialId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

/// A plugin with its configuration resolved: defaults filled in by the plugin itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// Registered name.
    pub name: String,
    /// The plugin's own configuration, all fields present.
    pub config: Value,
    /// What identifies the plugin's behaviour beside its configuration: data fingerprint, weights' hashes, version
    /// of the implementation.
    pub fingerprint: String,
    /// Keys of the configuration that say where files are. The fingerprint says what is in them, so identities leave
    /// these keys out: data may be moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// A value that many trials have in common, kept once. Whoever changes it has a copy of their own from then on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Equal for those that are kept in one place; so equal ones have equal values.
    #[must_use]
    pub fn place(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::serialize(self, serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

/// Everything that determines a trial's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialConfig {
    /// Seed of all randomness of the trial.
    pub seed: u64,
    /// Where pictures come from.
    pub dataset: Shared<PluginConfig>,
    /// How pictures become network input.
    pub input: InputConfig,
    /// Training-time augmentation.
    pub augmentation: AugmentationConfig,
    /// The classifier.
    pub model: Shared<PluginConfig>,
    /// Who says where the object is.
    pub localizer: Shared<PluginConfig>,
    /// How a heatmap becomes a box.
    pub extractor: Shared<PluginConfig>,
    /// The explanation loss.
    pub loss: Shared<PluginConfig>,
    /// How the heatmap is computed in training.
    pub cam: CamConfig,
    /// Schedule and optimizer.
    pub training: TrainingConfig,
    /// What is measured at the end.
    pub evaluation: EvaluationConfig,
}

impl TrialConfig {
    /// The identity of a trial with this configuration. One that was read from TOML lacks the keys that have no value, so its
    /// identity may be another.
    #[must_use]
    pub fn id(&self) -> TrialId {
        identity::trial_id(self)
    }

    /// The plugins, by kind.
    #[must_use]
    pub fn plugins(&self) -> [(PluginKind, &PluginConfig); 5] {
        PluginKind::ALL.map(|kind| (kind, &**self.plugin(kind)))
    }

    /// The plugin of a kind.
    #[must_use]
    pub fn plugin(&self, kind: PluginKind) -> &Shared<PluginConfig> {
        match kind {
            PluginKind::Dataset => &self.dataset,
            PluginKind::Model => &self.model,
            PluginKind::Localizer => &self.localizer,
            PluginKind::Extractor => &self.extractor,
            PluginKind::Loss => &self.loss,
        }
    }

    /// The plugin of a kind, to be changed.
    #[must_use]
    pub fn plugin_mut(&mut self, kind: PluginKind) -> &mut PluginConfig {
        match kind {
            PluginKind::Dataset => &mut self.dataset,
            PluginKind::Model => &mut self.model,
            PluginKind::Localizer => &mut self.localizer,
            PluginKind::Extractor => &mut self.extractor,
            PluginKind::Loss => &mut self.loss,
        }
    }

    /// Reads the `trial.toml` of a trial's folder.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        toml_edit::de::from_str(&text).map_err(|e| e.to_string())
    }
}

/// How pictures become network input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InputConfig {
    /// Height and width of the network input, pixels.
    pub size: usize,
    /// Whether inputs are normalised by ImageNet's mean and standard deviation (after noise, before the network).
    pub normalize: bool,
}

impl Default for InputConfig {
    fn default() -> Self {
        Self { size: 224, normalize: false }
    }
}

/// Training-time augmentation (method.md section 7). Masks and target boxes move with the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentationConfig {
    /// Whether training pictures are augmented at all.
    pub enabled: bool,
    /// Range of the cropped area, as a fraction of the picture.
    pub crop_scale: [f64; 2],
    /// Range of the crop's aspect ratio (width / height).
    pub crop_ratio: [f64; 2],
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// A target box that keeps less than this fraction of its area in the crop is dropped.
    pub min_box_kept: f64,
}

impl Default for AugmentationConfig {
    fn default() -> Self {
        Self { enabled: true, crop_scale: [0.8, 1.0], crop_ratio: [0.75, 1.25], flip: 0.5, min_box_kept: 0.1 }
    }
}

/// Which class the CAM explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetClass {
    /// The class with the largest logit (paper, Fig. 2).
    Predicted,
    /// The true class.
    GroundTruth,
    /// The true class, and only pictures that are classified correctly get an explanation loss.
    GroundTruthIfCorrect,
}

/// How an upsampled CAM is normalised per picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Divide by the maximum.
    Max,
    /// Subtract the minimum, divide by the range.
    Minmax,
    /// Divide by the sum.
    Sum,
    /// Leave as it is.
    None,
}

/// What becomes of a picture whose CAM is zero everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroCam {
    /// It has no explanation loss and is counted as skipped.
    Skip,
    /// Its predicted box is the whole picture (a constant).
    FullBox,
}

/// How the heatmap is computed in training (method.md section 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CamConfig {
    /// Which class it explains.
    pub target_class: TargetClass,
    /// Whether the gradient through alpha is stopped.
    pub detach_alpha: bool,
    /// Normalisation after upsampling.
    pub normalise: Normalisation,
    /// What becomes of all-zero CAMs.
    pub zero_cam: ZeroCam,
}

impl Default for CamConfig {
    fn default() -> Self {
        Self {
            target_class: TargetClass::Predicted,
            detach_alpha: false,
            normalise: Normalisation::Max,
            zero_cam: ZeroCam::Skip,
        }
    }
}

/// Which optimizer, as PyTorch defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam, betas 0.9 and 0.999, epsilon 1e-8.
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// The optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Which one.
    pub name: OptimizerKind,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Momentum (SGD only).
    pub momentum: f64,
    /// L2 penalty added to the gradient, as PyTorch's `weight_decay`.
    pub weight_decay: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { name: OptimizerKind::Adam, learning_rate: 1e-3, momentum: 0.9, weight_decay: 0.0 }
    }
}

/// Course of the learning rate over all steps of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Constant.
    Constant,
    /// Half a cosine from the peak to `final_fraction` of it.
    Cosine,
    /// Multiplied by `gamma` every `step_epochs`.
    Step,
}

/// Course of the learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Shape.
    pub name: ScheduleKind,
    /// Epochs of linear rise from 0 before the shape begins.
    pub rise_epochs: usize,
    /// `cosine`: last learning rate as a fraction of the peak.
    pub final_fraction: f64,
    /// `step`: factor.
    pub gamma: f64,
    /// `step`: epochs between factors.
    pub step_epochs: usize,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            name: ScheduleKind::Constant,
            rise_epochs: 0,
            final_fraction: 0.0,
            gamma: 0.1,
            step_epochs: 30,
        }
    }
}

/// The type in which convolutions and fully connected layers multiply. Weights, optimizer, batch statistics, losses,
/// heatmaps and boxes are f32 always. A trial is evaluated in the precision that it is trained in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// f32. On a GPU with tf32 tensor cores Burn takes these for products of f32 wherever they are faster.
    #[default]
    F32,
    /// tf32 tensor cores: factors with 11 significant bits, sums in f32. Needs a GPU that has them.
    Tf32,
    /// bf16: factors and products with 8 significant bits, sums in f32.
    Bf16,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::F32, Self::Tf32, Self::Bf16];
        let found = known.into_iter().find(|precision| precision.to_string() == text);
        found.ok_or_else(|| format!("unknown precision `{text}`: it is one of f32, tf32, bf16"))
    }
}

/// Schedule and optimizer (method.md section 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Epochs in total, warm-up included.
    pub epochs: usize,
    /// The first epochs are CE only; the rest add the explanation loss.
    pub warmup_epochs: usize,
    /// Pictures a step.
    pub batch_size: usize,
    /// Weight of the cross-entropy (Eq. 9).
    pub alpha: f64,
    /// Weight of the explanation loss (Eq. 9).
    pub beta: f64,
    /// The type in which layers multiply. `f32`, the default, is no part of identities, which are older than this key.
    pub precision: Precision,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Course of the learning rate.
    pub schedule: ScheduleConfig,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 50,
            warmup_epochs: 10,
            batch_size: 64,
            alpha: 1.0,
            beta: 0.5,
            precision: Precision::default(),
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
        }
    }
}

/// What is measured at the end (method.md section 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// Splits on which accuracy is measured; empty: every split of the data set but `train` and `val`.
    pub splits: Vec<String>,
    /// Split on which noise robustness, explanations and the gallery are measured; empty: the last of `splits`.
    pub noise_split: String,
    /// Levels of Gaussian noise, sigma of 255; empty: none.
    pub gaussian: Vec<f64>,
    /// Levels of L2 noise, epsilon; empty: none.
    pub l2: Vec<f64>,
    /// Draws that are averaged per level.
    pub draws: usize,
    /// Noise is measured on at most this many pictures of the split, evenly spread; 0: all.
    pub noise_images: usize,
    /// Pictures that each trial explains for the galleries of the report, which shows some of them; 0: none.
    pub gallery: usize,
    /// Pictures a forward pass.
    pub batch_size: usize,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            splits: Vec::new(),
            noise_split: String::new(),
            gaussian: vec![30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 210.0],
            l2: Vec::new(),
            draws: 3,
            noise_images: 0,
            gallery: 24,
            batch_size: 64,
        }
    }
}

//! The VGGs by name. The main types are [`VggConfig`] and the presets.

use crate::init::Scope;
use crate::options::{Freeze, built, check_positive};
use crate::vgg::{Architecture, CamLayer, Vgg};
use fovea_api::registry::ModelPlugin;
use fovea_api::weights::{
    HeadReplaced, StateDict, WeightsError, check_weights_of, fingerprint_weights, load_state_dict,
};
use fovea_api::{Ahead, BuiltModel, ConfigIssue, Forecast, ModelContext, Plugin, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A VGG with a name: defaults for its configuration.
pub trait VggPreset: Sized + Send + 'static {
    /// Name in experiments.
    const NAME: &'static str;
    /// One line for help and docs.
    const SUMMARY: &'static str;

    /// The defaults.
    fn defaults() -> VggConfig<Self>;
}

/// Configuration of a VGG; defaults are the preset's.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "P: VggPreset")]
#[schemars(bound = "P: VggPreset", rename = "VggConfig")]
pub struct VggConfig<P> {
    /// Output channels of the convolutions of each stage; a 2x2 max pooling ends a stage.
    pub stages: Vec<Vec<usize>>,
    /// Whether every convolution is followed by a batch normalisation.
    pub batch_norm: bool,
    /// Side of the map after adaptive average pooling.
    pub pool: usize,
    /// Widths of the hidden fully connected layers.
    pub hidden: Vec<usize>,
    /// Probability that a hidden unit is dropped in training.
    pub dropout: f64,
    /// Which activations are the CAM layer.
    pub cam_layer: CamLayer,
    /// A torchvision checkpoint (.pth or .safetensors) to begin from.
    pub weights: Option<PathBuf>,
    /// What is not trained.
    pub freeze: Freeze,
    #[serde(skip)]
    preset: PhantomData<fn() -> P>,
}

impl<P: VggPreset> Default for VggConfig<P> {
    fn default() -> Self {
        P::defaults()
    }
}

impl<P> VggConfig<P> {
    /// torchvision's configuration D.
    fn torchvision(batch_norm: bool) -> Self {
        let wide = vec![512; 3];
        Self {
            stages: vec![vec![64; 2], vec![128; 2], vec![256; 3], wide.clone(), wide],
            batch_norm,
            pool: 7,
            hidden: vec![4096, 4096],
            dropout: 0.5,
            cam_layer: CamLayer::LastConv,
            weights: None,
            freeze: Freeze::None,
            preset: PhantomData,
        }
    }

    fn architecture(&self, classes: usize) -> Architecture {
        Architecture {
            stages: self.stages.clone(),
            batch_norm: self.batch_norm,
            pool: self.pool,
            hidden: self.hidden.clone(),
            dropout: self.dropout,
            cam_layer: self.cam_layer,
            classes,
            freeze: self.freeze,
        }
    }

    /// The initialised network with its weights loaded, and whether its head was replaced.
    ///
    /// # Errors
    /// When the weights cannot be read or are not this network's.
    pub fn init(&self, context: &ModelContext) -> Result<(Vgg, Option<HeadReplaced>), WeightsError> {
        let architecture = self.architecture(context.classes);
        let network = Vgg::new(&architecture, &Scope::new(context));
        let Some(weights) = &self.weights else { return Ok((network, None)) };
        let path = context.base_dir.join(weights);
        load_state_dict(network, StateDict::read(&path)?, &Vgg::head_name(&architecture))
            .map_err(|mismatch| WeightsError { path, kind: mismatch.into() })
    }
}

/// The plugin of a preset.
pub struct VggPlugin<P>(PhantomData<P>);

impl<P: VggPreset> Plugin for VggPlugin<P> {
    const NAME: &'static str = P::NAME;
    const PATHS: &'static [&'static str] = &["weights"];
    const SUMMARY: &'static str = P::SUMMARY;
    type Config = VggConfig<P>;

    fn check(config: &Self::Config, base_dir: &Path) -> Vec<ConfigIssue> {
        let empty = config.stages.is_empty() || config.stages.iter().any(Vec::is_empty);
        let certain = !(0.0..1.0).contains(&config.dropout);
        let own = ["features.0.weight", "classifier.0.weight"].map(str::to_owned);
        let mut issues = check_weights_of(config.weights.as_deref(), base_dir, &own);
        issues.extend(empty.then(|| ConfigIssue::at("stages", "every stage needs at least one convolution")));
        issues.extend(check_positive("stages", config.stages.iter().flatten()));
        issues.extend(check_positive("hidden", &config.hidden));
        issues.extend(check_positive("pool", [&config.pool]));
        issues.extend(certain.then(|| ConfigIssue::at("dropout", "must be at least 0 and less than 1")));
        issues
    }

    fn fingerprint(config: &Self::Config, base_dir: &Path) -> Result<String, ConfigIssue> {
        fingerprint_weights(config.weights.as_deref(), base_dir)
    }
}

impl<P: VggPreset> ModelPlugin for VggPlugin<P> {
    fn build(config: Self::Config, context: &ModelContext) -> Result<BuiltModel, PluginError> {
        let error = |message: String| PluginError::new(format!("model {}", P::NAME), message);
        if let Some(issue) = Self::check(&config, &context.base_dir).first() {
            return Err(error(issue.to_string()));
        }
        config.architecture(context.classes).forecast(context.input_size).map_err(error)?;
        built(P::NAME, config.init(context))
    }

    fn forecast(config: Self::Config, ahead: &Ahead<'_>) -> Result<Option<Forecast>, ConfigIssue> {
        config
            .architecture(ahead.classes)
            .forecast(ahead.input_size)
            .map(Some)
            .map_err(|text| ConfigIssue::at("stages", text))
    }
}

/// torchvision's `vgg16`.
#[derive(Debug)]
pub struct Vgg16;

impl VggPreset for Vgg16 {
    const NAME: &'static str = "vgg16";
    const SUMMARY: &'static str = "torchvision's VGG-16, without batch normalisation.";

    fn defaults() -> VggConfig<Self> {
        VggConfig::torchvision(false)
    }
}

/// torchvision's `vgg16_bn`.
#[derive(Debug)]
pub struct Vgg16Bn;

impl VggPreset for Vgg16Bn {
    const NAME: &'static str = "vgg16-bn";
    const SUMMARY: &'static str = "torchvision's VGG-16 with batch normalisation.";

    fn defaults() -> VggConfig<Self> {
        VggConfig::torchvision(true)
    }
}

/// A VGG for 64x64 pictures on a CPU: 0.12 M parameters, an 8x8 CAM layer. With batch normalisation, without which a
/// VGG takes long to begin learning.
#[derive(Debug)]
pub struct VggTiny;

impl VggPreset for VggTiny {
    const NAME: &'static str = "vgg-tiny";
    const SUMMARY: &'static str = "A narrow VGG of four convolutions for 64x64 pictures on a CPU.";

    fn defaults() -> VggConfig<Self> {
        VggConfig {
            stages: vec![vec![16], vec![32], vec![48], vec![64]],
            pool: 4,
            hidden: vec![64, 64],
            ..VggConfig::torchvision(true)
        }
    }
}

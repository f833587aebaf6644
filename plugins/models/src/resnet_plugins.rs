//! The ResNets by name. The main types are [`ResNetConfig`] and the presets.

use crate::init::Scope;
use crate::options::{Freeze, built, check_positive};
use crate::resnet::{Architecture, BlockKind, ResNet};
use fovea_api::registry::ModelPlugin;
use fovea_api::weights::{
    HeadReplaced, StateDict, WeightsError, check_weights_of, fingerprint_weights, load_state_dict,
};
use fovea_api::{Ahead, BuiltModel, ConfigIssue, Forecast, ModelContext, Plugin, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A ResNet with a name: defaults for its configuration.
pub trait ResNetPreset: Sized + Send + 'static {
    /// Name in experiments.
    const NAME: &'static str;
    /// One line for help and docs.
    const SUMMARY: &'static str;

    /// The defaults.
    fn defaults() -> ResNetConfig<Self>;
}

/// Configuration of a ResNet; defaults are the preset's.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "P: ResNetPreset")]
#[schemars(bound = "P: ResNetPreset", rename = "ResNetConfig")]
pub struct ResNetConfig<P> {
    /// The residual block.
    pub block: BlockKind,
    /// Blocks per stage.
    pub layers: [usize; 4],
    /// Planes per stage; a bottleneck's output has four times as many channels.
    pub widths: [usize; 4],
    /// Stride of each stage's first block.
    pub strides: [usize; 4],
    /// Channels of the stem.
    pub stem_width: usize,
    /// Side of the stem's kernel, odd.
    pub stem_kernel: usize,
    /// Stride of the stem's convolution.
    pub stem_stride: usize,
    /// Whether a 3x3 max pooling of stride 2 follows the stem.
    pub stem_pool: bool,
    /// A torchvision checkpoint (.pth or .safetensors) to begin from.
    pub weights: Option<PathBuf>,
    /// What is not trained.
    pub freeze: Freeze,
    #[serde(skip)]
    preset: PhantomData<fn() -> P>,
}

impl<P: ResNetPreset> Default for ResNetConfig<P> {
    fn default() -> Self {
        P::defaults()
    }
}

impl<P> ResNetConfig<P> {
    /// torchvision's stem, widths and strides.
    fn torchvision(block: BlockKind, layers: [usize; 4]) -> Self {
        Self {
            block,
            layers,
            widths: [64, 128, 256, 512],
            strides: [1, 2, 2, 2],
            stem_width: 64,
            stem_kernel: 7,
            stem_stride: 2,
            stem_pool: true,
            weights: None,
            freeze: Freeze::None,
            preset: PhantomData,
        }
    }

    fn architecture(&self, classes: usize) -> Architecture {
        Architecture {
            block: self.block,
            layers: self.layers,
            widths: self.widths,
            strides: self.strides,
            stem_width: self.stem_width,
            stem_kernel: self.stem_kernel,
            stem_stride: self.stem_stride,
            stem_pool: self.stem_pool,
            classes,
            freeze: self.freeze,
        }
    }

    /// The initialised network with its weights loaded, and whether its head was replaced.
    ///
    /// # Errors
    /// When the weights cannot be read or are not this network's.
    pub fn init(&self, context: &ModelContext) -> Result<(ResNet, Option<HeadReplaced>), WeightsError> {
        let network = ResNet::new(&self.architecture(context.classes), &Scope::new(context));
        let Some(weights) = &self.weights else { return Ok((network, None)) };
        let path = context.base_dir.join(weights);
        load_state_dict(network, StateDict::read(&path)?, ResNet::HEAD)
            .map_err(|mismatch| WeightsError { path, kind: mismatch.into() })
    }
}

/// The plugin of a preset.
pub struct ResNetPlugin<P>(PhantomData<P>);

impl<P: ResNetPreset> Plugin for ResNetPlugin<P> {
    const NAME: &'static str = P::NAME;
    const PATHS: &'static [&'static str] = &["weights"];
    const SUMMARY: &'static str = P::SUMMARY;
    type Config = ResNetConfig<P>;

    fn check(config: &Self::Config, base_dir: &Path) -> Vec<ConfigIssue> {
        let even = config.stem_kernel % 2 == 0;
        // The first convolution of each block: more or fewer blocks are another network.
        let blocks = config.layers.iter().enumerate().flat_map(|(stage, blocks)| {
            (0..(*blocks).min(64)).map(move |block| format!("layer{}.{block}.conv1.weight", stage + 1))
        });
        let own: Vec<String> = ["conv1.weight".to_owned()].into_iter().chain(blocks).collect();
        let mut issues = check_weights_of(config.weights.as_deref(), base_dir, &own);
        issues.extend(check_positive("layers", &config.layers));
        issues.extend(check_positive("widths", &config.widths));
        issues.extend(check_positive("strides", &config.strides));
        issues.extend(check_positive("stem_width", [&config.stem_width]));
        issues.extend(check_positive("stem_stride", [&config.stem_stride]));
        issues.extend(even.then(|| ConfigIssue::at("stem_kernel", "must be odd")));
        issues
    }

    fn fingerprint(config: &Self::Config, base_dir: &Path) -> Result<String, ConfigIssue> {
        fingerprint_weights(config.weights.as_deref(), base_dir)
    }
}

impl<P: ResNetPreset> ModelPlugin for ResNetPlugin<P> {
    fn build(config: Self::Config, context: &ModelContext) -> Result<BuiltModel, PluginError> {
        if let Some(issue) = Self::check(&config, &context.base_dir).first() {
            return Err(PluginError::new(format!("model {}", P::NAME), issue.to_string()));
        }
        built(P::NAME, config.init(context))
    }

    fn forecast(config: Self::Config, ahead: &Ahead<'_>) -> Result<Option<Forecast>, ConfigIssue> {
        Ok(Some(config.architecture(ahead.classes).forecast(ahead.input_size)))
    }
}

/// torchvision's `resnet18`.
#[derive(Debug)]
pub struct ResNet18;

impl ResNetPreset for ResNet18 {
    const NAME: &'static str = "resnet18";
    const SUMMARY: &'static str = "torchvision's ResNet-18.";

    fn defaults() -> ResNetConfig<Self> {
        ResNetConfig::torchvision(BlockKind::Basic, [2, 2, 2, 2])
    }
}

/// torchvision's `resnet34`.
#[derive(Debug)]
pub struct ResNet34;

impl ResNetPreset for ResNet34 {
    const NAME: &'static str = "resnet34";
    const SUMMARY: &'static str = "torchvision's ResNet-34.";

    fn defaults() -> ResNetConfig<Self> {
        ResNetConfig::torchvision(BlockKind::Basic, [3, 4, 6, 3])
    }
}

/// torchvision's `resnet50`.
#[derive(Debug)]
pub struct ResNet50;

impl ResNetPreset for ResNet50 {
    const NAME: &'static str = "resnet50";
    const SUMMARY: &'static str = "torchvision's ResNet-50.";

    fn defaults() -> ResNetConfig<Self> {
        ResNetConfig::torchvision(BlockKind::Bottleneck, [3, 4, 6, 3])
    }
}

/// A ResNet for 64x64 pictures on a CPU: 0.12 M parameters, an 8x8 CAM layer.
#[derive(Debug)]
pub struct ResNetTiny;

impl ResNetPreset for ResNetTiny {
    const NAME: &'static str = "resnet-tiny";
    const SUMMARY: &'static str = "A narrow ResNet of four blocks for 64x64 pictures on a CPU.";

    fn defaults() -> ResNetConfig<Self> {
        ResNetConfig {
            widths: [16, 32, 48, 64],
            strides: [1, 2, 1, 1],
            stem_width: 16,
            stem_kernel: 3,
            ..ResNetConfig::torchvision(BlockKind::Basic, [1, 1, 1, 1])
        }
    }
}

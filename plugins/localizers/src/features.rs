//! What `lost` and `tokencut` look at. The main type is [`Features`].

use crate::patches::cnn::ConvFeatures;
use crate::patches::stats::PatchStats;
use crate::patches::vit::{self, VisionTransformer};
use crate::patches::{Discovery, PatchFeatures, PatchLocalizer};
use fovea_api::registry::{BuildContext, LocalizerPlugin};
use fovea_api::weights::{StateDict, check_weights_of, fingerprint_weights};
use fovea_api::{ConfigIssue, Localizer, ModelContext, PluginError, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What describes a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// Keys of the last block of DINO's vision transformer.
    #[default]
    Dino,
    /// Output of `layer4` of a ResNet-50.
    Resnet50,
    /// `relu5_3` of a VGG-16.
    Vgg16,
    /// Colour and gradient orientation, without weights.
    PatchStats,
}

impl Features {
    /// The model whose CAM layer is meant.
    fn model(self) -> Option<&'static str> {
        match self {
            Self::Resnet50 => Some("resnet50"),
            Self::Vgg16 => Some("vgg16"),
            Self::Dino | Self::PatchStats => None,
        }
    }
}

/// The keys that the localizers on descriptors have in common; each repeats them in its own table.
#[derive(Clone, Debug)]
pub(crate) struct FeatureConfig {
    pub(crate) features: Features,
    pub(crate) weights: Option<PathBuf>,
    pub(crate) heads: Option<usize>,
    pub(crate) patch: usize,
    pub(crate) network: Map<String, Value>,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self { features: Features::Dino, weights: None, heads: None, patch: 8, network: Map::new() }
    }
}

impl FeatureConfig {
    /// What types cannot say.
    pub(crate) fn issues(&self, base_dir: &Path) -> Vec<ConfigIssue> {
        let own: Vec<String> = match self.features {
            Features::Dino => vit::OWN.map(str::to_owned).to_vec(),
            _ => Vec::new(),
        };
        let mut issues = check_weights_of(self.weights.as_deref(), base_dir, &own);
        if self.features == Features::PatchStats {
            let given = self.weights.is_some();
            issues.extend(
                given.then(|| ConfigIssue::at("weights", "`patch-stats` has no weights; leave this out")),
            );
        } else if self.weights.is_none() {
            let advice = "missing; name a checkpoint, or set features = \"patch-stats\", which needs none";
            issues.push(ConfigIssue::at("weights", advice));
        }
        issues.extend((self.patch == 0).then(|| ConfigIssue::at("patch", "must be at least 1")));
        issues.extend((self.heads == Some(0)).then(|| ConfigIssue::at("heads", "must be at least 1")));
        let useless = self.features.model().is_none() && !self.network.is_empty();
        issues.extend(
            useless.then(|| ConfigIssue::at("network", "only `resnet50` and `vgg16` have such a table")),
        );
        issues
    }

    pub(crate) fn fingerprint(&self, base_dir: &Path) -> Result<String, ConfigIssue> {
        fingerprint_weights(self.weights.as_deref(), base_dir)
    }

    /// Makes the descriptors.
    fn load(&self, context: &BuildContext) -> Result<Box<dyn PatchFeatures>, String> {
        let device = context.device.clone();
        if let Some(model) = self.features.model() {
            let mut table = self.network.clone();
            table.insert("weights".to_owned(), serde_json::json!(self.weights));
            let model_context = ModelContext {
                classes: 1000,
                input_size: 224,
                seed: 0,
                device: device.clone(),
                precision: Precision::default(),
                base_dir: context.base_dir.clone(),
            };
            let network = context.registry.build_model(model, Value::Object(table), &model_context);
            let network = Mutex::new(network.map_err(|error| error.to_string())?.model);
            return Ok(Box::new(ConvFeatures { network, device }));
        }
        let Some(weights) = &self.weights else {
            return Ok(Box::new(PatchStats { patch: self.patch, device }));
        };
        let path = context.base_dir.join(weights);
        let dict = StateDict::read(&path).map_err(|error| format!("failed to {error}"))?;
        match VisionTransformer::new(dict, self.heads, &device) {
            Ok(network) => Ok(Box::new(network)),
            Err(message) => Err(format!("failed to load weights {}: {message}", path.display())),
        }
    }
}

/// The localizer `P` on the descriptors that `config` says.
pub(crate) fn patch_localizer<P: LocalizerPlugin, D: Discovery + 'static>(
    config: P::Config,
    discovery: D,
    context: &BuildContext,
) -> Result<Box<dyn Localizer>, PluginError>
where
    P::Config: Clone + Into<FeatureConfig>,
{
    let plugin = format!("localizer {}", P::NAME);
    let failed = |message: String| PluginError::new(plugin.clone(), message);
    if let Some(issue) = P::check(&config, &context.base_dir).first() {
        return Err(failed(issue.to_string()));
    }
    let key = key::<P>(&config, &context.base_dir).map_err(|issue| failed(issue.to_string()))?;
    let (features, context): (FeatureConfig, _) = (config.into(), context.clone());
    let load = move || features.load(&context).map_err(|message| PluginError::new(plugin.clone(), message));
    Ok(Box::new(PatchLocalizer::new(discovery, key, Box::new(load))))
}

/// What boxes depend on beside the pixels: name, version, configuration and hash of the weights, wherever they lie.
fn key<P: LocalizerPlugin>(config: &P::Config, base_dir: &Path) -> Result<String, ConfigIssue> {
    let mut text = serde_json::to_value(config).map_err(|e| ConfigIssue::at("", e.to_string()))?;
    if let Some(table) = text.as_object_mut() {
        table.retain(|key, _| !P::PATHS.contains(&key.as_str()));
    }
    Ok(format!("{} v{} {text} {}", P::NAME, P::VERSION, P::fingerprint(config, base_dir)?))
}

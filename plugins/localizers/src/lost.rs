//! LOST (Siméoni et al., BMVC 2021; method.md section 5). The main type is [`Lost`].

use crate::features::{FeatureConfig, Features, patch_localizer};
use crate::patches::{Discovery, Found, PatchBatch, products};
use fovea_api::registry::{BuildContext, LocalizerPlugin, Plugin};
use fovea_api::{ConfigIssue, Localizer, PluginError};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The plugin `lost`: the patches that resemble the least connected one.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

/// Configuration of `lost`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LostConfig {
    /// What describes a patch.
    pub features: Features,
    /// Checkpoint (.pth or .safetensors) of the network: DINO's for `dino`, torchvision's for `resnet50` and `vgg16`.
    pub weights: Option<PathBuf>,
    /// Heads of the vision transformer; default: a head has 64 dimensions, as in DINO's.
    pub heads: Option<usize>,
    /// Side of a patch for `patch-stats`, pixels.
    pub patch: usize,
    /// Keys of the network's own table (`fovea plugin show resnet50`), for checkpoints of another shape.
    pub network: Map<String, Value>,
    /// Patches of lowest degree that may join the seed.
    pub k_patches: usize,
}

impl Default for LostConfig {
    fn default() -> Self {
        let FeatureConfig { features, weights, heads, patch, network } = FeatureConfig::default();
        Self { features, weights, heads, patch, network, k_patches: 100 }
    }
}

impl From<LostConfig> for FeatureConfig {
    fn from(config: LostConfig) -> Self {
        let LostConfig { features, weights, heads, patch, network, .. } = config;
        Self { features, weights, heads, patch, network }
    }
}

impl Plugin for Lost {
    const NAME: &'static str = "lost";
    const SUMMARY: &'static str = "LOST: unsupervised, from DINO's keys or other descriptors of patches.";
    const PATHS: &'static [&'static str] = &["weights"];
    type Config = LostConfig;

    fn check(config: &LostConfig, base_dir: &Path) -> Vec<ConfigIssue> {
        let mut issues = FeatureConfig::from(config.clone()).issues(base_dir);
        issues.extend((config.k_patches == 0).then(|| ConfigIssue::at("k_patches", "must be at least 1")));
        issues
    }

    fn fingerprint(config: &LostConfig, base_dir: &Path) -> Result<String, ConfigIssue> {
        FeatureConfig::from(config.clone()).fingerprint(base_dir)
    }
}

impl LocalizerPlugin for Lost {
    fn build(config: LostConfig, context: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        let discovery = Expansion { k_patches: config.k_patches };
        patch_localizer::<Self, _>(config, discovery, context)
    }
}

/// Seed and expansion.
struct Expansion {
    k_patches: usize,
}

impl Discovery for Expansion {
    fn discover(&self, batch: PatchBatch) -> Vec<Option<Found>> {
        let similarities = products(batch.features);
        similarities.into_par_iter().map(|similarity| expand(&similarity, self.k_patches)).collect()
    }
}

/// Number of other patches to which a patch is similar (`S > 0`).
pub(crate) fn degrees(similarity: &[f32], patches: usize) -> Vec<usize> {
    let rows = similarity.chunks_exact(patches).enumerate();
    rows.map(|(p, row)| row.iter().filter(|&&s| s > 0.0).count() - usize::from(row[p] > 0.0)).collect()
}

/// The seed is the patch of lowest degree. Of the `k_patches` patches of lowest degree, those similar to the seed join
/// it; foreground is what resembles them in sum. Ties of degree go to the lower index.
pub(crate) fn expand(similarity: &[f32], k_patches: usize) -> Option<Found> {
    let patches = similarity.len().isqrt();
    let degrees = degrees(similarity, patches);
    let mut order: Vec<usize> = (0..patches).collect();
    order.sort_by_key(|&p| (degrees[p], p));
    let seed = *order.first()?;
    let row = |p: usize| &similarity[p * patches..(p + 1) * patches];
    let mut sum = vec![0.0f32; patches];
    for &potential in order.iter().take(k_patches).filter(|&&p| row(seed)[p] > 0.0) {
        sum.iter_mut().zip(row(potential)).for_each(|(sum, s)| *sum += s);
    }
    Some(Found { seed, foreground: sum.into_iter().map(|s| s > 0.0).collect() })
}

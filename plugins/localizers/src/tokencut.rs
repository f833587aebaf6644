//! TokenCut (Wang et al., CVPR 2022). The main type is [`TokenCut`].

use crate::features::{FeatureConfig, Features, patch_localizer};
use crate::patches::{Discovery, Found, PatchBatch, products};
use fovea_api::registry::{BuildContext, LocalizerPlugin, Plugin};
use fovea_api::{ConfigIssue, Localizer, PluginError};
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The plugin `tokencut`: the normalised cut of the graph of similar patches.
#[derive(Clone, Copy, Debug)]
pub struct TokenCut;

/// Configuration of `tokencut`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenCutConfig {
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
    /// Patches whose cosine is above this are joined by an edge of weight 1, others by one of 1e-5.
    pub tau: f32,
}

impl Default for TokenCutConfig {
    fn default() -> Self {
        let FeatureConfig { features, weights, heads, patch, network } = FeatureConfig::default();
        Self { features, weights, heads, patch, network, tau: 0.2 }
    }
}

impl From<TokenCutConfig> for FeatureConfig {
    fn from(config: TokenCutConfig) -> Self {
        let TokenCutConfig { features, weights, heads, patch, network, .. } = config;
        Self { features, weights, heads, patch, network }
    }
}

impl Plugin for TokenCut {
    const NAME: &'static str = "tokencut";
    const SUMMARY: &'static str = "TokenCut: the normalised cut of the graph of similar patches.";
    const PATHS: &'static [&'static str] = &["weights"];
    type Config = TokenCutConfig;

    fn check(config: &TokenCutConfig, base_dir: &Path) -> Vec<ConfigIssue> {
        FeatureConfig::from(config.clone()).issues(base_dir)
    }

    fn fingerprint(config: &TokenCutConfig, base_dir: &Path) -> Result<String, ConfigIssue> {
        FeatureConfig::from(config.clone()).fingerprint(base_dir)
    }
}

impl LocalizerPlugin for TokenCut {
    fn build(config: TokenCutConfig, context: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        let discovery = NormalisedCut { tau: config.tau };
        patch_localizer::<Self, _>(config, discovery, context)
    }
}

/// Weight of an edge between patches that are not similar: it keeps the graph connected.
const FAINT: f64 = 1e-5;

struct NormalisedCut {
    tau: f32,
}

impl Discovery for NormalisedCut {
    fn discover(&self, batch: PatchBatch) -> Vec<Option<Found>> {
        // PyTorch's `normalize` divides by at least 1e-12.
        let length = batch.features.clone().square().sum_dim(2).sqrt().clamp_min(1e-12);
        let cosines = products(batch.features / length);
        cosines.into_par_iter().map(|cosines| cut(&cosines, self.tau)).collect()
    }
}

/// Splits the graph at the mean of its second smallest generalised eigenvector; the object's side is the one of the
/// entry with the largest absolute value, which is the seed.
pub(crate) fn cut(cosines: &[f32], tau: f32) -> Option<Found> {
    let patches = cosines.len().isqrt();
    let vector = second_eigenvector(cosines, tau, patches)?;
    let mean = vector.mean();
    let side: Vec<bool> = vector.iter().map(|&entry| entry > mean).collect();
    let seed = (0..patches).reduce(|best, p| if vector[p].abs() > vector[best].abs() { p } else { best })?;
    Some(Found { seed, foreground: side.iter().map(|&s| s == side[seed]).collect() })
}

/// The eigenvector `y` of `(D - A) y = l D y` with the second smallest `l`, where `A` are the edges and `D` their sums:
/// with `y = D^-1/2 z`, `z` is the eigenvector of `D^-1/2 A D^-1/2` with the second largest eigenvalue.
fn second_eigenvector(cosines: &[f32], tau: f32, patches: usize) -> Option<DVector<f64>> {
    if patches < 2 {
        return None;
    }
    let edges = DMatrix::from_row_iterator(
        patches,
        patches,
        cosines.iter().map(|&cosine| if cosine > tau { 1.0 } else { FAINT }),
    );
    let scale = DVector::from_iterator(patches, edges.row_iter().map(|row| row.sum().sqrt().recip()));
    let normalised = DMatrix::from_fn(patches, patches, |i, j| scale[i] * edges[(i, j)] * scale[j]);
    let eigen = normalised.symmetric_eigen();
    let mut order: Vec<usize> = (0..patches).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]).then(a.cmp(&b)));
    Some(eigen.eigenvectors.column(order[1]).component_mul(&scale))
}

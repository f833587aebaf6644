//! DINO-seg: where the class token of DINO looks (Caron et al., ICCV 2021; LOST's baseline). The main type is
//! [`DinoSeg`].

use crate::features::{FeatureConfig, patch_localizer};
use crate::patches::{Discovery, Found, Grid, PatchBatch, component, values};
use fovea_api::registry::{BuildContext, LocalizerPlugin, Plugin};
use fovea_api::{ConfigIssue, Localizer, PluginError};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The plugin `dino-seg`: the largest part of what one head of the class token attends to.
#[derive(Clone, Copy, Debug)]
pub struct DinoSeg;

/// Configuration of `dino-seg`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DinoSegConfig {
    /// DINO's checkpoint (.pth or .safetensors).
    pub weights: Option<PathBuf>,
    /// Heads of the vision transformer; default: a head has 64 dimensions, as in DINO's.
    pub heads: Option<usize>,
    /// The head that is looked at, counted from 0.
    pub head: usize,
    /// Part of the attention that is kept, above 0 and below 1.
    pub mass: f64,
}

impl Default for DinoSegConfig {
    fn default() -> Self {
        Self { weights: None, heads: None, head: 4, mass: 0.6 }
    }
}

impl From<DinoSegConfig> for FeatureConfig {
    fn from(config: DinoSegConfig) -> Self {
        let DinoSegConfig { weights, heads, .. } = config;
        Self { weights, heads, ..Self::default() }
    }
}

impl Plugin for DinoSeg {
    const NAME: &'static str = "dino-seg";
    const SUMMARY: &'static str = "DINO-seg: what one head of DINO's class token attends to.";
    const PATHS: &'static [&'static str] = &["weights"];
    type Config = DinoSegConfig;

    fn check(config: &DinoSegConfig, base_dir: &Path) -> Vec<ConfigIssue> {
        let mut issues = FeatureConfig::from(config.clone()).issues(base_dir);
        let mass = config.mass;
        let issue = || ConfigIssue::at("mass", format!("{mass} is not above 0 and below 1"));
        issues.extend((!(mass > 0.0 && mass < 1.0)).then(issue));
        let beyond = config.heads.is_some_and(|heads| config.head >= heads);
        issues.extend(beyond.then(|| ConfigIssue::at("head", "heads are counted from 0")));
        issues
    }

    fn fingerprint(config: &DinoSegConfig, base_dir: &Path) -> Result<String, ConfigIssue> {
        FeatureConfig::from(config.clone()).fingerprint(base_dir)
    }
}

impl LocalizerPlugin for DinoSeg {
    fn build(config: DinoSegConfig, context: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        let discovery = Attention { heads: config.heads, head: config.head, mass: config.mass };
        patch_localizer::<Self, _>(config, discovery, context)
    }
}

struct Attention {
    heads: Option<usize>,
    head: usize,
    mass: f64,
}

impl Discovery for Attention {
    /// The class token attends to patches by the softmax of `q . k / sqrt(d)`; only proportions among patches matter.
    fn discover(&self, batch: PatchBatch) -> Vec<Option<Found>> {
        let [n, patches, d] = batch.features.dims();
        let width = d / self.heads.unwrap_or(d / 64).max(1);
        let Some(query) = batch.class_query.filter(|_| (self.head + 1) * width <= d) else {
            return vec![None; n];
        };
        let part = self.head * width..(self.head + 1) * width;
        let keys = batch.features.slice([0..n, 0..patches, part.clone()]);
        let query = query.slice([0..n, part]).reshape([n, width, 1]);
        let scores = values(keys.matmul(query) / (width as f64).sqrt());
        scores
            .par_chunks_exact(patches.max(1))
            .map(|scores| attended(scores, self.mass, batch.grid))
            .collect()
    }
}

/// The patches with the highest attention that hold `mass` of it; the seed is one of their largest component.
fn attended(scores: &[f32], mass: f64, grid: Grid) -> Option<Found> {
    let highest = scores.iter().copied().reduce(f32::max)?;
    let attention: Vec<f64> = scores.iter().map(|s| f64::from(s - highest).exp()).collect();
    let total: f64 = attention.iter().sum();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| attention[a].total_cmp(&attention[b]).then(a.cmp(&b)));
    let mut foreground = vec![false; scores.len()];
    let mut below = 0.0;
    for patch in order {
        below += attention[patch] / total;
        foreground[patch] = below > 1.0 - mass;
    }
    largest_component(foreground, grid)
}

/// Takes the first patch of the largest component for the seed; of several the one that comes first.
fn largest_component(foreground: Vec<bool>, grid: Grid) -> Option<Found> {
    let mut seen = vec![false; foreground.len()];
    let mut found = Found { seed: 0, foreground };
    let mut best = None;
    for seed in 0..seen.len() {
        found.seed = seed;
        let Some(patches) = (!seen[seed]).then(|| component(&found, grid)).flatten() else { continue };
        let size = patches.iter().filter(|&&inside| inside).count();
        seen.iter_mut().zip(patches).for_each(|(seen, inside)| *seen |= inside);
        if best.is_none_or(|(largest, _)| size > largest) {
            best = Some((size, seed));
        }
    }
    let (_, seed) = best?;
    Some(Found { seed, ..found })
}

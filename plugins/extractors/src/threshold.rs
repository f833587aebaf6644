//! The box extractor of the paper, with a choice of gradients. The main type is [`Threshold`].

use crate::component::{self, Connectivity, Keep, Rule};
use crate::{moments, soft};
use burn::tensor::{Bool, Tensor, TensorData};
use fovea_api::registry::ExtractorPlugin;
use fovea_api::{BBox, BoxExtractor, Boxes, BuildContext, ConfigIssue, HeatmapView, Plugin, PluginError};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a loss on boxes reaches the heatmap: the hard box has a zero gradient almost everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gradient {
    /// Value of the hard box, gradient of the soft box.
    #[default]
    StraightThrough,
    /// Value and gradient of the soft box.
    Soft,
    /// Centre of mass +- sqrt(3) * standard deviation of the whole heatmap.
    Moments,
    /// The hard box as a constant: the negative control.
    None,
}

/// Configuration of [`Threshold`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ThresholdConfig {
    /// T (Eq. 3): a pixel is in when the normalised heatmap exceeds it, strictly.
    pub threshold: f64,
    /// How the box is differentiated.
    pub gradient: Gradient,
    /// Softness of the soft box, in units of the heatmap.
    pub tau: f64,
    /// Neighbourhood in a component: 4 or 8.
    pub connectivity: Connectivity,
    /// Which component makes the box.
    pub keep: Keep,
}

impl Default for ThresholdConfig {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            gradient: Gradient::default(),
            tau: 0.05,
            connectivity: Connectivity::default(),
            keep: Keep::default(),
        }
    }
}

/// `threshold`: the tight box of a connected component above a threshold (Eq. 3 and section 3.2).
///
/// A picture has no box when no pixel exceeds the threshold (an all-zero heatmap, or one whose normalisation leaves
/// its maximum below T) or when a value is not finite; the engine counts such pictures, and a diverged network is
/// seen in its cross-entropy.
#[derive(Clone, Copy, Debug)]
pub struct Threshold;

impl Plugin for Threshold {
    const NAME: &'static str = "threshold";
    const SUMMARY: &'static str = "Tight box of the connected component above a threshold.";
    type Config = ThresholdConfig;

    fn check(config: &ThresholdConfig, _: &Path) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        if !(config.threshold.is_finite() && config.threshold >= 0.0) {
            let message = format!("the threshold is 0 or more, not {}", config.threshold);
            issues.push(ConfigIssue {
                suggestion: Some("0.5".into()),
                ..ConfigIssue::at("threshold", message)
            });
        }
        if !(1e-4..=1e4).contains(&config.tau) {
            let message = format!("tau is between 0.0001 and 10000, not {}", config.tau);
            issues.push(ConfigIssue { suggestion: Some("0.05".into()), ..ConfigIssue::at("tau", message) });
        }
        issues
    }
}

impl ExtractorPlugin for Threshold {
    fn build(config: ThresholdConfig, _: &BuildContext) -> Result<Box<dyn BoxExtractor>, PluginError> {
        Ok(Box::new(ThresholdExtractor { config }))
    }
}

/// The extractor itself.
struct ThresholdExtractor {
    config: ThresholdConfig,
}

impl ThresholdExtractor {
    fn rule(&self) -> Rule {
        Rule {
            threshold: self.config.threshold as f32,
            connectivity: self.config.connectivity,
            keep: self.config.keep,
        }
    }
}

fn error(message: String) -> PluginError {
    PluginError::new("extractor threshold", message)
}

impl BoxExtractor for ThresholdExtractor {
    fn hard(&self, heatmaps: &[HeatmapView<'_>]) -> Result<Vec<Option<BBox>>, PluginError> {
        for (i, map) in heatmaps.iter().enumerate() {
            if map.values.len() != map.height * map.width {
                let (h, w, n) = (map.height, map.width, map.values.len());
                return Err(error(format!("heatmap {i} is said to be {h} x {w} but has {n} values")));
            }
        }
        let rule = self.rule();
        let find = |labels: &mut Vec<u8>, map: &HeatmapView<'_>| {
            labels.resize(map.values.len(), component::BELOW);
            component::find(*map, rule, labels)
        };
        Ok(heatmaps.par_iter().map_init(Vec::new, find).collect())
    }

    fn extract(&self, heatmaps: Tensor<3>) -> Result<Boxes, PluginError> {
        let [n, height, width] = heatmaps.dims();
        let (device, dtype, pixels) = (heatmaps.device(), heatmaps.dtype(), height * width);
        if n * pixels == 0 {
            let hard = Tensor::zeros([n, 4], (&device, dtype));
            return Ok(Boxes { hard: hard.clone(), differentiable: hard, valid: vec![false; n] });
        }
        let values: Vec<f32> = heatmaps
            .clone()
            .detach()
            .try_into_vec_as()
            .map_err(|e| error(format!("the heatmaps cannot be read from the device: {e}")))?;

        let rule = self.rule();
        let mut labels = vec![component::BELOW; n * pixels];
        let found: Vec<Option<BBox>> = values
            .par_chunks(pixels)
            .zip(labels.par_chunks_mut(pixels))
            .map(|(values, labels)| component::find(HeatmapView { height, width, values }, rule, labels))
            .collect();
        let valid: Vec<bool> = found.iter().map(Option::is_some).collect();
        let edges: Vec<f32> = found.iter().flat_map(|b| b.map_or([0.0; 4], |b| b.to_array())).collect();
        let hard = Tensor::<2>::from_data(TensorData::new(edges, [n, 4]), (&device, dtype));

        let differentiable = match self.config.gradient {
            Gradient::None => hard.clone(),
            Gradient::Moments => {
                let boxes = moments::moment_boxes(without(heatmaps, &valid));
                without(boxes, &valid)
            }
            Gradient::Soft | Gradient::StraightThrough => {
                let mut excluded: Vec<bool> = labels.iter().map(|&l| l == component::OTHER).collect();
                for (excluded, _) in excluded.chunks_mut(pixels).zip(&valid).filter(|(_, v)| !**v) {
                    excluded.fill(true);
                }
                let data = TensorData::new(excluded, [n, height, width]);
                let excluded = Tensor::<3, Bool>::from_data(data, &device);
                let boxes = soft::soft_boxes(heatmaps, excluded, self.config.threshold, self.config.tau);
                if self.config.gradient == Gradient::Soft {
                    without(boxes, &valid)
                } else {
                    // The difference of equal finite numbers is exactly 0, so the value is the hard box bit for bit.
                    hard.clone() + (boxes.clone() - boxes.detach())
                }
            }
        };
        Ok(Boxes { hard, differentiable, valid })
    }
}

/// Zero values and zero gradient for pictures that are not valid.
///
/// # Shapes
/// - `batch`: `[N, ..]`, `valid`: N.
fn without<const D: usize>(batch: Tensor<D>, valid: &[bool]) -> Tensor<D> {
    if valid.iter().all(|v| *v) {
        return batch;
    }
    let mut shape = [1; D];
    shape[0] = valid.len();
    let skipped: Vec<bool> = valid.iter().map(|v| !v).collect();
    let skipped = Tensor::<D, Bool>::from_data(TensorData::new(skipped, shape), &batch.device());
    let skipped = skipped.expand(batch.dims());
    batch.mask_fill(skipped, 0.0)
}

#[cfg(test)]
#[path = "threshold_tests.rs"]
mod tests;

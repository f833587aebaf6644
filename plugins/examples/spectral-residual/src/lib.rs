//! Spectral residual saliency (Hou and Zhang 2007, "Saliency Detection: A Spectral Residual Approach") as a localizer
//! without weights. The main type is [`SpectralResidual`].
//!
//! The log amplitude of a picture's spectrum is smooth but for what is particular to the picture. So: a small grey
//! picture, its spectrum, the log amplitude less its own average over 3 x 3 frequencies, and back to the picture with
//! the old phase. What stands out there is the object: the box is that of the connected part with the most saliency.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod fourier;
mod saliency;

use fovea_abi::{BBox, Context, Error, Image, Issue, Localization, Localizer, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Configuration of [`SpectralResidual`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpectralResidualConfig {
    /// Side of the small picture: 16, 32, 64, 128 or 256 pixels. It is the scale at which objects stand out.
    pub size: usize,
    /// Standard deviation of the blur of the saliency map, pixels of the small picture.
    pub sigma: f64,
    /// A pixel is salient from this many times the mean saliency.
    pub threshold: f64,
}

impl Default for SpectralResidualConfig {
    fn default() -> Self {
        // The paper's blur of 2.5 pixels and 3 times the mean find parts of objects rather than objects.
        Self { size: 64, sigma: 1.0, threshold: 1.0 }
    }
}

/// The localizer.
#[derive(Debug)]
pub struct SpectralResidual {
    config: SpectralResidualConfig,
}

impl Plugin for SpectralResidual {
    const NAME: &'static str = "spectral-residual";
    const SUMMARY: &'static str = "Spectral residual saliency (Hou and Zhang 2007), no weights.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = SpectralResidualConfig;

    fn check(config: &SpectralResidualConfig, _: &Path) -> Vec<Issue> {
        let mut issues = Vec::new();
        if !(config.size.is_power_of_two() && (16..=256).contains(&config.size)) {
            let message = format!("the size is 16, 32, 64, 128 or 256, not {}", config.size);
            issues.push(Issue::at("size", message).instead("64"));
        }
        if !(0.0..=64.0).contains(&config.sigma) {
            let message = format!("sigma is between 0 and 64, not {}", config.sigma);
            issues.push(Issue::at("sigma", message).instead("1.0"));
        }
        if !(config.threshold > 0.0 && config.threshold.is_finite()) {
            let message = format!("the threshold is greater than 0, not {}", config.threshold);
            issues.push(Issue::at("threshold", message).instead("1.0"));
        }
        issues
    }

    fn new(config: SpectralResidualConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Localizer for SpectralResidual {
    fn locate(&mut self, image: &Image<'_>) -> Result<Option<Localization>, Error> {
        let n = self.config.size;
        let (width, height) = (image.width(), image.height());
        if width * height == 0 {
            return Ok(None);
        }
        let Some(map) = saliency::map(&saliency::small(image, n), n, self.config.sigma) else {
            return Ok(None);
        };
        let mean = map.iter().sum::<f64>() / map.len() as f64;
        let Some(part) = saliency::most_salient(&map, n, self.config.threshold * mean) else {
            return Ok(None);
        };
        // Cells of the small picture are fractions of the picture; `n` is a power of two, so the last one is exact.
        let to = |cell: usize, length: usize| (cell * length) as f32 / n as f32;
        let [x1, y1, x2, y2] = part.cells;
        let bbox = BBox::new(to(x1, width), to(y1, height), to(x2, width), to(y2, height));
        Ok(Some(Localization { confidence: part.share as f32, ..Localization::certain(bbox) }))
    }
}

fovea_abi::plugins! { localizer SpectralResidual }

#[cfg(test)]
mod tests;

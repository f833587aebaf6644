//! A control that knows nothing. The main type is [`RandomBox`].

use fovea_api::registry::{BuildContext, LocalizerPlugin, Plugin};
use fovea_api::{BBox, ConfigIssue, ImageView, Key, Localization, Localizer, PluginError};
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The plugin `random-box`: a random box for every picture, the same whenever it is asked.
#[derive(Clone, Copy, Debug)]
pub struct RandomBox;

/// Configuration of `random-box`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomBoxConfig {
    /// Seed of the boxes.
    pub seed: u64,
    /// Smallest part of each side that the box takes.
    pub min_fraction: f64,
    /// Largest part of each side that the box takes.
    pub max_fraction: f64,
}

impl Default for RandomBoxConfig {
    fn default() -> Self {
        Self { seed: 0, min_fraction: 0.2, max_fraction: 0.8 }
    }
}

impl Plugin for RandomBox {
    const NAME: &'static str = "random-box";
    const SUMMARY: &'static str = "Control: a random box for every picture.";
    type Config = RandomBoxConfig;

    fn check(config: &RandomBoxConfig, _: &Path) -> Vec<ConfigIssue> {
        let (low, high) = (config.min_fraction, config.max_fraction);
        if low > 0.0 && low <= high && high <= 1.0 {
            return Vec::new();
        }
        let message = format!("{low} to {high} is not a range with 0 < min_fraction <= max_fraction <= 1");
        vec![ConfigIssue::at("min_fraction", message)]
    }
}

impl LocalizerPlugin for RandomBox {
    fn build(config: RandomBoxConfig, _: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        Ok(Box::new(Random(config)))
    }
}

struct Random(RandomBoxConfig);

impl Localizer for Random {
    fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        let Self(config) = self;
        let (low, high) = (config.min_fraction as f32, config.max_fraction as f32);
        let key = Key::new(config.seed).purpose("random-box");
        let answer = |view: &ImageView<'_>| {
            let mut rng = key.purpose(view.split).index(view.index).rng();
            // One side: a part of it, anywhere along it.
            let mut interval = |side: usize| {
                let side = side as f32;
                let part = low + (high - low) * rng.random::<f32>();
                let start = (1.0 - part) * rng.random::<f32>();
                (start * side, ((start + part) * side).min(side))
            };
            let (x1, x2) = interval(view.image.width);
            let (y1, y2) = interval(view.image.height);
            Some(Localization::certain(BBox::new(x1, y1, x2, y2)))
        };
        Ok(images.iter().map(answer).collect())
    }
}

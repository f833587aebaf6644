//! Controls that look at nothing but the picture's size. The main types are [`FullImage`] and [`CenterBox`].

use fovea_api::registry::{BuildContext, LocalizerPlugin, Plugin};
use fovea_api::{BBox, ConfigIssue, ImageView, Localization, Localizer, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The plugin `full-image`: the whole picture.
#[derive(Clone, Copy, Debug)]
pub struct FullImage;

/// Configuration of `full-image`: nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullImageConfig {}

impl Plugin for FullImage {
    const NAME: &'static str = "full-image";
    const SUMMARY: &'static str = "Control: the whole picture.";
    type Config = FullImageConfig;
}

impl LocalizerPlugin for FullImage {
    fn build(_: FullImageConfig, _: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        Ok(Box::new(Centered { fraction: 1.0 }))
    }
}

/// The plugin `center-box`: a box around the centre.
#[derive(Clone, Copy, Debug)]
pub struct CenterBox;

/// Configuration of `center-box`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CenterBoxConfig {
    /// Part of each side that the box takes, above 0 and at most 1.
    pub fraction: f64,
}

impl Default for CenterBoxConfig {
    fn default() -> Self {
        Self { fraction: 0.5 }
    }
}

impl Plugin for CenterBox {
    const NAME: &'static str = "center-box";
    const SUMMARY: &'static str = "Control: a box around the centre.";
    type Config = CenterBoxConfig;

    fn check(config: &CenterBoxConfig, _: &Path) -> Vec<ConfigIssue> {
        let fraction = config.fraction;
        if fraction > 0.0 && fraction <= 1.0 {
            return Vec::new();
        }
        vec![ConfigIssue::at("fraction", format!("{fraction} is not above 0 and at most 1"))]
    }
}

impl LocalizerPlugin for CenterBox {
    fn build(config: CenterBoxConfig, _: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        Ok(Box::new(Centered { fraction: config.fraction as f32 }))
    }
}

struct Centered {
    fraction: f32,
}

impl Localizer for Centered {
    fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        let answer = |view: &ImageView<'_>| {
            let (width, height) = (view.image.width as f32, view.image.height as f32);
            let margin = 0.5 * (1.0 - self.fraction);
            let (dx, dy) = (margin * width, margin * height);
            Some(Localization::certain(BBox::new(dx, dy, width - dx, height - dy)))
        };
        Ok(images.iter().map(answer).collect())
    }
}

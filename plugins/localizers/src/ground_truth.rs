//! The truth. The main type is [`GroundTruth`].

use fovea_api::registry::{BuildContext, LocalizerPlugin, Plugin};
use fovea_api::{ImageView, Localization, Localizer, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The plugin `ground-truth`: the tight box of the true mask, and the mask; nothing for a picture without one.
#[derive(Clone, Copy, Debug)]
pub struct GroundTruth;

/// Configuration of `ground-truth`: nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroundTruthConfig {}

impl Plugin for GroundTruth {
    const NAME: &'static str = "ground-truth";
    const SUMMARY: &'static str = "The tight box of the true mask.";
    type Config = GroundTruthConfig;
}

impl LocalizerPlugin for GroundTruth {
    fn build(_: GroundTruthConfig, _: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        Ok(Box::new(Self))
    }
}

impl Localizer for GroundTruth {
    fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        let answer = |view: &ImageView<'_>| {
            let mask = view.mask?;
            Some(Localization { mask: Some(mask.clone()), ..Localization::certain(mask.tight_box()?) })
        };
        Ok(images.iter().map(answer).collect())
    }
}

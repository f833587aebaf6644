//! The baseline: no explanation loss. The main type is [`NoLoss`].

use burn::tensor::Tensor;
use fovea_api::registry::LossPlugin;
use fovea_api::{BuildContext, Explanation, ExplanationLoss, LossInputs, Plugin, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration of a loss that has nothing to configure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// `none`: training is cross-entropy only.
#[derive(Clone, Copy, Debug)]
pub struct NoLoss;

impl Plugin for NoLoss {
    const NAME: &'static str = "none";
    const SUMMARY: &'static str = "No explanation loss: cross-entropy only, the baseline.";
    type Config = NoConfig;
}

impl LossPlugin for NoLoss {
    fn build(_: NoConfig, _: &BuildContext) -> Result<Box<dyn ExplanationLoss>, PluginError> {
        Ok(Box::new(Self))
    }
}

impl ExplanationLoss for NoLoss {
    fn inputs(&self) -> LossInputs {
        LossInputs::Nothing
    }

    /// Zeros: `[N]`.
    fn loss(&self, explanation: &Explanation) -> Result<Tensor<1>, PluginError> {
        let heatmaps = &explanation.heatmaps;
        Ok(Tensor::zeros([heatmaps.dims()[0]], (&heatmaps.device(), heatmaps.dtype())))
    }
}

//! Losses on the heatmap itself. The main types are [`Energy`] and [`Outside`].

use crate::{NoConfig, functions};
use burn::tensor::Tensor;
use fovea_api::registry::LossPlugin;
use fovea_api::{BuildContext, Explanation, ExplanationLoss, LossInputs, Plugin, PluginError};

/// `energy`: the part of the heatmap's mass that is off the target box.
#[derive(Clone, Copy, Debug)]
pub struct Energy;

/// `outside`: the mean squared heatmap off the target box.
#[derive(Clone, Copy, Debug)]
pub struct Outside;

impl Plugin for Energy {
    const NAME: &'static str = "energy";
    const SUMMARY: &'static str = "1 - (heatmap mass in the target box) / (all of it).";
    type Config = NoConfig;
}

impl Plugin for Outside {
    const NAME: &'static str = "outside";
    const SUMMARY: &'static str =
        "Mean squared heatmap outside the target box (right for the right reasons).";
    type Config = NoConfig;
}

impl LossPlugin for Energy {
    fn build(_: NoConfig, _: &BuildContext) -> Result<Box<dyn ExplanationLoss>, PluginError> {
        Ok(Box::new(HeatmapLoss(functions::energy)))
    }
}

impl LossPlugin for Outside {
    fn build(_: NoConfig, _: &BuildContext) -> Result<Box<dyn ExplanationLoss>, PluginError> {
        Ok(Box::new(HeatmapLoss(functions::outside)))
    }
}

/// A loss of heatmaps and target boxes.
struct HeatmapLoss(fn(Tensor<3>, Tensor<2>) -> Tensor<1>);

impl ExplanationLoss for HeatmapLoss {
    fn inputs(&self) -> LossInputs {
        LossInputs::Heatmaps
    }

    fn loss(&self, explanation: &Explanation) -> Result<Tensor<1>, PluginError> {
        Ok((self.0)(explanation.heatmaps.clone(), explanation.targets.clone()))
    }
}

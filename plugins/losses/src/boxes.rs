//! Losses that compare the predicted box with the target box. The main types are [`Ria`], the paper's loss, and
//! [`BoxLossConfig`].

use crate::functions::{self, DiagonalUnit};
use burn::tensor::Tensor;
use fovea_api::registry::LossPlugin;
use fovea_api::{BuildContext, ConfigIssue, Explanation, ExplanationLoss, LossInputs, Plugin, PluginError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Configuration of the box losses: the diagonal penalty (Eq. 7) may be added to any of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BoxLossConfig {
    /// Weight of the predicted box's diagonal; 0 leaves the penalty out.
    pub lambda: f64,
    /// What the diagonal is measured in.
    pub diagonal: DiagonalUnit,
}

/// Configuration of [`Ria`]: as [`BoxLossConfig`], with the paper's lambda.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RiaConfig {
    /// Weight of the predicted box's diagonal.
    pub lambda: f64,
    /// What the diagonal is measured in.
    pub diagonal: DiagonalUnit,
}

impl Default for RiaConfig {
    fn default() -> Self {
        Self { lambda: 0.1, diagonal: DiagonalUnit::default() }
    }
}

impl From<RiaConfig> for BoxLossConfig {
    fn from(config: RiaConfig) -> Self {
        Self { lambda: config.lambda, diagonal: config.diagonal }
    }
}

fn check_lambda(lambda: f64) -> Vec<ConfigIssue> {
    if lambda.is_finite() && lambda >= 0.0 {
        return Vec::new();
    }
    let mut issue =
        ConfigIssue::at("lambda", format!("the weight of the penalty is 0 or more, not {lambda}"));
    issue.suggestion = Some("0.1".to_owned());
    vec![issue]
}

type Function = fn(Tensor<2>, Tensor<2>) -> Tensor<1>;

/// A loss of two boxes with the diagonal penalty.
struct BoxLoss {
    plugin: &'static str,
    function: Function,
    config: BoxLossConfig,
}

impl ExplanationLoss for BoxLoss {
    fn inputs(&self) -> LossInputs {
        LossInputs::Boxes
    }

    fn loss(&self, explanation: &Explanation) -> Result<Tensor<1>, PluginError> {
        let Some(boxes) = &explanation.boxes else {
            let message = "this loss needs predicted boxes: choose a box extractor";
            return Err(PluginError::new(format!("loss {}", self.plugin), message));
        };
        let pred = boxes.differentiable.clone();
        let loss = (self.function)(pred.clone(), explanation.targets.clone());
        if self.config.lambda == 0.0 {
            return Ok(loss);
        }
        let [_, height, width] = explanation.heatmaps.dims();
        let penalty = functions::diagonal(pred, self.config.diagonal, height, width);
        Ok(loss + penalty.mul_scalar(self.config.lambda))
    }
}

/// Defines the unit struct of a box loss.
macro_rules! box_loss {
    ($(#[$doc:meta])* $name:ident, $text:literal, $summary:literal, $config:ty, $function:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Plugin for $name {
            const NAME: &'static str = $text;
            const SUMMARY: &'static str = $summary;
            type Config = $config;

            fn check(config: &Self::Config, _: &Path) -> Vec<ConfigIssue> {
                check_lambda(config.lambda)
            }
        }

        impl LossPlugin for $name {
            fn build(config: $config, _: &BuildContext) -> Result<Box<dyn ExplanationLoss>, PluginError> {
                Ok(Box::new(BoxLoss { plugin: $text, function: $function, config: config.into() }))
            }
        }
    };
}

box_loss!(
    /// `iou`: `1 - IoU` (Eq. 4-5).
    Iou, "iou", "1 - IoU of predicted and target box.", BoxLossConfig, functions::iou
);
box_loss!(
    /// `modified-iou`: `1 - |inter| / |predicted|` (Eq. 6).
    ModifiedIou, "modified-iou", "The part of the predicted box that is off the target box.", BoxLossConfig,
    functions::modified_iou
);
box_loss!(
    /// `ria`: modified IoU with the diagonal penalty (Eq. 8), the paper's loss.
    Ria, "ria", "The RIA paper's loss: modified-iou + lambda * diagonal.", RiaConfig, functions::modified_iou
);
box_loss!(
    /// `giou`: generalised IoU.
    Giou, "giou", "Generalised IoU loss; it has a gradient where the boxes do not meet.", BoxLossConfig,
    functions::giou
);
box_loss!(
    /// `diou`: distance IoU.
    Diou, "diou", "Distance IoU loss: IoU and the distance of the centres.", BoxLossConfig, functions::diou
);
box_loss!(
    /// `ciou`: complete IoU.
    Ciou, "ciou", "Complete IoU loss: distance IoU and the aspect ratio.", BoxLossConfig, functions::ciou
);

#[cfg(test)]
#[path = "boxes_tests.rs"]
mod tests;

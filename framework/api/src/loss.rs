//! What pulls the heatmap towards the object. The main trait is [`ExplanationLoss`].

use crate::{Boxes, PluginError};
use burn::tensor::Tensor;

/// What a loss may look at, for a batch of N pictures of H x W pixels.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Upsampled, normalised heatmaps: `[N, H, W]`, in the autodiff graph.
    pub heatmaps: Tensor<3>,
    /// Predicted boxes; `None` when the loss did not ask for them ([`ExplanationLoss::inputs`]).
    pub boxes: Option<Boxes>,
    /// Target boxes, pixels: `[N, 4]`, all zero where not valid.
    pub targets: Tensor<2>,
    /// Target masks in {0, 1}: `[N, H, W]`, where the localizer makes them.
    pub masks: Option<Tensor<3>>,
    /// Whether the picture has a target box and a non-zero CAM. Values of other pictures are ignored, but must be
    /// finite, since 0 * NaN is NaN in the backward pass.
    pub valid: Vec<bool>,
}

/// What a loss needs, so that the engine computes nothing in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossInputs {
    /// Nothing: training is CE only, and no CAM is computed.
    Nothing,
    /// The heatmaps.
    Heatmaps,
    /// The heatmaps and the boxes extracted from them.
    Boxes,
}

/// One number per picture, differentiable (method.md section 4).
pub trait ExplanationLoss: Send + Sync {
    /// What it needs.
    fn inputs(&self) -> LossInputs;

    /// Whether it looks at target masks ([`Explanation::masks`]), which are not computed otherwise.
    fn wants_masks(&self) -> bool {
        false
    }

    /// The loss of each picture: `[N]`, finite.
    ///
    /// # Errors
    /// When a plugin fails.
    fn loss(&self, explanation: &Explanation) -> Result<Tensor<1>, PluginError>;
}

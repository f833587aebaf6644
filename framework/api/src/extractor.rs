//! From heatmap to box. The main trait is [`BoxExtractor`].

use crate::{BBox, PluginError};
use burn::tensor::Tensor;

/// A heatmap on the host, `[height, width]`, row-major, normalised.
#[derive(Clone, Copy, Debug)]
pub struct HeatmapView<'a> {
    /// Height, pixels.
    pub height: usize,
    /// Width, pixels.
    pub width: usize,
    /// `height * width` values.
    pub values: &'a [f32],
}

/// Boxes of a batch, pixels of the heatmap.
#[derive(Debug, Clone)]
pub struct Boxes {
    /// Hard boxes (Eq. 3), constants: `[N, 4]`, all zero where not valid.
    pub hard: Tensor<2>,
    /// Boxes through which the loss is differentiated: `[N, 4]`, finite everywhere, also where not valid. How their
    /// values and gradients relate to the hard boxes is the extractor's configuration.
    pub differentiable: Tensor<2>,
    /// Whether the picture has a box.
    pub valid: Vec<bool>,
}

/// Turns heatmaps into boxes (method.md section 3).
///
/// The contract has two methods because evaluation needs nothing but the hard box and has the heatmap on the host,
/// whereas training needs a gradient.
pub trait BoxExtractor: Send + Sync {
    /// Hard boxes of heatmaps on the host; `None` where there is none (an all-zero heatmap).
    ///
    /// # Errors
    /// When a plugin fails.
    fn hard(&self, heatmaps: &[HeatmapView<'_>]) -> Result<Vec<Option<BBox>>, PluginError>;

    /// Boxes of a batch of normalised heatmaps, in one host round trip at most.
    ///
    /// # Shapes
    /// - `heatmaps`: `[N, H, W]`, in an autodiff graph or not.
    ///
    /// # Errors
    /// When a plugin fails.
    fn extract(&self, heatmaps: Tensor<3>) -> Result<Boxes, PluginError>;
}

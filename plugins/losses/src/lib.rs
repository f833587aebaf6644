//! The built-in explanation losses (method.md section 4), in the order in which lists show them.
//!
//! - [`functions`]: the losses on plain tensors, with the equations.
//! - [`boxes`]: plugins that compare a predicted box with the target box, configured by [`BoxLossConfig`].
//! - [`heatmap`]: plugins that look at the heatmap itself.
//! - [`none`]: the baseline, cross-entropy only.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod boxes;
pub mod functions;
pub mod heatmap;
pub mod none;

pub use boxes::{BoxLossConfig, Ciou, Diou, Giou, Iou, ModifiedIou, Ria, RiaConfig};
pub use functions::DiagonalUnit;
pub use heatmap::{Energy, Outside};
pub use none::{NoConfig, NoLoss};

/// Adds every loss of this crate.
pub fn register(registry: &mut fovea_api::Registry) {
    registry
        .loss::<NoLoss>()
        .loss::<Iou>()
        .loss::<ModifiedIou>()
        .loss::<Ria>()
        .loss::<Giou>()
        .loss::<Diou>()
        .loss::<Ciou>()
        .loss::<Energy>()
        .loss::<Outside>();
}

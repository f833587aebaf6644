//! The built-in localizers: the truth and the controls.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod fixed;
mod ground_truth;
mod random_box;
mod shuffled;

pub use fixed::{CenterBox, CenterBoxConfig, FullImage, FullImageConfig};
pub use ground_truth::{GroundTruth, GroundTruthConfig};
pub use random_box::{RandomBox, RandomBoxConfig};
pub use shuffled::{Shuffled, ShuffledConfig};

use fovea_api::Registry;

/// Registers every built-in localizer, in the order in which help and docs show them.
pub fn register(registry: &mut Registry) {
    registry
        .localizer::<GroundTruth>()
        .localizer::<FullImage>()
        .localizer::<CenterBox>()
        .localizer::<RandomBox>()
        .localizer::<Shuffled>();
}

#[cfg(test)]
mod tests;

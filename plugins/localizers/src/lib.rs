//! The built-in localizers: the truth, the controls, and those that look at patches (LOST, TokenCut, DINO-seg).
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod dino_seg;
mod features;
mod fixed;
mod ground_truth;
mod lost;
mod patches;
mod random_box;
mod shuffled;
mod tokencut;

pub use dino_seg::{DinoSeg, DinoSegConfig};
pub use features::Features;
pub use fixed::{CenterBox, CenterBoxConfig, FullImage, FullImageConfig};
pub use ground_truth::{GroundTruth, GroundTruthConfig};
pub use lost::{Lost, LostConfig};
pub use random_box::{RandomBox, RandomBoxConfig};
pub use shuffled::{Shuffled, ShuffledConfig};
pub use tokencut::{TokenCut, TokenCutConfig};

use fovea_api::Registry;

/// Registers every built-in localizer, in the order in which help and docs show them.
pub fn register(registry: &mut Registry) {
    registry
        .localizer::<GroundTruth>()
        .localizer::<Lost>()
        .localizer::<TokenCut>()
        .localizer::<DinoSeg>()
        .localizer::<FullImage>()
        .localizer::<CenterBox>()
        .localizer::<RandomBox>()
        .localizer::<Shuffled>();
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

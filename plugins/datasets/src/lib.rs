//! The built-in data sets: procedural [`Scenes`], [`Folder`]s of pictures, [`Rival10`] and [`Waterbirds`].
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod decode;
mod files;
pub mod folder;
mod hashes;
mod listing;
mod mask;
pub mod rival10;
pub mod scenes;
mod tree;
pub mod waterbirds;

pub use decode::picture as decode_picture;
pub use files::{beside_pictures, pictures_in};
pub use folder::{Folder, FolderConfig};
pub use listing::BadImagePolicy;
pub use rival10::{Rival10, Rival10Config, Rival10Demo, write_rival10_demo};
pub use scenes::{Scenes, ScenesConfig};
pub use waterbirds::{Waterbirds, WaterbirdsConfig};

use fovea_api::Registry;

/// Registers every built-in data set, in the order in which help and docs show them.
pub fn register(registry: &mut Registry) {
    registry.dataset::<Scenes>().dataset::<Folder>().dataset::<Rival10>().dataset::<Waterbirds>();
}

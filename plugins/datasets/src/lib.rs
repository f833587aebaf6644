//! The built-in data sets: procedural [`Scenes`] and [`Folder`]s of pictures.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

mod decode;
mod files;
pub mod folder;
mod hashes;
mod listing;
pub mod scenes;

pub use folder::{Folder, FolderConfig};
pub use listing::BadImagePolicy;
pub use scenes::{Scenes, ScenesConfig};

use fovea_api::Registry;

/// Registers every built-in data set, in the order in which help and docs show them.
pub fn register(registry: &mut Registry) {
    registry.dataset::<Scenes>().dataset::<Folder>();
}

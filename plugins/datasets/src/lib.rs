//! The built-in data sets: procedural [`Scenes`] and [`Folder`]s of pictures.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod folder;
pub mod scenes;

pub use folder::{BadImagePolicy, Folder, FolderConfig, decode_picture, pictures_in};
pub use scenes::{Scenes, ScenesConfig};

use fovea_api::Registry;

/// Registers every built-in data set, in the order in which help and docs show them.
pub fn register(registry: &mut Registry) {
    registry.dataset::<Scenes>().dataset::<Folder>();
}

//! The built-in networks (method.md sections 2 and 6): ResNets and VGGs with torchvision's architecture, parameter
//! names and initialisation, whose heads give Grad-CAM's weights in closed form.
//!
//! - [`resnet`], [`vgg`]: the networks [`ResNet`] and [`Vgg`].
//! - [`resnet_plugins`], [`vgg_plugins`]: their configurations and presets, one unit struct per plugin.
//! - [`graph`]: networks declared layer by layer in JSON, by users and by dynamic plugins.
//! - [`map`], [`layers`], [`conv`], [`linear`], [`norm`], [`pool`], [`relu`], [`init`]: what the networks are made of;
//!   [`precision`]: in which type they multiply.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod conv;
mod cpu;
pub mod graph;
pub mod init;
pub mod layers;
pub mod linear;
pub mod map;
pub mod norm;
pub mod options;
pub mod pool;
pub mod precision;
pub mod relu;
pub mod resnet;
pub mod resnet_plugins;
mod rows;
mod tally;
pub mod vgg;
pub mod vgg_plugins;

pub use graph::GraphPlugin;
pub use map::Map;
pub use options::Freeze;
pub use resnet::ResNet;
pub use resnet_plugins::{ResNet18, ResNet34, ResNet50, ResNetConfig, ResNetPlugin, ResNetTiny};
pub use vgg::{CamLayer, Vgg};
pub use vgg_plugins::{Vgg16, Vgg16Bn, VggConfig, VggPlugin, VggTiny};

use fovea_api::Registry;

/// Registers every network of this crate.
pub fn register(registry: &mut Registry) {
    registry
        .model::<ResNetPlugin<ResNet18>>()
        .model::<ResNetPlugin<ResNet34>>()
        .model::<ResNetPlugin<ResNet50>>()
        .model::<ResNetPlugin<ResNetTiny>>()
        .model::<VggPlugin<Vgg16>>()
        .model::<VggPlugin<Vgg16Bn>>()
        .model::<VggPlugin<VggTiny>>()
        .model::<GraphPlugin>();
}

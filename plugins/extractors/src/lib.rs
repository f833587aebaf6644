//! The built-in box extractors (method.md section 3), in the order in which lists show them.
//!
//! - [`threshold`]: the plugin [`Threshold`] and its configuration.
//! - [`component`]: the hard box on the host, by connected components.
//! - [`soft`], [`moments`]: differentiable boxes.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod component;
pub mod moments;
pub mod soft;
pub mod threshold;

pub use component::{Connectivity, Keep};
pub use threshold::{Gradient, Threshold, ThresholdConfig};

/// Adds every extractor of this crate.
pub fn register(registry: &mut fovea_api::Registry) {
    registry.extractor::<Threshold>();
}

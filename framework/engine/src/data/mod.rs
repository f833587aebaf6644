//! From pictures on disk to batches.
//!
//! - [`source`]: [`Source`](source::Source), a data set with a cache of decoded pictures.
//! - [`transform`]: [`Transform`](transform::Transform), crop, resize and flip of a picture, its mask and its box.
//! - [`targets`]: boxes of the localizer, computed once.
//! - [`loader`]: [`TrainLoader`](loader::TrainLoader), batches from threads, in order.
//! - [`check`]: [`DataCheck`](check::DataCheck), everything read once to see what is wrong with it.

pub mod check;
pub mod loader;
pub mod source;
pub mod targets;
pub mod transform;

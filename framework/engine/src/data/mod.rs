//! From pictures on disk to batches.
//!
//! - [`source`]: [`Source`](source::Source), a data set with a cache of decoded pictures.
//! - [`packs`]: [`Packs`](packs::Packs), decoded pictures on disk; `shard`: one file of them.
//! - [`transform`]: [`Transform`](transform::Transform), crop, resize and flip of a picture, its mask and its box.
//! - [`boxes`]: [`BoxCache`](boxes::BoxCache), boxes by picture on disk.
//! - [`targets`]: boxes of the localizer on a split, computed once.
//! - [`loader`]: [`TrainLoader`](loader::TrainLoader), batches from threads, in order.
//! - [`check`]: [`DataCheck`](check::DataCheck), everything read once to see what is wrong with it; `shares`: how much of
//!   it is object.

pub mod boxes;
pub mod check;
pub mod loader;
pub mod packs;
mod shard;
mod shares;
pub mod source;
pub mod targets;
pub mod transform;

//! Loads dynamic plugins ([`fovea_abi`]) and makes them plugins like all others ([`fovea_api`]).
//!
//! A library goes through these stages, and each refuses it with what it found, what it expected and what to do:
//!
//! 1. [`discover`]: which files there are.
//! 2. [`inspect`]: what the file says of itself, before anything in it runs.
//! 3. [`probe`]: it is loaded and asked what it holds by a child process, which may crash or hang.
//! 4. [`library`]: it is loaded into this process, never to be unloaded.
//! 5. [`adapt`]: each of its plugins becomes an [`Entry`](fovea_api::registry::Entry) of the registry.
//!
//! [`check`] asks a library whether it keeps the promises of the header.
//! [`guard`] watches every call: who crashes, hangs or hoards memory is named. The main function is [`load`].
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod adapt;
mod call;
pub mod check;
pub mod config;
pub mod discover;
mod error;
mod extractor;
mod files;
mod float;
mod gradient;
pub mod guard;
mod image;
pub mod inspect;
pub mod library;
mod load;
mod localizer;
mod loss;
mod model;
pub mod probe;

pub use error::HostError;
pub use files::LibraryFile;
pub use image::own_image;
pub use load::{Loaded, Search, load, load_planned};

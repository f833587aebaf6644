//! The conformance suite: what every plugin promises, asked property by property. The main function is [`run`], which
//! starts a process for each property; [`one`] is what such a process does.
//!
//! - [`property`]: the list of properties, [`property::PROPERTIES`].
//! - [`suite`], [`child`], [`result`]: processes, what goes between them, and what comes out.
//! - `ask`, `input`, `arrays`: calls with inputs that lie in memory in every way that the header allows.
//! - `common`, `answers`, `leaks`, `gradients` and one file per kind: the properties.

mod answers;
mod arrays;
mod ask;
pub mod child;
mod common;
mod extractors;
mod gradients;
mod input;
mod leaks;
mod localizers;
mod losses;
mod models;
pub mod property;
mod random;
pub mod result;
mod subject;
pub mod suite;

pub use child::one;
pub use result::{Checked, Report, Verdict};
pub use suite::{Options, run};

//! Networks declared as a graph of layers in JSON, checked and built from this crate's layers. The main types are
//! [`GraphSpec`] and [`Graph`]; the main functions are [`check`] and [`build`].
//!
//! - [`spec`], [`parse`], `schema`: what one writes, [`GraphSpec`], with every mistake named by an [`Issue`].
//! - `compile`, `infer`, `blueprint`: the same unrolled into nodes with shapes and parameter counts.
//! - `derive`, `head`: how the derivative of a logit is followed back to the CAM layer, in closed form.
//! - [`network`], [`activation`]: the Burn module.
//! - [`assemble`], [`summary`], [`plugin`]: what hosts and experiments use.

pub mod activation;
pub mod assemble;
mod blueprint;
mod compile;
mod derive;
mod head;
mod infer;
pub mod issue;
pub mod network;
pub mod parse;
pub mod plugin;
mod schema;
pub mod spec;
pub mod summary;

pub use activation::Activation;
pub use assemble::{BuildOptions, build, build_json, check, forecast};
pub use blueprint::InputShape;
pub use issue::Issue;
pub use network::Graph;
pub use plugin::{GraphConfig, GraphPlugin};
pub use spec::{GraphSpec, LayerSpec, Op, Width};
pub use summary::{LayerRow, Summary};

//! From `experiment.toml` to an ordered list of trials. The way in is [`load`], the main type is [`Plan`].
//!
//! - `extends`: a file on top of others. `layers`: defaults, file, environment and command line become one document and a list of axes.
//! - `axes`: axes and the labels of their values, `ranges` as values; `grid`: all of them, zipped or crossed, and what overrides do to them. `ablate`: parts on and off, as axes.
//! - `overrides`: environment and command line, whose `grammar` is Hydra's; `removal`: its `~key`; `smoke`: the file's own, for `--smoke`.
//! - [`spec`]: [`ExperimentSpec`], one grid point's document, typed; `shape` checks it key by key.
//! - [`PluginCatalog`]: what the plan asks about plugins, which it does not know itself.
//! - [`config`]: [`TrialConfig`], one trial resolved; `check` looks at its values, `identity` names it.
//! - `exclude` and `include`: points to leave out and to add; `select` finds the points that a `where` means.
//! - `references`: published numbers and the variants they are about. `tables` reads such lists of tables. `group`: variants that
//!   belong together.
//! - [`plan`]: [`Plan`], what `expand` makes of all that, with `points`, `labels`, `sections` and `stages`; `verdict` judges
//!   the whole.
//! - [`plugins()`]: which libraries with plugins are to be loaded before all that.
//! - `effective`: what all layers make together, as `toml`; `schema`: what a file may say, for editors.
//! - `origins`: where each value was given, for trials and for `effective`.
//! - `text`: what stands in the file, whatever wrote it.
//! - `spans` and [`errors`]: where in the file something is, and how it is shown.
//!
//! The crate is pure but for reading the file and those that it `extends`. It knows neither Burn nor Polars.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test"))]

mod ablate;
mod axes;
pub mod cache_size;
mod catalog;
mod check;
pub mod config;
mod effective;
pub mod errors;
mod exclude;
mod expand;
mod extends;
mod grammar;
mod grid;
mod group;
mod identity;
mod include;
mod labels;
mod layers;
mod origins;
mod overrides;
mod per_device;
pub mod plan;
mod plugins;
mod points;
mod ranges;
mod references;
mod removal;
mod schema;
mod sections;
mod select;
mod shape;
mod smoke;
mod spans;
pub mod spec;
mod stages;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod toml;
mod verdict;

pub use cache_size::CacheSize;
pub use catalog::{Obstacle, PluginCatalog, PluginIssue, PluginKind};
pub use config::{
    AugmentationConfig, CamConfig, EvaluationConfig, InputConfig, Normalisation, OptimizerConfig,
    OptimizerKind, PluginConfig, Precision, ScheduleConfig, ScheduleKind, Shared, TargetClass,
    TrainingConfig, TrialConfig, ZeroCam,
};
pub use effective::{Effective, Origins, effective};
pub use errors::{Location, PlanError, PlanErrors};
pub use identity::is_left_out;
pub use overrides::Overrides;
pub use per_device::PerDevice;
pub use plan::{Excluded, Plan, RunConfig, Stage, Trial, TrialOrigins, load};
pub use plugins::{AskedPath, PluginsConfig, plugins};
pub use schema::schema;
pub use spec::{DeviceRequest, ExperimentSpec, PluginSpec, PluginsSpec, PruneSpec, RunSpec};

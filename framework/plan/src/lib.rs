//! From `experiment.toml` to an ordered list of trials. The way in is [`load`], the main type is [`Plan`].
//!
//! - `layers`: defaults, file, environment and command line become one document and a list of axes.
//! - `axes`: the axes of the grid and the labels of their values.
//! - [`spec`]: [`ExperimentSpec`], one grid point's document, typed; `shape` checks it key by key.
//! - [`catalog`]: what the plan asks about plugins, which it does not know itself.
//! - [`config`]: [`TrialConfig`], one trial resolved; `check` looks at its values, `identity` names it.
//! - [`plan`]: [`Plan`], what `expand` makes of all that.
//! - `spans` and [`errors`]: where in the file something is, and how it is shown.
//!
//! The crate is pure but for reading the one file. It knows neither Burn nor Polars.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test"))]

mod axes;
pub mod catalog;
mod check;
pub mod config;
pub mod errors;
mod expand;
mod identity;
mod layers;
pub mod plan;
mod shape;
mod spans;
pub mod spec;
#[cfg(test)]
mod tests;

pub use catalog::{PluginCatalog, PluginIssue, PluginKind};
pub use config::{
    AugmentationConfig, CamConfig, EvaluationConfig, InputConfig, Normalisation, OptimizerConfig,
    OptimizerKind, PluginConfig, ScheduleConfig, ScheduleKind, TargetClass, TrainingConfig, TrialConfig,
    ZeroCam,
};
pub use errors::{Location, PlanError, PlanErrors};
pub use layers::Overrides;
pub use plan::{Plan, RunConfig, Stage, Trial, load};
pub use spec::{DeviceRequest, ExperimentSpec, PluginSpec, RunSpec};

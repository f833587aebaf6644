//! Tables, figures and the page that a run leaves behind, made from its records and nothing else.
//!
//! The main function is [`build`] ([`build_with`] for several runs and templates of users): it reads a run directory through [`fovea_records::RunStore`], at any moment of the
//! run's life, and writes `tables/` and `report/`.
//!
//! - `run`: what was read, every trial with its status; unreadable files become listed problems, never panics.
//! - `stats`, `summary`, `measures`: mean, spread, t intervals, deltas to the baseline paired by seed.
//! - `compare`, `pictures`: the tests of differences, by seed and by test picture.
//! - `reference`: published numbers beside ours. `targets`: how good the localizer's boxes were.
//! - `tables`: the Polars tables of a run. [`table`](Table): one table for a paper. `text`: the table for the terminal.
//!   `answer`: the findings in words.
//! - `stamp`: whether a report is still that of its records.
//! - `figures`, `gallery`, `overlay`: what is drawn. `page`: what the page shows besides. `html`: the page.

mod answer;
mod build;
mod compare;
mod config;
mod coverage;
mod error;
mod figures;
mod format;
mod gallery;
mod html;
mod measures;
mod overlay;
mod page;
mod pictures;
mod reference;
mod run;
mod stamp;
pub mod stats;
mod summary;
mod table;
mod tables;
mod targets;
mod text;

pub use build::{ReportOptions, ReportSummary, beside, build, build_with};
pub use error::ReportError;
pub use html::TEMPLATE;
pub use overlay::{box_png, overlay_png};
pub use stamp::current;
pub use table::{Table, TableError, TableFormat, TableRequest, inventory};

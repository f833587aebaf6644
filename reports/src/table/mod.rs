//! One table for a paper, of the numbers, rows and split that are asked for. The main type is [`Table`].
//!
//! - `request`: [`TableRequest`], what is asked for, and [`TableError`], what to ask for instead.
//! - `rows`, `columns`: what the table is of. `cells`: statistics, tests, marks.
//! - `text`: Markdown and LaTeX for readers. `data`: CSV, Parquet and JSON for programs, a line per cell.

mod cells;
mod columns;
mod data;
mod request;
mod rows;
mod text;

pub use cells::Table;
pub use request::{TableError, TableFormat, TableRequest, inventory};

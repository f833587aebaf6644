//! What can go wrong while a report is made. The main type is [`ReportError`].

use fovea_records::StoreError;

/// Why a report could not be made. The text completes "failed to write the report: ...".
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The plan cannot be read, or a file of the report cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Polars refused a table.
    #[error("cannot make the table {name}: {source}")]
    Table {
        /// Which table.
        name: &'static str,
        /// Polars' answer.
        source: polars::error::PolarsError,
    },
    /// A figure could not be drawn.
    #[error("cannot draw the figure {name}: {message}")]
    Figure {
        /// Which figure.
        name: String,
        /// What the drawing library says.
        message: String,
    },
    /// The page's template could not be filled in.
    #[error("cannot fill in the report's template: {0}")]
    Page(#[from] minijinja::Error),
}

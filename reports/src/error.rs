//! What can go wrong while a report is made. The main type is [`ReportError`].

use fovea_records::StoreError;
use std::error::Error as _;
use std::path::PathBuf;

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
    /// A template of the user's cannot be read.
    #[error("cannot read the template {}: {source}", path.display())]
    NoTemplate {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The page's template could not be filled in.
    #[error("cannot fill in the report's template: {place}: {message}")]
    Page {
        /// File and line.
        place: String,
        /// What the template engine says.
        message: String,
    },
}

impl From<minijinja::Error> for ReportError {
    fn from(error: minijinja::Error) -> Self {
        // The innermost cause is where the mistake is; what is around it says how one came there.
        let mut chain = vec![&error];
        while let Some(inner) =
            chain[chain.len() - 1].source().and_then(|source| source.downcast_ref::<minijinja::Error>())
        {
            chain.push(inner);
        }
        let placed = chain.iter().rev().find_map(|e| Some((e.name()?, e.line()?)));
        let place = placed.map_or("report.html".to_owned(), |(name, line)| format!("{name}:{line}"));
        let inner = chain[chain.len() - 1];
        let message = match inner.detail() {
            Some(detail) => format!("{}: {detail}", inner.kind()),
            None => inner.kind().to_string(),
        };
        Self::Page { place, message }
    }
}

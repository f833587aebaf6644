//! Why something could not be checked. The main type is [`AuditError`].

use fovea_orchestrator::OrchestratorError;
use fovea_records::StoreError;
use std::path::PathBuf;

/// A check, a comparison or a bundle that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A record cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Trials cannot be run.
    #[error(transparent)]
    Run(#[from] OrchestratorError),
    /// An archive cannot be written, or is no bundle.
    #[error("{}: {message}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A trial cannot be run again as its record says.
    #[error("{0}")]
    NotReady(String),
}

/// A file operation as an error.
pub(crate) fn io(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.into();
    move |source| StoreError::Io { action, path, source }
}

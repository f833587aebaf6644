//! What stops a whole run. The main type is [`OrchestratorError`]; a trial that fails does not stop the run.

use fovea_records::StoreError;
use std::path::PathBuf;

/// The run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum OrchestratorError {
    /// The run directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A worker process cannot be started.
    #[error("cannot start a worker with {}: {source}", binary.display())]
    Spawn {
        /// The program.
        binary: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A trial's configuration cannot be written down.
    #[error("cannot write {}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

//! What can go wrong while a trial runs. The main type is [`EngineError`].

use fovea_api::{DataError, PluginError};
use fovea_records::StoreError;

/// A trial could not go on. The texts are full sentences with where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A picture could not be delivered.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A plugin failed.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device cannot be had.
    #[error("{0}")]
    Device(String),
    /// The configuration asks for what the data does not have.
    #[error("{0}")]
    Config(String),
    /// A checkpoint does not fit.
    #[error("{0}")]
    Checkpoint(String),
    /// It was asked to stop, and did; what it had done is saved.
    #[error("stopped")]
    Stopped,
    /// Something else than the loss of a step became NaN or infinite: weights, or what the network says.
    #[error("{found}")]
    NotFinite {
        /// What, and of what: a full sentence.
        found: String,
        /// Epochs that were trained before; `None` after the last one.
        after: Option<usize>,
    },
    /// The loss became NaN or infinite.
    #[error("the loss became {loss} in epoch {epoch}, step {step}")]
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Step in the epoch, from 0.
        step: usize,
        /// The loss, as text.
        loss: String,
    },
}

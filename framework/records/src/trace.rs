//! What training computed on its way, so that a rerun that ends elsewhere can be told where it left. The main type is
//! [`TraceLine`].
//!
//! `trials/<id>/trace.jsonl` has a line per step, from the first, with the losses and the hash of the batch; and after
//! steps 1, 2, 4, 8, ... and the last of each epoch a line with the hash of every tensor of the network. A trial that
//! forked from a shared warm-up begins with the lines of that stage. Equal trials have equal traces.

use crate::{RunStore, StoreError, TrialId, store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the file in the folder of a trial or stage.
pub const FILE: &str = "trace.jsonl";

/// A line of a trace. Steps are counted from 1 through the whole training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum TraceLine {
    /// A step.
    Step {
        /// Steps done, this one included.
        step: usize,
        /// Hash of the pictures, labels, target boxes and masks of the batch, 16 digits.
        batch: String,
        /// Cross-entropy.
        cross_entropy: f32,
        /// Explanation loss, mean over valid pictures; `None` without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<f32>,
    },
    /// The network after a step.
    Network {
        /// Steps done.
        step: usize,
        /// Hash of each parameter and buffer by torchvision's name, 16 digits.
        tensors: BTreeMap<String, String>,
    },
}

impl TraceLine {
    /// Steps done.
    #[must_use]
    pub fn step(&self) -> usize {
        match self {
            Self::Step { step, .. } | Self::Network { step, .. } => *step,
        }
    }
}

/// The trace in a folder of a trial or stage; empty where none is recorded.
///
/// # Errors
/// When a line is not of a trace.
pub fn read(dir: &Path) -> Result<Vec<TraceLine>, StoreError> {
    store::read_lines(&dir.join(FILE), "line of a trace")
}

impl RunStore {
    /// The trace of a trial; empty for trials of earlier versions.
    ///
    /// # Errors
    /// When a line is not of a trace.
    pub fn read_trace(&self, id: &TrialId) -> Result<Vec<TraceLine>, StoreError> {
        read(&self.trial_dir(id))
    }
}

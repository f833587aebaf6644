//! What can be wrong with weights. The main type is [`WeightsError`].

use std::path::PathBuf;

/// Weights could not be loaded: "failed to load weights ...".
#[derive(Debug, thiserror::Error)]
#[error("load weights {}: {kind}", path.display())]
pub struct WeightsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: WeightsErrorKind,
}

/// What is wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsErrorKind {
    /// It cannot be read, or is something else.
    #[error("{0}")]
    Read(String),
    /// Weights are NaN or infinite.
    #[error(
        "{count} of {total} values of tensor `{name}` are NaN or infinite: training diverged, or the file is damaged"
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// How many are.
        count: usize,
        /// Of how many.
        total: usize,
    },
    /// A tensor is not of floating-point numbers.
    #[error("tensor `{name}` is of type {dtype}, not of floating-point numbers")]
    NotFloat {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// Its tensors are not the network's.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// Every difference between a state dict and a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tensors are not this network's{};{}{}{}",
    found.as_ref().map_or_else(String::new, |found| format!(", they are named as {found}")),
    list("missing", missing),
    list("unexpected", unexpected),
    list("of another shape", misshaped)
)]
pub struct Mismatch {
    /// Names that the network has and the file has not.
    pub missing: Vec<String>,
    /// Names that the file has and the network has not.
    pub unexpected: Vec<String>,
    /// `name [file's shape] instead of [network's shape]`.
    pub misshaped: Vec<String>,
    /// Whose the file's names are, where that is known (`torchvision's resnet50`).
    pub found: Option<String>,
}

/// More names than this are counted: the first say what is wrong.
const LISTED: usize = 12;

fn list(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(" {what}: {}{more};", names[..names.len().min(LISTED)].join(", "))
}

/// A classification layer of another number of classes was not taken from the file but initialised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the weights have {file_classes} classes, not {classes}: layer `{layer}` begins from random values, everything \
     else from the weights"
)]
pub struct HeadReplaced {
    /// The layer (`fc`).
    pub layer: String,
    /// Classes in the file.
    pub file_classes: usize,
    /// Classes of the network.
    pub classes: usize,
}

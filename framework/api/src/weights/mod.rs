//! Checkpoints of PyTorch. The main functions are [`StateDict::read`] and [`load_state_dict`].
//!
//! - `kind`: what a file is, by its first bytes; `names`: whose tensors these are.
//! - `read`: tensors of a file; `unwrap`: what is wrapped around them taken off.
//! - `load`: tensors into a network. `check`: what can be said of a file when a plan is made.

mod check;
mod error;
mod kind;
mod load;
mod names;
mod read;
mod unwrap;

pub use check::{check_weights, check_weights_of, fingerprint_weights};
pub use error::{HeadReplaced, Mismatch, WeightsError, WeightsErrorKind};
pub use load::load_state_dict;
pub use read::StateDict;

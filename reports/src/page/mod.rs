//! What the page shows besides figures, as plain data for its template.
//!
//! - `leaderboard`: the results with differences, for sorting and filtering. `trials`: the trials behind each number.
//! - `standing`: what failed, and how far a run is that goes on.
//! - `provenance`: what the numbers rest on. `verdicts`: what came of checking them.
//! - `links`: paths from the page to records, and commands.

mod leaderboard;
mod links;
mod provenance;
mod standing;
mod trials;
mod verdicts;

pub(crate) use leaderboard::Leaderboard;
pub(crate) use links::Links;
pub(crate) use provenance::ProvenanceView;
pub(crate) use standing::{Failure, Live};
pub(crate) use trials::Block;
pub(crate) use verdicts::Verification;

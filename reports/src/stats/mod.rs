//! Statistics of small samples and of pairs, each checked against SciPy or statsmodels (`tests/peers/statistics_golden.py`).
//!
//! - `sample`: [`Stats`], mean, spread and Student's t interval.
//! - `bootstrap`: [`bootstrap::interval`], the BCa interval of a mean.
//! - `paired`: [`Paired`], what a sample of differences says against no difference: t, Wilcoxon, sign flips.
//! - `mcnemar`: [`Mcnemar`], whether two classifiers are right on different pictures.
//! - `holm`: [`holm::adjust`], p-values when several comparisons are made at once.
//! - `draws`: numbers drawn by a fixed key, so that the same records give the same tables.

pub mod bootstrap;
mod draws;
pub mod holm;
mod mcnemar;
mod paired;
mod sample;
mod special;

pub use mcnemar::Mcnemar;
pub use paired::Paired;
pub use sample::Stats;

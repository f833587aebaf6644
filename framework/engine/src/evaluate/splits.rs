//! Which splits are evaluated. The main functions are [`evaluated`] and [`noisy`].

use crate::EngineError;
use fovea_api::SplitInfo;
use fovea_plan::EvaluationConfig;

/// A split that is asked for and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lacking {
    /// The key that asks for it.
    pub(crate) key: &'static str,
    /// What is wrong.
    pub(crate) message: String,
}

impl From<Lacking> for EngineError {
    fn from(Lacking { key, message }: Lacking) -> Self {
        Self::Config(format!("{key}: {message}"))
    }
}

/// Splits on which accuracy is measured.
pub(crate) fn evaluated(
    asked: &EvaluationConfig,
    dataset: &str,
    known: &[SplitInfo],
) -> Result<Vec<String>, Lacking> {
    if asked.splits.is_empty() {
        let names = known.iter().map(|split| &split.name);
        return Ok(names.filter(|name| !["train", "val"].contains(&name.as_str())).cloned().collect());
    }
    asked.splits.iter().try_for_each(|split| require(split, dataset, known, "evaluation.splits"))?;
    Ok(asked.splits.clone())
}

/// Split on which noise and explanations are measured, of those that [`evaluated`] gives.
pub(crate) fn noisy(
    asked: &EvaluationConfig,
    splits: &[String],
    dataset: &str,
    known: &[SplitInfo],
) -> Result<String, Lacking> {
    if !asked.noise_split.is_empty() {
        require(&asked.noise_split, dataset, known, "evaluation.noise_split")?;
        return Ok(asked.noise_split.clone());
    }
    splits.last().cloned().ok_or_else(|| Lacking {
        key: "evaluation.splits",
        message: format!("data set `{dataset}` has no test split, so there is nothing to measure"),
    })
}

/// What of all that is lacking.
pub(crate) fn lacking(asked: &EvaluationConfig, dataset: &str, known: &[SplitInfo]) -> Option<Lacking> {
    evaluated(asked, dataset, known).and_then(|splits| noisy(asked, &splits, dataset, known)).err()
}

fn require(split: &str, dataset: &str, known: &[SplitInfo], key: &'static str) -> Result<(), Lacking> {
    let names: Vec<&str> = known.iter().map(|split| split.name.as_str()).collect();
    if names.contains(&split) {
        return Ok(());
    }
    let names = names.join(", ");
    Err(Lacking { key, message: format!("data set `{dataset}` has no split `{split}`; it has {names}") })
}

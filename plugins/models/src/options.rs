//! What the configurations of all networks have in common: [`Freeze`] and weights.

use fovea_api::ConfigIssue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Which part of a network is not trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Freeze {
    /// Everything is trained.
    #[default]
    None,
    /// Everything before the head stays as it is; batch normalisation there uses its running statistics.
    Features,
}

/// Issues with a `weights` key.
pub(crate) fn check_weights(weights: Option<&Path>, base_dir: &Path) -> Vec<ConfigIssue> {
    let Some(weights) = weights else { return Vec::new() };
    let known = weights.extension().is_some_and(|e| ["safetensors", "pth", "pt"].iter().any(|k| e == *k));
    let path = base_dir.join(weights);
    if !known {
        let text = format!("`{}` is neither a .safetensors nor a .pth file", weights.display());
        return vec![ConfigIssue::at("weights", text)];
    }
    if !path.is_file() {
        return vec![ConfigIssue::at("weights", format!("there is no file `{}`", path.display()))];
    }
    Vec::new()
}

/// The BLAKE3 of the weights: what a trial's identity takes from them.
pub(crate) fn fingerprint_weights(weights: Option<&Path>, base_dir: &Path) -> Result<String, ConfigIssue> {
    let Some(weights) = weights else { return Ok(String::new()) };
    let path = base_dir.join(weights);
    let issue =
        |e: std::io::Error| ConfigIssue::at("weights", format!("cannot read `{}`: {e}", path.display()));
    let file = std::fs::File::open(&path).map_err(issue)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(issue)?;
    Ok(format!("weights={}", hasher.finalize().to_hex()))
}

/// An issue if any of the numbers of a key is 0.
pub(crate) fn check_positive<'a>(
    key: &str,
    numbers: impl IntoIterator<Item = &'a usize>,
) -> Option<ConfigIssue> {
    let zero = numbers.into_iter().any(|n| *n == 0);
    zero.then(|| ConfigIssue::at(key, "must be at least 1"))
}

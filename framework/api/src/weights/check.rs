//! What can be said of a file of weights when a plan is made. The main function is [`check_weights`].

use super::{names, read, unwrap};
use crate::ConfigIssue;
use std::path::Path;

/// Issues with a `weights` key: what the file is, if it holds no weights. Tensors are not read. A relative path starts at
/// `base_dir`.
#[must_use]
pub fn check_weights(weights: Option<&Path>, base_dir: &Path) -> Vec<ConfigIssue> {
    check_weights_of(weights, base_dir, &[])
}

/// As [`check_weights`], of weights that must have tensors of these names, whatever is wrapped around them. A few that are
/// the network's own tell its weights from others'.
#[must_use]
pub fn check_weights_of(weights: Option<&Path>, base_dir: &Path, own: &[String]) -> Vec<ConfigIssue> {
    let Some(weights) = weights else { return Vec::new() };
    let path = base_dir.join(weights);
    if !path.exists() {
        return vec![ConfigIssue::at("weights", format!("there is no file `{}`", path.display()))];
    }
    let issue = |what: String| vec![ConfigIssue::at("weights", format!("`{}`: {what}", path.display()))];
    let shapes = match read::shapes(&path) {
        Ok(shapes) => unwrap::fitted(shapes, &|name| own.iter().any(|own| own == name)),
        Err(kind) => return issue(kind.to_string()),
    };
    let missing: Vec<&str> = own.iter().filter(|n| !shapes.contains_key(*n)).map(String::as_str).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let whose =
        names::whose(&shapes).map_or_else(String::new, |whose| format!(": they are named as {whose}"));
    issue(format!("these are weights of another network{whose}; there is no `{}`", missing.join("`, `")))
}

/// The BLAKE3 of the weights: what a trial's identity takes from them.
///
/// # Errors
/// When the file cannot be read.
pub fn fingerprint_weights(weights: Option<&Path>, base_dir: &Path) -> Result<String, ConfigIssue> {
    let Some(weights) = weights else { return Ok(String::new()) };
    let path = base_dir.join(weights);
    let issue =
        |e: std::io::Error| ConfigIssue::at("weights", format!("cannot read `{}`: {e}", path.display()));
    let file = std::fs::File::open(&path).map_err(issue)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(issue)?;
    Ok(format!("weights={}", hasher.finalize().to_hex()))
}

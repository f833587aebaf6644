//! What can be set about `rival10`. The main type is [`Rival10Config`].

use crate::BadImagePolicy;
use crate::files::{absolute, folder_issue};
use fovea_api::ConfigIssue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Configuration of `rival10`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rival10Config {
    /// The folder that holds `train`, `test` and `meta`, or the one that holds `RIVAL10` with these in it. A relative
    /// path starts at the current directory.
    pub root: PathBuf,
    /// Fraction of each class of `train` that is held out as `val`; 0 for no such split.
    #[serde(default = "tenth")]
    pub val_fraction: f64,
    /// Which pictures are held out. Separate from the trial's seed, so that all trials validate on the same ones.
    #[serde(default)]
    pub val_seed: u64,
    /// What to do about a picture or mask that cannot be decoded.
    #[serde(default)]
    pub on_bad_image: BadImagePolicy,
}

fn tenth() -> f64 {
    0.1
}

impl Rival10Config {
    /// The folder that holds `train`, absolute.
    pub(super) fn root(&self, base_dir: &Path) -> PathBuf {
        let root = absolute(base_dir, &self.root);
        let inner = root.join("RIVAL10");
        if !root.join("train").is_dir() && inner.is_dir() { inner } else { root }
    }

    /// What types cannot say.
    pub(super) fn issues(&self, base_dir: &Path) -> Vec<ConfigIssue> {
        let expected = "the folder that holds `train`, `test` and `meta`";
        let mut issues = Vec::from_iter(folder_issue("root", &self.root(base_dir), expected));
        if !(0.0..1.0).contains(&self.val_fraction) {
            let message = format!("{} is not a fraction: at least 0 and less than 1", self.val_fraction);
            issues.push(ConfigIssue::at("val_fraction", message));
        }
        issues
    }
}

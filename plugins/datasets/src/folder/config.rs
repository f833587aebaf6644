//! What can be set about `folder`. The main type is [`FolderConfig`].

use crate::BadImagePolicy;
use crate::files::{absolute, folder_issue};
use fovea_api::ConfigIssue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Configuration of `folder`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// Folder of the splits. A relative path starts at the current directory.
    pub root: PathBuf,
    /// What to do about a picture or mask that cannot be decoded.
    #[serde(default)]
    pub on_bad_image: BadImagePolicy,
}

impl FolderConfig {
    /// The root, absolute.
    pub(super) fn root(&self, base_dir: &Path) -> PathBuf {
        absolute(base_dir, &self.root)
    }

    /// What types cannot say.
    pub(super) fn issues(&self, base_dir: &Path) -> Vec<ConfigIssue> {
        folder_issue("root", &self.root(base_dir), "the folder that holds `train`").into_iter().collect()
    }
}

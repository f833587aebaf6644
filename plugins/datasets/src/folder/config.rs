//! What can be set about `folder`. The main type is [`FolderConfig`].

use fovea_api::ConfigIssue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Configuration of `folder`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// Folder of the splits. A relative path starts at the experiment file's folder.
    pub root: PathBuf,
    /// What to do about a picture or mask that cannot be decoded.
    #[serde(default)]
    pub on_bad_image: BadImagePolicy,
}

/// What to do about a picture or mask that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadImagePolicy {
    /// Stop when it is needed, with an error that names it.
    #[default]
    Error,
    /// Decode everything when the data set is opened, and leave out, count and list what fails.
    Skip,
}

impl FolderConfig {
    /// The root, absolute.
    pub(super) fn root(&self, base_dir: &Path) -> PathBuf {
        let root = base_dir.join(&self.root);
        std::path::absolute(&root).unwrap_or(root)
    }

    /// What types cannot say.
    pub(super) fn issues(&self, base_dir: &Path) -> Vec<ConfigIssue> {
        let root = self.root(base_dir);
        let problem = match std::fs::metadata(&root) {
            Ok(found) if found.is_dir() => return Vec::new(),
            Ok(_) => "is not a folder".to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "does not exist".to_owned(),
            Err(error) => format!("cannot be opened: {error}"),
        };
        let message = format!("{} {problem}; expected the folder that holds `train`", root.display());
        vec![ConfigIssue::at("root", message)]
    }
}

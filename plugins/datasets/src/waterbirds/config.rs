//! What can be set about `waterbirds`. The main type is [`WaterbirdsConfig`].

use crate::BadImagePolicy;
use crate::files::{absolute, folder_issue};
use fovea_api::ConfigIssue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Configuration of `waterbirds`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaterbirdsConfig {
    /// The folder that holds `metadata.csv`. A relative path starts at the current directory.
    pub root: PathBuf,
    /// Folder of the masks, CUB-200-2011's segmentations: `IMG_FILENAME` with the extension `.png`, grey, the object
    /// where it is at least one half. A relative path starts at the current directory. Left out: `segmentations` in
    /// `root` if it exists, else no masks.
    #[serde(default)]
    pub masks: Option<PathBuf>,
    /// What to do about a picture or mask that cannot be decoded.
    #[serde(default)]
    pub on_bad_image: BadImagePolicy,
}

impl WaterbirdsConfig {
    /// The root, absolute.
    pub(super) fn root(&self, base_dir: &Path) -> PathBuf {
        absolute(base_dir, &self.root)
    }

    /// The folder of the masks, absolute, where there is one.
    pub(super) fn masks(&self, base_dir: &Path) -> Option<PathBuf> {
        let beside = || Some(self.root(base_dir).join("segmentations")).filter(|folder| folder.is_dir());
        self.masks.as_ref().map_or_else(beside, |masks| Some(absolute(base_dir, masks)))
    }

    /// What types cannot say.
    pub(super) fn issues(&self, base_dir: &Path) -> Vec<ConfigIssue> {
        let root = folder_issue("root", &self.root(base_dir), "the folder that holds `metadata.csv`");
        let masks = self.masks(base_dir);
        let masks = masks.and_then(|m| folder_issue("masks", &m, "the folder of the segmentations"));
        root.into_iter().chain(masks).collect()
    }
}

//! The plugin. The main type is [`Folder`].

use super::{FolderConfig, scan::scan};
use crate::BadImagePolicy;
use crate::listing::{self, Layout, Listing};
use fovea_api::registry::{BuildContext, DatasetPlugin, Plugin};
use fovea_api::{ConfigIssue, DatasetSource, PluginError};
use std::path::Path;

/// The plugin `folder`.
#[derive(Clone, Copy, Debug)]
pub struct Folder;

impl Plugin for Folder {
    const NAME: &'static str = "folder";
    const PATHS: &'static [&'static str] = &["root"];
    const SUMMARY: &'static str = "Pictures in root/SPLIT/CLASS/, masks in root/SPLIT-masks/CLASS/.";
    type Config = FolderConfig;

    fn check(config: &FolderConfig, base_dir: &Path) -> Vec<ConfigIssue> {
        config.issues(base_dir)
    }

    fn fingerprint(config: &FolderConfig, base_dir: &Path) -> Result<String, ConfigIssue> {
        listing::fingerprint::<Self>(config, base_dir)
    }
}

impl Layout for Folder {
    fn list(config: &FolderConfig, base_dir: &Path) -> Result<Listing, String> {
        scan(&config.root(base_dir))
    }

    fn on_bad_image(config: &FolderConfig) -> BadImagePolicy {
        config.on_bad_image
    }
}

impl DatasetPlugin for Folder {
    fn build(config: FolderConfig, context: &BuildContext) -> Result<Box<dyn DatasetSource>, PluginError> {
        listing::build::<Self>(&config, context)
    }
}

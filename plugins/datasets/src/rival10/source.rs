//! The plugin. The main type is [`Rival10`].

use super::{Rival10Config, scan::scan};
use crate::BadImagePolicy;
use crate::listing::{self, Layout, Listing};
use fovea_api::registry::{BuildContext, DatasetPlugin, Plugin};
use fovea_api::{ConfigIssue, DatasetSource, PluginError};
use std::path::Path;

/// The plugin `rival10`.
#[derive(Clone, Copy, Debug)]
pub struct Rival10;

impl Plugin for Rival10 {
    const NAME: &'static str = "rival10";
    const PATHS: &'static [&'static str] = &["root"];
    const SUMMARY: &'static str = "RIVAL10 as distributed: ten classes of ImageNet with object masks.";
    type Config = Rival10Config;

    fn check(config: &Rival10Config, base_dir: &Path) -> Vec<ConfigIssue> {
        config.issues(base_dir)
    }

    fn fingerprint(config: &Rival10Config, base_dir: &Path) -> Result<String, ConfigIssue> {
        listing::fingerprint::<Self>(config, base_dir)
    }
}

impl Layout for Rival10 {
    fn list(config: &Rival10Config, base_dir: &Path) -> Result<Listing, String> {
        scan(&config.root(base_dir), config.val_fraction, config.val_seed)
    }

    fn on_bad_image(config: &Rival10Config) -> BadImagePolicy {
        config.on_bad_image
    }
}

impl DatasetPlugin for Rival10 {
    fn build(config: Rival10Config, context: &BuildContext) -> Result<Box<dyn DatasetSource>, PluginError> {
        listing::build::<Self>(&config, context)
    }
}

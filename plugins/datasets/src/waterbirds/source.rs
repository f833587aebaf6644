//! The plugin. The main type is [`Waterbirds`].

use super::{WaterbirdsConfig, scan::scan};
use crate::BadImagePolicy;
use crate::listing::{self, Layout, Listing};
use fovea_api::registry::{BuildContext, DatasetPlugin, Plugin};
use fovea_api::{ConfigIssue, DatasetSource, PluginError};
use std::path::Path;

/// The plugin `waterbirds`.
#[derive(Clone, Copy, Debug)]
pub struct Waterbirds;

impl Plugin for Waterbirds {
    const NAME: &'static str = "waterbirds";
    const PATHS: &'static [&'static str] = &["root", "masks"];
    const SUMMARY: &'static str = "Waterbirds: land and water birds on land and water, in four groups.";
    type Config = WaterbirdsConfig;

    fn check(config: &WaterbirdsConfig, base_dir: &Path) -> Vec<ConfigIssue> {
        config.issues(base_dir)
    }

    fn fingerprint(config: &WaterbirdsConfig, base_dir: &Path) -> Result<String, ConfigIssue> {
        listing::fingerprint::<Self>(config, base_dir)
    }
}

impl Layout for Waterbirds {
    fn list(config: &WaterbirdsConfig, base_dir: &Path) -> Result<Listing, String> {
        scan(&config.root(base_dir), config.masks(base_dir))
    }

    fn on_bad_image(config: &WaterbirdsConfig) -> BadImagePolicy {
        config.on_bad_image
    }
}

impl DatasetPlugin for Waterbirds {
    fn build(
        config: WaterbirdsConfig,
        context: &BuildContext,
    ) -> Result<Box<dyn DatasetSource>, PluginError> {
        listing::build::<Self>(&config, context)
    }
}

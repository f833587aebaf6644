//! The registry with every built-in plugin.

use fovea_api::Registry;

/// Every built-in plugin.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    fovea_datasets::register(&mut registry);
    fovea_models::register(&mut registry);
    fovea_localizers::register(&mut registry);
    fovea_extractors::register(&mut registry);
    fovea_losses::register(&mut registry);
    registry
}

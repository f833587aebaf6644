//! What the configurations of all networks have in common. The main type is [`Freeze`].

use fovea_api::{BuiltModel, Classifier, ConfigIssue, HeadReplaced, PluginError, WeightsError, boxed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// An issue if any of the numbers of a key is 0.
pub(crate) fn check_positive<'a>(
    key: &str,
    numbers: impl IntoIterator<Item = &'a usize>,
) -> Option<ConfigIssue> {
    let zero = numbers.into_iter().any(|n| *n == 0);
    zero.then(|| ConfigIssue::at(key, "must be at least 1"))
}

/// What a plugin's build gives: the initialised network made object-safe.
pub(crate) fn built<M: Classifier>(
    plugin: &str,
    network: Result<(M, Option<HeadReplaced>), WeightsError>,
) -> Result<BuiltModel, PluginError> {
    match network {
        Ok((network, head_replaced)) => Ok(BuiltModel { model: boxed(network), head_replaced }),
        Err(error) => Err(PluginError::new(format!("model {plugin}"), format!("failed to {error}"))),
    }
}

//! The decisive causal control (method.md section 5). The main type is [`Shuffled`].

use fovea_api::registry::{BuildContext, LocalizerPlugin, Plugin, PluginKind, Resolved};
use fovea_api::{ConfigIssue, ImageView, Key, Localization, Localizer, PluginError, Registry};
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// The plugin `shuffled`: another localizer's boxes, each given to another picture of the split.
///
/// Sizes and places of the boxes stay distributed as they were; that a box belongs to its picture is all that is
/// lost. Whatever a loss still gains with these boxes, it does not gain by looking at the object.
#[derive(Clone, Copy, Debug)]
pub struct Shuffled;

/// Configuration of `shuffled`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShuffledConfig {
    /// The localizer whose boxes are shuffled: its `name` and its own keys.
    pub inner: Map<String, Value>,
    /// Seed of the permutation.
    pub seed: u64,
}

impl Default for ShuffledConfig {
    fn default() -> Self {
        let name = ("name".to_owned(), Value::from("ground-truth"));
        Self { inner: Map::from_iter([name]), seed: 0 }
    }
}

impl ShuffledConfig {
    /// The inner localizer's name and its own table.
    fn inner(&self) -> Result<(&str, Value), ConfigIssue> {
        let issue = |message: &str| ConfigIssue { path: path("name"), ..ConfigIssue::at("inner", message) };
        let name = match self.inner.get("name") {
            Some(Value::String(name)) if name == Shuffled::NAME => {
                return Err(issue("`shuffled` cannot shuffle itself; name another localizer"));
            }
            Some(Value::String(name)) => name,
            Some(_) => return Err(issue("the name of a localizer is expected, such as \"ground-truth\"")),
            None => return Err(issue("missing; name a localizer, such as \"ground-truth\"")),
        };
        let rest: Map<String, Value> =
            self.inner.iter().filter(|(k, _)| *k != "name").map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok((name, Value::Object(rest)))
    }

    /// Resolves the inner localizer if it is one of this crate. A loaded one is not known here: its table is
    /// checked when it is built, and its version is not part of the fingerprint.
    fn resolve(&self, base_dir: &Path) -> Result<Option<(String, Resolved)>, Vec<ConfigIssue>> {
        let (name, table) = self.inner().map_err(|issue| vec![issue])?;
        let mut built_in = Registry::new();
        crate::register(&mut built_in);
        let Ok(entry) = built_in.get(PluginKind::Localizer, name) else { return Ok(None) };
        match entry.resolve(table, base_dir) {
            Ok(resolved) => Ok(Some((name.to_owned(), resolved))),
            Err(issues) => Err(issues
                .into_iter()
                .map(|issue| ConfigIssue {
                    path: std::iter::once("inner".to_owned()).chain(issue.path.iter().cloned()).collect(),
                    ..issue
                })
                .collect()),
        }
    }
}

fn path(key: &str) -> Vec<String> {
    vec!["inner".to_owned(), key.to_owned()]
}

impl Plugin for Shuffled {
    const NAME: &'static str = "shuffled";
    const SUMMARY: &'static str = "Control: another localizer's boxes, each on another picture.";
    type Config = ShuffledConfig;

    fn check(config: &ShuffledConfig, base_dir: &Path) -> Vec<ConfigIssue> {
        config.resolve(base_dir).err().unwrap_or_default()
    }

    fn fingerprint(config: &ShuffledConfig, base_dir: &Path) -> Result<String, ConfigIssue> {
        match config.resolve(base_dir) {
            Ok(Some((name, inner))) => Ok(format!("{name} {}", inner.fingerprint)),
            Ok(None) => Ok(String::new()),
            Err(issues) => Err(issues.into_iter().next().expect("a refusal holds an issue")),
        }
    }
}

impl LocalizerPlugin for Shuffled {
    fn build(config: ShuffledConfig, context: &BuildContext) -> Result<Box<dyn Localizer>, PluginError> {
        let failed = |message: String| PluginError::new("localizer shuffled", message);
        let (name, table) = config.inner().map_err(|issue| failed(issue.to_string()))?;
        let entry = context
            .registry
            .get(PluginKind::Localizer, name)
            .map_err(|error| failed(format!("inner.name: {}", error.message)))?;
        let resolved = entry.resolve(table, &context.base_dir).map_err(|issues| {
            let issues: Vec<String> = issues.iter().map(|issue| format!("inner.{issue}")).collect();
            failed(issues.join("; "))
        })?;
        let inner = context.registry.build_localizer(name, resolved.config, context)?;
        Ok(Box::new(Shuffling { inner, seed: config.seed }))
    }
}

struct Shuffling {
    inner: Box<dyn Localizer>,
    seed: u64,
}

impl Localizer for Shuffling {
    fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        self.inner.localize(images)
    }

    fn cache_key(&self) -> Option<String> {
        self.inner.cache_key()
    }

    /// One random cycle through all pictures, so that none keeps its own box (a lone picture must).
    fn permutation(&self, split: &str, count: usize) -> Option<Vec<usize>> {
        let mut rng = Key::new(self.seed).purpose("shuffled").purpose(split).index(count).rng();
        // Sattolo's algorithm: a uniformly drawn cyclic permutation.
        let mut permutation: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            permutation.swap(i, rng.random_range(0..i));
        }
        // An inner permutation comes first: picture i gets what the inner one gives to its new number.
        match self.inner.permutation(split, count) {
            Some(inner) => Some(permutation.into_iter().map(|i| inner[i]).collect()),
            None => Some(permutation),
        }
    }
}

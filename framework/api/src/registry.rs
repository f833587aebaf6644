//! The one door for plugins. The main type is [`Registry`].

use crate::{
    Ahead, BoxExtractor, BuiltModel, ConfigIssue, DatasetSource, ExplanationLoss, Forecast, Localizer,
    ModelContext, PluginError,
};
use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginKind {
    /// Delivers pictures.
    Dataset,
    /// A network.
    Model,
    /// Says where the object is.
    Localizer,
    /// Heatmap to box.
    Extractor,
    /// Explanation loss.
    Loss,
}

impl PluginKind {
    /// Every kind, in the order in which lists show them.
    pub const ALL: [Self; 5] = [Self::Dataset, Self::Model, Self::Localizer, Self::Extractor, Self::Loss];

    /// The key of the kind's table in an experiment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Model => "model",
            Self::Localizer => "localizer",
            Self::Extractor => "extractor",
            Self::Loss => "loss",
        }
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What plugins other than models are built from.
#[derive(Clone)]
pub struct BuildContext {
    /// Relative paths in a plugin's configuration start here.
    pub base_dir: PathBuf,
    /// Device for plugins that compute tensors, without autodiff.
    pub device: Device,
    /// The registry, for plugins that wrap others.
    pub registry: Registry,
}

/// What every plugin says of itself. One unit struct per plugin implements this and the trait of its kind.
pub trait Plugin: 'static {
    /// Name in experiments.
    const NAME: &'static str;
    /// One line for help and docs.
    const SUMMARY: &'static str;
    /// Keys of the configuration that say where files are. Their contents count for a trial's identity, through
    /// [`fingerprint`](Self::fingerprint); their places do not.
    const PATHS: &'static [&'static str] = &[];
    /// Raised when the implementation changes what it computes; part of a trial's identity.
    const VERSION: u32 = 1;
    /// Its configuration: `deny_unknown_fields`, a serde default for every field that has one.
    type Config: Serialize + DeserializeOwned + JsonSchema + Send;

    /// Checks what types cannot say. Relative paths start at `base_dir`.
    fn check(config: &Self::Config, base_dir: &std::path::Path) -> Vec<ConfigIssue> {
        let _ = (config, base_dir);
        Vec::new()
    }

    /// The configuration with the contents of small files in place of their names, so that a trial's record needs the
    /// files no more and their contents count for its identity.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn embed(config: Self::Config, base_dir: &std::path::Path) -> Result<Self::Config, ConfigIssue> {
        let _ = base_dir;
        Ok(config)
    }

    /// What identifies the plugin's behaviour beside its configuration and version: hashes of data and weights.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn fingerprint(config: &Self::Config, base_dir: &std::path::Path) -> Result<String, ConfigIssue> {
        let _ = (config, base_dir);
        Ok(String::new())
    }
}

/// A plugin that delivers pictures.
pub trait DatasetPlugin: Plugin {
    /// Opens the data set.
    ///
    /// # Errors
    /// When it cannot be opened; the error says what is missing where.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Box<dyn DatasetSource>, PluginError>;
}

/// A plugin that is a network.
pub trait ModelPlugin: Plugin {
    /// Builds and initialises the network.
    ///
    /// # Errors
    /// When the configuration does not make a network, or weights do not fit.
    fn build(config: Self::Config, context: &ModelContext) -> Result<BuiltModel, PluginError>;

    /// What the network will need, without building it; `None` where that is not known. It is asked when a plan is made, so
    /// that nobody waits for a training that cannot be.
    ///
    /// # Errors
    /// When it is no network for this size of input.
    fn forecast(config: Self::Config, ahead: &Ahead<'_>) -> Result<Option<Forecast>, ConfigIssue> {
        let _ = (config, ahead);
        Ok(None)
    }
}

/// A plugin that says where the object is.
pub trait LocalizerPlugin: Plugin {
    /// Makes the localizer.
    ///
    /// # Errors
    /// When it cannot be made.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Box<dyn Localizer>, PluginError>;
}

/// A plugin that turns heatmaps into boxes.
pub trait ExtractorPlugin: Plugin {
    /// Makes the extractor.
    ///
    /// # Errors
    /// When it cannot be made.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Box<dyn BoxExtractor>, PluginError>;
}

/// A plugin that is an explanation loss.
pub trait LossPlugin: Plugin {
    /// Makes the loss.
    ///
    /// # Errors
    /// When it cannot be made.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Box<dyn ExplanationLoss>, PluginError>;
}

/// Makes a `T` from a resolved configuration and what it is built from.
pub type Make<T, C> = Arc<dyn Fn(Value, &C) -> Result<T, PluginError> + Send + Sync>;

/// Makes a plugin of its kind from a resolved configuration.
#[derive(Clone)]
pub enum Factory {
    /// A data set.
    Dataset(Make<Box<dyn DatasetSource>, BuildContext>),
    /// A network.
    Model(Make<BuiltModel, ModelContext>),
    /// A localizer.
    Localizer(Make<Box<dyn Localizer>, BuildContext>),
    /// A box extractor.
    Extractor(Make<Box<dyn BoxExtractor>, BuildContext>),
    /// A loss.
    Loss(Make<Box<dyn ExplanationLoss>, BuildContext>),
}

/// A configuration with defaults filled in, and what identifies the plugin beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// All fields present.
    pub config: Value,
    /// Version of the implementation and hashes of its files.
    pub fingerprint: String,
    /// Keys that say where files are ([`Plugin::PATHS`]).
    pub paths: Vec<String>,
}

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Fovea's own.
    BuiltIn,
    /// Compiled into this program by someone else.
    InProcess,
    /// Loaded from a library.
    File {
        /// The library.
        path: PathBuf,
        /// BLAKE3 of its contents, in hexadecimal digits.
        blake3: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.pad("built in"),
            Self::InProcess => f.pad("in this program"),
            Self::File { path, .. } => f.pad(&path.display().to_string()),
        }
    }
}

/// What a plugin that is no [`Plugin`] type says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its kind.
    pub kind: PluginKind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line for help and docs.
    pub summary: String,
    /// JSON Schema of its configuration.
    pub schema: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// Checks a table, relative paths in which start at the folder, and fills in defaults.
pub type Resolve = Arc<dyn Fn(Value, &std::path::Path) -> Result<Resolved, Vec<ConfigIssue>> + Send + Sync>;

/// Forecasts a network from a resolved configuration.
pub type Foretell = Arc<dyn Fn(Value, &Ahead<'_>) -> Result<Option<Forecast>, ConfigIssue> + Send + Sync>;

/// A registered plugin.
#[derive(Clone)]
pub struct Entry {
    /// Its kind.
    pub kind: PluginKind,
    /// Its name.
    pub name: String,
    /// One line for help and docs.
    pub summary: String,
    /// JSON Schema of its configuration.
    pub schema: Value,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
    resolve: Resolve,
    resolve_unread: Resolve,
    factory: Factory,
    foretell: Option<Foretell>,
}

impl Entry {
    /// An entry of the plugin `P`; `factory` makes it.
    fn of<P: Plugin>(kind: PluginKind, factory: Factory) -> Self {
        Self {
            kind,
            name: P::NAME.to_owned(),
            summary: P::SUMMARY.to_owned(),
            schema: schemars::schema_for!(P::Config).to_value(),
            version: P::VERSION.to_string(),
            origin: Origin::BuiltIn,
            resolve: Arc::new(resolve::<P>),
            resolve_unread: Arc::new(resolve_unread::<P>),
            factory,
            foretell: None,
        }
    }

    /// An entry of a plugin that is no [`Plugin`] type; `unread` resolves without reading files
    /// ([`resolve_unread`](Self::resolve_unread)).
    #[must_use]
    pub fn new(description: Description, resolve: Resolve, unread: Resolve, factory: Factory) -> Self {
        let Description { kind, name, version, summary, schema, origin } = description;
        let (resolve_unread, foretell) = (unread, None);
        Self { kind, name, summary, schema, version, origin, resolve, resolve_unread, factory, foretell }
    }

    /// The entry of a network that can be forecast.
    #[must_use]
    pub fn forecasting(self, foretell: Foretell) -> Self {
        Self { foretell: Some(foretell), ..self }
    }

    /// Checks a table and fills in defaults.
    ///
    /// # Errors
    /// Every issue with the table.
    pub fn resolve(&self, config: Value, base_dir: &std::path::Path) -> Result<Resolved, Vec<ConfigIssue>> {
        (self.resolve)(config, base_dir)
    }

    /// As [`resolve`](Self::resolve), but no file is read: the fingerprint says nothing of contents, and in return
    /// the places count for the identity. For those who want to look at files that may be bad.
    ///
    /// # Errors
    /// Every issue with the table.
    pub fn resolve_unread(
        &self,
        config: Value,
        base_dir: &std::path::Path,
    ) -> Result<Resolved, Vec<ConfigIssue>> {
        (self.resolve_unread)(config, base_dir)
    }
}

fn resolve<P: Plugin>(config: Value, base_dir: &std::path::Path) -> Result<Resolved, Vec<ConfigIssue>> {
    let config = P::embed(checked::<P>(config, base_dir)?, base_dir).map_err(|issue| vec![issue])?;
    let files = P::fingerprint(&config, base_dir).map_err(|issue| vec![issue])?;
    let fingerprint = format!("v{}{}{files}", P::VERSION, if files.is_empty() { "" } else { " " });
    let paths = P::PATHS.iter().map(|&p| p.to_owned()).collect();
    Ok(Resolved { config: filled_in(&config)?, fingerprint, paths })
}

fn resolve_unread<P: Plugin>(
    config: Value,
    base_dir: &std::path::Path,
) -> Result<Resolved, Vec<ConfigIssue>> {
    let config = filled_in(&checked::<P>(config, base_dir)?)?;
    Ok(Resolved { config, fingerprint: format!("v{}", P::VERSION), paths: Vec::new() })
}

fn checked<P: Plugin>(config: Value, base_dir: &std::path::Path) -> Result<P::Config, Vec<ConfigIssue>> {
    let config: P::Config = parse(config).map_err(|issue| vec![issue])?;
    let issues = P::check(&config, base_dir);
    if issues.is_empty() { Ok(config) } else { Err(issues) }
}

fn filled_in(config: &impl Serialize) -> Result<Value, Vec<ConfigIssue>> {
    serde_json::to_value(config).map_err(|e| vec![ConfigIssue::at("", e.to_string())])
}

/// Deserializes with the path of what does not fit.
fn parse<T: DeserializeOwned>(config: Value) -> Result<T, ConfigIssue> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = error.path().iter().map(ToString::to_string).filter(|s| s != "?").collect();
        ConfigIssue { path, message: error.into_inner().to_string(), suggestion: None }
    })
}

fn typed<P: Plugin>(kind: PluginKind, config: Value) -> Result<P::Config, PluginError> {
    parse(config).map_err(|issue| PluginError::new(format!("{kind} {}", P::NAME), issue.to_string()))
}

/// Every plugin there is, by kind and name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    entries: Arc<BTreeMap<(PluginKind, String), Entry>>,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers an entry.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn register(&mut self, entry: Entry) -> Result<(), PluginError> {
        let key = (entry.kind, entry.name.clone());
        if let Some(other) = self.entries.get(&key) {
            let plugin = format!("{} {}", entry.kind, entry.name);
            let message = format!(
                "the name is taken by two plugins ({}; {}): rename one or leave it out",
                other.origin, entry.origin
            );
            return Err(PluginError::new(plugin, message));
        }
        Arc::make_mut(&mut self.entries).insert(key, entry);
        Ok(())
    }

    fn built_in(&mut self, entry: Entry) -> &mut Self {
        Arc::make_mut(&mut self.entries).insert((entry.kind, entry.name.clone()), entry);
        self
    }

    /// Adds a data set.
    pub fn dataset<P: DatasetPlugin>(&mut self) -> &mut Self {
        let kind = PluginKind::Dataset;
        self.built_in(Entry::of::<P>(
            kind,
            Factory::Dataset(Arc::new(move |v, c| P::build(typed::<P>(kind, v)?, c))),
        ))
    }

    /// Adds a network.
    pub fn model<P: ModelPlugin>(&mut self) -> &mut Self {
        let kind = PluginKind::Model;
        let factory = Factory::Model(Arc::new(move |v, c| P::build(typed::<P>(kind, v)?, c)));
        let foretell = |v, ahead: &Ahead<'_>| P::forecast(parse(v)?, ahead);
        self.built_in(Entry::of::<P>(kind, factory).forecasting(Arc::new(foretell)))
    }

    /// Adds a localizer.
    pub fn localizer<P: LocalizerPlugin>(&mut self) -> &mut Self {
        let kind = PluginKind::Localizer;
        self.built_in(Entry::of::<P>(
            kind,
            Factory::Localizer(Arc::new(move |v, c| P::build(typed::<P>(kind, v)?, c))),
        ))
    }

    /// Adds a box extractor.
    pub fn extractor<P: ExtractorPlugin>(&mut self) -> &mut Self {
        let kind = PluginKind::Extractor;
        self.built_in(Entry::of::<P>(
            kind,
            Factory::Extractor(Arc::new(move |v, c| P::build(typed::<P>(kind, v)?, c))),
        ))
    }

    /// Adds a loss.
    pub fn loss<P: LossPlugin>(&mut self) -> &mut Self {
        let kind = PluginKind::Loss;
        self.built_in(Entry::of::<P>(
            kind,
            Factory::Loss(Arc::new(move |v, c| P::build(typed::<P>(kind, v)?, c))),
        ))
    }

    /// Every entry, by kind and name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Names of a kind.
    #[must_use]
    pub fn names(&self, kind: PluginKind) -> Vec<String> {
        self.entries.keys().filter(|(k, _)| *k == kind).map(|(_, n)| n.clone()).collect()
    }

    /// The plugin of this kind and name.
    ///
    /// # Errors
    /// An error that lists the known names and the nearest one.
    pub fn get(&self, kind: PluginKind, name: &str) -> Result<&Entry, PluginError> {
        self.entries.get(&(kind, name.to_owned())).ok_or_else(|| {
            let names = self.names(kind);
            let near = nearest(name, &names).map_or_else(String::new, |n| format!("did you mean `{n}`? "));
            PluginError::new(
                format!("{kind} {name}"),
                format!("no such {kind}; {near}known: {}", names.join(", ")),
            )
        })
    }

    /// Opens a data set.
    ///
    /// # Errors
    /// When the name is unknown or the plugin fails.
    pub fn build_dataset(
        &self,
        name: &str,
        config: Value,
        c: &BuildContext,
    ) -> Result<Box<dyn DatasetSource>, PluginError> {
        match &self.get(PluginKind::Dataset, name)?.factory {
            Factory::Dataset(make) => make(config, c),
            _ => unreachable!("an entry's factory is of its kind"),
        }
    }

    /// Builds a network.
    ///
    /// # Errors
    /// When the name is unknown or the plugin fails.
    pub fn build_model(
        &self,
        name: &str,
        config: Value,
        c: &ModelContext,
    ) -> Result<BuiltModel, PluginError> {
        match &self.get(PluginKind::Model, name)?.factory {
            Factory::Model(make) => make(config, c),
            _ => unreachable!("an entry's factory is of its kind"),
        }
    }

    /// What a network will need; `None` where that is not known.
    ///
    /// # Errors
    /// When it is no network for this size of input.
    pub fn forecast_model(
        &self,
        name: &str,
        config: Value,
        ahead: &Ahead<'_>,
    ) -> Result<Option<Forecast>, ConfigIssue> {
        let entry = self.get(PluginKind::Model, name).map_err(|e| ConfigIssue::at("name", e.message))?;
        entry.foretell.as_ref().map_or(Ok(None), |foretell| foretell(config, ahead))
    }

    /// Makes a localizer.
    ///
    /// # Errors
    /// When the name is unknown or the plugin fails.
    pub fn build_localizer(
        &self,
        name: &str,
        config: Value,
        c: &BuildContext,
    ) -> Result<Box<dyn Localizer>, PluginError> {
        match &self.get(PluginKind::Localizer, name)?.factory {
            Factory::Localizer(make) => make(config, c),
            _ => unreachable!("an entry's factory is of its kind"),
        }
    }

    /// Makes a box extractor.
    ///
    /// # Errors
    /// When the name is unknown or the plugin fails.
    pub fn build_extractor(
        &self,
        name: &str,
        config: Value,
        c: &BuildContext,
    ) -> Result<Box<dyn BoxExtractor>, PluginError> {
        match &self.get(PluginKind::Extractor, name)?.factory {
            Factory::Extractor(make) => make(config, c),
            _ => unreachable!("an entry's factory is of its kind"),
        }
    }

    /// Makes a loss.
    ///
    /// # Errors
    /// When the name is unknown or the plugin fails.
    pub fn build_loss(
        &self,
        name: &str,
        config: Value,
        c: &BuildContext,
    ) -> Result<Box<dyn ExplanationLoss>, PluginError> {
        match &self.get(PluginKind::Loss, name)?.factory {
            Factory::Loss(make) => make(config, c),
            _ => unreachable!("an entry's factory is of its kind"),
        }
    }
}

/// The known name nearest to a misspelt one, if it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Explanation, LossInputs};
    use burn::tensor::Tensor;
    use serde::Deserialize;
    use serde_json::json;

    struct Flat;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct FlatConfig {
        lambda: f64,
    }

    impl Default for FlatConfig {
        fn default() -> Self {
            Self { lambda: 0.5 }
        }
    }

    impl Plugin for Flat {
        const NAME: &'static str = "flat";
        const SUMMARY: &'static str = "A constant.";
        type Config = FlatConfig;
    }

    struct FlatLoss(f64);

    impl ExplanationLoss for FlatLoss {
        fn inputs(&self) -> LossInputs {
            LossInputs::Heatmaps
        }

        fn loss(&self, explanation: &Explanation) -> Result<Tensor<1>, PluginError> {
            let [n, _, _] = explanation.heatmaps.dims();
            Ok(Tensor::full([n], self.0, &explanation.heatmaps.device()))
        }
    }

    impl LossPlugin for Flat {
        fn build(config: FlatConfig, _: &BuildContext) -> Result<Box<dyn ExplanationLoss>, PluginError> {
            Ok(Box::new(FlatLoss(config.lambda)))
        }
    }

    #[test]
    fn defaults_are_filled_in_and_mistakes_named() {
        let mut registry = Registry::new();
        registry.loss::<Flat>();
        let here = std::path::Path::new(".");
        let entry = registry.get(PluginKind::Loss, "flat").unwrap();
        assert_eq!(entry.resolve(json!({}), here).unwrap().config, json!({"lambda": 0.5}));
        let issues = entry.resolve(json!({"lamda": 1}), here).unwrap_err();
        assert!(issues[0].message.contains("unknown field `lamda`"), "{issues:?}");
        let issues = entry.resolve(json!({"lambda": "x"}), here).unwrap_err();
        assert_eq!(issues[0].path, ["lambda"]);
        let error = registry.get(PluginKind::Loss, "flot").map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "loss flot: no such loss; did you mean `flat`? known: flat");
    }

    #[test]
    fn a_taken_name_is_refused() {
        let mut registry = Registry::new();
        registry.loss::<Flat>();
        let entry = registry.get(PluginKind::Loss, "flat").unwrap().clone();
        assert!(registry.register(entry).unwrap_err().to_string().contains("taken"));
    }
}

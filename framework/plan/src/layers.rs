//! Layering: defaults < file < `FOVEA_*` environment < command line. The main types are [`Overrides`], what the user
//! gave beside the file, and `Layers`, the document and the axes that come of it all.
//!
//! Figment merges the layers and remembers which one each value came from. Two things it cannot know are done here:
//! a plugin's table is replaced, not merged, by one that names another plugin, and axes keep their order.

use crate::axes::{self, Axis, AxisValue, Given, Located};
use crate::errors::{At, Issue, Location, PlanError};
use crate::shape::Shape;
use crate::spans::{self, Source};
use crate::spec::ExperimentSpec;
use crate::{PlanErrors, PluginKind};
use figment::value::{Dict, Map as ProfileMap};
use figment::{Figment, Metadata, Profile, Provider};
use serde_json::{Map, Value, json};

const DEFAULTS: &str = "defaults";
const FILE: &str = "file";
/// Environment variables that configure the program, not the experiment; and those that begin with the last.
const RESERVED: [&str; 4] = ["FOVEA_LOG", "FOVEA_PLUGIN_PATH", "FOVEA_CACHE_HOME", "FOVEA_WORKER"];
const PREFIX: &str = "FOVEA_";

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with(RESERVED[RESERVED.len() - 1])
}

/// What the user gave beside the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `key=value`, in the order of the command line; later ones win.
    pub command_line: Vec<String>,
    /// `FOVEA_*` variables: name and value.
    pub environment: Vec<(String, String)>,
}

impl Overrides {
    /// The given `key=value` arguments and this process's environment.
    #[must_use]
    pub fn from_process(args: impl IntoIterator<Item = String>) -> Self {
        let variables = std::env::vars_os();
        let readable =
            variables.map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()));
        let mut environment: Vec<_> = readable.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        environment.sort();
        Self { command_line: args.into_iter().collect(), environment }
    }

    /// The shell command that runs the experiment at `path` with these overrides.
    #[must_use]
    pub fn command(&self, path: &std::path::Path) -> String {
        let variables = self.environment.iter().filter(|(name, _)| !is_reserved(name));
        let variables = variables.map(|(name, value)| format!("{name}={}", quoted(value)));
        let program = ["fovea".to_owned(), "run".to_owned(), quoted(&path.display().to_string())];
        let arguments = self.command_line.iter().map(|argument| quoted(argument));
        variables.chain(program).chain(arguments).collect::<Vec<_>>().join(" ")
    }
}

/// One override, parsed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    /// As the user gave it, for messages.
    pub(crate) text: String,
    pub(crate) path: Vec<String>,
    pub(crate) value: Value,
}

impl Overrides {
    /// Parses everything, lowest layer first.
    fn parse(&self, shape: &Shape) -> (Vec<Override>, Vec<PlanError>) {
        let (mut parsed, mut errors) = (Vec::new(), Vec::new());
        for (name, value) in &self.environment {
            let Some(keys) = name.strip_prefix(PREFIX) else { continue };
            if is_reserved(name) {
                continue;
            }
            let path: Vec<String> = keys.split("__").map(str::to_lowercase).collect();
            let value = override_value(shape, &path, value);
            parsed.push(Override { text: format!("environment: {name}={}", self.shown(name)), path, value });
        }
        for argument in &self.command_line {
            let text = format!("command line: {argument}");
            let key_value = argument.split_once('=').and_then(|(key, value)| {
                let keys = toml_edit::Key::parse(key.trim()).ok()?;
                Some((keys.iter().map(|key| key.get().to_owned()).collect::<Vec<_>>(), value))
            });
            match key_value {
                Some((path, value)) => {
                    let value = override_value(shape, &path, value);
                    parsed.push(Override { text, path, value });
                }
                None => errors.push(PlanError {
                    location: Location::Override(text),
                    key: None,
                    message: "expected key=value, with a dotted key".to_owned(),
                    help: Some("for example training.epochs=3".to_owned()),
                }),
            }
        }
        (parsed, errors)
    }

    fn shown(&self, name: &str) -> &str {
        self.environment.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

/// A value as TOML, else as text; always as text where the document wants text.
fn override_value(shape: &Shape, path: &[String], text: &str) -> Value {
    match (spans::parse_value(text), shape.at(path)) {
        (Some(Value::String(text)), _) => Value::String(text),
        (Some(value), Ok(wanted)) if *wanted != Shape::Text => value,
        (Some(value), Err(_)) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// The document without axes, the axes, and where all of it came from.
#[derive(Debug)]
pub(crate) struct Layers {
    pub(crate) base: Value,
    pub(crate) axes: Vec<Axis>,
    /// Overrides of keys below an axis: they hold for each of its values that they can mean.
    pub(crate) below_axes: Vec<Override>,
    /// Whether overrides changed the axes, so that the file's baseline may be gone.
    pub(crate) axes_changed: bool,
    figment: Figment,
    pub(crate) source: Source,
}

impl Layers {
    /// Merges everything; problems are collected in `errors`.
    pub(crate) fn merge(
        source: Source,
        mut file: Map<String, Value>,
        overrides: &Overrides,
        shape: &Shape,
        errors: &mut Vec<PlanError>,
    ) -> Result<Self, PlanErrors> {
        let stem = source.path.file_stem().map_or_else(|| "experiment".into(), |stem| stem.to_string_lossy());
        let defaults = ExperimentSpec::defaults(&stem);
        let file_axes = file.shift_remove("axes").unwrap_or_else(|| json!({}));
        let mut problems = Vec::new();
        let mut grid = Vec::new();
        if file_axes.is_object() {
            (grid, problems) = axes::read(&file_axes, &source);
        } else {
            let issue =
                Issue::new(vec!["axes".to_owned()], At::Value, "expected a table with one list per axis");
            problems.push(Located { given: Given::File(issue.path.clone()), issue });
        }
        let (parsed, override_errors) = overrides.parse(shape);
        errors.extend(override_errors);
        let mut layers = vec![(DEFAULTS.to_owned(), defaults), (FILE.to_owned(), file)];
        let mut below_axes = Vec::new();
        let mut axes_changed = false;
        for entry in parsed {
            if entry.path.first().is_some_and(|key| key == "axes") && entry.path.len() > 1 {
                match axes::axis(&entry.path[1..], &entry.value, Given::Override(entry.text.clone())) {
                    Ok(axis) => match grid.iter_mut().find(|other| other.path == axis.path) {
                        Some(place) => *place = axis,
                        None => grid.push(axis),
                    },
                    Err(problem) => problems.push(problem),
                }
                axes_changed = true;
            } else if let Some((axis, value)) = collapsed(&mut grid, &entry) {
                axis.given = Given::Override(entry.text.clone());
                axis.values = vec![AxisValue {
                    value,
                    label: String::new(),
                    given: Given::Override(entry.text.clone()),
                }];
                axes_changed = true;
            } else {
                if grid.iter().any(|axis| entry.path.starts_with(&axis.path)) {
                    below_axes.push(entry.clone());
                }
                let Value::Object(table) = nest(&entry.path, entry.value) else { continue };
                layers.push((entry.text, table));
            }
        }
        grid.retain(|axis| match axes::check_path(axis, shape) {
            Ok(()) => true,
            Err(problem) => {
                problems.push(problem);
                false
            }
        });
        errors.extend(problems.into_iter().map(|problem| place(&source, &problem)));
        let figment = join_layers(layers);
        let base: Value = figment.extract().map_err(|error| {
            let location = Location::Path(source.path.clone());
            PlanErrors::new(vec![PlanError { location, key: None, message: error.to_string(), help: None }])
        })?;
        for axis in &mut grid {
            errors.extend(axis.label(&base).iter().map(|problem| place(&source, problem)));
        }
        Ok(Self { base, axes: grid, below_axes, axes_changed, figment, source })
    }

    /// Where the user set exactly this path of the base document, if at all.
    pub(crate) fn given_in_base(&self, path: &[String], at: At) -> Option<Location> {
        // Figment does not look into lists; their elements come from where the list comes from.
        let list = path.split_last().filter(|(last, _)| last.parse::<usize>().is_ok()).map(|(_, list)| list);
        let find = |path: &[String]| self.figment.find_value(&path.join(".")).ok();
        let value = find(path).or_else(|| find(list?))?;
        let mut layers = Vec::new();
        self.collect_layers(&value, &mut layers);
        if layers.contains(&FILE) {
            // `name` of a plugin given as plain text stands in the document but not in the file.
            let at = if self.source.contains(path) { at } else { At::Value };
            return Some(self.source.locate(path, at));
        }
        let text = layers.iter().find(|layer| **layer != DEFAULTS)?;
        Some(Location::Override((*text).to_owned()))
    }

    /// Layers that a value's leaves come from.
    fn collect_layers<'a>(&'a self, value: &figment::value::Value, layers: &mut Vec<&'a str>) {
        match value.as_dict() {
            Some(dict) if !dict.is_empty() => {
                for value in dict.values() {
                    self.collect_layers(value, layers);
                }
            }
            _ => layers.extend(self.figment.get_metadata(value.tag()).map(|metadata| metadata.name.as_ref())),
        }
    }

    /// Where a problem of the axes is.
    pub(crate) fn location(&self, given: &Given, below: &[String], at: At) -> Location {
        locate(&self.source, given, below, at)
    }
}

fn locate(source: &Source, given: &Given, below: &[String], at: At) -> Location {
    match given {
        Given::File(path) => {
            let full: Vec<String> = path.iter().chain(below).cloned().collect();
            source.locate(&full, at)
        }
        Given::Override(text) => Location::Override(text.clone()),
    }
}

fn place(source: &Source, problem: &Located) -> PlanError {
    PlanError {
        location: locate(source, &problem.given, &[], problem.issue.at),
        key: Some(problem.issue.path.join(".")),
        message: problem.issue.message.clone(),
        help: problem.issue.help.clone(),
    }
}

/// The axis that an override sets to a single value, and that value.
fn collapsed<'a>(grid: &'a mut [Axis], entry: &Override) -> Option<(&'a mut Axis, Value)> {
    let names_plugin = match entry.path.as_slice() {
        [kind, name] => name == "name" && PluginKind::from_key(kind).is_some(),
        _ => false,
    };
    let path = if names_plugin { &entry.path[..1] } else { &entry.path[..] };
    let axis = grid.iter_mut().find(|axis| axis.path == path)?;
    Some((axis, entry.value.clone()))
}

fn nest(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |value, key| Value::Object(Map::from_iter([(key.clone(), value)])))
}

/// One layer as a figment provider: its name is what errors will say.
struct Layer(String, Map<String, Value>);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0.clone())
    }

    fn data(&self) -> figment::Result<ProfileMap<Profile, Dict>> {
        let value = figment::value::Value::serialize(&self.1)?;
        Ok(Profile::Default.collect(value.into_dict().unwrap_or_default()))
    }
}

/// Joins layers, lowest first.
fn join_layers(mut layers: Vec<(String, Map<String, Value>)>) -> Figment {
    for (_, table) in &mut layers {
        for kind in PluginKind::ALL {
            if let Some(entry) = table.get_mut(kind.as_str()) {
                *entry = plugin_table(entry.take());
            }
        }
    }
    for kind in PluginKind::ALL.map(PluginKind::as_str) {
        let mut current: Option<String> = None;
        for index in 0..layers.len() {
            let name = layers[index].1.get(kind).and_then(|table| table.get("name")).and_then(Value::as_str);
            let Some(name) = name.map(str::to_owned) else { continue };
            if current.as_ref().is_some_and(|current| *current != name) {
                for (_, lower) in &mut layers[..index] {
                    lower.shift_remove(kind);
                }
            }
            current = Some(name);
        }
    }
    layers.into_iter().fold(Figment::new(), |figment, (name, table)| figment.merge(Layer(name, table)))
}

/// A plugin given as plain text is the table that only names it.
pub(crate) fn plugin_table(value: Value) -> Value {
    match value {
        Value::String(name) => json!({ "name": name }),
        other => other,
    }
}

/// Sets the key `path` of a document: tables merge into tables, a plugin's only into one of the same name. Says
/// whether a table was replaced.
pub(crate) fn set(document: &mut Value, path: &[String], value: Value) -> bool {
    let plugin = PluginKind::of_path(path).is_some();
    let value = if plugin { plugin_table(value) } else { value };
    let mut place = document;
    for key in path {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(table) = place.as_object_mut() else { return false };
        place = table.entry(key.clone()).or_insert(Value::Null);
    }
    let other_plugin = plugin && value.get("name").is_some_and(|name| place.get("name") != Some(name));
    if other_plugin {
        *place = value;
    } else {
        overlay(place, value);
    }
    other_plugin
}

fn overlay(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                overlay(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// The text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

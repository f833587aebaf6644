//! Layering: defaults < file < `[smoke]` if asked for < `FOVEA_*` environment < command line. The main type is `Layers`,
//! the document and the axes that come of it all.
//!
//! Figment merges the layers and remembers which one each value came from. Two things it cannot know are done here:
//! a plugin's table is replaced, not merged, by one that names another plugin, and axes keep their order.

use crate::axes::{Axis, Given, Located};
use crate::catalog::plugin_table;
use crate::errors::{At, Location, PlanError};
use crate::exclude::{self, ExcludeSpec};
use crate::grammar::Action;
use crate::grid::{self, Grid};
use crate::group::{self, Group};
use crate::include;
use crate::overrides::{Override, Overrides};
use crate::points::Block;
use crate::references::{self, ReferenceSpec};
use crate::removal;
use crate::shape::Shape;
use crate::smoke;
use crate::spans::Source;
use crate::spec::ExperimentSpec;
use crate::tables::Entry;
use crate::{PlanErrors, PluginKind};
use figment::value::{Dict, Map as ProfileMap};
use figment::{Figment, Metadata, Profile, Provider};
use serde_json::{Map, Value};

const DEFAULTS: &str = "defaults";
const FILE: &str = "file";
/// The document without axes, the axes, and where all of it came from.
#[derive(Debug)]
pub(crate) struct Layers {
    pub(crate) base: Value,
    pub(crate) axes: Vec<Axis>,
    /// How many of them are the grid's; the others are keys that only an `[[include]]` names.
    pub(crate) grid_axes: usize,
    /// The file's [`removal::SECTIONS`] as they stand there.
    pub(crate) sections: Map<String, Value>,
    /// Overrides of keys below an axis: they hold for each of its values that they can mean.
    pub(crate) below_axes: Vec<Override>,
    /// The points: the grid's, then those of each `[[include]]`.
    pub(crate) blocks: Vec<Block>,
    /// Points to leave out.
    pub(crate) excludes: Vec<Entry<ExcludeSpec>>,
    /// Where each `[[include]]` stands.
    pub(crate) includes: Vec<Vec<String>>,
    /// Published numbers.
    pub(crate) references: Vec<Entry<ReferenceSpec>>,
    /// Variants that belong together.
    pub(crate) groups: Vec<Group>,
    /// Whether `[smoke]` applies.
    pub(crate) smoke: bool,
    /// Whether overrides changed the axes, so that the file's baseline may be gone.
    pub(crate) axes_changed: bool,
    /// Overrides of the base document; the figment calls each by its position.
    of_base: Vec<Override>,
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
        let (mut parsed, override_errors) = overrides.parse(shape);
        errors.extend(override_errors);
        let removed_axes = removal::sections(&mut file, &mut parsed);
        let is_section = |key: &str| removal::SECTIONS.contains(&key);
        let sections = file.iter().filter(|(key, _)| is_section(key));
        let sections = sections.map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut problems = Vec::new();
        let references = references::take(&mut file, &mut problems);
        let groups = group::take(&mut file, &mut problems);
        let excludes = exclude::take(&mut file, &mut problems);
        let includes = include::take(&mut file, &source, shape, &mut problems);
        let mut grid = Grid::take(&mut file, &source, shape, &mut problems);
        let smoke = smoke::take(&mut file, &source, shape, overrides.smoke, &grid, &mut problems);
        grid.changed |= removed_axes;
        let mut layers = vec![(DEFAULTS.to_owned(), defaults), (FILE.to_owned(), file)];
        let (mut of_base, mut below_axes) = (Vec::new(), Vec::new());
        for entry in smoke.into_iter().chain(parsed) {
            let checked = match entry.action {
                Action::Set => Ok(()),
                Action::Add => removal::check_new(&entry, &grid, &source),
                Action::Remove => removal::remove(&entry, &mut grid, &mut layers[1..]),
            };
            if checked.map_err(|problem| problems.push(problem)).is_err() || entry.action == Action::Remove {
                continue;
            }
            if grid.apply(&entry, &mut problems) {
                continue;
            }
            if grid.axes.iter().any(|axis| entry.path.starts_with(&axis.path)) {
                below_axes.push(entry.clone());
            }
            if let Value::Object(table) = nest(&entry.path, entry.value.clone()) {
                layers.push((of_base.len().to_string(), table));
            }
            of_base.push(entry);
        }
        let (mut axes, axes_changed) = (grid.axes, grid.changed);
        let figment = join_layers(layers);
        let base: Value = figment.extract().map_err(|error| {
            let location = Location::Path(source.path.clone());
            PlanErrors::new(vec![PlanError { location, key: None, message: error.to_string(), help: None }])
        })?;
        problems.extend(grid::distinct(&mut axes));
        let grid_axes = axes.len();
        let included = include::extend(&mut axes, &includes, (&base, &filled(&base)), &of_base);
        let mut blocks = vec![Block::grid(&axes[..grid_axes])];
        blocks.extend(included);
        problems.extend(grid::label(&mut axes, &base));
        errors.extend(problems.into_iter().map(|problem| place(&source, problem)));
        let smoke = overrides.smoke;
        let includes = includes.into_iter().map(|include| include.place).collect();
        Ok(Self {
            base,
            axes,
            grid_axes,
            sections,
            below_axes,
            blocks,
            excludes,
            includes,
            references,
            groups,
            smoke,
            axes_changed,
            of_base,
            figment,
            source,
        })
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
        let entry = layers.iter().find_map(|layer| self.of_base.get(layer.parse::<usize>().ok()?))?;
        Some(self.location(&entry.given, path.get(entry.path.len()..).unwrap_or_default(), at))
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

    /// Where something that was given is, or what stands below it.
    pub(crate) fn location(&self, given: &Given, below: &[String], at: At) -> Location {
        locate(&self.source, given.below(below), at)
    }
}

fn locate(source: &Source, given: Given, at: At) -> Location {
    match given {
        Given::File(path) => source.locate(&path, at),
        Given::Override(text) => Location::Override(text),
    }
}

/// A problem with its place.
pub(crate) fn place(source: &Source, Located { given, issue }: Located) -> PlanError {
    PlanError {
        location: locate(source, given, issue.at),
        key: Some(issue.path.join(".")),
        message: issue.message,
        help: issue.help,
    }
}

/// The document with every default that is no plugin's own; as it is, if it cannot be read.
pub(crate) fn filled(base: &Value) -> Value {
    let mut document = base.clone();
    if let Some(table) = document.as_object_mut() {
        for kind in PluginKind::ALL {
            table.entry(kind.as_str()).or_insert_with(|| Value::Object(Map::new()));
        }
    }
    let spec = serde_json::from_value::<ExperimentSpec>(document);
    spec.map_or_else(|_| base.clone(), |spec| crate::identity::json(&spec))
}

/// A document that says nothing but `path = value`.
pub(crate) fn nest(path: &[String], value: Value) -> Value {
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
                *entry = plugin_table(entry).into_owned();
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

/// Sets the key `path` of a document: tables merge into tables, a plugin's only into one of the same name. Says
/// whether a table was replaced.
pub(crate) fn set(document: &mut Value, path: &[String], value: Value) -> bool {
    let plugin = PluginKind::of_path(path).is_some();
    let value = if plugin { plugin_table(&value).into_owned() } else { value };
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

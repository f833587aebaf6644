//! The document that all layers make together, as TOML. The main function is [`effective`].

use crate::axes::Axis;
use crate::errors::{At, Location};
use crate::expand;
use crate::grid::groups;
use crate::group;
use crate::layers::{Layers, filled};
use crate::origins;
use crate::plan;
use crate::select::{Scope, Selection};
use crate::shape::Shape;
use crate::spans::join;
use crate::toml::{Writer, key};
use crate::{Overrides, Plan, PlanErrors, PluginCatalog, PluginKind, PluginSpec};
use serde_json::{Map, Value};
use std::path::Path;

/// An experiment with every default filled in and every override applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// TOML that plans the same trials.
    pub text: String,
    /// What is wrong with it, if anything is.
    pub errors: Option<PlanErrors>,
}

/// Whether values are followed by where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origins {
    /// As comments: `default`, a file and line, `environment ...` or `command line: ...`.
    Shown,
    /// Not at all.
    Hidden,
}

/// Reads an experiment and writes it as the plan sees it.
///
/// # Errors
/// What makes the file unreadable, or keeps its layers from being merged.
pub fn effective(
    path: &Path,
    overrides: &Overrides,
    catalog: &dyn PluginCatalog,
    origins: Origins,
) -> Result<Effective, PlanErrors> {
    let shape = Shape::of_experiment();
    let mut errors = Vec::new();
    let layers = plan::layers(path, overrides, &shape, &mut errors)?;
    let planned = expand::expand(&layers, &shape, catalog, errors);
    let text = written(&layers, planned.as_ref().ok(), catalog, origins);
    Ok(Effective { text, errors: planned.err() })
}

/// The layers' document.
pub(crate) fn written(
    layers: &Layers,
    plan: Option<&Plan>,
    catalog: &dyn PluginCatalog,
    origins: Origins,
) -> String {
    let mut document = document(layers, catalog);
    if let (Some(plan), Some(table)) = (plan, document.as_object_mut()) {
        // Overrides may have taken the file's baseline out of the grid.
        if table.get("baseline").is_some_and(|label| label.as_str() != plan.baseline.as_deref()) {
            table.shift_remove("baseline");
        }
    }
    let mut page = Page { layers, origins, writer: Writer::default() };
    if let Value::Object(table) = &document {
        page.table(table, &[]);
    }
    page.axes();
    page.includes();
    page.rules(plan);
    page.groups();
    page.smoke();
    page.writer.finish()
}

/// The base document with the defaults that no axis sets: an axis' labels say what differs from the base, so more
/// would change them.
fn document(layers: &Layers, catalog: &dyn PluginCatalog) -> Value {
    let mut full = filled(&layers.base);
    for kind in PluginKind::ALL {
        let Some(table) = full.get_mut(kind.as_str()) else { continue };
        let Ok(spec) = serde_json::from_value::<PluginSpec>(table.clone()) else { continue };
        let resolved = spec.name().and_then(|name| catalog.resolve(kind, name, spec.config()).ok());
        if let Some(Value::Object(config)) = resolved.map(|resolved| resolved.config) {
            let name = spec.0.get("name").cloned().map(|name| ("name".to_owned(), name));
            *table = Value::Object(name.into_iter().chain(config).collect());
        }
    }
    fill(Some(&layers.base), &full, &[], &layers.axes)
}

fn fill(base: Option<&Value>, full: &Value, path: &[String], axes: &[Axis]) -> Value {
    let (Value::Object(full), None | Some(Value::Object(_))) = (full, base) else {
        return base.unwrap_or(full).clone();
    };
    let own = base.and_then(Value::as_object);
    let mut table = Map::new();
    for (key, value) in full {
        let path = join(path, key);
        let given = own.and_then(|own| own.get(key));
        if given.is_some() || !axes.iter().any(|axis| path.starts_with(&axis.path)) {
            table.insert(key.clone(), fill(given, value, &path, axes));
        }
    }
    for (key, value) in own.into_iter().flatten() {
        table.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Value::Object(table)
}

struct Page<'a> {
    layers: &'a Layers,
    origins: Origins,
    writer: Writer,
}

impl Page<'_> {
    /// Where something comes from, if that is to be seen.
    fn origin(&self, place: &Location) -> Option<String> {
        (self.origins == Origins::Shown).then(|| origins::text(place))
    }

    fn origin_of(&self, path: &[String]) -> Option<String> {
        self.origin(&self.layers.source.locate(path, At::Key))
    }

    /// A table of the document: its values, then the tables in it.
    fn table(&mut self, table: &Map<String, Value>, path: &[String]) {
        if !path.is_empty() && (table.values().any(|value| !value.is_object()) || table.is_empty()) {
            let keys: Vec<String> = path.iter().map(|name| key(name)).collect();
            self.writer.header(&format!("[{}]", keys.join(".")));
        }
        for (name, value) in table.iter().filter(|(_, value)| !value.is_object()) {
            let origin = || self.layers.origin(&join(path, name)).unwrap_or_else(|| "default".to_owned());
            let origin = (self.origins == Origins::Shown).then(origin);
            self.writer.entry(&key(name), value, origin);
        }
        for (name, value) in table {
            if let Value::Object(table) = value {
                self.table(table, &join(path, name));
            }
        }
    }

    fn axes(&mut self) {
        let of_grid = &self.layers.axes[..self.layers.grid_axes];
        let mut crossed = false;
        for group in groups(of_grid) {
            match group[0].zip {
                Some(_) => self.writer.header("[[zip]]"),
                None if crossed => {}
                None => {
                    self.writer.header("[axes]");
                    crossed = true;
                }
            }
            for axis in group {
                let origin = self.origin(&self.layers.location(&axis.given, &[], At::Key));
                let values = (0..axis.crossed()).map(|position| axis.written(position, &self.layers.base));
                self.writer.entry(&key(&axis.name()), &values.collect(), origin);
            }
        }
    }

    /// The includes; where overrides made some of their points the grid's, the other points one by one.
    fn includes(&mut self) {
        let layers = self.layers;
        for block in &layers.blocks {
            let Some(include) = block.include else { continue };
            let size = block.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
            let choices: Vec<Vec<usize>> =
                (0..size).map(|index| block.choice(index, layers.axes.len())).collect();
            let own: Vec<&Vec<usize>> = choices.iter().filter(|choice| !self.is_crossed(choice)).collect();
            if own.len() == size || !layers.axes_changed {
                self.include(include, &block.positions());
                continue;
            }
            for choice in own {
                let positions: Vec<Vec<usize>> = choice.iter().map(|&position| vec![position]).collect();
                self.include(include, &positions);
            }
        }
    }

    /// Whether a point is one of the cross product.
    fn is_crossed(&self, choice: &[usize]) -> bool {
        let (grid, added) = choice.split_at(self.layers.grid_axes);
        let mut rest = grid;
        let crossed = groups(&self.layers.axes[..self.layers.grid_axes]).all(|group| {
            let (positions, others) = rest.split_at(group.len());
            rest = others;
            positions.iter().all(|&position| position == positions[0] && position < group[0].crossed())
        });
        crossed && added.iter().all(|&position| position == 0)
    }

    fn include(&mut self, include: usize, positions: &[Vec<usize>]) {
        self.writer.header("[[include]]");
        let origin = self.origin_of(&self.layers.includes[include]);
        for (axis, positions) in self.layers.axes.iter().zip(positions) {
            let set = positions.iter().filter(|&&position| !axis.values[position].value.is_null());
            let values: Value = set.map(|&position| axis.written(position, &self.layers.base)).collect();
            if values.as_array().is_some_and(|values| !values.is_empty()) {
                self.writer.entry(&key(&axis.name()), &values, origin.clone());
            }
        }
    }

    /// `[[exclude]]` and `[[reference]]`, those that overrides left of use.
    fn rules(&mut self, plan: Option<&Plan>) {
        let narrowed = self.layers.axes_changed;
        for name in ["exclude", "reference"] {
            let list = self.layers.sections.get(name).and_then(Value::as_array);
            for (index, table) in list.into_iter().flatten().enumerate() {
                let place = [name.to_owned(), index.to_string()];
                let mut table = table.as_object().cloned().unwrap_or_default();
                let location = self.layers.source.locate(&join(&place, "where"), At::Key);
                let idle = |plan: &Plan| !plan.excluded.iter().any(|point| point.rule == location);
                if narrowed && name == "exclude" && plan.is_some_and(idle) {
                    continue;
                }
                if let Some(Value::Object(wanted)) = table.get_mut("where").filter(|_| narrowed) {
                    let scope = Scope { seeds: name == "exclude", narrowed: name == "exclude" };
                    match Selection::new(wanted, &self.layers.axes, scope) {
                        Ok(selection) if !selection.is_idle() => {
                            *wanted = selection.labels(&self.layers.axes);
                        }
                        _ => continue,
                    }
                }
                self.writer.header(&format!("[[{name}]]"));
                let origin = self.origin_of(&place);
                for (name, value) in &table {
                    self.writer.entry(&key(name), value, origin.clone());
                }
            }
        }
    }

    /// `[group]`, what overrides left of it.
    fn groups(&mut self) {
        let layers = self.layers;
        let groups = layers.sections.get(group::KEY).and_then(Value::as_object).into_iter().flatten();
        let kept = groups.filter_map(|(name, wanted)| {
            if !layers.axes_changed {
                return Some((name, wanted.clone()));
            }
            let selection = Selection::new(wanted.as_object()?, &layers.axes, group::scope(layers)).ok()?;
            let left = Value::Object(selection.labels(&layers.axes));
            (!selection.is_idle()).then_some((name, left))
        });
        let kept: Vec<(&String, Value)> = kept.collect();
        if !kept.is_empty() {
            self.writer.header("[group]");
        }
        for (name, wanted) in kept {
            let origin = self.origin_of(&[group::KEY.to_owned(), name.clone()]);
            self.writer.entry(&key(name), &wanted, origin);
        }
    }

    fn smoke(&mut self) {
        let table = self.layers.sections.get("smoke").and_then(Value::as_object);
        if let Some(table) = table.filter(|_| !self.layers.smoke) {
            self.writer.header("[smoke]");
            self.scattered(table, &["smoke".to_owned()]);
        }
    }

    /// What the file has in headers and dotted keys stays so: a table in braces is a value there.
    fn scattered(&mut self, table: &Map<String, Value>, path: &[String]) {
        for (name, value) in table {
            let path = join(path, name);
            match value {
                Value::Object(table) if self.layers.source.scattered(&path) || name == "axes" => {
                    self.scattered(table, &path);
                }
                _ => {
                    let keys: Vec<String> = path[1..].iter().map(|name| key(name)).collect();
                    let origin = self.origin_of(&path);
                    self.writer.entry(&keys.join("."), value, origin);
                }
            }
        }
    }
}

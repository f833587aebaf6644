//! From layers to grid points to trials. The main type is `Expansion`.

use crate::axes::{self, Axis};
use crate::check;
use crate::errors::{At, Issue, Location, PlanError, did_you_mean};
use crate::grid::groups;
use crate::layers::{self, Layers};
use crate::overrides::Override;
use crate::plan::{Plan, RunConfig, Stage, Trial};
use crate::references;
use crate::shape::Shape;
use crate::spec::ExperimentSpec;
use crate::{
    DeviceRequest, PlanErrors, PluginCatalog, PluginConfig, PluginIssue, PluginKind, TrialConfig, identity,
};
use fovea_records::{StageId, TrialId};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Grids larger than this are a mistake.
const MOST_TRIALS: u128 = 100_000;
/// Nobody reads more errors than this at once.
const MOST_ERRORS: usize = 64;

/// Plans every grid point. `errors` holds what was found before.
pub(crate) fn expand(
    layers: &Layers,
    shape: &Shape,
    catalog: &dyn PluginCatalog,
    mut errors: Vec<PlanError>,
) -> Result<Plan, PlanErrors> {
    let size =
        groups(&layers.axes).try_fold(1u128, |size, group| size.checked_mul(group[0].values.len() as u128));
    let size = match size {
        Some(size) if size <= MOST_TRIALS => size as usize,
        _ => {
            errors.push(too_large(layers, size));
            return Err(PlanErrors::new(errors));
        }
    };
    let mut expansion = Expansion::new(layers, shape, catalog, errors);
    let mut trials = Vec::with_capacity(size);
    let mut first_spec = None;
    for index in 0..size {
        if let Some((trial, spec)) = expansion.trial(index) {
            trials.push(trial);
            first_spec.get_or_insert(spec);
        }
        if expansion.errors.len() >= MOST_ERRORS {
            break;
        }
    }
    if expansion.errors.is_empty() {
        expansion.check_overrides_below_axes();
        expansion.check_distinct(&trials);
    }
    let Some(spec) = first_spec.filter(|_| expansion.errors.is_empty()) else {
        return Err(PlanErrors::new(expansion.errors));
    };
    let baseline = expansion.baseline(&spec, &trials);
    let references = references::resolve(layers, &trials, &mut expansion.errors);
    let device = spec.device.parse::<DeviceRequest>().ok().filter(|_| expansion.errors.is_empty());
    let (Some(baseline), Some(device)) = (baseline, device) else {
        return Err(PlanErrors::new(expansion.errors));
    };
    let folder = if layers.smoke { format!("{}-smoke", spec.name) } else { spec.name.clone() };
    let stages = share_stages(&mut trials);
    Ok(Plan {
        run: RunConfig::new(spec.run, &folder),
        name: spec.name,
        question: spec.question,
        device,
        smoke: layers.smoke,
        axes: layers.axes.iter().map(Axis::name).collect(),
        label_axes: layers.axes.iter().filter(|axis| axis.shown).map(Axis::name).collect(),
        baseline: Some(baseline),
        // A smoke run's numbers mean nothing, beside published ones least of all.
        references: if layers.smoke { Vec::new() } else { references },
        trials,
        stages,
        command: String::new(),
        source: layers.source.text.clone(),
        path: layers.source.path.clone(),
    })
}

fn too_large(layers: &Layers, size: Option<u128>) -> PlanError {
    let size = size.map_or_else(|| "more than 2^128".to_owned(), |size| size.to_string());
    let factors = groups(&layers.axes).map(|group| {
        let names: Vec<String> = group.iter().map(Axis::name).collect();
        format!("{} ({})", names.join(" with "), group[0].values.len())
    });
    let factors: Vec<String> = factors.collect();
    PlanError {
        location: layers.source.locate(&["axes".to_owned()], At::Key),
        key: Some("axes".to_owned()),
        message: format!("the grid has {size} points; at most {MOST_TRIALS} are planned"),
        help: Some(format!("it is the product of {}", factors.join(" x "))),
    }
}

/// One grid point while it is looked at.
pub(crate) struct Point<'a> {
    /// Index of the value of each axis.
    choice: Vec<usize>,
    document: Value,
    /// For each axis, whether its value replaced the table of another plugin.
    replaced: Vec<bool>,
    /// Overrides that were applied again, above the axes.
    pub(crate) above: Vec<&'a Override>,
}

pub(crate) struct Expansion<'a> {
    pub(crate) layers: &'a Layers,
    shape: &'a Shape,
    catalog: &'a dyn PluginCatalog,
    errors: Vec<PlanError>,
    /// Axes in the order in which they are applied: outer keys before inner ones.
    order: Vec<usize>,
    /// How each axis is called in a variant; `None` where labels leave it out.
    short_names: Vec<Option<String>>,
    names: HashMap<PluginKind, Vec<String>>,
    resolved: HashMap<(PluginKind, String, String), Result<PluginConfig, Vec<PluginIssue>>>,
    /// Whether each override below an axis was of use.
    used: Vec<bool>,
    /// Origins of values of the base document, as far as they were asked for.
    pub(crate) base_origins: HashMap<Vec<String>, Option<String>>,
}

impl<'a> Expansion<'a> {
    fn new(
        layers: &'a Layers,
        shape: &'a Shape,
        catalog: &'a dyn PluginCatalog,
        errors: Vec<PlanError>,
    ) -> Self {
        let mut order: Vec<usize> = (0..layers.axes.len()).collect();
        order.sort_by_key(|&axis| layers.axes[axis].path.len());
        Self {
            layers,
            shape,
            catalog,
            errors,
            order,
            short_names: short_names(&layers.axes),
            names: PluginKind::ALL.into_iter().map(|kind| (kind, catalog.names(kind))).collect(),
            resolved: HashMap::new(),
            used: vec![false; layers.below_axes.len()],
            base_origins: HashMap::new(),
        }
    }

    /// The grid point of an index, the last axis fastest; the axes of a `[[zip]]` are one.
    fn point(&mut self, index: usize) -> Point<'a> {
        let axes = &self.layers.axes;
        let mut rest = index;
        let mut choice = vec![0; axes.len()];
        let mut end = axes.len();
        for group in groups(axes).rev() {
            let (start, values) = (end - group.len(), group[0].values.len());
            choice[start..end].fill(rest % values);
            rest /= values;
            end = start;
        }
        let mut document = self.layers.base.clone();
        let mut replaced = vec![false; axes.len()];
        for &axis in &self.order {
            let value = axes[axis].values[choice[axis]].value.clone();
            replaced[axis] = layers::set(&mut document, &axes[axis].path, value);
        }
        let mut above = Vec::new();
        for (entry, used) in self.layers.below_axes.iter().zip(&mut self.used) {
            // It was meant for the base's plugin, so it says nothing about another.
            let other_plugin =
                (0..axes.len()).any(|axis| replaced[axis] && entry.path.starts_with(&axes[axis].path));
            if !other_plugin {
                layers::set(&mut document, &entry.path, entry.value.clone());
                above.push(entry);
                *used = true;
            }
        }
        Point { choice, document, replaced, above }
    }

    fn trial(&mut self, index: usize) -> Option<(Trial, ExperimentSpec)> {
        let mut point = self.point(index);
        let (mut issues, mut pruned) = (Vec::new(), Vec::new());
        let mut document = std::mem::take(&mut point.document);
        self.shape.check(&mut document, &mut issues, &mut pruned);
        let mut plugins = HashMap::new();
        if let Some(table) = document.as_object_mut() {
            for kind in PluginKind::ALL {
                let plugin = table.entry(kind.as_str()).or_insert_with(|| json!({}));
                let broken = pruned.iter().any(|path| path.first().is_some_and(|key| key == kind.as_str()));
                if !broken {
                    plugins.extend(self.plugin(kind, plugin, &mut issues).map(|config| (kind, config)));
                }
            }
        }
        let spec = match serde_json::from_value::<ExperimentSpec>(document) {
            Ok(spec) => Some(spec),
            Err(error) => {
                // The shape has been checked, so this is a number out of its type's range.
                issues.push(Issue::new(Vec::new(), At::Value, error.to_string()));
                None
            }
        };
        for suspicion in spec.as_ref().map(check::check).unwrap_or_default() {
            if !suspicion.suspects.iter().any(|suspect| pruned.contains(suspect)) {
                let culprit = suspicion.suspects.iter().find(|s| self.exact(&point, s, At::Value).is_some());
                let culprit = culprit.or(suspicion.suspects.first()).cloned().unwrap_or_default();
                issues.push(suspicion.blame(culprit));
            }
        }
        if !issues.is_empty() {
            for issue in issues {
                self.report(&point, issue);
            }
            return None;
        }
        let spec = spec?;
        let config = TrialConfig {
            seed: spec.seed,
            dataset: plugins.remove(&PluginKind::Dataset)?,
            input: spec.input.clone(),
            augmentation: spec.augmentation.clone(),
            model: plugins.remove(&PluginKind::Model)?,
            localizer: plugins.remove(&PluginKind::Localizer)?,
            extractor: plugins.remove(&PluginKind::Extractor)?,
            loss: plugins.remove(&PluginKind::Loss)?,
            cam: spec.cam.clone(),
            training: spec.training.clone(),
            evaluation: spec.evaluation.clone(),
        };
        let chosen =
            self.layers.axes.iter().zip(&point.choice).map(|(axis, &value)| (axis, &axis.values[value]));
        let trial = Trial {
            id: identity::trial_id(&config),
            index,
            variant: self.variant(&point.choice, &spec.name),
            axes: chosen.map(|(axis, value)| (axis.name(), value.label.clone())).collect(),
            stage: None,
            origins: self.origins(&point, &config),
            config,
        };
        Some((trial, spec))
    }

    fn variant(&self, choice: &[usize], name: &str) -> String {
        let axes = self.layers.axes.iter().zip(choice).zip(&self.short_names);
        let parts = axes.filter_map(|((axis, &value), short)| {
            short.as_ref().map(|short| format!("{short}={}", axis.values[value].label))
        });
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { name.to_owned() } else { parts.join(", ") }
    }

    /// Resolves a plugin's table, once for equal tables.
    fn plugin(&mut self, kind: PluginKind, table: &Value, issues: &mut Vec<Issue>) -> Option<PluginConfig> {
        let path = vec![kind.as_str().to_owned()];
        let name_path = crate::spans::join(&path, "name");
        let known: Vec<&str> = self.names[&kind].iter().map(String::as_str).collect();
        let Some(name) = table.get("name").and_then(Value::as_str) else {
            let issue = Issue::new(name_path, At::Key, format!("missing: which {kind} to use"));
            issues.push(issue.help(did_you_mean("", &known, "names")));
            return None;
        };
        if !known.contains(&name) {
            let mut issue = Issue::new(name_path, At::Value, format!("unknown {kind} `{name}`"));
            issue.help = did_you_mean(name, &known, "names");
            issues.push(issue);
            return None;
        }
        let config = serde_json::from_value::<crate::PluginSpec>(table.clone()).ok()?.config();
        let key = (kind, name.to_owned(), config.to_string());
        let catalog = self.catalog;
        match self.resolved.entry(key).or_insert_with(|| catalog.resolve(kind, name, config)) {
            Ok(plugin) => Some(plugin.clone()),
            Err(found) => {
                issues.extend(found.iter().map(|issue| plugin_issue(&path, issue)));
                None
            }
        }
    }

    /// Where the user set exactly this path at this point, if at all.
    fn exact(&self, point: &Point<'_>, path: &[String], at: At) -> Option<Location> {
        self.above_base(point, path, at).unwrap_or_else(|| self.layers.given_in_base(path, at))
    }

    /// As [`Self::exact`], above the base document only: `None` where that has the say.
    pub(crate) fn above_base(&self, point: &Point<'_>, path: &[String], at: At) -> Option<Option<Location>> {
        for entry in point.above.iter().rev() {
            if path.starts_with(&entry.path) && covers(&entry.value, &path[entry.path.len()..]) {
                let below = if entry.value.is_string() { &[] } else { &path[entry.path.len()..] };
                return Some(Some(self.layers.location(&entry.given, below, at)));
            }
        }
        for &axis in self.order.iter().rev() {
            let value = &self.layers.axes[axis].values[point.choice[axis]];
            let axis_path = &self.layers.axes[axis].path;
            if path.starts_with(axis_path) {
                let below = &path[axis_path.len()..];
                if covers(&value.value, below) {
                    let plain = value.value.is_string();
                    return Some(Some(self.layers.location(
                        &value.given,
                        if plain { &[] } else { below },
                        at,
                    )));
                }
                if point.replaced[axis] {
                    return Some(None);
                }
            }
        }
        None
    }

    /// Adds an error at the place of an issue, or of the nearest table around it.
    fn report(&mut self, point: &Point<'_>, issue: Issue) {
        let lengths = (1..=issue.path.len()).rev();
        let place = lengths.map(|length| {
            let at = if length == issue.path.len() { issue.at } else { At::Value };
            self.exact(point, &issue.path[..length], at)
        });
        let location = place.flatten().next().unwrap_or_else(|| self.layers.source.locate(&[], At::Key));
        let key = if issue.path.is_empty() { None } else { Some(issue.path.join(".")) };
        let error = PlanError { location, key, message: issue.message, help: issue.help };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// An override that no grid point could use is a mistake.
    fn check_overrides_below_axes(&mut self) {
        for (entry, used) in self.layers.below_axes.iter().zip(&self.used) {
            if !used {
                let axis = self.layers.axes.iter().find(|axis| entry.path.starts_with(&axis.path));
                let name = axis.map(Axis::name).unwrap_or_default();
                let base = self.layers.base.get(&entry.path[0]).and_then(|table| table.get("name"));
                let base = base.and_then(Value::as_str).unwrap_or_default();
                self.errors.push(PlanError {
                    location: self.layers.location(&entry.given, &[], At::Value),
                    key: Some(entry.path.join(".")),
                    message: format!("this changes nothing: `{base}` is no value of the axis `{name}`"),
                    help: Some(match axis.and_then(|axis| axis.zip) {
                        Some(_) => "give it with the values of the [[zip]]".to_owned(),
                        None => format!("give the axis its values with axes.{name}=[...]"),
                    }),
                });
            }
        }
    }

    /// Two grid points must not be one trial.
    fn check_distinct(&mut self, trials: &[Trial]) {
        let mut first: HashMap<&TrialId, &Trial> = HashMap::with_capacity(trials.len());
        for trial in trials {
            let Some(other) = first.get(&trial.id) else {
                first.insert(&trial.id, trial);
                continue;
            };
            let differing: Vec<usize> =
                (0..trial.axes.len()).filter(|&axis| trial.axes[axis] != other.axes[axis]).collect();
            let say = |trial: &Trial| {
                let parts =
                    differing.iter().map(|&axis| format!("{}={}", trial.axes[axis].0, trial.axes[axis].1));
                parts.collect::<Vec<_>>().join(", ")
            };
            let Some(&axis) = differing.last() else { continue };
            let values = &self.layers.axes[axis].values;
            let Some(value) = values.iter().find(|value| value.label == trial.axes[axis].1) else { continue };
            let error = PlanError {
                location: self.layers.location(&value.given, &[], At::Value),
                key: Some(axes::key(self.layers.axes[axis].zip, &self.layers.axes[axis].path).join(".")),
                message: format!("two grid points are the same trial: `{}` and `{}`", say(other), say(trial)),
                help: Some("remove one of them".to_owned()),
            };
            if !self.errors.contains(&error) && self.errors.len() < MOST_ERRORS {
                self.errors.push(error);
            }
        }
    }

    /// The baseline's label; `None` when it is unknown, which is then among the errors.
    fn baseline(&mut self, spec: &ExperimentSpec, trials: &[Trial]) -> Option<String> {
        let first = trials.first().map(|trial| trial.variant.clone());
        let Some(label) = &spec.baseline else { return first };
        if trials.iter().any(|trial| trial.variant == *label) {
            return Some(label.clone());
        }
        let path = ["baseline".to_owned()];
        let location = self.layers.given_in_base(&path, At::Value);
        // An override that narrows the grid may well leave the file's baseline out.
        if self.layers.axes_changed && matches!(location, Some(Location::File { .. })) {
            return first;
        }
        let mut known: Vec<&str> = Vec::new();
        for trial in trials {
            if known.len() < 16 && !known.contains(&trial.variant.as_str()) {
                known.push(&trial.variant);
            }
        }
        let quoted: Vec<String> = known.iter().map(|label| format!("`{label}`")).collect();
        let help = match crate::errors::nearest(label, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known variants: {}", quoted.join(", ")),
        };
        self.errors.push(PlanError {
            location: location.unwrap_or_else(|| self.layers.source.locate(&path, At::Value)),
            key: Some("baseline".to_owned()),
            message: format!("no variant is called `{label}`"),
            help: Some(help),
        });
        None
    }
}

/// Whether a value says something at the keys below it.
fn covers(value: &Value, below: &[String]) -> bool {
    if value.is_string() && below == ["name"] {
        return true;
    }
    let mut keys = below.iter();
    let end = keys.try_fold(value, |value, key| match value {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    });
    end.is_some()
}

fn plugin_issue(table: &[String], issue: &PluginIssue) -> Issue {
    let path = table.iter().chain(&issue.path).cloned().collect();
    let at = if issue.message.starts_with("unknown") && !issue.message.contains("value") {
        At::Key
    } else {
        At::Value
    };
    let help = issue.suggestion.as_ref().map(|text| match text.contains(' ') {
        true => text.clone(),
        false => format!("did you mean `{text}`?"),
    });
    Issue::new(path, at, issue.message.clone()).help(help)
}

/// The last key of each axis where no other axis ends in it, else the whole; none for what labels leave out.
fn short_names(axes: &[Axis]) -> Vec<Option<String>> {
    let last = |axis: &Axis| axis.path.last().cloned().unwrap_or_default();
    let name = |axis: &Axis| {
        let twins = axes.iter().filter(|other| other.shown && last(other) == last(axis)).count();
        if twins > 1 { axis.name() } else { last(axis) }
    };
    axes.iter().map(|axis| axis.shown.then(|| name(axis))).collect()
}

/// Finds the prefixes that at least two trials share.
fn share_stages(trials: &mut [Trial]) -> Vec<Stage> {
    let mut order: Vec<StageId> = Vec::new();
    let mut members: HashMap<StageId, Vec<usize>> = HashMap::new();
    for (index, trial) in trials.iter().enumerate() {
        if trial.config.training.warmup_epochs > 0 {
            let id = identity::stage_id(&trial.config);
            let trials = members.entry(id.clone()).or_default();
            if trials.is_empty() {
                order.push(id);
            }
            trials.push(index);
        }
    }
    let mut stages = Vec::new();
    for id in order {
        let shared = &members[&id];
        if shared.len() < 2 {
            continue;
        }
        for &index in shared {
            trials[index].stage = Some(id.clone());
        }
        let config = trials[shared[0]].config.clone();
        stages.push(Stage {
            id,
            epochs: config.training.warmup_epochs,
            trials: shared.iter().map(|&index| trials[index].id.clone()).collect(),
            config,
        });
    }
    stages
}

//! From layers to grid points to trials. The main type is `Expansion`.

use crate::axes::Axis;
use crate::check;
use crate::errors::{At, Issue, Location, PlanError, did_you_mean};
use crate::exclude::{self, Rule};
use crate::group;
use crate::labels::Labels;
use crate::layers::{self, Layers};
use crate::overrides::Override;
use crate::plan::{Excluded, Plan, RunConfig, Trial};
use crate::points::Block;
use crate::references;
use crate::shape::Shape;
use crate::spec::ExperimentSpec;
use crate::stages;
use crate::verdict;
use crate::{
    DeviceRequest, PlanErrors, PluginCatalog, PluginConfig, PluginIssue, PluginKind, TrialConfig, identity,
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Nobody reads more errors than this at once.
pub(crate) const MOST_ERRORS: usize = 64;

/// Plans every grid point. `errors` holds what was found before.
pub(crate) fn expand(
    layers: &Layers,
    shape: &Shape,
    catalog: &dyn PluginCatalog,
    mut errors: Vec<PlanError>,
) -> Result<Plan, PlanErrors> {
    let sizes = layers.blocks.iter().map(Block::size);
    let size = sizes.into_iter().try_fold(0u128, |sum, size| sum.checked_add(size?));
    if size.is_none_or(|size| size > verdict::MOST_TRIALS) {
        errors.push(verdict::too_large(layers, size));
        return Err(PlanErrors::new(errors));
    }
    let mut expansion = Expansion::new(layers, shape, catalog, errors);
    expansion.every_point();
    let Expansion { mut errors, mut points, first_spec, rules, used, .. } = expansion;
    if errors.is_empty() {
        errors.extend(verdict::overrides_below_axes(layers, &used));
        errors.extend(rules.iter().filter_map(|rule| rule.unused(layers)));
        errors.extend(verdict::distinct(layers, &points));
        if points.trials.is_empty() {
            errors.push(verdict::nothing_left(layers));
        }
    }
    let Some(spec) = first_spec.filter(|_| errors.is_empty()) else {
        return Err(PlanErrors::new(errors));
    };
    let baseline = verdict::baseline(layers, &spec, &points.trials);
    let baseline = baseline.map_err(|error| errors.push(*error)).ok().flatten();
    let references = references::resolve(layers, &points, &mut errors);
    group::assign(layers, &mut points, &mut errors);
    let device = spec.device.parse::<DeviceRequest>().ok().filter(|_| errors.is_empty());
    let (Some(baseline), Some(device)) = (baseline, device) else {
        return Err(PlanErrors::new(errors));
    };
    let folder = if layers.smoke { format!("{}-smoke", spec.name) } else { spec.name.clone() };
    let stages = stages::share(&mut points.trials);
    Ok(Plan {
        run: RunConfig::new(spec.run, &folder),
        name: spec.name,
        question: spec.question,
        device,
        smoke: layers.smoke,
        axes: layers.axes.iter().map(Axis::name).collect(),
        label_axes: Labels::new(layers).axes(),
        baseline: Some(baseline),
        // A smoke run's numbers mean nothing, beside published ones least of all.
        references: if layers.smoke { Vec::new() } else { references },
        trials: points.trials,
        excluded: points.excluded,
        stages,
        command: String::new(),
        source: layers.source.text.clone(),
        path: layers.source.path.clone(),
    })
}

/// What has become of the points.
#[derive(Default)]
pub(crate) struct Points {
    pub(crate) trials: Vec<Trial>,
    /// For each trial, the position of its value on each axis.
    pub(crate) choices: Vec<Vec<usize>>,
    /// For each trial, the `[[include]]` it is of.
    pub(crate) includes: Vec<Option<usize>>,
    pub(crate) excluded: Vec<Excluded>,
}

/// One grid point while it is looked at.
pub(crate) struct Point<'a> {
    /// Index of the value of each axis.
    choice: Vec<usize>,
    block: &'a Block,
    document: Value,
    /// For each axis, whether its value replaced the table of another plugin.
    replaced: Vec<bool>,
    /// Overrides that were applied again, above the axes.
    pub(crate) above: Vec<&'a Override>,
}

/// What has the say about a key, above the base document.
pub(crate) enum Above<'a> {
    /// An override that was applied again.
    Override(Location),
    /// The value of an axis.
    Axis(&'a Axis, Location),
    /// A value of an axis that put another plugin's table in place of the base's, and says nothing of the key.
    Replaced,
}

pub(crate) struct Expansion<'a> {
    pub(crate) layers: &'a Layers,
    shape: &'a Shape,
    catalog: &'a dyn PluginCatalog,
    errors: Vec<PlanError>,
    /// Axes in the order in which they are applied: outer keys before inner ones.
    order: Vec<usize>,
    labels: Labels<'a>,
    rules: Vec<Rule<'a>>,
    points: Points,
    first_spec: Option<ExperimentSpec>,
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
        mut errors: Vec<PlanError>,
    ) -> Self {
        let mut order: Vec<usize> = (0..layers.axes.len()).collect();
        order.sort_by_key(|&axis| layers.axes[axis].path.len());
        Self {
            layers,
            shape,
            catalog,
            rules: exclude::rules(layers, &mut errors),
            errors,
            order,
            labels: Labels::new(layers),
            points: Points::default(),
            first_spec: None,
            names: PluginKind::ALL.into_iter().map(|kind| (kind, catalog.names(kind))).collect(),
            resolved: HashMap::new(),
            used: vec![false; layers.below_axes.len()],
            base_origins: HashMap::new(),
        }
    }

    /// Makes a trial of every point that no rule excludes.
    fn every_point(&mut self) {
        let layers = self.layers;
        for block in &layers.blocks {
            let size = block.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
            for index in 0..size {
                let choice = block.choice(index, layers.axes.len());
                let reasons = self.rules.iter_mut().map(|rule| rule.excludes(&choice, layers));
                // Every rule is asked, so that none seems to be of no use because of another.
                let reason = reasons.fold(None, Option::or);
                if let Some((reason, rule)) = reason {
                    let variant = self.labels.variant(&choice, block.include);
                    let seed = self.labels.seed(&choice);
                    self.points.excluded.push(Excluded { variant, seed, reason, rule });
                } else if let Some((trial, spec)) = self.trial(choice.clone(), block) {
                    // Overrides may have made a point of the grid what the file includes.
                    let twice = |other: &Trial| other.id == trial.id;
                    if block.include.is_some() && layers.axes_changed && self.points.trials.iter().any(twice)
                    {
                        continue;
                    }
                    self.points.trials.push(trial);
                    self.points.choices.push(choice);
                    self.points.includes.push(block.include);
                    self.first_spec.get_or_insert(spec);
                }
                if self.errors.len() >= MOST_ERRORS {
                    return;
                }
            }
        }
    }

    /// The document of a point.
    fn point(&mut self, choice: Vec<usize>, block: &'a Block) -> Point<'a> {
        let axes = &self.layers.axes;
        let mut document = self.layers.base.clone();
        let mut replaced = vec![false; axes.len()];
        for &axis in &self.order {
            let value = &axes[axis].values[choice[axis]].value;
            if !value.is_null() && !axes[axis].names_points() {
                replaced[axis] = layers::set(&mut document, &axes[axis].path, value.clone());
            }
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
        Point { choice, block, document, replaced, above }
    }

    fn trial(&mut self, choice: Vec<usize>, block: &'a Block) -> Option<(Trial, ExperimentSpec)> {
        let mut point = self.point(choice, block);
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
            index: self.points.trials.len(),
            variant: self.labels.variant(&point.choice, block.include),
            group: None,
            axes: chosen.map(|(axis, value)| (axis.name(), value.label.clone())).collect(),
            stage: None,
            origins: self.origins(&point, &config),
            config,
        };
        Some((trial, spec))
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
        match self.above_base(point, path, at) {
            Some(Above::Override(location) | Above::Axis(_, location)) => Some(location),
            Some(Above::Replaced) => None,
            None => self.layers.given_in_base(path, at),
        }
    }

    /// What has the say about a path at a point, if it is not the base document.
    pub(crate) fn above_base(&self, point: &Point<'_>, path: &[String], at: At) -> Option<Above<'a>> {
        for entry in point.above.iter().rev() {
            if path.starts_with(&entry.path) && covers(&entry.value, &path[entry.path.len()..]) {
                let below = if entry.value.is_string() { &[] } else { &path[entry.path.len()..] };
                return Some(Above::Override(self.layers.location(&entry.given, below, at)));
            }
        }
        let layers = self.layers;
        for &index in self.order.iter().rev() {
            let axis = &layers.axes[index];
            let value = &axis.values[point.choice[index]];
            if path.starts_with(&axis.path) && point.block.names(index) {
                let below = &path[axis.path.len()..];
                if covers(&value.value, below) {
                    let below = if value.value.is_string() { &[] } else { below };
                    return Some(Above::Axis(axis, layers.location(&value.given, below, at)));
                }
                if point.replaced[index] {
                    return Some(Above::Replaced);
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

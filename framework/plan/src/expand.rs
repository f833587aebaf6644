//! From layers to grid points to trials. The main type is `Expansion`.

use crate::axes::Axis;
use crate::errors::{At, Issue, Location, PlanError};
use crate::exclude::{self, Rule};
use crate::group;
use crate::labels::Labels;
use crate::layers::Layers;
use crate::overrides::Override;
use crate::plan::{Excluded, Plan, RunConfig, Trial, TrialOrigins};
use crate::points::Block;
use crate::references;
use crate::sections::{self, SECTIONS, Section};
use crate::shape::Shape;
use crate::spec::ExperimentSpec;
use crate::stages;
use crate::verdict;
use crate::{
    DeviceRequest, Obstacle, PlanErrors, PluginCatalog, PluginConfig, PluginIssue, PluginKind, Shared,
    TrialConfig, identity,
};
use fovea_records::{StageId, TrialId};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

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
    let spec = expansion.frame();
    expansion.devices = spec.as_ref().map(ExperimentSpec::devices).unwrap_or_default();
    expansion.every_point();
    let Expansion { mut errors, mut points, rules, used, .. } = expansion;
    if errors.is_empty() {
        errors.extend(verdict::overrides_below_axes(layers, &used));
        errors.extend(rules.iter().filter_map(|rule| rule.unused(layers)));
        errors.extend(verdict::distinct(layers, &points));
        if points.trials.is_empty() {
            errors.push(verdict::nothing_left(layers));
        }
    }
    let Some(spec) = spec.filter(|_| errors.is_empty()) else {
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
    let stages = stages::share(&mut points.trials, &points.prefixes);
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
    /// For each trial, the warm-up that it may share.
    prefixes: Vec<Option<StageId>>,
    pub(crate) excluded: Vec<Excluded>,
}

/// One grid point while it is looked at.
pub(crate) struct Point<'a, 'p> {
    /// Index of the value of each axis.
    pub(crate) choice: &'p [usize],
    pub(crate) block: &'a Block,
    /// For each axis, whether its value replaced the table of another plugin.
    pub(crate) replaced: Vec<bool>,
    /// Overrides that were applied again, above the axes.
    pub(crate) above: Vec<&'a Override>,
}

/// What has the say about a key, above the base document.
pub(crate) enum Above<'p> {
    /// An override that was applied again.
    Override(Location),
    /// The value of an axis, and the keys below it.
    Axis(usize, &'p [String]),
    /// A value of an axis that put another plugin's table in place of the base's, and says nothing of the key.
    Replaced,
}

/// What the catalog made of a plugin's table.
type Resolved = Result<Shared<PluginConfig>, Vec<PluginIssue>>;

pub(crate) struct Expansion<'a> {
    pub(crate) layers: &'a Layers,
    pub(crate) shape: &'a Shape,
    pub(crate) catalog: &'a dyn PluginCatalog,
    errors: Vec<PlanError>,
    /// Axes in the order in which they are applied: outer keys before inner ones.
    pub(crate) order: Vec<usize>,
    labels: Labels<'a>,
    /// The dotted key of each axis.
    axis_names: Vec<String>,
    rules: Vec<Rule<'a>>,
    points: Points,
    pub(crate) names: HashMap<PluginKind, Vec<String>>,
    pub(crate) resolved: HashMap<(PluginKind, String, String), Resolved>,
    /// Whether each override below an axis was of use.
    pub(crate) used: Vec<bool>,
    /// For each of [`SECTIONS`], the axes that set something in it.
    touching: Vec<Vec<usize>>,
    /// For each of them, what it is by the positions of those axes, at the points of one block; `None` where it is
    /// wrong.
    sections: Vec<HashMap<Vec<usize>, Option<Rc<Section>>>>,
    /// Positions that are being looked up.
    own: Vec<usize>,
    blank: TrialConfig,
    /// Those that trials may be computed on.
    devices: Vec<DeviceRequest>,
    /// Origins of values of axes, by axis and position, as far as they were asked for.
    pub(crate) axis_origins: HashMap<(usize, usize), String>,
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
        let touching = |name: &&str| {
            let sets = |axis: &usize| layers.axes[*axis].path[0] == **name;
            (0..layers.axes.len()).filter(sets).collect()
        };
        Self {
            layers,
            shape,
            catalog,
            rules: exclude::rules(layers, &mut errors),
            errors,
            order,
            labels: Labels::new(layers),
            axis_names: layers.axes.iter().map(Axis::name).collect(),
            points: Points::default(),
            names: PluginKind::ALL.into_iter().map(|kind| (kind, catalog.names(kind))).collect(),
            resolved: HashMap::new(),
            used: vec![false; layers.below_axes.len()],
            touching: SECTIONS.iter().map(touching).collect(),
            sections: Vec::new(),
            own: Vec::new(),
            blank: sections::blank(),
            devices: Vec::new(),
            axis_origins: HashMap::new(),
            base_origins: HashMap::new(),
        }
    }

    /// Makes a trial of every point that no rule excludes.
    fn every_point(&mut self) {
        let layers = self.layers;
        let mut known: HashSet<TrialId> = HashSet::new();
        for block in &layers.blocks {
            // Origins differ: an include may leave to the document what the grid has an axis for.
            self.sections = SECTIONS.iter().map(|_| HashMap::new()).collect();
            let repeats = block.include.is_some() && layers.axes_changed;
            if repeats && known.is_empty() {
                known.extend(self.points.trials.iter().map(|trial| trial.id.clone()));
            }
            let size = block.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
            for index in 0..size {
                let choice = block.choice(index, layers.axes.len());
                let reasons = self.rules.iter_mut().map(|rule| rule.excludes(&choice));
                // Every rule is asked, so that none seems to be of no use because of another.
                let reason = reasons.fold(None, Option::or);
                if let Some((reason, rule)) = reason {
                    let variant = self.labels.variant(&choice, block.include);
                    let seed = self.labels.seed(&choice);
                    self.points.excluded.push(Excluded { variant, seed, reason, rule });
                } else if let Some((trial, prefix)) = self.trial(&choice, block) {
                    self.look_ahead(&trial.config, &choice, block);
                    // Overrides may have made a point of the grid what the file includes.
                    if repeats && !known.insert(trial.id.clone()) {
                        continue;
                    }
                    self.points.trials.push(trial);
                    self.points.choices.push(choice);
                    self.points.includes.push(block.include);
                    self.points.prefixes.push(prefix);
                }
                if self.errors.len() >= MOST_ERRORS {
                    return;
                }
            }
        }
    }

    /// The trial of a point, and the warm-up that it may share; `None` where something is wrong.
    fn trial(&mut self, choice: &[usize], block: &'a Block) -> Option<(Trial, Option<StageId>)> {
        let mut sections: Vec<Rc<Section>> = Vec::with_capacity(SECTIONS.len());
        for (place, name) in SECTIONS.into_iter().enumerate() {
            self.own.clear();
            self.own.extend(self.touching[place].iter().map(|&axis| choice[axis]));
            let section = match self.sections[place].get(&self.own) {
                Some(known) => known.clone(),
                None => {
                    let section = self.section(name, choice, block).map(Rc::new);
                    self.sections[place].insert(self.own.clone(), section.clone());
                    section
                }
            };
            sections.extend(section);
        }
        if sections.len() < SECTIONS.len() {
            return None;
        }
        let mut config = self.blank.clone();
        sections.iter().for_each(|section| section.put(&mut config));
        let prefix = (config.training.warmup_epochs > 0).then(|| {
            let texts = sections.iter().filter_map(|section| section.warm_up.as_deref());
            StageId::of(&identity::whole(texts))
        });
        let chosen = self.layers.axes.iter().zip(choice).zip(&self.axis_names);
        let label = |((axis, &position), name): ((&Axis, &usize), &String)| {
            (name.clone(), axis.values[position].label.clone())
        };
        let trial = Trial {
            id: TrialId::of(&identity::whole(sections.iter().map(|section| section.text.as_str()))),
            index: self.points.trials.len(),
            variant: self.labels.variant(choice, block.include),
            group: None,
            axes: chosen.map(label).collect(),
            stage: None,
            origins: TrialOrigins(sections.iter().map(|section| section.origins.clone()).collect()),
            config,
        };
        Some((trial, prefix))
    }

    /// Reports what keeps a trial from being trained.
    fn look_ahead(&mut self, trial: &TrialConfig, choice: &[usize], block: &'a Block) {
        let found = self.catalog.ahead(trial, &self.devices);
        for obstacle in found {
            let Obstacle { suspects, message, help } = obstacle;
            let suspects: Vec<Vec<String>> =
                suspects.iter().map(|key| key.split('.').map(str::to_owned).collect()).collect();
            let section = |path: &[String]| {
                SECTIONS.into_iter().find(|name| path.first().is_some_and(|key| key == name))
            };
            let blamed = suspects.iter().find_map(|path| {
                let (point, _) = self.point(section(path)?, choice, block);
                self.exact(&point, path, At::Value).is_some().then(|| path.clone())
            });
            let Some(path) = blamed.or_else(|| suspects.first().cloned()) else { continue };
            let (point, _) = self.point(section(&path).unwrap_or_default(), choice, block);
            self.report(&point, Issue::new(path, At::Value, message).help(help));
        }
    }

    /// Where the user set exactly this path at this point, if at all.
    pub(crate) fn exact(&self, point: &Point<'_, '_>, path: &[String], at: At) -> Option<Location> {
        match self.above_base(point, path, at) {
            Some(Above::Override(location)) => Some(location),
            Some(Above::Axis(axis, below)) => {
                let value = &self.layers.axes[axis].values[point.choice[axis]];
                Some(self.layers.location(&value.given, below, at))
            }
            Some(Above::Replaced) => None,
            None => self.layers.given_in_base(path, at),
        }
    }

    /// What has the say about a path at a point, if it is not the base document.
    pub(crate) fn above_base<'p>(
        &self,
        point: &Point<'_, '_>,
        path: &'p [String],
        at: At,
    ) -> Option<Above<'p>> {
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
                    return Some(Above::Axis(index, below));
                }
                if point.replaced[index] {
                    return Some(Above::Replaced);
                }
            }
        }
        None
    }

    /// Adds an error at the place of an issue, or of the nearest table around it.
    pub(crate) fn report(&mut self, point: &Point<'_, '_>, issue: Issue) {
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

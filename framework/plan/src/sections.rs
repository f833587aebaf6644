//! The sections of a trial's configuration (`training`, `loss`, ...). The main type is [`Section`].
//!
//! No section depends on another, so a section is read, checked and written as text once for all points of the grid
//! that have the same values in it: a grid of 100,000 points has few different data sets or models.

use crate::check;
use crate::errors::{At, Issue, did_you_mean};
use crate::expand::{Expansion, Point};
use crate::identity;
use crate::layers;
use crate::points::Block;
use crate::spec::ExperimentSpec;
use crate::{
    AugmentationConfig, CamConfig, EvaluationConfig, InputConfig, PluginConfig, PluginIssue, PluginKind,
    Shared, TrainingConfig, TrialConfig,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The sections of a trial, in the order in which its identity has them.
pub(crate) const SECTIONS: [&str; 11] = [
    "augmentation",
    "cam",
    "dataset",
    "evaluation",
    "extractor",
    "input",
    "localizer",
    "loss",
    "model",
    "seed",
    "training",
];

/// A section at some points of the grid.
#[derive(Debug)]
pub(crate) struct Section {
    part: Part,
    /// What it adds to the text that names a trial.
    pub(crate) text: String,
    /// What it adds to the text that names a warm-up stage.
    pub(crate) warm_up: Option<String>,
    /// Where each value that is no default was given, by dotted key.
    pub(crate) origins: Arc<Vec<(String, String)>>,
}

/// What a section says, resolved.
#[derive(Debug)]
enum Part {
    Augmentation(AugmentationConfig),
    Cam(CamConfig),
    Evaluation(EvaluationConfig),
    Input(InputConfig),
    Plugin(PluginKind, Shared<PluginConfig>),
    Seed(u64),
    Training(TrainingConfig),
}

impl Section {
    /// Puts what it says into a trial's configuration.
    pub(crate) fn put(&self, config: &mut TrialConfig) {
        match &self.part {
            Part::Augmentation(part) => config.augmentation = part.clone(),
            Part::Cam(part) => config.cam = part.clone(),
            Part::Evaluation(part) => config.evaluation = part.clone(),
            Part::Input(part) => config.input = part.clone(),
            Part::Plugin(PluginKind::Dataset, part) => config.dataset = part.clone(),
            Part::Plugin(PluginKind::Model, part) => config.model = part.clone(),
            Part::Plugin(PluginKind::Localizer, part) => config.localizer = part.clone(),
            Part::Plugin(PluginKind::Extractor, part) => config.extractor = part.clone(),
            Part::Plugin(PluginKind::Loss, part) => config.loss = part.clone(),
            Part::Seed(part) => config.seed = *part,
            Part::Training(part) => config.training = part.clone(),
        }
    }
}

/// A configuration to put sections into.
pub(crate) fn blank() -> TrialConfig {
    let plugin = Shared::<PluginConfig>::default();
    let evaluation = EvaluationConfig { gaussian: Vec::new(), l2: Vec::new(), ..EvaluationConfig::default() };
    TrialConfig {
        seed: 0,
        dataset: plugin.clone(),
        input: InputConfig::default(),
        augmentation: AugmentationConfig::default(),
        model: plugin.clone(),
        localizer: plugin.clone(),
        extractor: plugin.clone(),
        loss: plugin,
        cam: CamConfig::default(),
        training: TrainingConfig::default(),
        evaluation,
    }
}

impl<'a> Expansion<'a> {
    /// What the experiment says beside the sections of its trials.
    pub(crate) fn frame(&mut self) -> Option<ExperimentSpec> {
        let (layers, block) = (self.layers, self.layers.blocks.first()?);
        let own = layers.base.as_object().into_iter().flatten();
        let own = own.filter(|(key, _)| !SECTIONS.contains(&key.as_str()));
        let document = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        let choice = vec![0; layers.axes.len()];
        let point = Point { choice: &choice, block, replaced: vec![false; choice.len()], above: Vec::new() };
        let mut issues = Vec::new();
        let spec = self.read(&point, Value::Object(document), &mut issues);
        let clean = issues.is_empty();
        issues.into_iter().for_each(|issue| self.report(&point, issue));
        spec.filter(|_| clean)
    }

    /// A section at a point; what is wrong with it is reported.
    pub(crate) fn section(
        &mut self,
        name: &'static str,
        choice: &[usize],
        block: &'a Block,
    ) -> Option<Section> {
        let (point, mut document) = self.point(name, choice, block);
        let mut issues = Vec::new();
        let part = match PluginKind::from_key(name) {
            Some(kind) => self.plugin_part(kind, document, &mut issues),
            None => {
                // A spec has a name, whatever section is read.
                if let Some(table) = document.as_object_mut() {
                    table.insert("name".to_owned(), Value::from("x"));
                }
                let spec = self.read(&point, document, &mut issues);
                spec.and_then(|spec| match name {
                    "augmentation" => Some(Part::Augmentation(spec.augmentation)),
                    "cam" => Some(Part::Cam(spec.cam)),
                    "evaluation" => Some(Part::Evaluation(spec.evaluation)),
                    "input" => Some(Part::Input(spec.input)),
                    "seed" => Some(Part::Seed(spec.seed)),
                    "training" => Some(Part::Training(spec.training)),
                    _ => None,
                })
            }
        };
        let clean = issues.is_empty();
        issues.into_iter().for_each(|issue| self.report(&point, issue));
        let part = part.filter(|_| clean)?;
        let value = match &part {
            Part::Augmentation(part) => identity::json(part),
            Part::Cam(part) => identity::json(part),
            Part::Evaluation(part) => identity::json(part),
            Part::Input(part) => identity::json(part),
            Part::Plugin(_, part) => identity::json(part),
            Part::Seed(part) => identity::json(part),
            Part::Training(part) => identity::json(part),
        };
        let text = identity::section(name, &value);
        let warm_up = identity::warm_up_section(name, &value);
        Some(Section { text, warm_up, origins: Arc::new(self.origins(&point, name, &value)), part })
    }

    /// The document of a point, but nothing beside one section.
    pub(crate) fn point<'p>(
        &mut self,
        name: &str,
        choice: &'p [usize],
        block: &'a Block,
    ) -> (Point<'a, 'p>, Value) {
        let layers = self.layers;
        let axes = &layers.axes;
        let mut document = Map::new();
        document.extend(layers.base.get(name).map(|value| (name.to_owned(), value.clone())));
        let mut document = Value::Object(document);
        let mut replaced = vec![false; axes.len()];
        for &axis in self.order.iter().filter(|axis| axes[**axis].path[0] == name) {
            let value = &axes[axis].values[choice[axis]].value;
            if !value.is_null() && !axes[axis].names_points() {
                replaced[axis] = layers::set(&mut document, &axes[axis].path, value.clone());
            }
        }
        let mut above = Vec::new();
        for (entry, used) in layers.below_axes.iter().zip(&mut self.used) {
            if entry.path[0] != name {
                continue;
            }
            // It was meant for the base's plugin, so it says nothing about another.
            let other_plugin =
                (0..axes.len()).any(|axis| replaced[axis] && entry.path.starts_with(&axes[axis].path));
            if !other_plugin {
                layers::set(&mut document, &entry.path, entry.value.clone());
                above.push(entry);
                *used = true;
            }
        }
        (Point { choice, block, replaced, above }, document)
    }

    /// A part of the document as the spec that says nothing else.
    fn read(
        &self,
        point: &Point<'a, '_>,
        mut document: Value,
        issues: &mut Vec<Issue>,
    ) -> Option<ExperimentSpec> {
        let mut pruned = Vec::new();
        self.shape.check(&mut document, issues, &mut pruned);
        if let Some(table) = document.as_object_mut() {
            for kind in PluginKind::ALL {
                table.entry(kind.as_str()).or_insert_with(|| json!({}));
            }
        }
        let spec = match serde_json::from_value::<ExperimentSpec>(document) {
            Ok(spec) => spec,
            Err(error) => {
                // The shape has been checked, so this is a number out of its type's range.
                issues.push(Issue::new(Vec::new(), At::Value, error.to_string()));
                return None;
            }
        };
        for suspicion in check::check(&spec) {
            if !suspicion.suspects.iter().any(|suspect| pruned.contains(suspect)) {
                let culprit = suspicion.suspects.iter().find(|s| self.exact(point, s, At::Value).is_some());
                let culprit = culprit.or(suspicion.suspects.first()).cloned().unwrap_or_default();
                issues.push(suspicion.blame(culprit));
            }
        }
        Some(spec)
    }

    fn plugin_part(
        &mut self,
        kind: PluginKind,
        mut document: Value,
        issues: &mut Vec<Issue>,
    ) -> Option<Part> {
        let mut pruned = Vec::new();
        self.shape.check(&mut document, issues, &mut pruned);
        let broken = pruned.iter().any(|path| path.first().is_some_and(|key| key == kind.as_str()));
        if broken {
            return None;
        }
        let nothing = json!({});
        let table = document.get(kind.as_str()).unwrap_or(&nothing);
        self.plugin(kind, table, issues).map(|plugin| Part::Plugin(kind, plugin))
    }

    /// Resolves a plugin's table, once for equal tables.
    fn plugin(
        &mut self,
        kind: PluginKind,
        table: &Value,
        issues: &mut Vec<Issue>,
    ) -> Option<Shared<PluginConfig>> {
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
        let resolve = || catalog.resolve(kind, name, config).map(Shared::from);
        match self.resolved.entry(key).or_insert_with(resolve) {
            Ok(plugin) => Some(plugin.clone()),
            Err(found) => {
                issues.extend(found.iter().map(|issue| plugin_issue(&path, issue)));
                None
            }
        }
    }
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

//! `[[exclude]]`: points of the grid that are left out, and why. The main type is [`Rule`].

use crate::axes::{Given, Located};
use crate::errors::{At, Issue};
use crate::layers::{self, Layers};
use crate::select::{Scope, Selection};
use crate::spans::join;
use crate::tables::{self, Entry};
use crate::{Location, PlanError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Points that are left out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExcludeSpec {
    /// Values of axes, one or a list each; the points that have one of each are left out.
    r#where: Map<String, Value>,
    /// Why, for those who read the plan.
    reason: String,
}

/// Takes `exclude` out of the file.
pub(crate) fn take(file: &mut Map<String, Value>, problems: &mut Vec<Located>) -> Vec<Entry<ExcludeSpec>> {
    let check = |spec: &ExcludeSpec| {
        let mut issues = Vec::new();
        let mut issue = |key: &str, message: &str, help: &str| {
            let issue = Issue::new(vec![key.to_owned()], At::Value, message);
            issues.push(issue.help(help.to_owned()));
        };
        if spec.reason.trim().is_empty() {
            issue("reason", "the reason is empty", "say why, for those who read the plan");
        }
        if spec.r#where.is_empty() {
            issue(
                "where",
                "this excludes every point",
                "name an axis and its value, as in { loss = \"iou\" }",
            );
        }
        issues
    };
    tables::take(file, ("exclude", "points to leave out"), &["where", "reason"], check, problems)
}

/// A rule whose axes are found.
#[derive(Debug)]
pub(crate) struct Rule<'a> {
    entry: &'a Entry<ExcludeSpec>,
    selection: Selection,
    location: Location,
    used: bool,
}

impl Rule<'_> {
    /// Why the rule leaves this point out, and where it stands; `None` where it does not.
    pub(crate) fn excludes(&mut self, choice: &[usize]) -> Option<(String, Location)> {
        if !self.selection.fits(choice) {
            return None;
        }
        self.used = true;
        Some((self.entry.spec.reason.clone(), self.location.clone()))
    }

    /// The error of a rule that nothing is excluded by. Overrides that narrow the grid may well leave it without.
    pub(crate) fn unused(&self, layers: &Layers) -> Option<PlanError> {
        (!self.used && !layers.axes_changed).then(|| PlanError {
            location: self.location.clone(),
            key: Some("exclude.where".to_owned()),
            message: "this excludes nothing: no point has all these values".to_owned(),
            help: None,
        })
    }
}

/// The rules, those whose axes exist.
pub(crate) fn rules<'a>(layers: &'a Layers, errors: &mut Vec<PlanError>) -> Vec<Rule<'a>> {
    let mut rules = Vec::new();
    for entry in &layers.excludes {
        let scope = Scope { seeds: true, narrowed: layers.axes_changed };
        match Selection::new(&entry.spec.r#where, &layers.axes, scope) {
            Ok(selection) => {
                let location = layers.source.locate(&join(&entry.place, "where"), At::Key);
                rules.push(Rule { entry, selection, location, used: false });
            }
            Err(_) if layers.axes_changed => {}
            Err(mut issue) => {
                let given = Given::File(join(&entry.place, "where")).below(&issue.path);
                issue.path.splice(..0, ["exclude".to_owned(), "where".to_owned()]);
                errors.push(layers::place(&layers.source, Located { given, issue }));
            }
        }
    }
    rules
}

//! The page: one file that needs no network. The main function is [`write`].

use crate::ReportError;
use crate::answer::Answer;
use crate::config::ConfigView;
use crate::figures::Figures;
use crate::format::{duration, plural};
use crate::gallery::Gallery;
use crate::page::{Block, Failure, Leaderboard, Links, Live, ProvenanceView, Verification};
use crate::reference::ReferenceTable;
use crate::run::{Run, SMOKE, Status};
use crate::summary::costs;
use crate::targets::TargetTable;
use crate::text::ResultsTable;
use base64::Engine as _;
use fovea_records::store::write_atomic;
use fovea_records::{RunStore, Unit, metrics};
use minijinja::{AutoEscape, Environment, HtmlEscape, UndefinedBehavior, Value, context};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The built-in template, `report.html` to those that extend it. Its head says what it is filled with.
pub const TEMPLATE: &str = include_str!("../templates/report.html");
const STYLE: &str = include_str!("../templates/report.css");
const SCRIPT: &str = include_str!("../templates/report.js");

/// A template for the page: the built-in one, or a user's, which may extend it.
pub(crate) struct Template(Option<(String, String)>);

impl Template {
    /// Reads the user's file, if there is one.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, ReportError> {
        let Some(path) = path else { return Ok(Self(None)) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ReportError::NoTemplate { path: path.to_owned(), source })?;
        Ok(Self(Some((path.display().to_string(), text))))
    }

    fn render(&self, context: Value) -> Result<String, ReportError> {
        let mut environment = Environment::new();
        // Whatever the file is called, what goes into it are names and messages of others.
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        // A name that nobody fills in is a mistake, not an empty place.
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.add_filter("breakable", breakable);
        environment.add_template("report.html", TEMPLATE)?;
        let name = match &self.0 {
            None => "report.html",
            Some((name, text)) => {
                environment.add_template(name, text)?;
                name
            }
        };
        Ok(environment.get_template(name)?.render(context)?)
    }
}

/// Everything that goes into the page.
pub(crate) struct Contents<'a> {
    /// The run.
    pub(crate) run: &'a Run,
    /// The findings in words.
    pub(crate) answer: Answer,
    /// The results table.
    pub(crate) results: &'a ResultsTable,
    /// The same with differences.
    pub(crate) leaderboard: Leaderboard,
    /// The trials behind it.
    pub(crate) blocks: Vec<Block>,
    /// Trials without numbers.
    pub(crate) failures: Vec<Failure>,
    /// How far a run is that goes on.
    pub(crate) live: Option<Live>,
    /// What came of checking trials.
    pub(crate) verification: Option<Verification>,
    /// What the numbers rest on.
    pub(crate) provenance: ProvenanceView,
    /// Where records lie.
    pub(crate) links: Links,
    /// Published numbers.
    pub(crate) references: Option<ReferenceTable>,
    /// Quality of the target boxes.
    pub(crate) targets: Option<TargetTable>,
    /// Figures.
    pub(crate) figures: Figures,
    /// Galleries.
    pub(crate) galleries: Vec<Gallery>,
    /// What could not be read.
    pub(crate) problems: Vec<String>,
}

/// Fills in the template and writes `report/index.html`.
pub(crate) fn write(
    store: &RunStore,
    template: &Template,
    contents: &Contents<'_>,
) -> Result<PathBuf, ReportError> {
    let run = contents.run;
    let mut statuses: Vec<(usize, &str)> = Status::ALL.iter().map(|s| (run.count(*s), s.name())).collect();
    let running = run.trials.iter().filter(|trial| trial.progress.is_some()).count();
    if running > 0 {
        statuses.insert(statuses.len() - 1, (running, "running"));
        if let Some((pending, _)) = statuses.last_mut() {
            *pending -= running;
        }
    }
    let runs: Vec<Value> = run
        .sources
        .iter()
        .enumerate()
        .map(|(place, source)| {
            context! {
                label => source.label.as_str(), name => source.name.as_str(), question => source.question.as_deref(),
                command => source.command.as_str(), href => contents.links.run(place),
                trials => run.trials.iter().filter(|t| t.source == place).count(),
                done => run.trials.iter().filter(|t| t.source == place && t.status == Status::Done).count(),
                shared => run.shared_with_others(place),
            }
        })
        .collect();
    let of_done = |part: fn(&fovea_records::Done) -> &String| -> Vec<String> {
        run.trials
            .iter()
            .filter_map(|t| t.done.as_ref().map(part))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .cloned()
            .collect()
    };
    let compute: f64 = run.trials.iter().filter_map(crate::run::Trial::seconds).sum();
    let used: BTreeSet<&str> = run
        .trials
        .iter()
        .flat_map(|t| t.rows.iter().map(|r| r.metric.as_str()).chain(costs(t).map(|c| c.0)))
        .collect();
    let definitions: Vec<Value> = metrics::DEFINITIONS
        .iter()
        .map(|d| {
            let unit = match d.unit {
                Unit::Fraction => "fraction, shown in per cent",
                Unit::Number => "number",
                Unit::PerSecond => "per second",
                Unit::Seconds => "seconds",
                Unit::Count => "count",
                Unit::Bytes => "bytes, shown in MiB or GiB",
            };
            let better = match d.direction {
                fovea_records::Direction::Higher => "higher is better",
                fovea_records::Direction::Lower => "lower is better",
                fovea_records::Direction::Neutral => "neither",
            };
            context! { name => d.name, label => d.label, unit, better, doc => d.doc, measured => used.contains(d.name) }
        })
        .collect();
    let figures: Vec<Value> = contents
        .figures
        .drawn
        .iter()
        .map(|f| {
            context! {
                name => f.name.as_str(), title => f.title.as_str(), caption => f.caption.as_str(),
                svg => Value::from_safe_string(f.inline_svg.clone()),
            }
        })
        .collect();
    let galleries = contents.galleries.iter().map(|g| {
        let jpeg = base64::engine::general_purpose::STANDARD.encode(&g.jpeg);
        context! {
            name => g.name.as_str(), title => g.title, caption => g.caption.as_str(), width => g.size.0, height => g.size.1,
            source => Value::from_safe_string(format!("data:image/jpeg;base64,{jpeg}")),
            rows => serde_value(&g.rows), variants => serde_value(&g.variants),
        }
    });
    let galleries: Vec<Value> = galleries.collect();
    let size = format!(
        "{} of {}, {}",
        plural(run.trials.len(), "trial"),
        plural(run.variants.len(), "variant"),
        plural(run.trials.iter().map(|t| t.planned.seed).collect::<BTreeSet<_>>().len(), "seed")
    );

    let page = template.render(context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        name => run.name.as_str(),
        smoke => run.smoke.then_some(SMOKE),
        question => run.question.as_deref(),
        size,
        answer => serde_value(&contents.answer),
        results => serde_value(contents.results),
        references => contents.references.as_ref().map(serde_value),
        targets => contents.targets.as_ref().map(serde_value),
        statuses => serde_value(&statuses),
        leaderboard => serde_value(&contents.leaderboard),
        variants => serde_value(&contents.blocks),
        failures => serde_value(&contents.failures),
        live => serde_value(&contents.live),
        verification => serde_value(&contents.verification),
        provenance => serde_value(&contents.provenance),
        runs,
        problems => serde_value(&contents.problems),
        figures,
        omitted => serde_value(&contents.figures.omitted),
        galleries,
        config => serde_value(ConfigView::new(run)),
        definitions,
        versions => of_done(|d| &d.version),
        devices => of_done(|d| &d.device),
        compute => (compute > 0.0).then(|| duration(compute)),
        report_command => contents.links.report(),
    })?;
    let path = store.report_dir().join("index.html");
    write_atomic(&path, page.as_bytes())?;
    Ok(path)
}

/// A label that may go on in the next line after `=` and `(`.
fn breakable(label: &str) -> Value {
    let escaped = HtmlEscape(label).to_string();
    Value::from_safe_string(escaped.replace('=', "=<wbr>").replace('(', "(<wbr>"))
}

fn serde_value<T: Serialize>(value: T) -> Value {
    Value::from(minijinja::value::Serde(value))
}

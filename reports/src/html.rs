//! The page: one file that needs no network. The main function is [`write`].

use crate::ReportError;
use crate::answer::Answer;
use crate::config::ConfigView;
use crate::figures::Figures;
use crate::format::{duration, plural};
use crate::gallery::Gallery;
use crate::reference::ReferenceTable;
use crate::run::{Run, SMOKE, Status};
use crate::targets::TargetTable;
use crate::text::ResultsTable;
use base64::Engine as _;
use fovea_records::store::write_atomic;
use fovea_records::{RunStore, Unit, metrics};
use minijinja::{Environment, Value, context};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

const TEMPLATE: &str = include_str!("../templates/report.html");

/// Everything that goes into the page.
pub(crate) struct Contents<'a> {
    /// The run.
    pub(crate) run: &'a Run,
    /// The findings in words.
    pub(crate) answer: Answer,
    /// The results table.
    pub(crate) results: &'a ResultsTable,
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

#[derive(Serialize)]
struct TrialLine {
    id: String,
    variant: String,
    seed: u64,
    status: &'static str,
    seconds: Option<String>,
    reason: Option<String>,
    warnings: Vec<String>,
}

/// Fills in the template and writes `report/index.html`.
pub(crate) fn write(store: &RunStore, contents: &Contents) -> Result<PathBuf, ReportError> {
    let run = contents.run;
    let trials: Vec<TrialLine> = run
        .trials
        .iter()
        .map(|trial| TrialLine {
            id: trial.planned.id.to_string(),
            variant: run.variants[trial.variant].name.clone(),
            seed: trial.planned.seed,
            status: trial.status.name(),
            seconds: trial.seconds().map(duration),
            reason: trial.reason.clone(),
            warnings: trial.warnings.clone(),
        })
        .collect();
    let statuses: Vec<(usize, &str)> = Status::ALL.iter().map(|s| (run.count(*s), s.name())).collect();
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
    let used: BTreeSet<&str> =
        run.trials.iter().flat_map(|t| t.rows.iter().map(|r| r.metric.as_str())).collect();
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

    let mut environment = Environment::new();
    environment.add_template("report.html", TEMPLATE)?;
    let page = environment.get_template("report.html")?.render(context! {
        name => run.name.as_str(),
        smoke => run.smoke.then_some(SMOKE),
        question => run.question.as_deref(),
        size,
        answer => serde_value(&contents.answer),
        results => serde_value(contents.results),
        references => contents.references.as_ref().map(serde_value),
        targets => contents.targets.as_ref().map(serde_value),
        statuses => serde_value(&statuses),
        trials => serde_value(&trials),
        problems => serde_value(&contents.problems),
        figures,
        omitted => serde_value(&contents.figures.omitted),
        galleries,
        config => serde_value(ConfigView::new(run)),
        definitions,
        versions => of_done(|d| &d.version),
        devices => of_done(|d| &d.device),
        compute => (compute > 0.0).then(|| duration(compute)),
        command => run.command.clone(),
    })?;
    let path = store.report_dir().join("index.html");
    write_atomic(&path, page.as_bytes())?;
    Ok(path)
}

fn serde_value<T: Serialize>(value: T) -> Value {
    Value::from(minijinja::value::Serde(value))
}

//! The results with everything that sorting, filtering and comparing take. The main type is [`Leaderboard`].

use super::Links;
use crate::answer::Tests;
use crate::coverage::{self, Coverage};
use crate::format::{difference, mean_sd, minus, p_value};
use crate::measures::{Measure, MeasureKind};
use crate::run::{GROUP, Run, Status, Variant};
use fovea_records::Direction;
use serde::Serialize;

/// What rows of several runs can be chosen by besides axes.
const RUN: &str = "run";

/// One row per variant; cells in the order of the columns.
#[derive(Debug, Serialize)]
pub(crate) struct Leaderboard {
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// What rows can be chosen by: their run, and where there are several axes with several values, those.
    filters: Vec<Filter>,
    /// What became of trials, as far as it differs.
    statuses: Vec<&'static str>,
    /// Whether any cell has a difference.
    differences: bool,
    /// Label of the baseline.
    baseline: Option<String>,
}

#[derive(Debug, Serialize)]
struct Column {
    heading: [String; 2],
    /// What it is, in a sentence.
    doc: String,
    /// Whether cells are numbers.
    number: bool,
}

#[derive(Debug, Serialize)]
struct Filter {
    axis: String,
    values: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    /// Element with the trials behind the row.
    anchor: String,
    /// What the row is called, without what all rows have in common.
    name: String,
    /// Its whole label.
    full: String,
    baseline: bool,
    /// What became of its trials.
    statuses: Vec<&'static str>,
    /// Its value of each filter's axis; empty where it has none, or several.
    axes: Vec<String>,
    cells: Vec<Cell>,
}

#[derive(Debug, Default, Serialize)]
struct Cell {
    text: String,
    /// What it is sorted by, where it is a number.
    sort: Option<f64>,
    best: bool,
    /// Whether it is a number that is compared with the baseline's.
    compared: bool,
    delta: Option<Delta>,
}

/// A difference to the baseline.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delta {
    /// With its sign.
    pub(crate) text: String,
    /// 95 % interval.
    pub(crate) interval: Option<String>,
    /// After Holm's correction, where it is one of the comparisons of the answer.
    pub(crate) p: Option<String>,
    /// Whether that tells it from no difference.
    pub(crate) clear: bool,
    sort: f64,
}

impl Delta {
    /// Of a variant in the measure at place `m`; `None` where no seed is shared, and in smoke runs, where it would mean
    /// nothing.
    pub(crate) fn new(
        run: &Run,
        tests: &Tests,
        measures: &[Measure],
        m: usize,
        variant: usize,
    ) -> Option<Self> {
        let measure = &measures[m];
        let delta = measure.deltas[variant].filter(|_| !run.smoke)?;
        let signed = |number: f64| minus(&difference(measure.unit, number));
        let p = tests.adjusted.get(&(m, variant)).copied();
        Some(Self {
            text: signed(delta.mean),
            interval: delta.interval().map(|(low, high)| format!("[{}, {}]", signed(low), signed(high))),
            p: p.map(p_value),
            clear: p.is_some_and(|p| p < 0.05),
            sort: delta.mean,
        })
    }
}

impl Leaderboard {
    /// Lays the table out.
    pub(crate) fn new(run: &Run, measures: &[Measure], tests: &Tests) -> Self {
        let incomplete = run.trials.iter().any(|t| t.status != Status::Done);
        let text = |first: &str, second: &str, doc: &str| Column {
            heading: [first.to_owned(), second.to_owned()],
            doc: doc.to_owned(),
            number: false,
        };
        let mut columns = vec![text(&run.variant_heading, "", "Trials that differ in nothing but the seed.")];
        if run.is_joined() {
            columns.push(text(RUN, "", "The run that the trials are of."));
        }
        if run.has_groups() {
            columns.push(text(GROUP, "", "The named group of the grid."));
        }
        columns.extend(measures.iter().map(|measure| Column {
            heading: measure.heading.clone(),
            doc: doc(measure),
            number: true,
        }));
        let coverage = Coverage::of(run);
        if coverage.is_some() {
            let [first, second] = coverage::HEADING;
            columns.push(Column { number: true, ..text(first, second, coverage::DOC) });
        }
        columns.push(Column { number: true, ..text("seeds", "", "Trials that are done.") });
        if incomplete {
            columns.push(text("not", "measured", "What became of the other trials."));
        }
        let best: Vec<Vec<usize>> = measures.iter().map(Measure::best).collect();
        let filters = filters(run);
        let rows = run.variants.iter().enumerate().map(|(place, variant)| {
            let plain = |text: String| Cell { text, ..Cell::default() };
            let mut cells = vec![plain(name(run, variant).to_owned())];
            if run.is_joined() {
                cells.push(plain(run.sources[variant.source].label.clone()));
            }
            if run.has_groups() {
                cells.push(plain(variant.group.clone().unwrap_or_else(|| "–".to_owned())));
            }
            for (m, measure) in measures.iter().enumerate() {
                let stats = measure.stats[place];
                cells.push(Cell {
                    text: stats.map_or("–".to_owned(), |s| minus(&mean_sd(measure.unit, &s))),
                    sort: stats.map(|s| s.mean),
                    best: best[m].contains(&place),
                    compared: !run.smoke && run.variants.len() > 1,
                    delta: Delta::new(run, tests, measures, m, place),
                });
            }
            if let Some(coverage) = &coverage {
                let text = coverage.text(place).unwrap_or_else(|| "–".to_owned());
                cells.push(Cell { text, sort: coverage.share(place), ..Cell::default() });
            }
            let done = run.count_in(place, Status::Done);
            cells.push(Cell { text: done.to_string(), sort: Some(done as f64), ..Cell::default() });
            if incomplete {
                let open = run.counts(&variant.trials).without_numbers();
                cells.push(plain(open.unwrap_or_else(|| "–".to_owned())));
            }
            Row {
                anchor: Links::variant(place),
                name: name(run, variant).to_owned(),
                full: variant.name.clone(),
                baseline: run.baseline == Some(place),
                statuses: standings(run, variant),
                axes: filters.iter().map(|filter| value(run, variant, &filter.axis)).collect(),
                cells,
            }
        });
        let rows: Vec<Row> = rows.collect();
        let mut statuses: Vec<&'static str> = Vec::new();
        for status in rows.iter().flat_map(|row| &row.statuses) {
            if !statuses.contains(status) {
                statuses.push(status);
            }
        }
        Self {
            differences: rows.iter().any(|row| row.cells.iter().any(|cell| cell.delta.is_some())),
            baseline: run.baseline.map(|baseline| run.variants[baseline].label.clone()),
            columns,
            rows,
            filters,
            statuses,
        }
    }
}

/// A column of its own says which run a variant is of.
fn name<'a>(run: &Run, variant: &'a Variant) -> &'a str {
    let suffix = format!(" ({})", run.sources[variant.source].label);
    match variant.short.strip_suffix(&suffix) {
        Some(bare) if run.is_joined() => bare,
        _ => &variant.short,
    }
}

fn standings(run: &Run, variant: &Variant) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = variant.trials.iter().map(|&t| run.trials[t].standing()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn doc(measure: &Measure) -> String {
    let what = match measure.kind {
        MeasureKind::Accuracy => format!("Accuracy on {}, per cent", measure.split),
        MeasureKind::Gap => {
            format!("Accuracy on {}, percentage points", measure.split.replace(" - ", " minus "))
        }
        MeasureKind::NoiseForeground => {
            format!("Accuracy on {} with Gaussian noise on the object, per cent", measure.split)
        }
        MeasureKind::NoiseBackground => {
            format!("Accuracy on {} with Gaussian noise around the object, per cent", measure.split)
        }
        MeasureKind::Rfs => {
            format!("Relative foreground sensitivity under Gaussian noise on {}", measure.split)
        }
        MeasureKind::BoxIou => format!("IoU of the Grad-CAM box with the object's on {}", measure.split),
    };
    match measure.direction {
        Direction::Higher => format!("{what}; higher is better."),
        Direction::Lower => format!("{what}; lower is better."),
        Direction::Neutral => format!("{what}."),
    }
}

/// A variant's value of an axis; empty where its trials have none, or several.
fn value(run: &Run, variant: &Variant, axis: &str) -> String {
    if axis == RUN {
        return run.sources[variant.source].label.clone();
    }
    let of = |&trial: &usize| {
        run.trials[trial].planned.axes.iter().find(|(name, _)| name == axis).map(|(_, value)| value.as_str())
    };
    let mut values = variant.trials.iter().map(of);
    let first = values.next().flatten();
    if values.all(|value| value == first) { first.unwrap_or_default().to_owned() } else { String::new() }
}

fn filters(run: &Run) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    for axis in run.axes.iter().filter(|axis| *axis != "seed") {
        let mut values: Vec<String> = Vec::new();
        for variant in &run.variants {
            let value = value(run, variant, axis);
            if !value.is_empty() && !values.contains(&value) {
                values.push(value);
            }
        }
        if values.len() > 1 {
            filters.push(Filter { axis: axis.clone(), values });
        }
    }
    // With one axis the text of a row is enough.
    if filters.len() < 2 {
        filters.clear();
    }
    if run.is_joined() {
        let values = run.sources.iter().map(|source| source.label.clone()).collect();
        filters.insert(0, Filter { axis: RUN.to_owned(), values });
    }
    filters
}

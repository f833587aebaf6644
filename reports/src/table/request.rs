//! What is asked for. The main type is [`TableRequest`].

use super::rows;
use crate::ReportError;
use crate::run::{Run, Status};
use crate::summary::Summary;
use fovea_records::{RunStore, metrics};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

/// What a table is to show.
#[derive(Clone, Debug, Default)]
pub struct TableRequest {
    /// Metrics; none means accuracy, RFS and box IoU, as far as they are recorded.
    pub metrics: Vec<String>,
    /// What a row is: `variant`, `group`, `axis`, `seed`, `level`, `class`, `data-group` or the name of an axis.
    pub by: String,
    /// Splits; none means every split but those of training.
    pub splits: Vec<String>,
    /// Noise kinds; none means all.
    pub noises: Vec<String>,
    /// What rows are compared with, if not with what the experiment names.
    pub baseline: Option<String>,
    /// What was typed, for the notes.
    pub command: String,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated, a line per cell with every statistic.
    Csv,
    /// The same, for data frames.
    Parquet,
    /// The same as a list of objects, with the notes.
    Json,
    /// A table for README files.
    Markdown,
    /// A table for papers, with booktabs.
    Latex,
}

impl TableFormat {
    /// By the names that `--format` takes and by the endings of files.
    const NAMES: [(&str, Self); 8] = [
        ("csv", Self::Csv),
        ("parquet", Self::Parquet),
        ("json", Self::Json),
        ("markdown", Self::Markdown),
        ("md", Self::Markdown),
        ("latex", Self::Latex),
        ("tex", Self::Latex),
        ("txt", Self::Markdown),
    ];
}

impl FromStr for TableFormat {
    type Err = TableError;

    fn from_str(name: &str) -> Result<Self, TableError> {
        let known = Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        known.ok_or_else(|| TableError::Unknown {
            what: "format",
            name: name.to_owned(),
            nearest: None,
            known: ["csv", "parquet", "markdown", "latex", "json"].map(str::to_owned).to_vec(),
        })
    }
}

/// Why there is no such table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A name that nothing has.
    #[error("there is no {what} `{name}`.{}\nKnown: {}.", hint(.nearest.as_deref()), .known.join(", "))]
    Unknown {
        /// Of what kind.
        what: &'static str,
        /// The name.
        name: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// All names.
        known: Vec<String>,
    },
    /// A name that several things match.
    #[error("`{name}` is more than one {what}: {}. Name one in full.", .found.join("; "))]
    Ambiguous {
        /// Of what kind.
        what: &'static str,
        /// The name.
        name: String,
        /// What matches.
        found: Vec<String>,
    },
    /// What is asked for is not recorded, or not in this form.
    #[error("{0}")]
    Nothing(String),
    /// No trial of a run is done.
    #[error("{}: no trial is done yet, so there is nothing to put into a table ({counts}).", run.display())]
    Empty {
        /// The run.
        run: PathBuf,
        /// What became of its trials.
        counts: String,
    },
    /// Records cannot be read, or Polars refuses the table.
    #[error(transparent)]
    Report(#[from] ReportError),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default()
}

impl TableError {
    pub(super) fn unknown(what: &'static str, name: &str, known: impl IntoIterator<Item = String>) -> Self {
        let known: Vec<String> = known.into_iter().collect();
        let distance = |k: &String| strsim::damerau_levenshtein(&k.to_lowercase(), &name.to_lowercase());
        let near = known.iter().map(|k| (distance(k), k)).min_by_key(|(distance, _)| *distance);
        // What shares no more than half of its letters was hardly meant.
        let nearest = near.filter(|(d, k)| 2 * d <= k.chars().count()).map(|(_, k)| k.clone());
        let within = || known.iter().find(|k| !name.is_empty() && k.contains(name)).cloned();
        Self::Unknown { what, name: name.to_owned(), nearest: nearest.or_else(within), known }
    }
}

/// A run with its numbers.
pub(super) struct Source {
    pub(super) run: Run,
    pub(super) summary: Summary,
}

/// Reads the runs, each of which must have something to show.
pub(super) fn read(stores: &[RunStore]) -> Result<Vec<Source>, TableError> {
    let read = |store: &RunStore| {
        let run = Run::load(std::slice::from_ref(store))?;
        let summary = Summary::of(&run);
        if run.count(Status::Done) == 0 {
            let all: Vec<usize> = (0..run.trials.len()).collect();
            let counts = run.counts(&all).without_numbers().unwrap_or_else(|| "it plans none".to_owned());
            return Err(TableError::Empty { run: store.root().to_owned(), counts });
        }
        Ok(Source { run, summary })
    };
    stores.iter().map(read).collect()
}

/// What tables of these runs can be made of, as text: metrics with their splits and noises, rows, variants.
///
/// # Errors
/// When a run's plan cannot be read or nothing is done.
pub fn inventory(stores: &[RunStore]) -> Result<String, TableError> {
    let sources = read(stores)?;
    let mut text =
        String::from("metrics (--metric), with the splits (--split) and noises (--noise) they are on:\n");
    for metric in metrics_of(&sources) {
        let keys = || sources.iter().flat_map(|s| &s.summary.keys).filter(|k| k.metric == metric);
        let set = |name: &dyn Fn(&crate::summary::Key) -> Option<String>| {
            keys().filter_map(name).collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        let noises = set(&|k| k.noise.clone());
        let doc = metrics::definition(&metric).map_or("", |d| d.doc);
        let on = set(&|k| Some(k.split.clone()));
        let under = if noises.is_empty() { String::new() } else { format!("; under {noises}") };
        text += &format!("  {metric:<22} {on}{under}\n  {:<22} {doc}\n", "");
    }
    text += "\nrows (--by):\n  variant, seed";
    let mut more: Vec<String> = Vec::new();
    let has =
        |test: &dyn Fn(&crate::summary::Key) -> bool| sources.iter().any(|s| s.summary.keys.iter().any(test));
    let subset = |start: &'static str| {
        move |k: &crate::summary::Key| k.subset.as_ref().is_some_and(|s| s.starts_with(start))
    };
    more.extend(sources.iter().any(|s| s.run.has_groups()).then(|| "group".to_owned()));
    more.extend(has(&|k| k.level.is_some()).then(|| "level".to_owned()));
    more.extend(has(&subset("class ")).then(|| "class".to_owned()));
    more.extend(has(&subset("group ")).then(|| "data-group".to_owned()));
    let axes = rows::axes(&sources);
    if !axes.is_empty() {
        more.push(format!("axis (each of the following), {}", axes.join(", ")));
    }
    text += &more.iter().map(|m| format!(", {m}")).collect::<String>();
    text += "\n\nvariants (--baseline; * what others are compared with unless told otherwise):\n";
    for source in &sources {
        for (place, variant) in source.run.variants.iter().enumerate() {
            let star = if source.run.baseline == Some(place) { '*' } else { ' ' };
            let open = source.run.counts(&variant.trials).without_numbers();
            let open = open.map(|open| format!(", {open}")).unwrap_or_default();
            let done = source.run.count_in(place, Status::Done);
            text += &format!("{star} {}  ({done} of {} done{open})\n", variant.name, variant.trials.len());
        }
    }
    Ok(text)
}

/// Metrics of the final evaluation, in the order of their definitions.
pub(super) fn metrics_of(sources: &[Source]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for key in sources.iter().flat_map(|s| &s.summary.keys) {
        if !names.contains(&key.metric) {
            names.push(key.metric.clone());
        }
    }
    let rank = |name: &String| metrics::DEFINITIONS.iter().position(|d| d.name == name).unwrap_or(usize::MAX);
    names.sort_by_key(rank);
    names
}

//! The rows of a table. The main type is [`Row`].

use super::columns::Column;
use super::request::{Source, TableError, TableRequest};
use crate::run::Run;
use crate::summary::{Key, Level};
use std::fmt;

/// What a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    Variant,
    Group,
    /// Values of these axes, over all trials that have them.
    Axes(Vec<String>),
    Seed,
    Level,
    Class,
    DataGroup,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variant => "variant",
            Self::Group => "group",
            Self::Axes(_) => "axis",
            Self::Seed => "seed",
            Self::Level => "level",
            Self::Class => "class",
            Self::DataGroup => "data-group",
        })
    }
}

impl By {
    pub(super) fn parse(name: &str, sources: &[Source]) -> Result<Self, TableError> {
        let axes = axes(sources);
        Ok(match name {
            "" | "variant" => Self::Variant,
            "group" if sources.iter().any(|s| s.run.has_groups()) => Self::Group,
            "group" => {
                return Err(TableError::Nothing(
                    "no variant is in a named group: an experiment names them under [grid.NAME]. Groups of pictures, \
                     as data sets have them, are --by data-group."
                        .to_owned(),
                ));
            }
            "axis" => Self::Axes(axes),
            "seed" => Self::Seed,
            "level" => Self::Level,
            "class" => Self::Class,
            "data-group" => Self::DataGroup,
            axis if axes.iter().any(|a| a == axis) => Self::Axes(vec![axis.to_owned()]),
            _ => {
                let known = ["variant", "group", "axis", "seed", "level", "class", "data-group"];
                return Err(TableError::unknown(
                    "row",
                    name,
                    known.map(str::to_owned).into_iter().chain(axes),
                ));
            }
        })
    }

    /// Whether a table of such rows shows this number.
    pub(super) fn shows(&self, key: &Key) -> bool {
        match self {
            Self::Level => key.level.is_some() && key.subset.is_none(),
            Self::Class | Self::DataGroup => {
                key.level.is_none() && key.subset.as_ref().is_some_and(|s| s.starts_with(self.prefix()))
            }
            _ => key.level.is_none() && key.subset.is_none(),
        }
    }

    /// What names of subsets begin with.
    fn prefix(&self) -> &'static str {
        if *self == Self::Class { "class " } else { "group " }
    }
}

/// Axes of all runs but the seed.
pub(super) fn axes(sources: &[Source]) -> Vec<String> {
    let mut axes: Vec<String> = Vec::new();
    for axis in sources.iter().flat_map(|s| &s.run.axes).filter(|a| *a != "seed") {
        if !axes.contains(axis) {
            axes.push(axis.clone());
        }
    }
    axes
}

/// What a row's numbers are restricted to.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Whole,
    Level(String, Level),
    Subset(String),
}

/// A row: some trials of a run.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Place of the run.
    pub(super) source: usize,
    /// Under the table's headings.
    pub(super) labels: Vec<String>,
    /// What `--baseline` may call it.
    names: Vec<String>,
    /// Places of the trials.
    pub(super) places: Vec<usize>,
    /// What pairs each trial with one of another row.
    pub(super) units: Vec<String>,
    part: Part,
    /// Rows are better or worse than others of the same block only.
    pub(super) block: usize,
    /// The row that it is compared with.
    pub(super) baseline: Option<usize>,
    /// Whether others are compared with it unless told otherwise.
    is_baseline: bool,
}

impl Row {
    /// The number that a cell holds.
    pub(super) fn key(&self, column: &Column) -> Key {
        let (noise, level, subset) = match &self.part {
            Part::Whole => (column.noise.clone(), None, None),
            Part::Level(noise, level) => (Some(noise.clone()), Some(*level), None),
            Part::Subset(subset) => (column.noise.clone(), None, Some(subset.clone())),
        };
        Key { split: column.split.clone(), metric: column.metric.clone(), noise, level, subset }
    }
}

/// Headings of the labels, and the rows.
pub(super) fn all(
    sources: &[Source],
    request: &TableRequest,
    by: &By,
    columns: &[Column],
) -> Result<(Vec<String>, Vec<Row>), TableError> {
    let mut rows: Vec<Row> = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let mut own = match by {
            By::Variant => variants(&source.run),
            By::Seed => seeds(&source.run),
            By::Group => groups(&source.run),
            By::Axes(axes) => values(&source.run, axes),
            By::Level | By::Class | By::DataGroup => parts(source, by, request, columns),
        };
        let first = rows.len();
        name_baselines(&mut own, request.baseline.as_deref())?;
        for row in &mut own {
            row.source = place;
            row.baseline = row.baseline.map(|b| b + first);
            if *by == By::Seed {
                row.baseline = None;
            }
            if sources.len() > 1 {
                row.labels.insert(0, source.run.name.clone());
            }
        }
        rows.extend(own);
    }
    let one_heading = match sources {
        [source] => source.run.variant_heading.clone(),
        _ => "variant".to_owned(),
    };
    let mut headings = match by {
        By::Variant => vec![one_heading],
        By::Group => vec!["group".to_owned()],
        By::Axes(_) => vec!["axis".to_owned(), "value".to_owned()],
        By::Seed => vec![one_heading, "seed".to_owned()],
        By::Level => vec!["noise".to_owned(), "level".to_owned(), one_heading],
        By::Class => vec!["class".to_owned(), one_heading],
        By::DataGroup => vec!["group".to_owned(), one_heading],
    };
    if sources.len() > 1 {
        headings.insert(0, "run".to_owned());
    }
    Ok((headings, rows))
}

/// Says what each row is compared with: the row of its block that is meant.
fn name_baselines(rows: &mut [Row], asked: Option<&str>) -> Result<(), TableError> {
    if let Some(asked) = asked {
        let full = |row: &Row| row.names.iter().any(|name| name == asked);
        let part = |row: &Row| row.names.iter().any(|name| name.contains(asked));
        let exact = rows.iter().any(full);
        let mut found: Vec<String> = rows
            .iter()
            .filter(|r| if exact { full(r) } else { part(r) })
            .map(|r| r.names[0].clone())
            .collect();
        found.sort();
        found.dedup();
        if found.len() != 1 {
            let mut known: Vec<String> = Vec::new();
            for row in rows.iter() {
                if !known.contains(&row.names[0]) {
                    known.push(row.names[0].clone());
                }
            }
            return Err(match found.is_empty() {
                true => TableError::unknown("row to compare with", asked, known),
                false => TableError::Ambiguous { what: "row", name: asked.to_owned(), found },
            });
        }
        for row in rows.iter_mut() {
            row.is_baseline = row.names[0] == found[0];
        }
    }
    let named: Vec<(usize, usize)> =
        rows.iter().enumerate().filter(|(_, r)| r.is_baseline).map(|(place, r)| (r.block, place)).collect();
    for (place, row) in rows.iter_mut().enumerate() {
        let own = named.iter().find(|(block, _)| *block == row.block).map(|(_, baseline)| *baseline);
        row.baseline = own.filter(|&baseline| baseline != place);
    }
    Ok(())
}

fn by_seed(run: &Run, places: &[usize]) -> Vec<String> {
    places.iter().map(|&t| run.trials[t].planned.seed.to_string()).collect()
}

fn variants(run: &Run) -> Vec<Row> {
    let row = |(place, variant): (usize, &crate::run::Variant)| Row {
        source: 0,
        labels: vec![variant.short.clone()],
        names: vec![variant.name.clone(), variant.short.clone()],
        places: variant.trials.clone(),
        units: by_seed(run, &variant.trials),
        part: Part::Whole,
        block: 0,
        baseline: None,
        is_baseline: run.baseline == Some(place),
    };
    run.variants.iter().enumerate().map(row).collect()
}

/// Every variant for each class, group of pictures or noise level.
fn parts(source: &Source, by: &By, request: &TableRequest, columns: &[Column]) -> Vec<Row> {
    let mut found: Vec<(Part, Vec<String>)> = Vec::new();
    for key in source.summary.keys.iter().filter(|k| by.shows(k)) {
        let shown = columns.iter().any(|c| c.metric == key.metric && c.split == key.split);
        let (part, labels) = match (&key.noise, key.level, &key.subset) {
            (Some(noise), Some(level), _) => {
                if !request.noises.is_empty() && !request.noises.contains(noise) {
                    continue;
                }
                (Part::Level(noise.clone(), level), vec![noise.clone(), level.0.to_string()])
            }
            (_, _, Some(subset)) => {
                let bare = subset.strip_prefix(by.prefix()).unwrap_or(subset).to_owned();
                (Part::Subset(subset.clone()), vec![bare])
            }
            _ => continue,
        };
        if shown && !found.iter().any(|(other, _)| *other == part) {
            found.push((part, labels));
        }
    }
    let mut rows = Vec::new();
    for (block, (part, labels)) in found.into_iter().enumerate() {
        rows.extend(variants(&source.run).into_iter().map(|row| Row {
            labels: labels.iter().chain(&row.labels).cloned().collect(),
            part: part.clone(),
            block,
            ..row
        }));
    }
    rows
}

fn seeds(run: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for row in variants(run) {
        for (&place, unit) in row.places.iter().zip(&row.units) {
            rows.push(Row {
                labels: vec![row.labels[0].clone(), unit.clone()],
                places: vec![place],
                units: vec![unit.clone()],
                ..row.clone()
            });
        }
    }
    rows
}

fn groups(run: &Run) -> Vec<Row> {
    let group_of = |place: usize| run.variants[place].group.clone().unwrap_or_else(|| "(none)".to_owned());
    let mut rows: Vec<Row> = Vec::new();
    for (place, variant) in run.variants.iter().enumerate() {
        let name = group_of(place);
        let at = rows.iter().position(|row| row.names[0] == name).unwrap_or_else(|| {
            rows.push(Row {
                source: 0,
                labels: vec![name.clone()],
                is_baseline: run.baseline.is_some_and(|b| group_of(b) == name),
                names: vec![name],
                places: Vec::new(),
                units: Vec::new(),
                part: Part::Whole,
                block: 0,
                baseline: None,
            });
            rows.len() - 1
        });
        rows[at].places.extend(&variant.trials);
        rows[at].units.extend(by_seed(run, &variant.trials));
    }
    rows
}

/// A row for each value of each axis; trials are paired by their seed and the values of all other axes.
fn values(run: &Run, axes: &[String]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let of = |place: usize, axis: &String| {
        run.trials[place].planned.axes.iter().find(|(a, _)| a == axis).map(|(_, value)| value.clone())
    };
    let baseline = run.baseline.and_then(|b| run.variants[b].trials.first().copied());
    for (block, axis) in axes.iter().enumerate() {
        for (place, trial) in run.trials.iter().enumerate() {
            let Some(value) = of(place, axis) else { continue };
            let at =
                rows.iter().position(|r| r.block == block && r.labels[1] == value).unwrap_or_else(|| {
                    rows.push(Row {
                        source: 0,
                        labels: vec![axis.clone(), value.clone()],
                        names: vec![format!("{axis}={value}"), value.clone()],
                        places: Vec::new(),
                        units: Vec::new(),
                        part: Part::Whole,
                        block,
                        baseline: None,
                        is_baseline: baseline.and_then(|b| of(b, axis)).as_deref() == Some(&value),
                    });
                    rows.len() - 1
                });
            let others: Vec<&str> =
                trial.planned.axes.iter().filter(|(a, _)| a != axis).map(|(_, v)| v.as_str()).collect();
            rows[at].places.push(place);
            rows[at].units.push(format!("{}\u{1f}{}", trial.planned.seed, others.join("\u{1f}")));
        }
    }
    rows
}

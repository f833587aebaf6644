//! A table with its statistics and tests. The main type is [`Table`].

use super::columns::Column;
use super::request::{Source, TableError, TableFormat, TableRequest, read};
use super::rows::{self, By, Row};
use super::{data, text};
use crate::compare::{Comparison, Side};
use crate::format::{p_value, plural};
use crate::run::{Counts, Run, SMOKE};
use crate::stats::{Stats, bootstrap, holm};
use fovea_records::{Direction, RunStore, Unit};
use rayon::prelude::*;

/// Differences with a smaller adjusted p-value are called significant.
const LEVEL: f64 = 0.05;

/// A table, ready to be written in any format.
pub struct Table {
    /// Headings of the labels.
    pub(super) headings: Vec<String>,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// By row, then by column.
    pub(super) cells: Vec<Vec<Cell>>,
    /// What became of each row's trials.
    pub(super) counts: Vec<Counts>,
    /// What the table shows, in sentences.
    pub(super) notes: Vec<String>,
    /// Name of the first run.
    pub(super) name: String,
    pub(super) command: String,
}

/// One number of one row.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) stats: Option<Stats>,
    pub(super) bootstrap: Option<(f64, f64)>,
    /// With the row's baseline.
    pub(super) comparison: Option<Comparison>,
    /// p-value of the paired t test with the baseline, adjusted over the table.
    pub(super) holm: Option<f64>,
    /// Whether it has the best mean of its column and block.
    pub(super) best: bool,
    /// For the best: p-value of the paired t test with the second best, adjusted over the table.
    pub(super) second: Option<f64>,
}

impl Cell {
    /// Best, and told from the second best.
    pub(super) fn bold(&self) -> bool {
        self.best && self.second.is_some_and(|p| p < LEVEL)
    }

    /// Told from the baseline.
    pub(super) fn marked(&self) -> bool {
        self.holm.is_some_and(|p| p < LEVEL)
    }
}

impl Table {
    /// Makes the table that is asked for from what runs have recorded so far.
    ///
    /// # Errors
    /// When records cannot be read, or what is asked for is not there: the error says what is.
    pub fn new(stores: &[RunStore], request: &TableRequest) -> Result<Self, TableError> {
        let sources = read(stores)?;
        let by = By::parse(&request.by, &sources)?;
        let columns = Column::all(&sources, request, &by)?;
        let (headings, rows) = rows::all(&sources, request, &by, &columns)?;
        let mut cells: Vec<Vec<Cell>> = rows
            .par_iter()
            .map(|row| columns.iter().map(|column| cell(&sources, &rows, row, column, &by)).collect())
            .collect();
        let family = adjust(&mut cells);
        let seconds = if by == By::Seed { 0 } else { rank(&sources, &rows, &columns, &mut cells) };
        let counts = rows.iter().map(|r| sources[r.source].run.counts(&r.places)).collect();
        let mut table = Self {
            headings,
            columns,
            rows,
            cells,
            counts,
            notes: Vec::new(),
            name: sources[0].run.name.clone(),
            command: request.command.clone(),
        };
        table.notes = table.say(&sources, &by, family, seconds);
        Ok(table)
    }

    /// The table as the bytes of a file.
    ///
    /// # Errors
    /// When Polars refuses it.
    pub fn render(&self, format: TableFormat) -> Result<Vec<u8>, TableError> {
        Ok(match format {
            TableFormat::Csv => data::csv(self)?,
            TableFormat::Parquet => data::parquet(self)?,
            TableFormat::Json => data::json(self)?,
            TableFormat::Markdown => text::markdown(self).into_bytes(),
            TableFormat::Latex => text::latex(self).into_bytes(),
        })
    }

    /// What a reader must know.
    fn say(&self, sources: &[Source], by: &By, family: usize, seconds: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if sources.iter().any(|s| s.run.smoke) {
            notes.push(SMOKE.to_owned());
        }
        let cells = || self.cells.iter().flatten();
        let spread = cells().any(|c| c.stats.is_some_and(|s| s.sd.is_some()));
        let over = match by {
            By::Group | By::Axes(_) => "the trials of each row",
            _ => "seeds",
        };
        let what = match (by, spread) {
            (By::Seed, _) => "Values of single trials".to_owned(),
            (_, true) => format!("Mean ± sd over {over}"),
            (_, false) => "One trial each".to_owned(),
        };
        let percent = self.columns.iter().any(|c| c.unit == Unit::Fraction);
        notes.push(format!("{what}{}.", if percent { "; fractions in per cent" } else { "" }));
        let mut noises: Vec<&str> = self.columns.iter().filter_map(|c| c.noise.as_deref()).collect();
        noises.dedup();
        match noises[..] {
            [] => {}
            [one] => notes.push(format!("Numbers under noise: {one}, mean over levels.")),
            _ => notes.push("Numbers under noise: mean over levels.".to_owned()),
        }
        if *by != By::Seed {
            notes.extend(self.say_tests(by, family, seconds));
        }
        notes.extend(sources.iter().map(|s| counted(&s.run, sources.len() > 1)));
        notes
    }

    fn say_tests(&self, by: &By, family: usize, seconds: usize) -> Vec<String> {
        let mut notes = Vec::new();
        let mut baselines: Vec<String> = Vec::new();
        for baseline in self.rows.iter().filter_map(|r| r.baseline) {
            let labels = match by {
                By::Axes(_) => self.rows[baseline].labels.join("="),
                _ => self.rows[baseline].labels.last().cloned().unwrap_or_default(),
            };
            if !baselines.contains(&labels) {
                baselines.push(labels);
            }
        }
        let pairs = if matches!(by, By::Axes(_)) { "by seed and all other axes" } else { "by seed" };
        let several = self.headings[0] == "run";
        let own = if several { " of its own run" } else { "" };
        if family > 0 {
            notes.push(format!(
                "† differs from {}{own}: t test paired {pairs}, p < 0.05 after Holm's correction over the {} of this \
                 table.",
                baselines.join(", "),
                plural(family, "comparison")
            ));
        } else if !baselines.is_empty() {
            notes.push(format!(
                "Not compared with {} by a test over seeds: that takes at least two seeds in common.",
                baselines.join(", ")
            ));
        }
        if seconds > 0 {
            let times =
                if seconds == 1 { "one such comparison".to_owned() } else { format!("{seconds} of these") };
            notes.push(format!(
                "Bold: the best mean of its column, where it differs from the second best (the same test, corrected \
                 over {times})."
            ));
        }
        let pictures = self.cells.iter().flatten().filter_map(|c| c.comparison.as_ref()?.pictures.as_ref());
        let told: Vec<&crate::compare::PicturePairs> = pictures.filter(|p| p.mcnemar_p().is_some()).collect();
        if !told.is_empty() && family == 0 {
            let least = told.iter().filter_map(|p| p.mcnemar_p()).fold(1.0, f64::min);
            notes.push(format!(
                "McNemar's exact test over pictures, which holds for these networks and not for other seeds: smallest \
                 {} after Holm's correction over {}.",
                p_value((least * told.len() as f64).min(1.0)),
                plural(told.len(), "comparison")
            ));
        }
        notes
    }
}

/// What became of a run's trials.
fn counted(run: &Run, name: bool) -> String {
    let all: Vec<usize> = (0..run.trials.len()).collect();
    let of = if name { format!(" of {}", run.name) } else { String::new() };
    let counts = run.counts(&all);
    let Some(open) = counts.without_numbers() else {
        return format!("All {}{of} are done.", plural(counts.planned(), "planned trial"));
    };
    let where_: Vec<String> = run
        .variants
        .iter()
        .filter_map(|v| Some(format!("{}: {}", v.short, run.counts(&v.trials).without_numbers()?)))
        .collect();
    format!(
        "Of {}{of}, these have no numbers: {open} ({}).",
        plural(counts.planned(), "planned trial"),
        where_.join("; ")
    )
}

/// The trials of a row with their values in a column.
fn side<'a>(sources: &'a [Source], row: &'a Row, column: &Column) -> Side<'a> {
    let source = &sources[row.source];
    Side {
        places: &row.places,
        units: &row.units,
        trials: &source.run.trials,
        values: source.summary.values(&row.key(column)),
    }
}

fn cell(sources: &[Source], rows: &[Row], row: &Row, column: &Column, by: &By) -> Cell {
    let own = side(sources, row, column);
    let values: Vec<f64> = row.places.iter().filter_map(|&place| own.values[place]).collect();
    let baseline = row.baseline.filter(|_| *by != By::Seed).map(|b| side(sources, &rows[b], column));
    Cell {
        stats: Stats::of(values.iter().copied()),
        bootstrap: bootstrap::interval(&values),
        comparison: baseline.and_then(|baseline| Comparison::new(own, baseline, &row.key(column))),
        ..Cell::default()
    }
}

/// Holm's correction over all comparisons with baselines; says how many they are.
fn adjust(cells: &mut [Vec<Cell>]) -> usize {
    let p_values: Vec<Option<f64>> =
        cells.iter().flatten().map(|c| c.comparison.as_ref().and_then(|c| c.t)).collect();
    for (cell, adjusted) in cells.iter_mut().flatten().zip(holm::adjust(&p_values)) {
        cell.holm = adjusted;
    }
    p_values.iter().flatten().count()
}

/// Finds the best of each column and block and compares it with the second best; says how often that could be.
fn rank(sources: &[Source], rows: &[Row], columns: &[Column], cells: &mut [Vec<Cell>]) -> usize {
    let mut blocks: Vec<(usize, usize)> = rows.iter().map(|r| (r.block, 0)).collect();
    blocks.sort_unstable();
    blocks.dedup();
    let mut found: Vec<(usize, usize, Option<f64>)> = Vec::new();
    for (block, _) in blocks {
        for (at, column) in columns.iter().enumerate() {
            let sign = match column.direction {
                Direction::Higher => 1.0,
                Direction::Lower => -1.0,
                Direction::Neutral => continue,
            };
            let mut means: Vec<(f64, usize)> = (0..rows.len())
                .filter(|&row| rows[row].block == block)
                .filter_map(|row| cells[row][at].stats.map(|s| (sign * s.mean, row)))
                .collect();
            means.sort_by(|a, b| b.0.total_cmp(&a.0));
            let [(first, best), (next, second), ..] = means[..] else { continue };
            if first <= next {
                continue;
            }
            let [own, other] = [best, second].map(|row| side(sources, &rows[row], column));
            let p = Comparison::new(own, other, &rows[best].key(column)).and_then(|c| c.t);
            found.push((best, at, p));
        }
    }
    let p_values: Vec<Option<f64>> = found.iter().map(|f| f.2).collect();
    for ((row, column, _), adjusted) in found.iter().zip(holm::adjust(&p_values)) {
        cells[*row][*column].best = true;
        cells[*row][*column].second = adjusted;
    }
    p_values.iter().flatten().count()
}

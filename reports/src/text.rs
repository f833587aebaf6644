//! The results table, for the terminal and for the page. The main type is [`ResultsTable`].

use crate::coverage::{self, Coverage};
use crate::format;
use crate::measures::{Measure, MeasureKind};
use crate::run::{GROUP, Run, SMOKE, Status};
use serde::Serialize;

/// A results table: one row per variant, one column per headline number.
#[derive(Debug, Serialize)]
pub(crate) struct ResultsTable {
    /// Headings of two lines: variant, group where there are groups, measures, seeds, and where some trials have no numbers, what became of them.
    pub(crate) headings: Vec<[String; 2]>,
    /// Rows in grid order, those of a group together.
    pub(crate) rows: Vec<ResultsRow>,
    /// What the table shows, in sentences.
    pub(crate) notes: Vec<String>,
}

/// One variant.
#[derive(Debug, Serialize)]
pub(crate) struct ResultsRow {
    /// Full label of the variant.
    pub(crate) variant: String,
    /// Whether others are compared with it.
    pub(crate) baseline: bool,
    /// Cells in the order of the headings.
    pub(crate) cells: Vec<Cell>,
}

/// One cell.
#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    /// What it says.
    pub(crate) text: String,
    /// Whether it is the best mean of its column.
    pub(crate) best: bool,
}

impl Cell {
    fn plain(text: String) -> Self {
        Self { text, best: false }
    }
}

impl ResultsTable {
    /// Lays out the table.
    pub(crate) fn new(run: &Run, measures: &[Measure]) -> Self {
        let incomplete = run.trials.iter().any(|t| t.status != Status::Done);
        let mut headings = vec![[run.variant_heading.clone(), String::new()]];
        if run.has_groups() {
            headings.push([GROUP.to_owned(), String::new()]);
        }
        headings.extend(measures.iter().map(|m| m.heading.clone()));
        let coverage = Coverage::of(run);
        if coverage.is_some() {
            headings.push(coverage::HEADING.map(str::to_owned));
        }
        headings.push(["seeds".to_owned(), String::new()]);
        if incomplete {
            headings.push(["not".to_owned(), "measured".to_owned()]);
        }
        let best: Vec<Vec<usize>> = measures.iter().map(Measure::best).collect();
        let rows = run.variants.iter().enumerate().map(|(place, variant)| {
            let mut cells = vec![Cell::plain(variant.short.clone())];
            if run.has_groups() {
                cells.push(Cell::plain(variant.group.clone().unwrap_or_else(|| "-".to_owned())));
            }
            for (measure, best) in measures.iter().zip(&best) {
                let text = measure.stats[place].map_or("-".to_owned(), |s| format::mean_sd(measure.unit, &s));
                cells.push(Cell { text, best: best.contains(&place) });
            }
            if let Some(coverage) = &coverage {
                cells.push(Cell::plain(coverage.text(place).unwrap_or_else(|| "-".to_owned())));
            }
            cells.push(Cell::plain(run.count_in(place, Status::Done).to_string()));
            if incomplete {
                let open = run.counts(&variant.trials).without_numbers();
                cells.push(Cell::plain(open.unwrap_or_else(|| "-".to_owned())));
            }
            ResultsRow { variant: variant.name.clone(), baseline: run.baseline == Some(place), cells }
        });
        Self {
            rows: rows.collect(),
            headings,
            notes: notes(run, measures, best.iter().any(|b| !b.is_empty())),
        }
    }

    /// The table as plain text with aligned columns.
    pub(crate) fn render(&self) -> String {
        let left = |column: usize| {
            let [first, second] = &self.headings[column];
            column == 0 || first == GROUP || second == "measured"
        };
        // A slot after every number holds the mark of the best mean, so that numbers stay aligned.
        let marked = |cell: &Cell, column: usize| match (left(column), cell.best) {
            (true, _) => cell.text.clone(),
            (false, true) => format!("{}*", cell.text),
            (false, false) => format!("{} ", cell.text),
        };
        let mut lines: Vec<Vec<String>> = (0..2)
            .map(|line| {
                let heading = |(c, h): (usize, &[String; 2])| {
                    if left(c) { h[line].clone() } else { format!("{} ", h[line]) }
                };
                self.headings.iter().enumerate().map(heading).collect()
            })
            .collect();
        lines.extend(
            self.rows.iter().map(|r| r.cells.iter().enumerate().map(|(c, cell)| marked(cell, c)).collect()),
        );
        let mut text = aligned(&lines, 2, left);
        for note in &self.notes {
            text.push_str(note);
            text.push('\n');
        }
        text
    }
}

/// Lines of cells with aligned columns, those of `left` to the left, and a rule below the headings.
pub(crate) fn aligned(lines: &[Vec<String>], headings: usize, left: impl Fn(usize) -> bool) -> String {
    let width = |text: &str| text.chars().count();
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|c| lines.iter().map(|l| width(&l[c])).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().enumerate().map(|(c, cell)| {
            let space = " ".repeat(widths[c] - width(cell));
            if left(c) { format!("{cell}{space}") } else { format!("{space}{cell}") }
        });
        let joined = cells.collect::<Vec<_>>().join(" ");
        text.push_str(joined.trim_end());
        text.push('\n');
        if number + 1 == headings {
            text.push_str(&"─".repeat(widths.iter().sum::<usize>() + widths.len().saturating_sub(1)));
            text.push('\n');
        }
    }
    text
}

fn notes(run: &Run, measures: &[Measure], marked: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if run.smoke {
        notes.push(SMOKE.to_owned());
    }
    if measures.is_empty() {
        notes.push("No trial has been measured yet.".to_owned());
    } else {
        let mark = if marked { "; * best mean of its column" } else { "" };
        notes.push(format!(
            "Mean ± sd over seeds; accuracies in per cent, RFS and IoU as plain numbers{mark}."
        ));
    }
    let find = |kinds: &[MeasureKind]| measures.iter().find(|m| kinds.contains(&m.kind));
    let mut places = Vec::new();
    if let Some(gap) = find(&[MeasureKind::Gap]) {
        places.push(format!("Gap: {}.", gap.split.replace(" - ", " minus ")));
    }
    let noise = find(&[MeasureKind::Rfs, MeasureKind::NoiseForeground, MeasureKind::NoiseBackground]);
    match (noise, find(&[MeasureKind::BoxIou])) {
        (Some(noise), Some(iou)) if noise.split == iou.split => {
            places.push(format!("Gaussian noise (mean over levels), RFS and box IoU: on {}.", iou.split));
        }
        (noise, iou) => {
            places
                .extend(noise.map(|m| format!("Gaussian noise (mean over levels) and RFS: on {}.", m.split)));
            places.extend(iou.map(|m| format!("Box IoU: on {}.", m.split)));
        }
    }
    if !places.is_empty() {
        notes.push(places.join(" "));
    }
    if let Some(baseline) = run.baseline {
        let name = &run.variants[baseline].name;
        notes.push(if run.baseline_named {
            format!("Baseline: {name}.")
        } else {
            format!("Baseline: {name} (the first of the grid; the experiment names none).")
        });
    }
    notes
}

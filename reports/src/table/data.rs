//! Tables for programs: a line per cell with every statistic.

use super::cells::{Cell, Table};
use super::columns::Column;
use super::request::TableError;
use crate::ReportError;
use crate::compare::PicturePairs;
use crate::run::Counts;
use crate::summary::Key;
use crate::tables::{self, Frame};
use polars::prelude::*;
use serde_json::{Map, Value, json};

struct Line<'a> {
    labels: &'a [String],
    baseline: Option<String>,
    column: &'a Column,
    key: Key,
    cell: &'a Cell,
    counts: Counts,
}

impl Line<'_> {
    fn pictures(&self) -> Option<&PicturePairs> {
        self.cell.comparison.as_ref().and_then(|c| c.pictures.as_ref())
    }
}

fn frame(table: &Table) -> PolarsResult<DataFrame> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (place, row) in table.rows.iter().enumerate() {
        for (column, cell) in table.columns.iter().zip(&table.cells[place]) {
            lines.push(Line {
                labels: &row.labels,
                baseline: row.baseline.map(|b| table.rows[b].labels.join(", ")),
                key: row.key(column),
                column,
                cell,
                counts: table.counts[place],
            });
        }
    }
    let mut frame = Frame::new(&lines);
    for (place, heading) in table.headings.iter().enumerate() {
        frame = match heading.as_str() {
            // The columns of the number have them.
            "noise" | "level" => frame,
            "class" | "group" if lines.iter().any(|l| l.key.subset.is_some()) => frame,
            name => frame.text(name, |l| Some(l.labels[place].as_str())),
        };
    }
    let delta = |l: &Line<'_>| l.cell.comparison.as_ref().map(|c| c.stats);
    frame
        .text("split", |l| Some(&l.key.split))
        .text("metric", |l| Some(&l.column.metric))
        .text("noise", |l| l.key.noise.as_deref())
        .number("level", |l| l.key.level.map(|l| l.0))
        .text("subset", |l| l.key.subset.as_deref())
        .count("n", |l| Some(l.cell.stats.map_or(0, |s| s.n)))
        .number("mean", |l| l.cell.stats.map(|s| s.mean))
        .number("sd", |l| l.cell.stats.and_then(|s| s.sd))
        .interval(["low_95", "high_95"], |l| l.cell.stats.and_then(|s| s.interval()))
        .interval(["boot_low_95", "boot_high_95"], |l| l.cell.bootstrap)
        .text("baseline", |l| l.baseline.as_deref())
        .count("delta_n", |l| delta(l).map(|d| d.n))
        .number("delta", |l| delta(l).map(|d| d.mean))
        .interval(["delta_low_95", "delta_high_95"], |l| delta(l).and_then(|d| d.interval()))
        .number("p_t", |l| l.cell.comparison.as_ref().and_then(|c| c.t))
        .number("p_wilcoxon", |l| l.cell.comparison.as_ref().and_then(|c| c.wilcoxon))
        .number("p_sign_flip", |l| l.cell.comparison.as_ref().and_then(|c| c.sign_flip))
        .number("p_holm", |l| l.cell.holm)
        .number("p_second_best", |l| l.cell.second)
        .count("pictures", |l| l.pictures().map(|p| p.stats.n))
        .number("picture_delta", |l| l.pictures().map(|p| p.stats.mean))
        .interval(["picture_low_95", "picture_high_95"], |l| l.pictures().and_then(|p| p.stats.interval()))
        .number("p_pictures", |l| l.pictures().and_then(|p| p.t))
        .count("gained", |l| l.pictures().and_then(PicturePairs::discordant).map(|m| m.gained as usize))
        .count("lost", |l| l.pictures().and_then(PicturePairs::discordant).map(|m| m.lost as usize))
        .number("p_mcnemar", |l| l.pictures().and_then(PicturePairs::mcnemar_p))
        .counts(|l| l.counts)
        .finish()
}

fn refused(source: PolarsError) -> TableError {
    TableError::Report(ReportError::Table { name: "for the paper", source })
}

pub(super) fn csv(table: &Table) -> Result<Vec<u8>, TableError> {
    frame(table).and_then(|mut frame| tables::csv(&mut frame)).map_err(refused)
}

pub(super) fn parquet(table: &Table) -> Result<Vec<u8>, TableError> {
    frame(table).and_then(|mut frame| tables::parquet(&mut frame)).map_err(refused)
}

pub(super) fn json(table: &Table) -> Result<Vec<u8>, TableError> {
    let frame = frame(table).map_err(refused)?;
    let mut rows = Vec::with_capacity(frame.height());
    for place in 0..frame.height() {
        let mut row = Map::new();
        for column in frame.columns() {
            let value = match column.get(place).map_err(refused)? {
                AnyValue::String(text) => json!(text),
                AnyValue::UInt64(count) => json!(count),
                AnyValue::Float64(number) => json!(number),
                _ => Value::Null,
            };
            row.insert(column.name().to_string(), value);
        }
        rows.push(Value::Object(row));
    }
    let all = json!({ "run": table.name, "notes": table.notes, "rows": rows });
    Ok(format!("{all:#}\n").into_bytes())
}

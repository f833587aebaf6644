//! The Polars tables, each as Parquet and as CSV. The main function is [`write()`].
//!
//! - `metrics`: every recorded number of every trial. `trials`: every trial with its fate.
//! - `summary`, `comparisons`, `mcnemar`: what variants reach, and how they differ from the baseline.
//! - `noise`, `subsets`, `explanations`: noise curves with RFS, accuracy by class and group, explanation metrics.
//! - `compute`: what trials cost. `reference`: published numbers beside ours.

mod comparisons;
mod frame;
mod variants;

pub(crate) use frame::Frame;

use crate::ReportError;
use crate::reference::{Compared, References};
use crate::run::{GROUP, Run, Trial};
use crate::summary::Summary;
use fovea_records::store::write_atomic;
use fovea_records::{MetricRow, RunStore};
use polars::prelude::*;
use std::borrow::Cow;

/// Writes all tables below `tables/`.
pub(crate) fn write(
    store: &RunStore,
    run: &Run,
    summary: &Summary,
    references: &References<'_>,
) -> Result<(), ReportError> {
    save(store, "metrics", metrics(run))?;
    let compared = comparisons::Compared::of(run, summary);
    save(store, "summary", variants::summary(run, summary, &compared))?;
    save(store, "comparisons", compared.table())?;
    save(store, "mcnemar", compared.mcnemar())?;
    save(store, "noise", variants::noise(run, summary))?;
    save(store, "subsets", variants::subsets(run, summary))?;
    save(store, "explanations", variants::explanations(run, summary))?;
    save(store, "trials", trials(run))?;
    save(store, "compute", compute(run))?;
    save(store, "reference", published(references))
}

fn save(store: &RunStore, name: &'static str, frame: PolarsResult<DataFrame>) -> Result<(), ReportError> {
    let error = |source| ReportError::Table { name, source };
    let mut frame = frame.map_err(error)?;
    let table = |end: &str| store.tables_dir().join(format!("{name}.{end}"));
    write_atomic(&table("parquet"), &parquet(&mut frame).map_err(error)?)?;
    write_atomic(&table("csv"), &csv(&mut frame).map_err(error)?)?;
    Ok(())
}

/// A table as a Parquet file.
pub(crate) fn parquet(frame: &mut DataFrame) -> PolarsResult<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Uncompressed).finish(frame)?;
    Ok(bytes)
}

/// A table as a CSV file. A spreadsheet runs text that begins as a formula, so such text begins with an apostrophe there.
pub(crate) fn csv(frame: &mut DataFrame) -> PolarsResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let columns = frame.columns().iter().map(|column| match column.str() {
        Ok(text) => text.apply_values(defused).with_name(column.name().clone()).into_series().into_column(),
        Err(_) => column.clone(),
    });
    let mut safe = DataFrame::new(frame.height(), columns.collect())?;
    CsvWriter::new(&mut bytes).include_header(true).finish(&mut safe)?;
    Ok(bytes)
}

/// The text, with an apostrophe before what a spreadsheet would run. A number, as the value of an axis may be, is none.
fn defused(text: &str) -> Cow<'_, str> {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if runs { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// One line per recorded metric row of every trial, in grid order, then in the order of the file.
fn metrics(run: &Run) -> PolarsResult<DataFrame> {
    let rows: Vec<(&Trial, &MetricRow)> =
        run.trials.iter().flat_map(|t| t.rows.iter().map(move |r| (t, r))).collect();
    let mut frame = Frame::new(&rows)
        .text("trial", |(t, _)| Some(t.planned.id.as_str()))
        .text("variant", |(t, _)| Some(t.planned.variant.as_str()))
        .when(run.is_joined(), |f| f.text("run", |(t, _)| Some(&run.sources[t.source].label)))
        .when(run.has_groups(), |f| f.text(GROUP, |(t, _)| t.planned.group.as_deref()))
        .count("seed", |(t, _)| Some(t.planned.seed as usize));
    for axis in &run.axes {
        frame = frame.text(&format!("axis.{axis}"), |(t, _)| {
            t.planned.axes.iter().find(|(name, _)| name == axis).map(|(_, value)| value.as_str())
        });
    }
    frame
        .text("split", |(_, r)| Some(&r.split))
        .text("metric", |(_, r)| Some(&r.metric))
        .text("noise", |(_, r)| r.noise.as_deref())
        .number("level", |(_, r)| r.level)
        .text("subset", |(_, r)| r.subset.as_deref())
        .count("epoch", |(_, r)| r.epoch)
        .number("value", |(_, r)| Some(r.value))
        .count("count", |(_, r)| Some(r.count))
        .finish()
}

/// One line per planned trial.
fn trials(run: &Run) -> PolarsResult<DataFrame> {
    Frame::new(&run.trials)
        .text("id", |t| Some(t.planned.id.as_str()))
        .text("variant", |t| Some(&t.planned.variant))
        .when(run.is_joined(), |f| f.text("run", |t| Some(&run.sources[t.source].label)))
        .when(run.has_groups(), |f| f.text(GROUP, |t| t.planned.group.as_deref()))
        .count("seed", |t| Some(t.planned.seed as usize))
        .text("status", |t| Some(t.status.name()))
        .number("seconds", Trial::seconds)
        .text("device", |t| t.done.as_ref().map(|d| d.device.as_str()))
        .text("reason", |t| t.reason.as_deref())
        .finish()
}

/// What each planned trial cost; empty where nothing is recorded. Speed is the mean over the epochs of the trial's own,
/// without those of a stage that it shares.
fn compute(run: &Run) -> PolarsResult<DataFrame> {
    Frame::new(&run.trials)
        .text("trial", |t| Some(t.planned.id.as_str()))
        .text("variant", |t| Some(&t.planned.variant))
        .when(run.is_joined(), |f| f.text("run", |t| Some(&run.sources[t.source].label)))
        .when(run.has_groups(), |f| f.text(GROUP, |t| t.planned.group.as_deref()))
        .count("seed", |t| Some(t.planned.seed as usize))
        .text("status", |t| Some(t.status.name()))
        .text("device", |t| t.done.as_ref().map(|d| d.device.as_str()))
        .number("train_seconds", |t| t.done.as_ref().map(|d| d.train_seconds))
        .number("eval_seconds", |t| t.done.as_ref().map(|d| d.eval_seconds))
        .number("images_per_second", |t| t.images_per_second)
        .count("peak_memory_bytes", |t| usize::try_from(t.done.as_ref()?.peak_memory?).ok())
        .finish()
}

/// One line per published number; empty where the experiment gives none.
fn published(references: &References<'_>) -> PolarsResult<DataFrame> {
    Frame::new(&references.0)
        .text("variant", |c| Some(c.published.variant.as_str()))
        .text("split", |c| Some(c.published.split.as_str()))
        .text("metric", |c| Some(c.published.metric.as_str()))
        .text("noise", |c| c.published.noise.as_deref())
        .number("level", |c| c.published.level)
        .number("published", |c| Some(c.published.value))
        .number("published_sd", |c| c.published.sd)
        .count("n", |c| Some(c.ours.map_or(0, |s| s.n)))
        .number("mean", |c| c.ours.map(|s| s.mean))
        .number("sd", |c| c.ours.and_then(|s| s.sd))
        .number("difference", Compared::difference)
        .text("source", |c| Some(c.published.source.as_str()))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_a_spreadsheet_would_run_are_defused_in_csv_only() {
        let told = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tx", "-0.5", "a=b", "ria"];
        let mut frame = DataFrame::new(
            8,
            vec![Column::new("variant".into(), told), Column::new("delta".into(), [-1.5; 8])],
        )
        .expect("a table");
        let before = frame.clone();
        let text = String::from_utf8(csv(&mut frame).expect("a table")).expect("a table");
        let first = |line: &str| line.rsplit_once(',').expect("a table").0.to_owned();
        let cells: Vec<String> = text.lines().skip(1).map(first).collect();
        assert_eq!(cells[..5], ["'=cmd|' /C calc'!A0", "'+1+1", "'-2+3", "'@SUM(A1)", "'\tx"]);
        assert_eq!(cells[5..], ["-0.5", "a=b", "ria"]);
        assert!(text.lines().skip(1).all(|line| line.ends_with(",-1.5")), "{text}");
        assert!(frame.equals(&before));
    }
}

//! The Polars tables: `metrics`, `summary`, `trials` and `reference`, each as Parquet and as CSV.

use crate::ReportError;
use crate::reference::{Compared, References};
use crate::run::{GROUP, Run};
use crate::stats::Stats;
use crate::summary::{self, Key, Summary};
use fovea_records::RunStore;
use fovea_records::store::write_atomic;
use polars::prelude::*;

/// Writes all tables below `tables/`.
pub(crate) fn write(
    store: &RunStore,
    run: &Run,
    summary: &Summary,
    references: &References<'_>,
) -> Result<(), ReportError> {
    save(store, "metrics", metrics(run))?;
    save(store, "summary", statistics(run, summary))?;
    save(store, "trials", trials(run))?;
    save(store, "reference", published(references))
}

fn save(store: &RunStore, name: &'static str, frame: PolarsResult<DataFrame>) -> Result<(), ReportError> {
    let (parquet, csv) = frame.and_then(encode).map_err(|source| ReportError::Table { name, source })?;
    write_atomic(&store.tables_dir().join(format!("{name}.parquet")), &parquet)?;
    write_atomic(&store.tables_dir().join(format!("{name}.csv")), &csv)?;
    Ok(())
}

fn encode(mut frame: DataFrame) -> PolarsResult<(Vec<u8>, Vec<u8>)> {
    let mut parquet = Vec::new();
    ParquetWriter::new(&mut parquet).with_compression(ParquetCompression::Uncompressed).finish(&mut frame)?;
    let mut csv = Vec::new();
    CsvWriter::new(&mut csv).include_header(true).finish(&mut frame)?;
    Ok((parquet, csv))
}

/// One line per recorded metric row of every trial, in grid order, then in the order of the file.
fn metrics(run: &Run) -> PolarsResult<DataFrame> {
    let rows: Vec<_> = run.trials.iter().flat_map(|t| t.rows.iter().map(move |r| (t, r))).collect();
    let mut columns = vec![
        Column::new("trial".into(), rows.iter().map(|(t, _)| t.planned.id.as_str()).collect::<Vec<_>>()),
        Column::new(
            "variant".into(),
            rows.iter().map(|(t, _)| t.planned.variant.as_str()).collect::<Vec<_>>(),
        ),
        Column::new("seed".into(), rows.iter().map(|(t, _)| t.planned.seed).collect::<Vec<_>>()),
    ];
    for axis in &run.axes {
        let values: Vec<Option<&str>> = rows
            .iter()
            .map(|(t, _)| {
                t.planned.axes.iter().find(|(name, _)| name == axis).map(|(_, value)| value.as_str())
            })
            .collect();
        columns.push(Column::new(format!("axis.{axis}").into(), values));
    }
    columns.extend([
        Column::new("split".into(), rows.iter().map(|(_, r)| r.split.as_str()).collect::<Vec<_>>()),
        Column::new("metric".into(), rows.iter().map(|(_, r)| r.metric.as_str()).collect::<Vec<_>>()),
        Column::new("noise".into(), rows.iter().map(|(_, r)| r.noise.as_deref()).collect::<Vec<_>>()),
        Column::new("level".into(), rows.iter().map(|(_, r)| r.level).collect::<Vec<_>>()),
        Column::new("subset".into(), rows.iter().map(|(_, r)| r.subset.as_deref()).collect::<Vec<_>>()),
        Column::new("epoch".into(), rows.iter().map(|(_, r)| r.epoch.map(|e| e as u64)).collect::<Vec<_>>()),
        Column::new("value".into(), rows.iter().map(|(_, r)| r.value).collect::<Vec<_>>()),
        Column::new("count".into(), rows.iter().map(|(_, r)| r.count as u64).collect::<Vec<_>>()),
    ]);
    DataFrame::new(rows.len(), columns)
}

/// One line per variant and key: statistics over the done trials, and the difference to the baseline.
fn statistics(run: &Run, summary: &Summary) -> PolarsResult<DataFrame> {
    struct Line<'a> {
        variant: &'a str,
        group: Option<&'a str>,
        key: &'a Key,
        stats: Stats,
        delta: Option<Stats>,
    }
    let mut lines = Vec::new();
    for (place, variant) in run.variants.iter().enumerate() {
        for key in &summary.keys {
            let values = summary.values(key);
            if let Some(stats) = summary::stats(run, place, values) {
                lines.push(Line {
                    variant: &variant.name,
                    group: variant.group.as_deref(),
                    key,
                    stats,
                    delta: summary::delta(run, place, values),
                });
            }
        }
    }
    let baseline = run.baseline.map(|b| run.variants[b].name.as_str());
    let number = |name: &str, value: &dyn Fn(&Line) -> Option<f64>| {
        Column::new(name.into(), lines.iter().map(value).collect::<Vec<_>>())
    };
    let mut columns = vec![
        Column::new("variant".into(), lines.iter().map(|l| l.variant).collect::<Vec<_>>()),
        Column::new("split".into(), lines.iter().map(|l| l.key.split.as_str()).collect::<Vec<_>>()),
        Column::new("metric".into(), lines.iter().map(|l| l.key.metric.as_str()).collect::<Vec<_>>()),
        Column::new("noise".into(), lines.iter().map(|l| l.key.noise.as_deref()).collect::<Vec<_>>()),
        number("level", &|l| l.key.level.map(|l| l.0)),
        Column::new("subset".into(), lines.iter().map(|l| l.key.subset.as_deref()).collect::<Vec<_>>()),
        Column::new("n".into(), lines.iter().map(|l| l.stats.n as u64).collect::<Vec<_>>()),
        number("mean", &|l| Some(l.stats.mean)),
        number("sd", &|l| l.stats.sd),
        number("min", &|l| Some(l.stats.min)),
        number("max", &|l| Some(l.stats.max)),
        number("half_width_95", &|l| l.stats.half_width),
        Column::new("baseline".into(), lines.iter().map(|l| l.delta.and(baseline)).collect::<Vec<_>>()),
        Column::new("delta_n".into(), lines.iter().map(|l| l.delta.map(|d| d.n as u64)).collect::<Vec<_>>()),
        number("delta_mean", &|l| l.delta.map(|d| d.mean)),
        number("delta_sd", &|l| l.delta.and_then(|d| d.sd)),
        number("delta_low_95", &|l| l.delta.and_then(|d| d.interval()).map(|i| i.0)),
        number("delta_high_95", &|l| l.delta.and_then(|d| d.interval()).map(|i| i.1)),
    ];
    if run.has_groups() {
        columns.insert(1, Column::new(GROUP.into(), lines.iter().map(|l| l.group).collect::<Vec<_>>()));
    }
    DataFrame::new(lines.len(), columns)
}

/// One line per planned trial.
fn trials(run: &Run) -> PolarsResult<DataFrame> {
    let trials = &run.trials;
    let device = |t: &crate::run::Trial| t.done.as_ref().map(|d| d.device.clone());
    let columns = vec![
        Column::new("id".into(), trials.iter().map(|t| t.planned.id.as_str()).collect::<Vec<_>>()),
        Column::new("variant".into(), trials.iter().map(|t| t.planned.variant.as_str()).collect::<Vec<_>>()),
        Column::new("seed".into(), trials.iter().map(|t| t.planned.seed).collect::<Vec<_>>()),
        Column::new("status".into(), trials.iter().map(|t| t.status.name()).collect::<Vec<_>>()),
        Column::new("seconds".into(), trials.iter().map(crate::run::Trial::seconds).collect::<Vec<_>>()),
        Column::new("device".into(), trials.iter().map(device).collect::<Vec<_>>()),
        Column::new("reason".into(), trials.iter().map(|t| t.reason.as_deref()).collect::<Vec<_>>()),
    ];
    DataFrame::new(trials.len(), columns)
}

/// One line per published number; empty where the experiment gives none.
fn published(references: &References<'_>) -> PolarsResult<DataFrame> {
    let all = &references.0;
    let text = |name: &str, value: &dyn Fn(&Compared) -> Option<String>| {
        Column::new(name.into(), all.iter().map(value).collect::<Vec<_>>())
    };
    let number = |name: &str, value: &dyn Fn(&Compared) -> Option<f64>| {
        Column::new(name.into(), all.iter().map(value).collect::<Vec<_>>())
    };
    let columns = vec![
        text("variant", &|c| Some(c.published.variant.clone())),
        text("split", &|c| Some(c.published.split.clone())),
        text("metric", &|c| Some(c.published.metric.clone())),
        text("noise", &|c| c.published.noise.clone()),
        number("level", &|c| c.published.level),
        number("published", &|c| Some(c.published.value)),
        number("published_sd", &|c| c.published.sd),
        Column::new("n".into(), all.iter().map(|c| c.ours.map_or(0, |s| s.n as u64)).collect::<Vec<_>>()),
        number("mean", &|c| c.ours.map(|s| s.mean)),
        number("sd", &|c| c.ours.and_then(|s| s.sd)),
        number("difference", &|c| c.difference()),
        text("source", &|c| Some(c.published.source.clone())),
    ];
    DataFrame::new(all.len(), columns)
}

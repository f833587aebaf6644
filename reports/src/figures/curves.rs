//! Training curves, every seed visible.

use super::axis::Axis;
use super::look::Look;
use super::panel::{Panel, Series};
use super::sheet::Sheet;
use super::{Draft, Material};
use fovea_records::{Unit, metrics};
use std::collections::BTreeSet;

/// With more trials than this, lines are solid: dashes could not be told apart and make the SVG large.
const MOST_DASHED: usize = 40;

/// The figure, or why there is none.
pub(super) fn draft(material: &Material) -> Result<Draft, String> {
    let run = material.run;
    let mut wanted: Vec<(String, String)> =
        ["loss", "explanation-loss", "accuracy"].map(|m| ("train".to_owned(), m.to_owned())).to_vec();
    let others: BTreeSet<String> = run
        .trials
        .iter()
        .flat_map(|t| t.curves.keys())
        .filter(|(split, metric)| split != "train" && metric == "accuracy")
        .map(|(split, _)| split.clone())
        .collect();
    wanted.extend(others.into_iter().map(|split| (split, "accuracy".to_owned())));

    let panels: Vec<Panel> = wanted.iter().filter_map(|key| panel(material, key)).collect();
    if panels.is_empty() {
        return Err("Training curves are left out: no trial has finished an epoch.".to_owned());
    }
    let drawn: Vec<usize> = (0..run.variants.len())
        .filter(|&v| run.variants[v].trials.iter().any(|&t| !run.trials[t].curves.is_empty()))
        .collect();
    let columns = if matches!(panels.len(), 2 | 4) { 2 } else { 3 };
    Ok(Draft {
        name: "training-curves".to_owned(),
        title: "Training curves".to_owned(),
        caption: "Objective, explanation loss and accuracy after each epoch; one thin line per seed. During warm-up \
                  there is no explanation loss, and variants that share their warm-up have the same curve there. \
                  Trials that diverged or are still running are drawn as far as they came."
            .to_owned(),
        sheet: Sheet {
            legend: material.legend(drawn),
            legend_lines: true,
            ..Sheet::filled(panels, columns, 270.0)
        },
    })
}

fn line_look(material: &Material, variant: usize) -> Look {
    let look = material.looks.of(variant);
    if material.run.trials.len() > MOST_DASHED { Look { dash: &[], ..look } } else { look }
}

fn panel(material: &Material, key: &(String, String)) -> Option<Panel> {
    let series: Vec<Series> = material
        .run
        .trials
        .iter()
        .filter_map(|trial| {
            let curve = trial.curves.get(key)?;
            let points = curve.iter().map(|(epoch, value)| (*epoch as f64, *value)).collect();
            Some(Series {
                line: 1.3,
                marker: 0.0,
                opacity: 0.85,
                ..Series::new(line_look(material, trial.variant), points)
            })
        })
        .collect();
    if series.is_empty() {
        return None;
    }
    let (split, metric) = key;
    let unit = metrics::definition(metric).map_or(Unit::Number, |d| d.unit);
    let (title, label) = match metric.as_str() {
        "accuracy" if split == "train" => ("training accuracy".to_owned(), "accuracy (%)"),
        "accuracy" => (format!("accuracy on {split}"), "accuracy (%)"),
        "explanation-loss" => ("explanation loss".to_owned(), "explanation loss"),
        _ => ("training loss".to_owned(), "objective"),
    };
    let all = || series.iter().flat_map(|s| s.points.iter().copied());
    let x = Axis::round("epoch", Unit::Count, all().map(|p| p.0), 6);
    let y = Axis::round(label, unit, all().map(|p| p.1), 5);
    Some(Panel::new(title, x, y, series))
}

//! Accuracy against RFS: is robustness bought with accuracy?

use super::Draft;
use super::look::look;
use super::sheet::{Axis, Panel, Series, Sheet};
use crate::measures::{Measure, MeasureKind};
use crate::run::Run;
use fovea_records::Unit;

/// The figure, or why there is none.
pub(super) fn draft(run: &Run, measures: &[Measure]) -> Result<Draft, String> {
    let missing = || "Accuracy against RFS is left out: no finished trial has both.".to_owned();
    let rfs = measures.iter().find(|m| m.kind == MeasureKind::Rfs).ok_or_else(missing)?;
    let accuracies: Vec<&Measure> = measures.iter().filter(|m| m.kind == MeasureKind::Accuracy).collect();
    if accuracies.is_empty() {
        return Err(missing());
    }
    let panels: Vec<Panel> = accuracies.iter().map(|accuracy| panel(run, rfs, accuracy)).collect();
    let shown = (0..run.variants.len()).filter(|&v| rfs.stats[v].is_some());
    let wide = if panels.len() == 1 { 560.0 } else { 430.0 };
    Ok(Draft {
        name: "accuracy-vs-rfs".to_owned(),
        title: "Accuracy against RFS".to_owned(),
        caption: format!(
            "Each small point is a trial, each large point the mean of a variant with bars of ± 1 standard deviation. \
             RFS is measured under Gaussian noise on {}, averaged over levels. Up and to the right is better: more \
             accurate and more sensitive to the object than to its surroundings.",
            rfs.split
        ),
        sheet: Sheet {
            columns: if panels.len() > 2 { 3 } else { 2 },
            panel_size: (if panels.len() > 2 { 350.0 } else { wide }, 320.0),
            panels,
            legend: shown.map(|v| (look(v), run.variants[v].name.clone())).collect(),
            legend_lines: false,
        },
    })
}

fn panel(run: &Run, rfs: &Measure, accuracy: &Measure) -> Panel {
    let mut series = Vec::new();
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for (place, variant) in run.variants.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            variant.trials.iter().filter_map(|&t| rfs.values[t].zip(accuracy.values[t])).collect();
        xs.extend(points.iter().map(|p| p.0));
        ys.extend(points.iter().map(|p| p.1));
        if points.len() > 1 {
            series.push(Series { line: 0.0, marker: 3.0, opacity: 0.55, ..Series::new(look(place), points) });
        }
    }
    for place in 0..run.variants.len() {
        if let (Some(x), Some(y)) = (rfs.stats[place], accuracy.stats[place]) {
            let mut mean =
                Series { line: 0.0, marker: 6.5, ..Series::new(look(place), vec![(x.mean, y.mean)]) };
            if let (Some(dx), Some(dy)) = (x.sd, y.sd) {
                mean.level_bars.push((y.mean, x.mean - dx, x.mean + dx));
                mean.upright_bars.push((x.mean, y.mean - dy, y.mean + dy));
                xs.extend([x.mean - dx, x.mean + dx]);
                ys.extend([y.mean - dy, y.mean + dy]);
            }
            series.push(mean);
        }
    }
    Panel {
        title: accuracy.phrase.clone(),
        x: Axis::round("RFS", Unit::Number, xs, 5),
        y: Axis::round("accuracy (%)", Unit::Fraction, ys, 5),
        series,
        upright_zero: true,
        level_zero: false,
    }
}

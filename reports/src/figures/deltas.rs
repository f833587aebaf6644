//! Differences to the baseline with their intervals.

use super::Draft;
use super::look::look;
use super::sheet::{Axis, Panel, Series, Sheet};
use crate::measures::{Measure, MeasureKind};
use crate::run::Run;
use fovea_records::Unit;

/// The figure, or why there is none.
pub(super) fn draft(run: &Run, measures: &[Measure]) -> Result<Draft, String> {
    let shown = |m: &&Measure| {
        matches!(m.kind, MeasureKind::Accuracy | MeasureKind::Gap | MeasureKind::Rfs | MeasureKind::BoxIou)
            && m.deltas.iter().flatten().any(|d| d.n > 1)
    };
    let measures: Vec<&Measure> = measures.iter().filter(shown).collect();
    let (Some(baseline), false) = (run.baseline, measures.is_empty()) else {
        return Err(
            "Differences to the baseline are left out: intervals need at least two seeds that a variant and the \
             baseline have both finished."
                .to_owned(),
        );
    };
    let rows: Vec<usize> = (0..run.variants.len())
        .filter(|&v| measures.iter().any(|m| m.deltas[v].is_some_and(|d| d.n > 1)))
        .collect();
    let panels: Vec<Panel> = measures.iter().map(|m| panel(run, m, &rows)).collect();
    let baseline = &run.variants[baseline].name;
    Ok(Draft {
        name: "deltas".to_owned(),
        title: format!("Differences to {baseline}"),
        caption: format!(
            "Mean difference to {baseline}, paired by seed, with its 95 % Student t interval. An interval that crosses \
             the line at 0 means that these seeds do not tell the variant from the baseline. Variants with fewer than \
             two shared seeds are not shown."
        ),
        sheet: Sheet {
            columns: 3.min(panels.len()),
            panel_size: (350.0, 96.0 + 26.0 * rows.len() as f64),
            panels,
            legend: Vec::new(),
            legend_lines: false,
        },
    })
}

fn panel(run: &Run, measure: &Measure, rows: &[usize]) -> Panel {
    let names: Vec<String> = rows.iter().map(|&v| run.variants[v].short.clone()).collect();
    let mut extent = vec![0.0];
    let mut series = Vec::new();
    for (row, &variant) in rows.iter().enumerate() {
        let Some(delta) = measure.deltas[variant].filter(|d| d.n > 1) else { continue };
        let y = -(row as f64);
        let mut point =
            Series { line: 0.0, marker: 5.0, ..Series::new(look(variant), vec![(delta.mean, y)]) };
        if let Some((low, high)) = delta.interval() {
            point.level_bars.push((y, low, high));
            extent.extend([low, high]);
        }
        series.push(point);
    }
    let (title, label) = match (measure.kind, measure.unit) {
        (MeasureKind::Gap, _) => {
            ("Δ gap".to_owned(), format!("percentage points ({})", measure.split.replace(" - ", " − ")))
        }
        (_, Unit::Fraction) => (format!("Δ {}", measure.phrase), "percentage points".to_owned()),
        _ => (format!("Δ {}", measure.phrase), "difference".to_owned()),
    };
    Panel {
        title,
        x: Axis::round(&label, measure.unit, extent, 5),
        y: Axis::names(&names),
        series,
        upright_zero: true,
        level_zero: false,
    }
}

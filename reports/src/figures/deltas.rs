//! Differences to the baseline with their intervals.

use super::axis::Axis;
use super::panel::{BOTTOM, Panel, SMALL, Series, TOP};
use super::pen::text_width;
use super::sheet::{Sheet, WIDTH};
use super::{Draft, Material};
use crate::measures::MeasureKind;
use crate::stats::Stats;
use crate::summary::{Key, Variants};
use fovea_records::Unit;

/// Names take at most this share of the figure.
const MOST_NAMES: f64 = 0.4;

/// With more variants than this, their rows are closer together.
const MANY: usize = 12;

/// Differences of one number.
struct Row {
    title: String,
    label: String,
    unit: Unit,
    deltas: Vec<Option<Stats>>,
}

/// The figure, or why there is none.
pub(super) fn draft(material: &Material) -> Result<Draft, String> {
    let run = material.run;
    let told = |delta: &Option<Stats>| delta.is_some_and(|d| d.n > 1);
    let numbers: Vec<Row> =
        numbers(material).into_iter().filter(|number| number.deltas.iter().any(told)).collect();
    let (Some(baseline), false) = (run.baseline, numbers.is_empty()) else {
        return Err(
            "Differences to the baseline are left out: intervals need at least two seeds that a variant and the \
             baseline have both finished."
                .to_owned(),
        );
    };
    let rows: Vec<usize> =
        (0..run.variants.len()).filter(|&v| numbers.iter().any(|n| told(&n.deltas[v]))).collect();
    let names: Vec<String> = rows.iter().map(|&v| run.variants[v].short.clone()).collect();
    let widest = names.iter().map(|n| text_width(n, SMALL, false)).fold(0.0, f64::max);
    let room = widest.min(MOST_NAMES * WIDTH).ceil();
    let columns = numbers.len().clamp(1, 3);
    let panels: Vec<Panel> = numbers
        .iter()
        .enumerate()
        .map(|(place, number)| {
            let axis = Axis::names("", &names, room);
            let axis = if place % columns == 0 { axis } else { axis.unlabelled() };
            panel(material, number, &rows, axis)
        })
        .collect();
    let baseline = &run.variants[baseline].name;
    let lead = room + 6.0;
    let pitch = if rows.len() > MANY { 16.0 } else { 24.0 };
    let height = TOP + BOTTOM + 12.0 + pitch * rows.len() as f64;
    Ok(Draft {
        name: "deltas".to_owned(),
        title: format!("Differences to {baseline}"),
        caption: format!(
            "Mean difference to {baseline}, paired by seed, with its 95 % Student t interval. An interval that crosses \
             the line at 0 means that these seeds do not tell the variant from the baseline. Variants with fewer than \
             two shared seeds are not shown."
        ),
        sheet: Sheet {
            panel_size: ((WIDTH - lead) / columns as f64, height),
            lead,
            ..Sheet::filled(panels, columns, height)
        },
    })
}

/// Headline numbers but those under noise, which RFS sums up, and accuracy in the worst group.
fn numbers(material: &Material) -> Vec<Row> {
    let shown = [MeasureKind::Accuracy, MeasureKind::Gap, MeasureKind::Rfs, MeasureKind::BoxIou];
    let mut numbers: Vec<Row> = Vec::new();
    for measure in material.measures.iter().filter(|m| shown.contains(&m.kind)) {
        let (title, label) = match (measure.kind, measure.unit) {
            (MeasureKind::Gap, _) => {
                ("Δ gap".to_owned(), format!("points ({})", measure.split.replace(" - ", " − ")))
            }
            (_, Unit::Fraction) => (format!("Δ {}", measure.phrase), "percentage points".to_owned()),
            _ => (format!("Δ {}", measure.phrase), "difference".to_owned()),
        };
        numbers.push(Row { title, label, unit: measure.unit, deltas: measure.deltas.clone() });
    }
    let pairs = Variants::new(material.run);
    for split in &material.summary.splits {
        let key = Key::clean(split, "worst-group-accuracy");
        if !material.summary.has(&key) {
            continue;
        }
        let values = material.summary.values(&key);
        let variants = 0..material.run.variants.len();
        numbers.push(Row {
            title: format!("Δ worst group on {split}"),
            label: "percentage points".to_owned(),
            unit: Unit::Fraction,
            deltas: variants.map(|v| pairs.compare(v, &key, values).map(|c| c.stats)).collect(),
        });
    }
    numbers
}

fn panel(material: &Material, number: &Row, rows: &[usize], names: Axis) -> Panel {
    let mut extent = vec![0.0];
    let mut series = Vec::new();
    for (row, &variant) in rows.iter().enumerate() {
        let Some(delta) = number.deltas[variant].filter(|d| d.n > 1) else { continue };
        let y = -(row as f64);
        let look = material.looks.of(variant);
        let mut point = Series { line: 0.0, marker: 5.0, ..Series::new(look, vec![(delta.mean, y)]) };
        extent.push(delta.mean);
        if let Some((low, high)) = delta.interval() {
            point.level_bars.push((y, low, high));
            extent.extend([low, high]);
        }
        series.push(point);
    }
    let x = Axis::round(&number.label, number.unit, extent, 4);
    Panel { upright_zero: true, ..Panel::new(number.title.clone(), x, names, series) }
}

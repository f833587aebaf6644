//! Accuracy against noise level and RFS per level (the paper's Figures 3 and 4).

use super::axis::Axis;
use super::panel::{Panel, Series};
use super::sheet::Sheet;
use super::{Draft, Material};
use crate::summary::{self, Key};
use fovea_records::Unit;

const METRICS: [(&str, &str); 3] = [
    ("accuracy-fg", "noise in the foreground"),
    ("accuracy-bg", "noise in the background"),
    ("rfs", "relative foreground sensitivity"),
];

/// More bands than this hide each other.
const MOST_BANDS: usize = 6;

/// One triptych per noise kind and split.
pub(super) fn drafts(material: &Material) -> Vec<Result<Draft, String>> {
    let summary = material.summary;
    let mut drafts = Vec::new();
    let mut gaussian = false;
    for noise in summary.noises() {
        let splits: Vec<&String> = summary
            .splits
            .iter()
            .filter(|s| METRICS.iter().any(|(metric, _)| !summary.levels(s, metric, &noise).is_empty()))
            .collect();
        gaussian |= noise == "gaussian" && !splits.is_empty();
        for (number, split) in splits.into_iter().enumerate() {
            let name = if number == 0 { format!("noise-{noise}") } else { format!("noise-{noise}-{split}") };
            drafts.push(Ok(draft(material, name, &noise, split)));
        }
    }
    if !gaussian {
        drafts.insert(
            0,
            Err("Robustness to Gaussian noise is left out: no finished trial has measured it.".to_owned()),
        );
    }
    drafts
}

fn draft(material: &Material, name: String, noise: &str, split: &str) -> Draft {
    let (run, summary) = (material.run, material.summary);
    let mut levels: Vec<f64> = METRICS.iter().flat_map(|(m, _)| summary.levels(split, m, noise)).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let (label, kind) = match noise {
        "gaussian" => ("noise level σ (of 255)", "Gaussian"),
        "l2" => ("noise level ε (L2 norm)", "L2"),
        other => ("noise level", other),
    };
    let shown: Vec<usize> = (0..run.variants.len())
        .filter(|&v| METRICS.iter().any(|(metric, _)| series(material, v, metric, noise, split).is_some()))
        .collect();
    let banded = shown.len() <= MOST_BANDS;
    let contents: Vec<Vec<Series>> = METRICS
        .iter()
        .map(|(metric, _)| {
            let all = shown.iter().filter_map(|&v| series(material, v, metric, noise, split));
            all.map(|s| if banded { s } else { Series { band: Vec::new(), ..s } }).collect()
        })
        .collect();
    let extent = |series: &[Series]| -> Vec<f64> {
        let points = series.iter().flat_map(|s| s.points.iter().map(|p| p.1));
        points.chain(series.iter().flat_map(|s| s.band.iter().flat_map(|b| [b.1, b.2]))).collect()
    };
    // The first two panels share their range, so that foreground and background compare at a glance.
    let accuracy =
        Axis::round("accuracy (%)", Unit::Fraction, [extent(&contents[0]), extent(&contents[1])].concat(), 5);
    let rfs = Axis::round("RFS", Unit::Number, extent(&contents[2]).into_iter().chain([0.0]), 5);
    let panels = contents
        .into_iter()
        .zip(METRICS)
        .enumerate()
        .map(|(number, (series, (_, title)))| {
            let y = if number < 2 { accuracy.clone() } else { rfs.clone() };
            let panel = Panel::new(title.to_owned(), Axis::at(label, &levels), y, series);
            Panel { level_zero: number == 2, ..panel }
        })
        .collect();
    let spread = if banded {
        "bands ± 1 standard deviation".to_owned()
    } else {
        format!("without bands, which would hide each other ({} variants)", shown.len())
    };
    Draft {
        name,
        title: format!("Robustness to {kind} noise on {split}"),
        caption: format!(
            "Accuracy on {split} when {kind} noise of growing strength is added to the object only (left) and to \
             everything but the object (middle), and their difference RFS = background minus foreground (right). Lines \
             are means over seeds, {spread}. A model that looks at the object loses more on the left than in the middle: \
             its RFS is above 0."
        ),
        sheet: Sheet {
            legend: material.legend(shown),
            legend_lines: true,
            ..Sheet::filled(panels, 3, 280.0)
        },
    }
}

fn series(material: &Material, variant: usize, metric: &str, noise: &str, split: &str) -> Option<Series> {
    let mut points = Vec::new();
    let mut band = Vec::new();
    for level in material.summary.levels(split, metric, noise) {
        let values = material.summary.values(&Key::noisy(split, metric, noise, Some(level)));
        if let Some(stats) = summary::stats(material.run, variant, values) {
            points.push((level, stats.mean));
            if let Some(sd) = stats.sd {
                band.push((level, stats.mean - sd, stats.mean + sd));
            }
        }
    }
    (!points.is_empty()).then(|| Series { band, ..Series::new(material.looks.of(variant), points) })
}

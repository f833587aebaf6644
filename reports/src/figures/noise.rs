//! Accuracy against noise level and RFS per level (the paper's Figures 3 and 4).

use super::Draft;
use super::look::look;
use super::sheet::{Axis, Panel, Series, Sheet};
use crate::run::Run;
use crate::summary::{self, Key, Summary};
use fovea_records::Unit;

const METRICS: [(&str, &str); 3] = [
    ("accuracy-fg", "noise in the foreground"),
    ("accuracy-bg", "noise in the background"),
    ("rfs", "relative foreground sensitivity"),
];

/// One triptych per noise kind and split.
pub(super) fn drafts(run: &Run, summary: &Summary) -> Vec<Result<Draft, String>> {
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
            drafts.push(Ok(draft(run, summary, name, &noise, split)));
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

fn draft(run: &Run, summary: &Summary, name: String, noise: &str, split: &str) -> Draft {
    let mut levels: Vec<f64> = METRICS.iter().flat_map(|(m, _)| summary.levels(split, m, noise)).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let (label, kind) = match noise {
        "gaussian" => ("noise level σ (of 255)", "Gaussian"),
        "l2" => ("noise level ε (L2 norm)", "L2"),
        other => ("noise level", other),
    };
    let contents: Vec<Vec<Series>> = METRICS
        .iter()
        .map(|(metric, _)| {
            (0..run.variants.len()).filter_map(|v| series(run, summary, v, metric, noise, split)).collect()
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
        .map(|(number, (series, (_, title)))| Panel {
            title: title.to_owned(),
            x: Axis::at(label, &levels),
            y: if number < 2 { accuracy.clone() } else { rfs.clone() },
            series,
            upright_zero: false,
            level_zero: number == 2,
        })
        .collect();
    Draft {
        name,
        title: format!("Robustness to {kind} noise on {split}"),
        caption: format!(
            "Accuracy on {split} when {kind} noise of growing strength is added to the object only (left) and to \
             everything but the object (middle), and their difference RFS = background minus foreground (right). Lines \
             are means over seeds, bands ± 1 standard deviation. A model that looks at the object loses more on the \
             left than in the middle: its RFS is above 0."
        ),
        sheet: Sheet {
            panels,
            columns: 3,
            panel_size: (350.0, 290.0),
            legend: run
                .variants
                .iter()
                .enumerate()
                .map(|(v, variant)| (look(v), variant.name.clone()))
                .collect(),
            legend_lines: true,
        },
    }
}

fn series(
    run: &Run,
    summary: &Summary,
    variant: usize,
    metric: &str,
    noise: &str,
    split: &str,
) -> Option<Series> {
    let mut points = Vec::new();
    let mut band = Vec::new();
    for level in summary.levels(split, metric, noise) {
        let values = summary.values(&Key::noisy(split, metric, noise, Some(level)));
        if let Some(stats) = summary::stats(run, variant, values) {
            points.push((level, stats.mean));
            if let Some(sd) = stats.sd {
                band.push((level, stats.mean - sd, stats.mean + sd));
            }
        }
    }
    (!points.is_empty()).then(|| Series { band, ..Series::new(look(variant), points) })
}

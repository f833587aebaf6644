//! Accuracy against RFS: is robustness bought with accuracy?

use super::axis::Axis;
use super::panel::{Panel, Series};
use super::sheet::Sheet;
use super::{Draft, Material};
use crate::measures::{Measure, MeasureKind};
use crate::stats::Stats;
use fovea_records::Unit;

/// The figure, or why there is none.
pub(super) fn draft(material: &Material) -> Result<Draft, String> {
    let missing = || "Accuracy against RFS is left out: no finished trial has both.".to_owned();
    let measures = material.measures;
    let rfs = measures.iter().find(|m| m.kind == MeasureKind::Rfs).ok_or_else(missing)?;
    let accuracies: Vec<&Measure> = measures.iter().filter(|m| m.kind == MeasureKind::Accuracy).collect();
    if accuracies.is_empty() {
        return Err(missing());
    }
    let panels: Vec<Panel> = accuracies.iter().map(|accuracy| panel(material, rfs, accuracy)).collect();
    let shown = (0..material.run.variants.len()).filter(|&v| rfs.stats[v].is_some());
    let columns = panels.len().clamp(1, 3);
    let sheet = Sheet { legend: material.legend(shown), ..Sheet::filled(panels, columns, 320.0) };
    Ok(Draft {
        name: "accuracy-vs-rfs".to_owned(),
        title: "Accuracy against RFS".to_owned(),
        caption: format!(
            "Each small point is a trial, each large point the mean of a variant with bars of ± 1 standard deviation. \
             RFS is measured under Gaussian noise on {}, averaged over levels. Up and to the right is better: more \
             accurate and more sensitive to the object than to its surroundings.",
            rfs.split
        ),
        sheet: sheet.narrowed(),
    })
}

fn panel(material: &Material, rfs: &Measure, accuracy: &Measure) -> Panel {
    let clouds: Vec<Cloud> = (0..material.run.variants.len())
        .filter_map(|variant| {
            let trials = &material.run.variants[variant].trials;
            Cloud::new(
                variant,
                trials.iter().filter_map(|&t| rfs.values[t].zip(accuracy.values[t])).collect(),
            )
        })
        .collect();
    let (xs, ys) = extent(&clouds);
    let x = Axis::round("RFS", Unit::Number, xs, 5);
    let y = Axis::round("accuracy (%)", Unit::Fraction, ys, 5);
    Panel { upright_zero: true, ..Panel::new(accuracy.phrase.clone(), x, y, drawn(material, &clouds, true)) }
}

/// The trials of a variant as points, with their means.
pub(super) struct Cloud {
    /// Whose.
    pub(super) variant: usize,
    points: Vec<(f64, f64)>,
    /// Along the horizontal axis.
    pub(super) x: Stats,
    /// Along the vertical axis.
    pub(super) y: Stats,
}

impl Cloud {
    /// `None` without points.
    pub(super) fn new(variant: usize, points: Vec<(f64, f64)>) -> Option<Self> {
        let x = Stats::of(points.iter().map(|p| p.0))?;
        let y = Stats::of(points.iter().map(|p| p.1))?;
        Some(Self { variant, points, x, y })
    }

    /// The same in another unit of the horizontal axis.
    pub(super) fn scaled(self, factor: f64) -> Option<Self> {
        Self::new(self.variant, self.points.into_iter().map(|(x, y)| (x * factor, y)).collect())
    }
}

/// All values that are shown, along either axis, bars included.
fn extent(clouds: &[Cloud]) -> (Vec<f64>, Vec<f64>) {
    let along = |stats: fn(&Cloud) -> &Stats| {
        let ends = clouds.iter().map(stats).flat_map(|s| {
            let sd = s.sd.unwrap_or(0.0);
            [s.min, s.max, s.mean - sd, s.mean + sd]
        });
        ends.collect()
    };
    (along(|c| &c.x), along(|c| &c.y))
}

/// Small points for trials, large ones for means above all of them, with bars if `spread`.
pub(super) fn drawn(material: &Material, clouds: &[Cloud], spread: bool) -> Vec<Series> {
    let trials = clouds.iter().filter(|c| c.points.len() > 1).map(|c| {
        let look = material.looks.of(c.variant);
        Series { line: 0.0, marker: 3.0, opacity: 0.55, ..Series::new(look, c.points.clone()) }
    });
    let means = clouds.iter().map(|c| {
        let (x, y) = (c.x, c.y);
        let look = material.looks.of(c.variant);
        let mut mean =
            Series { line: 0.0, marker: 6.5, cap: 0.0, ..Series::new(look, vec![(x.mean, y.mean)]) };
        if let (true, Some(dx), Some(dy)) = (spread, x.sd, y.sd) {
            mean.level_bars.push((y.mean, x.mean - dx, x.mean + dx));
            mean.upright_bars.push((x.mean, y.mean - dy, y.mean + dy));
        }
        mean
    });
    trials.chain(means).collect()
}

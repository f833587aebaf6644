//! A box extractor that training goes through: centre of mass +- sqrt(3) * standard deviation of a heatmap's mass,
//! which are the edges of the uniform distribution with the same moments. The main type is [`Moments`].
//!
//! Fovea has this built in as `threshold` with `gradient = "moments"`. The mass of a pixel is spread evenly over its
//! square, so that the box of an evenly filled rectangle is that rectangle.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

use fovea_abi::{BBox, Context, Error, Extracted, Extractor, Heatmap, Issue, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A sum of heatmap values below which the heatmap counts as zero.
const EMPTY_MASS: f64 = 1e-12;

/// Variance of mass that is spread evenly over a pixel, square pixels.
const WITHIN_PIXEL: f64 = 1.0 / 12.0;

/// Configuration of [`Moments`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MomentsConfig {
    /// The hard box, which is evaluated, is that of the pixels above this around the maximum.
    pub threshold: f32,
}

impl Default for MomentsConfig {
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

/// The extractor.
#[derive(Debug)]
pub struct Moments {
    config: MomentsConfig,
}

impl Plugin for Moments {
    const NAME: &'static str = "moments";
    const SUMMARY: &'static str = "Centre of mass +- sqrt(3) standard deviations; the hard box by threshold.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = MomentsConfig;

    fn check(config: &MomentsConfig, _: &Path) -> Vec<Issue> {
        if config.threshold.is_finite() && config.threshold >= 0.0 {
            return Vec::new();
        }
        let message = format!("the threshold is 0 or more, not {}", config.threshold);
        vec![Issue::at("threshold", message).instead("0.5")]
    }

    fn new(config: MomentsConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Extractor for Moments {
    const DIFFERENTIABLE: bool = true;

    fn extract(&mut self, heatmap: &Heatmap<'_>) -> Result<Option<Extracted>, Error> {
        let (values, width) = (heatmap.values(), heatmap.width());
        let Some(hard) = around_maximum(&values, width, self.config.threshold) else { return Ok(None) };
        let [x, y] = axes(&values, width);
        let [x1, y1, x2, y2] =
            [x.centre - x.half, y.centre - y.half, x.centre + x.half, y.centre + y.half].map(|v| v as f32);
        Ok(Some(Extracted { hard, differentiable: BBox::new(x1, y1, x2, y2) }))
    }

    fn vjp(
        &mut self,
        heatmap: &Heatmap<'_>,
        box_gradient: [f32; 4],
        heatmap_gradient: &mut [f32],
    ) -> Result<(), Error> {
        let (values, width) = (heatmap.values(), heatmap.width());
        let [x, y] = axes(&values, width);
        let [x1, y1, x2, y2] = box_gradient.map(f64::from);
        let (along_x, along_y) = (x.gradient(x1, x2), y.gradient(y1, y2));
        for (row, down) in heatmap_gradient.chunks_exact_mut(width).zip(&along_y) {
            for (out, across) in row.iter_mut().zip(&along_x) {
                *out = (across + down) as f32;
            }
        }
        Ok(())
    }
}

/// The moments of mass along an axis.
struct Axis {
    length: usize,
    mass: f64,
    centre: f64,
    /// Variance of the pixels' centres.
    variance: f64,
    /// Half of the box's side.
    half: f64,
}

impl Axis {
    fn new(parts: &[f64]) -> Self {
        let mass: f64 = parts.iter().sum();
        let moment = |f: &dyn Fn(f64) -> f64| -> f64 {
            let sum: f64 = parts.iter().enumerate().map(|(i, part)| part * f(i as f64 + 0.5)).sum();
            if mass < EMPTY_MASS { 0.0 } else { sum / mass }
        };
        let centre = moment(&|at| at);
        let variance = moment(&|at| (at - centre).powi(2));
        Self { length: parts.len(), mass, centre, variance, half: (3.0 * (variance + WITHIN_PIXEL)).sqrt() }
    }

    /// Gradient in the mass at each place, of `low` times the lower edge plus `high` times the upper one.
    fn gradient(&self, low: f64, high: f64) -> Vec<f64> {
        if self.mass < EMPTY_MASS {
            return vec![0.0; self.length];
        }
        let at = |i: usize| {
            let away = i as f64 + 0.5 - self.centre;
            let to_half = 1.5 / self.half * (away * away - self.variance);
            ((low + high) * away + (high - low) * to_half) / self.mass
        };
        (0..self.length).map(at).collect()
    }
}

/// Moments across and down.
fn axes(values: &[f32], width: usize) -> [Axis; 2] {
    let mut columns = vec![0.0; width];
    let mut rows = Vec::new();
    for row in values.chunks_exact(width.max(1)) {
        for (column, value) in columns.iter_mut().zip(row) {
            *column += f64::from(*value);
        }
        rows.push(row.iter().copied().map(f64::from).sum());
    }
    [Axis::new(&columns), Axis::new(&rows)]
}

/// The tight box of the 4-connected component above the threshold that has the (first) maximum; `None` where nothing
/// exceeds the threshold or a value is not finite.
fn around_maximum(values: &[f32], width: usize, threshold: f32) -> Option<BBox> {
    if values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mut peak = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[peak] {
            peak = i;
        }
    }
    let mut open: Vec<bool> = values.iter().map(|v| *v > threshold).collect();
    if !*open.get(peak)? {
        return None;
    }
    open[peak] = false;
    let (mut todo, mut bounds) = (vec![peak], [usize::MAX, usize::MAX, 0, 0]);
    while let Some(i) = todo.pop() {
        let (x, y) = (i % width, i / width);
        let [x1, y1, x2, y2] = bounds;
        bounds = [x1.min(x), y1.min(y), x2.max(x + 1), y2.max(y + 1)];
        let neighbours = [
            (x > 0).then(|| i - 1),
            (x + 1 < width).then_some(i + 1),
            i.checked_sub(width),
            Some(i + width).filter(|i| *i < values.len()),
        ];
        for i in neighbours.into_iter().flatten() {
            if std::mem::take(&mut open[i]) {
                todo.push(i);
            }
        }
    }
    Some(bounds.map(|v| v as f32).into())
}

fovea_abi::plugins! { extractor Moments }

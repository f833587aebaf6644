//! The RIA paper's loss as a plugin: `1 - |inter| / |predicted|` (Eq. 6) plus `lambda` times the diagonal of the
//! predicted box (Eq. 7). The main type is [`Ria`].
//!
//! Fovea has this loss built in. Here are the same values and gradients, bit for bit on the CPU: every operation on
//! `f32` and the order of them are those of an automatic differentiation of the built-in, which multiplies by the
//! upstream gradient first. Hence `SCALES_GRADIENTS`; a loss that need not care leaves it out.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

use fovea_abi::{BBox, Context, Error, Explanation, Gradient, Issue, Loss, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Square pixels below which the predicted box counts as empty: its loss is 1 without gradient.
const EMPTY_AREA: f64 = 1e-6;

/// Square pixels below which a squared diagonal counts as 0: the root has no derivative there.
const SHORTEST_DIAGONAL_SQUARED: f64 = 1e-12;

/// What the diagonal is measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiagonalUnit {
    /// Fraction of the picture's diagonal: 0 to 1.
    #[default]
    Fraction,
    /// Pixels of the network input.
    Pixels,
    /// Coordinates divided by width and height: 0 to sqrt 2.
    UnitSquare,
}

/// Configuration of [`Ria`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RiaConfig {
    /// Weight of the predicted box's diagonal.
    pub lambda: f64,
    /// What the diagonal is measured in.
    pub diagonal: DiagonalUnit,
}

impl Default for RiaConfig {
    fn default() -> Self {
        Self { lambda: 0.1, diagonal: DiagonalUnit::default() }
    }
}

/// The loss.
#[derive(Debug)]
pub struct Ria {
    config: RiaConfig,
}

impl Plugin for Ria {
    const NAME: &'static str = "ria-plugin";
    const SUMMARY: &'static str = "The RIA paper's loss from a plugin: modified-iou + lambda * diagonal.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = RiaConfig;

    fn check(config: &RiaConfig, _: &Path) -> Vec<Issue> {
        if config.lambda.is_finite() && config.lambda >= 0.0 {
            return Vec::new();
        }
        let message = format!("the weight of the penalty is 0 or more, not {}", config.lambda);
        vec![Issue::at("lambda", message).instead("0.1")]
    }

    fn new(config: RiaConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Loss for Ria {
    const SCALES_GRADIENTS: bool = true;

    fn evaluate(&mut self, e: &Explanation<'_>, gradient: Option<Gradient<'_>>) -> Result<f32, Error> {
        let mut gradients = [[0.0; 4]; 2];
        let mut loss = modified_iou(e.predicted, e.target, e.upstream, &mut gradients[0]);
        // As in the built-in, no penalty is not a penalty of zero times the diagonal.
        if self.config.lambda != 0.0 {
            let scale = scale(self.config.diagonal, e.height, e.width);
            let lambda = self.config.lambda as f32;
            loss += diagonal(e.predicted, scale, e.upstream * lambda, &mut gradients[1]) * lambda;
        }
        if let Some(gradient) = gradient {
            for (i, out) in gradient.predicted.iter_mut().enumerate() {
                // Plus zero, so that no zero is negative: the built-in adds up columns of zeros.
                *out = gradients[0][i] + gradients[1][i] + 0.0;
            }
        }
        Ok(loss)
    }
}

/// The larger of two edges, and how much of its gradient the first one gets: equal edges share it.
fn maximum(a: f32, b: f32) -> (f32, f32) {
    if a == b {
        ((a + b) * 0.5, 0.5)
    } else if a < b {
        (b, 0.0)
    } else {
        (a, 1.0)
    }
}

/// The smaller of two edges, likewise.
fn minimum(a: f32, b: f32) -> (f32, f32) {
    if a == b {
        ((a + b) * 0.5, 0.5)
    } else if a > b {
        (b, 0.0)
    } else {
        (a, 1.0)
    }
}

/// The length of a side, and the gradient through it: none where it is inverted.
fn side(low: f32, high: f32) -> (f32, f32) {
    let length = high - low;
    if length < 0.0 { (0.0, 0.0) } else { (length, 1.0) }
}

/// `1 - |inter| / |predicted|`, and the gradient in the edges of the predicted box.
fn modified_iou(p: BBox, t: BBox, upstream: f32, gradient: &mut [f32; 4]) -> f32 {
    let ((x1, to_x1), (y1, to_y1)) = (maximum(p.x1, t.x1), maximum(p.y1, t.y1));
    let ((x2, to_x2), (y2, to_y2)) = (minimum(p.x2, t.x2), minimum(p.y2, t.y2));
    let ((inter_w, open_iw), (inter_h, open_ih)) = (side(x1, x2), side(y1, y2));
    let ((w, open_w), (h, open_h)) = (side(p.x1, p.x2), side(p.y1, p.y2));
    let area = w * h;
    if area < EMPTY_AREA as f32 {
        return 1.0;
    }
    let inter = inter_w * inter_h;
    let to_ratio = -upstream;
    let to_inter = to_ratio * (1.0 / area);
    let to_area = to_ratio * (-inter / (area * area));

    let (to_iw, to_ih) = (to_inter * inter_h * open_iw, to_inter * inter_w * open_ih);
    let (to_w, to_h) = (to_area * h * open_w, to_area * w * open_h);
    // Each edge of the predicted box is an edge of the common part, and of the box itself.
    *gradient = [-to_iw * to_x1 - to_w, -to_ih * to_y1 - to_h, to_iw * to_x2 + to_w, to_ih * to_y2 + to_h];
    -(inter / area) + 1.0
}

/// By what to multiply width and height.
fn scale(unit: DiagonalUnit, height: usize, width: usize) -> (f64, f64) {
    let (h, w) = (height as f64, width as f64);
    match unit {
        DiagonalUnit::Pixels => (1.0, 1.0),
        DiagonalUnit::Fraction => (1.0 / h.hypot(w), 1.0 / h.hypot(w)),
        DiagonalUnit::UnitSquare => (1.0 / w, 1.0 / h),
    }
}

/// The diagonal of a box, and the gradient in its edges.
fn diagonal(b: BBox, (sx, sy): (f64, f64), upstream: f32, gradient: &mut [f32; 4]) -> f32 {
    let least = (SHORTEST_DIAGONAL_SQUARED * sx * sx) as f32;
    let (sx, sy) = (sx as f32, sy as f32);
    let ((w, open_w), (h, open_h)) = (side(b.x1, b.x2), side(b.y1, b.y2));
    let (w, h) = (w * sx, h * sy);
    let squared = w * w + h * h;
    if squared < least {
        return 0.0;
    }
    let to_squared = upstream * (squared.powf(-0.5) / 2.0);
    let along = |length: f32, scale: f32, open: f32| {
        let half = to_squared * length;
        (half + half) * scale * open
    };
    let (to_w, to_h) = (along(w, sx, open_w), along(h, sy, open_h));
    *gradient = [-to_w, -to_h, to_w, to_h];
    squared.sqrt()
}

fovea_abi::plugins! { loss Ria }

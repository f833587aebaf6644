//! The losses as functions of tensors, one number per picture (method.md section 4).
//!
//! All keep the dtype of their inputs. All are finite with finite gradients for any finite boxes: an inverted side
//! has length 0, and what would be 0/0 is a constant without gradient, in place of torchvision's epsilon in every
//! denominator, which moves a value by less than 1e-10. Where the maximum of two edges has a kink
//! (equal edges, common with hard boxes at the border of the picture) both get half of the gradient, as in PyTorch;
//! Burn's own `max_pair` would give all of it to one, which moves a box that is already right.

use burn::tensor::{DType, Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Below this `1 - IoU + v` is rounding error of a perfect match, and the aspect ratio's weight in `ciou` is 0.
const PERFECT: f64 = 1e-7;

/// Square pixels below which a predicted box counts as empty in a ratio to its area.
const EMPTY_AREA: f64 = 1e-6;

/// Pixels below which a side counts as this long in an aspect ratio.
const SHORTEST_SIDE: f64 = 1e-3;

/// Square pixels below which a squared diagonal is this constant, since the root has no derivative at 0.
const SHORTEST_DIAGONAL_SQUARED: f64 = 1e-12;

/// A sum of heatmap values below which the heatmap counts as zero.
const EMPTY_MASS: f64 = 1e-12;

/// What the diagonal of the predicted box is measured in.
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

/// Edges of N boxes, each `[N]`, with sides that are never negative.
struct Edges {
    x1: Tensor<1>,
    y1: Tensor<1>,
    x2: Tensor<1>,
    y2: Tensor<1>,
}

impl Edges {
    fn of(boxes: Tensor<2>) -> Self {
        let [x1, y1, x2, y2] = columns(boxes).map(|c| c.squeeze_dim::<1>(1));
        Self { x1, y1, x2, y2 }
    }

    fn width(&self) -> Tensor<1> {
        (self.x2.clone() - self.x1.clone()).clamp_min(0.0)
    }

    fn height(&self) -> Tensor<1> {
        (self.y2.clone() - self.y1.clone()).clamp_min(0.0)
    }

    fn area(&self) -> Tensor<1> {
        self.width() * self.height()
    }

    fn intersection(&self, other: &Self) -> Self {
        Self {
            x1: maximum(&self.x1, &other.x1),
            y1: maximum(&self.y1, &other.y1),
            x2: minimum(&self.x2, &other.x2),
            y2: minimum(&self.y2, &other.y2),
        }
    }

    /// The smallest box around both.
    fn enclosing(&self, other: &Self) -> Self {
        Self {
            x1: minimum(&self.x1, &other.x1),
            y1: minimum(&self.y1, &other.y1),
            x2: maximum(&self.x2, &other.x2),
            y2: maximum(&self.y2, &other.y2),
        }
    }
}

/// The columns of `[N, 4]`, each `[N, 1]`.
fn columns(boxes: Tensor<2>) -> [Tensor<2>; 4] {
    let column = |boxes: Tensor<2>, i: usize| boxes.narrow(1, i, 1);
    [column(boxes.clone(), 0), column(boxes.clone(), 1), column(boxes.clone(), 2), column(boxes, 3)]
}

/// Elementwise maximum; equal elements share the gradient.
fn maximum(a: &Tensor<1>, b: &Tensor<1>) -> Tensor<1> {
    let mean = (a.clone() + b.clone()).mul_scalar(0.5);
    a.clone().max_pair(b.clone()).mask_where(a.clone().equal(b.clone()), mean)
}

/// Elementwise minimum; equal elements share the gradient.
fn minimum(a: &Tensor<1>, b: &Tensor<1>) -> Tensor<1> {
    let mean = (a.clone() + b.clone()).mul_scalar(0.5);
    a.clone().min_pair(b.clone()).mask_where(a.clone().equal(b.clone()), mean)
}

/// Areas of intersection and union.
fn overlap(pred: &Edges, target: &Edges) -> (Tensor<1>, Tensor<1>) {
    let inter = pred.intersection(target).area();
    let union = pred.area() + target.area() - inter.clone();
    (inter, union)
}

/// `numerator / denominator`; 0 without gradient where the denominator is below `least`.
fn ratio(numerator: Tensor<1>, denominator: Tensor<1>, least: f64) -> Tensor<1> {
    let empty = denominator.clone().lower_elem(least);
    numerator.mask_fill(empty.clone(), 0.0) / denominator.mask_fill(empty, 1.0)
}

/// `1 - IoU` (Eq. 4-5).
///
/// # Shapes
/// - `pred`, `target`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N]`, 0 to 1.
#[must_use]
pub fn iou(pred: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let (inter, union) = overlap(&Edges::of(pred), &Edges::of(target));
    ratio(inter, union, EMPTY_AREA).neg().add_scalar(1.0)
}

/// `1 - |B_gc and B_od| / |B_gc|` (Eq. 6): the part of the predicted box that is off the target. Without the diagonal
/// penalty a large and a small box inside the target are equally good. An empty predicted box has loss 1.
///
/// # Shapes
/// - `pred`, `target`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N]`, 0 to 1.
#[must_use]
pub fn modified_iou(pred: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let (pred, target) = (Edges::of(pred), Edges::of(target));
    let inter = pred.intersection(&target).area();
    ratio(inter, pred.area(), EMPTY_AREA).neg().add_scalar(1.0)
}

/// Generalised IoU loss (Rezatofighi et al. 2019), as `torchvision.ops.generalized_box_iou_loss`.
///
/// # Shapes
/// - `pred`, `target`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N]`, 0 to 2.
#[must_use]
pub fn giou(pred: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let (pred, target) = (Edges::of(pred), Edges::of(target));
    let (inter, union) = overlap(&pred, &target);
    let hull = pred.enclosing(&target).area();
    let iou = ratio(inter, union.clone(), EMPTY_AREA);
    let waste = ratio(hull.clone() - union, hull, EMPTY_AREA);
    (iou - waste).neg().add_scalar(1.0)
}

/// Distance IoU loss (Zheng et al. 2020), as `torchvision.ops.distance_box_iou_loss`.
///
/// # Shapes
/// - `pred`, `target`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N]`, 0 to 2.
#[must_use]
pub fn diou(pred: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    distance(&Edges::of(pred), &Edges::of(target)).0
}

/// Complete IoU loss (Zheng et al. 2020), as `torchvision.ops.complete_box_iou_loss`: distance IoU with a penalty on
/// the aspect ratio, whose weight is a constant of the backward pass.
///
/// # Shapes
/// - `pred`, `target`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N]`.
#[must_use]
pub fn ciou(pred: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let (pred, target) = (Edges::of(pred), Edges::of(target));
    let (loss, iou) = distance(&pred, &target);
    let angle = |b: &Edges| (b.width().clamp_min(SHORTEST_SIDE) / b.height().clamp_min(SHORTEST_SIDE)).atan();
    let v = (angle(&target) - angle(&pred)).square().mul_scalar(4.0 / std::f64::consts::PI.powi(2));
    let constant = v.clone().detach();
    let weight = ratio(constant.clone(), (constant - iou.detach()).add_scalar(1.0), PERFECT);
    loss + weight * v
}

/// The distance IoU loss and the IoU in it.
fn distance(pred: &Edges, target: &Edges) -> (Tensor<1>, Tensor<1>) {
    let (inter, union) = overlap(pred, target);
    let iou = ratio(inter, union, EMPTY_AREA);
    let hull = pred.enclosing(target);
    let hull_diagonal = (hull.x2 - hull.x1).square() + (hull.y2 - hull.y1).square();
    let across = |a1: &Tensor<1>, a2: &Tensor<1>, b1: &Tensor<1>, b2: &Tensor<1>| {
        (a1.clone() + a2.clone() - b1.clone() - b2.clone()).mul_scalar(0.5).square()
    };
    let centres = across(&pred.x1, &pred.x2, &target.x1, &target.x2)
        + across(&pred.y1, &pred.y2, &target.y1, &target.y2);
    let loss = iou.clone().neg().add_scalar(1.0) + ratio(centres, hull_diagonal, EMPTY_AREA);
    (loss, iou)
}

/// Diagonal of boxes (Eq. 7); no gradient where it is 0, and none from an inverted side.
///
/// # Shapes
/// - `boxes`: `[N, 4]`, x1, y1, x2, y2 in pixels of a picture of `height` x `width`.
/// - output: `[N]`, in `unit`.
#[must_use]
pub fn diagonal(boxes: Tensor<2>, unit: DiagonalUnit, height: usize, width: usize) -> Tensor<1> {
    let (h, w) = (height as f64, width as f64);
    let (sx, sy) = match unit {
        DiagonalUnit::Pixels => (1.0, 1.0),
        DiagonalUnit::Fraction => (1.0 / h.hypot(w), 1.0 / h.hypot(w)),
        DiagonalUnit::UnitSquare => (1.0 / w, 1.0 / h),
    };
    let edges = Edges::of(boxes);
    let squared = edges.width().mul_scalar(sx).square() + edges.height().mul_scalar(sy).square();
    let zero = squared.clone().lower_elem(SHORTEST_DIAGONAL_SQUARED * sx * sx);
    squared.mask_fill(zero.clone(), 1.0).sqrt().mask_fill(zero, 0.0)
}

/// Which pixels belong to boxes: those whose centre (`x + 0.5`, `y + 0.5`) lies inside, the left and the top edge
/// included. For boxes with whole edges this is the half-open box.
///
/// # Shapes
/// - `boxes`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N, height, width]` in {0, 1}, of the dtype of `boxes`.
#[must_use]
pub fn inside(boxes: Tensor<2>, height: usize, width: usize) -> Tensor<3> {
    let (device, dtype) = (boxes.device(), boxes.dtype());
    let [x1, y1, x2, y2] = columns(boxes).map(|c| c.unsqueeze_dim::<3>(2));
    let columns = centres(width, &device, dtype).reshape([1, 1, width]);
    let rows = centres(height, &device, dtype).reshape([1, height, 1]);
    let within = |at: Tensor<3>, low: Tensor<3>, high: Tensor<3>| {
        let n = low.dims()[0];
        let [_, h, w] = at.dims();
        let at = at.expand([n, h, w]);
        let above = at.clone().greater_equal(low.expand([n, h, w]));
        above.bool_and(at.lower(high.expand([n, h, w]))).float().cast(dtype)
    };
    within(columns, x1, x2) * within(rows, y1, y2)
}

/// Coordinates of pixel centres: `[size]`.
fn centres(size: usize, device: &Device, dtype: DType) -> Tensor<1> {
    let values: Vec<f64> = (0..size).map(|i| i as f64 + 0.5).collect();
    Tensor::from_data(values.as_slice(), (device, dtype))
}

/// `1 - sum_{B_od} G / sum G`: the part of the heatmap's mass that is off the target; 1 without gradient for a zero
/// heatmap.
///
/// # Shapes
/// - `heatmaps`: `[N, H, W]`, not negative.
/// - `target`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N]`, 0 to 1.
#[must_use]
pub fn energy(heatmaps: Tensor<3>, target: Tensor<2>) -> Tensor<1> {
    let [_, height, width] = heatmaps.dims();
    let inside = inside(target, height, width);
    let within = (heatmaps.clone() * inside).sum_dims_squeeze::<1, usize>(&[1, 2]);
    let all = heatmaps.sum_dims_squeeze::<1, usize>(&[1, 2]);
    ratio(within, all, EMPTY_MASS).neg().add_scalar(1.0)
}

/// Mean of G^2 over the pixels outside the target: right for the right reasons, on the CAM. 0 where the target covers
/// the picture.
///
/// # Shapes
/// - `heatmaps`: `[N, H, W]`.
/// - `target`: `[N, 4]`, x1, y1, x2, y2 in pixels.
/// - output: `[N]`.
#[must_use]
pub fn outside(heatmaps: Tensor<3>, target: Tensor<2>) -> Tensor<1> {
    let [_, height, width] = heatmaps.dims();
    let outside = inside(target, height, width).neg().add_scalar(1.0);
    let count = outside.clone().sum_dims_squeeze::<1, usize>(&[1, 2]).clamp_min(1.0);
    (heatmaps.square() * outside).sum_dims_squeeze::<1, usize>(&[1, 2]) / count
}

#[cfg(test)]
#[path = "functions_tests.rs"]
mod tests;

//! The soft box: the expected tight box of a random mask (method.md section 3). The main function is [`soft_boxes`].
//!
//! Pixel i is in the mask with probability `q_i = sigmoid(z_i)`, `z_i = (G_i - T) / tau`, and column x is occupied
//! with probability `c_x = max_y q`. The left edge is the expected first occupied column,
//! `x1 = sum_x x c_x prod_{x'<x} (1 - c_x')`, and the leftover mass `prod_x (1 - c_x)` goes to the far border W.
//! A non-negative integer X has `E[X] = sum_{k>=0} P(X > k)`, and the first occupied column is after k when none up to
//! k is, so `x1 = sum_{k<W} prod_{x'<=k} (1 - c_x')`, leftover included. With `log(1 - c_x) = -softplus(max_y z)` that
//! is a product with a constant triangular matrix and an exponential: no cumulative product, no division, nothing
//! that underflows to 0/0 in the backward pass.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Bool, DType, Device, Tensor, TensorData};

/// z of pixels that take no part: far below any other, with `exp(z) = 0`.
const NEVER: f64 = -1e4;

/// Expected tight boxes. A picture without any pixel to take part in it gets the inverted box W, H, 0, 0.
///
/// # Shapes
/// - `heatmaps`: `[N, H, W]`.
/// - `excluded`: `[N, H, W]`, true for pixels that take no part: they get no gradient.
/// - output: `[N, 4]`, x1, y1, x2, y2 in pixels.
#[must_use]
pub fn soft_boxes(heatmaps: Tensor<3>, excluded: Tensor<3, Bool>, threshold: f64, tau: f64) -> Tensor<2> {
    let z = heatmaps.sub_scalar(threshold).div_scalar(tau).mask_fill(excluded, NEVER);
    let columns = log_sigmoid(z.clone().max_dim(1).squeeze_dim::<2>(1).neg());
    let rows = log_sigmoid(z.max_dim(2).squeeze_dim::<2>(2).neg());
    let (x1, x2) = ends(columns);
    let (y1, y2) = ends(rows);
    Tensor::cat(vec![x1, y1, x2, y2], 1)
}

/// Expected first and past-the-last occupied index, `[N, 1]` each, from `log(1 - c)`, `[N, L]`.
fn ends(log_vacant: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let [_, length] = log_vacant.dims();
    let upper = triangle(length, &log_vacant.device(), log_vacant.dtype());
    let first = log_vacant.clone().matmul(upper.clone()).exp().sum_dim(1);
    let from_end = log_vacant.matmul(upper.transpose()).exp().sum_dim(1);
    (first, from_end.neg().add_scalar(length as f64))
}

/// Ones on and above the diagonal: `[length, length]`.
fn triangle(length: usize, device: &Device, dtype: DType) -> Tensor<2> {
    let values = (0..length * length).map(|i| if i / length <= i % length { 1.0f32 } else { 0.0 }).collect();
    Tensor::from_data(TensorData::new::<f32, _>(values, [length, length]), (device, dtype))
}

#[cfg(test)]
#[path = "soft_tests.rs"]
mod tests;

//! The box with the first two moments of a heatmap's mass (method.md section 3). The main function is
//! [`moment_boxes`].

use burn::tensor::{DType, Device, Tensor};

/// A sum of heatmap values below which the heatmap counts as zero.
const EMPTY_MASS: f64 = 1e-12;

/// Variance of mass that is spread evenly over a pixel, square pixels.
const WITHIN_PIXEL: f64 = 1.0 / 12.0;

/// Centre of mass +- sqrt(3) * standard deviation, along both axes: the edges of the uniform distribution with the
/// same moments.
///
/// The mass of a pixel is spread evenly over its square, so that the variance is that of the centres plus 1/12. With
/// that the box of an evenly filled rectangle is that rectangle, the box of a single pixel is that pixel, and the
/// root's argument is never 0, where it has no derivative. A heatmap without mass gets a constant box and no gradient.
/// The box may exceed the picture.
///
/// # Shapes
/// - `heatmaps`: `[N, H, W]`, not negative.
/// - output: `[N, 4]`, x1, y1, x2, y2 in pixels.
#[must_use]
pub fn moment_boxes(heatmaps: Tensor<3>) -> Tensor<2> {
    let columns = heatmaps.clone().sum_dim(1).squeeze_dim::<2>(1);
    let rows = heatmaps.sum_dim(2).squeeze_dim::<2>(2);
    let (x1, x2) = edges(columns);
    let (y1, y2) = edges(rows);
    Tensor::cat(vec![x1, y1, x2, y2], 1)
}

/// Lower and upper edge, `[N, 1]` each, of mass `[N, L]` along an axis.
fn edges(mass: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let [n, length] = mass.dims();
    let at = centres(length, &mass.device(), mass.dtype());
    let total = mass.clone().sum_dim(1);
    let empty = total.clone().lower_elem(EMPTY_MASS);
    let mass = mass.mask_fill(empty.clone().expand([n, length]), 0.0);
    let part = mass / total.mask_fill(empty, 1.0);
    let centre = (part.clone() * at.clone()).sum_dim(1);
    let variance = (part * (at - centre.clone()).square()).sum_dim(1).add_scalar(WITHIN_PIXEL);
    let half = variance.mul_scalar(3.0).sqrt();
    (centre.clone() - half.clone(), centre + half)
}

/// Coordinates of pixel centres: `[1, length]`.
fn centres(length: usize, device: &Device, dtype: DType) -> Tensor<2> {
    let values: Vec<f32> = (0..length).map(|i| i as f32 + 0.5).collect();
    Tensor::<1>::from_data(values.as_slice(), (device, dtype)).reshape([1, length])
}

#[cfg(test)]
#[path = "moments_tests.rs"]
mod tests;

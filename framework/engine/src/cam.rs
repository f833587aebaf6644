//! Grad-CAM heatmaps inside the forward graph (method.md section 2). The main type is [`HeatmapMaker`].
//!
//! Boxes are found on heatmaps of the network input's size, 224x224, not on the CAMs of 7x7 or 14x14 that they are
//! interpolated from. The small map does not tell the same box. A cell between four CAM values of which some exceed the
//! threshold is cut by a hyperbola: where it runs decides where a box ends, and, where diagonal corners exceed it,
//! whether two parts are one component. The threshold is a part of the largest *interpolated* value, which is below the
//! largest value of the small map unless a pixel's centre falls on it. And what is compared are rounded numbers: for
//! equal bits every pixel of such a cell needs the very sums of the upsampling. Cells whose corners are all above or all
//! below by more than the rounding could be decided at once, which saves some labelling on the host and none of the
//! transfer. To transfer CAMs, and upsample them on the host once more, would give the device's boxes only if its sums
//! had the host's bits; on a GPU, where kernels are chosen by timing and may multiply in tf32, nothing assures that.

use crate::objective::host_floats;
use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu};
use fovea_api::{DynClassifier, Mode};
use fovea_plan::Normalisation;

/// Class activation maps, Eq. 2: `relu(sum_k alpha_k A_k)`.
///
/// # Shapes
/// - `features`: `[N, K, h, w]`
/// - `alpha`: `[N, K]`
/// - output: `[N, h, w]`
#[must_use]
pub fn class_activation(features: Tensor<4>, alpha: Tensor<2>) -> Tensor<3> {
    let [n, k, h, w] = features.dims();
    let weighted = alpha.reshape([n, 1, k]).matmul(features.reshape([n, k, h * w]));
    relu(weighted.reshape([n, h, w]))
}

/// What a network says of a batch in evaluation mode, and the CAMs of the classes it predicts.
pub struct PredictedCams {
    /// Logits on the host, a row a picture.
    pub logits: Vec<Vec<f32>>,
    /// Grad-CAM weights: `[N, K]`.
    pub alpha: Tensor<2>,
    /// Activation maps: `[N, h, w]`.
    pub cams: Tensor<3>,
}

impl PredictedCams {
    /// One forward pass.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`
    #[must_use]
    pub fn new(model: &dyn DynClassifier, images: Tensor<4>) -> Self {
        let pass = model.forward(images, Mode::Eval);
        let [n, classes] = pass.logits.dims();
        let logits = host_floats(&pass.logits).chunks_exact(classes).map(<[f32]>::to_vec).collect();
        let class: Tensor<1, Int> = pass.logits.argmax(1).reshape([n]);
        let alpha = pass.head.cam_weights(class);
        Self { logits, cams: class_activation(pass.features, alpha.clone()), alpha }
    }

    /// Heatmaps for a network input of `to` = (H, W): upsampled, then normalised by their maxima, `[N, H, W]`.
    #[must_use]
    pub fn heatmaps(&self, to: (usize, usize)) -> Tensor<3> {
        let [_, h, w] = self.cams.dims();
        let maker = HeatmapMaker::new((h, w), to, Normalisation::Max, &self.cams.device());
        maker.heatmaps(self.cams.clone())
    }
}

/// Weights of bilinear interpolation with half-pixel centres (`align_corners = False`), `[to, from]`, row-major.
///
/// Output pixel `i` lies at `(i + 0.5) * from / to - 0.5`, clamped at the low end; its two neighbours share the weight.
#[must_use]
pub fn interpolation_matrix(from: usize, to: usize) -> Vec<f32> {
    let mut weights = vec![0.0; from * to];
    let scale = from as f64 / to as f64;
    for i in 0..to {
        let x = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
        let low = (x as usize).min(from - 1);
        let high = (low + 1).min(from - 1);
        let share = x - low as f64;
        weights[i * from + low] += (1.0 - share) as f32;
        weights[i * from + high] += share as f32;
    }
    weights
}

/// Upsamples and normalises CAMs of one size to the size of the network input.
///
/// Upsampling is `R_h * cam * R_w^T` with constant matrices: it is exact, differentiable on every backend (Burn's own
/// bilinear backward panics on CUDA), and cheap.
#[derive(Clone, Debug)]
pub struct HeatmapMaker {
    /// `[h, H]`, transposed.
    rows: Tensor<2>,
    /// `[w, W]`, transposed.
    columns: Tensor<2>,
    normalisation: Normalisation,
}

impl HeatmapMaker {
    /// A maker for CAMs of `from` = (h, w) to heatmaps of `to` = (H, W).
    #[must_use]
    pub fn new(
        from: (usize, usize),
        to: (usize, usize),
        normalisation: Normalisation,
        device: &Device,
    ) -> Self {
        let matrix = |from: usize, to: usize| {
            let data = TensorData::new(interpolation_matrix(from, to), [to, from]);
            Tensor::<2>::from_data(data, device).transpose()
        };
        Self { rows: matrix(from.0, to.0), columns: matrix(from.1, to.1), normalisation }
    }

    /// Upsampled CAMs, not normalised.
    ///
    /// # Shapes
    /// - `cams`: `[N, h, w]`
    /// - output: `[N, H, W]`
    #[must_use]
    pub fn upsample(&self, cams: Tensor<3>) -> Tensor<3> {
        let [n, h, w] = cams.dims();
        let [_, to_w] = self.columns.dims();
        let [_, to_h] = self.rows.dims();
        let wide = cams.reshape([n * h, w]).matmul(self.columns.clone()).reshape([n, h, to_w]);
        let turned = wide.swap_dims(1, 2).reshape([n * to_w, h]);
        turned.matmul(self.rows.clone()).reshape([n, to_w, to_h]).swap_dims(1, 2)
    }

    /// Heatmaps: upsampled, then normalised per picture. A zero CAM stays zero, with finite gradients.
    ///
    /// # Shapes
    /// - `cams`: `[N, h, w]`
    /// - output: `[N, H, W]`
    #[must_use]
    pub fn heatmaps(&self, cams: Tensor<3>) -> Tensor<3> {
        normalise(self.upsample(cams), self.normalisation)
    }
}

/// Normalises non-negative maps per picture.
///
/// # Shapes
/// - `maps` and output: `[N, H, W]`
#[must_use]
pub fn normalise(maps: Tensor<3>, how: Normalisation) -> Tensor<3> {
    let [n, h, w] = maps.dims();
    let flat = maps.reshape([n, h * w]);
    // Dividing by 1 instead of 0 keeps an all-zero map at zero and its gradient finite.
    let safe = |divisor: Tensor<2>| {
        let zero = divisor.clone().lower_equal_elem(0.0);
        divisor.mask_fill(zero, 1.0)
    };
    let flat = match how {
        Normalisation::Max => flat.clone() / safe(flat.max_dim(1)),
        Normalisation::Minmax => {
            let low = flat.clone().min_dim(1);
            let range = flat.clone().max_dim(1) - low.clone();
            (flat - low) / safe(range)
        }
        Normalisation::Sum => flat.clone() / safe(flat.sum_dim(1)),
        Normalisation::None => flat,
    };
    flat.reshape([n, h, w])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_agrees_with_a_hand_computed_case() {
        // 2 -> 4: positions -0.25 (clamped to 0), 0.25, 0.75, 1.25 (clamped by the last pixel).
        let m = interpolation_matrix(2, 4);
        assert_eq!(m, [1.0, 0.0, 0.75, 0.25, 0.25, 0.75, 0.0, 1.0]);
        assert_eq!(interpolation_matrix(3, 3), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn normalisations_of_a_map_and_of_zeros() {
        let device = Device::flex();
        let maps = Tensor::<3>::from_data([[[1.0f32, 3.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]], &device);
        let values = |how| normalise(maps.clone(), how).try_into_vec_as::<f32>().unwrap();
        assert_eq!(values(Normalisation::Max), [0.25, 0.75, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(values(Normalisation::Sum), [0.1, 0.3, 0.2, 0.4, 0.0, 0.0, 0.0, 0.0]);
        let minmax = values(Normalisation::Minmax);
        assert!((minmax[1] - 2.0 / 3.0).abs() < 1e-6 && minmax[0] == 0.0 && minmax[3] == 1.0);
        assert_eq!(values(Normalisation::None)[3], 4.0);
    }

    #[test]
    fn a_zero_cam_has_finite_gradients() {
        let device = Device::flex().autodiff();
        let features = Tensor::<4>::zeros([1, 2, 2, 2], &device).require_grad();
        let alpha = Tensor::<2>::ones([1, 2], &device).require_grad();
        let maker = HeatmapMaker::new((2, 2), (4, 4), Normalisation::Max, &device);
        let maps = maker.heatmaps(class_activation(features.clone(), alpha.clone()));
        let grads = maps.sum().backward();
        for value in features.grad(&grads).unwrap().try_into_vec_as::<f32>().unwrap() {
            assert!(value.is_finite());
        }
    }
}

//! The training objective `L = alpha L_CE + beta L_expl` (Eq. 9). The main type is [`Objective`].

use crate::cam::{HeatmapMaker, class_activation};
use crate::data::loader::Batch;
use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};
use fovea_api::{BoxExtractor, Boxes, CamForward, Explanation, ExplanationLoss, LossInputs, PluginError};
use fovea_plan::{CamConfig, TargetClass, ZeroCam};

/// ImageNet's channel means.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations.
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Network input from pictures in 0..=1: normalised by ImageNet's statistics if asked for.
///
/// # Shapes
/// - `images` and output: `[N, 3, H, W]`
#[must_use]
pub fn network_input(images: Tensor<4>, normalize: bool) -> Tensor<4> {
    if !normalize {
        return images;
    }
    let device = images.device();
    let channels = |v: [f32; 3]| Tensor::<1>::from_data(v, &device).reshape([1, 3, 1, 1]);
    (images - channels(MEAN)) / channels(STD)
}

/// Labels as a tensor, `[N]`.
#[must_use]
pub fn label_tensor(labels: &[usize], device: &Device) -> Tensor<1, Int> {
    let labels: Vec<i32> = labels.iter().map(|&l| i32::try_from(l).unwrap_or(i32::MAX)).collect();
    let n = labels.len();
    Tensor::from_data(TensorData::new(labels, [n]), device)
}

/// Mean cross-entropy.
///
/// # Shapes
/// - `logits`: `[N, classes]`, `labels`: `[N]`, output: `[1]`
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [n, _] = logits.dims();
    log_softmax(logits, 1).gather(1, labels.reshape([n, 1])).mean().neg()
}

/// The explanation part of the objective, with what it needs.
pub struct Objective<'a> {
    /// The loss.
    pub loss: &'a dyn ExplanationLoss,
    /// Heatmap to box, used when the loss asks for boxes.
    pub extractor: &'a dyn BoxExtractor,
    /// Switches of the CAM.
    pub cam: &'a CamConfig,
    /// Side of the network input.
    pub size: usize,
}

/// The explanation loss of a batch.
pub struct ExplanationTerm {
    /// Mean over valid pictures, `[1]`; `None` when no picture is valid.
    pub mean: Option<Tensor<1>>,
    /// Pictures with a target box and a non-zero CAM.
    pub valid: usize,
}

impl Objective<'_> {
    /// The explanation loss of a forward pass.
    ///
    /// # Errors
    /// When a plugin fails.
    pub fn explanation(&self, pass: CamForward, batch: &Batch) -> Result<ExplanationTerm, PluginError> {
        let device = pass.features.device();
        let n = batch.labels.len();
        let predicted = pass.logits.clone().detach().argmax(1).reshape([n]);
        let mut wanted: Vec<bool> = batch.targets.iter().map(Option::is_some).collect();
        let class = match self.cam.target_class {
            TargetClass::Predicted => predicted.clone(),
            TargetClass::GroundTruth | TargetClass::GroundTruthIfCorrect => {
                label_tensor(&batch.labels, &device)
            }
        };
        let alpha = pass.head.cam_weights(class);
        let alpha = if self.cam.detach_alpha { alpha.detach() } else { alpha };
        let cams = class_activation(pass.features, alpha);
        let [_, h, w] = cams.dims();
        let maker = HeatmapMaker::new((h, w), (self.size, self.size), self.cam.normalise, &device);
        let heatmaps = maker.heatmaps(cams.clone());
        let (boxes, valid) = match self.loss.inputs() {
            LossInputs::Nothing => return Ok(ExplanationTerm { mean: None, valid: 0 }),
            LossInputs::Heatmaps => {
                let peaks = host_floats(&cams.detach().reshape([n, h * w]).max_dim(1));
                (None, peaks.into_iter().map(|v| v > 0.0).collect())
            }
            LossInputs::Boxes => {
                let boxes = self.extractor.extract(heatmaps.clone())?;
                let boxes = match self.cam.zero_cam {
                    ZeroCam::Skip => boxes,
                    ZeroCam::FullBox => with_full_boxes(boxes, self.size, &device),
                };
                let valid: Vec<bool> = boxes.valid.clone();
                (Some(boxes), valid)
            }
        };
        if self.cam.target_class == TargetClass::GroundTruthIfCorrect {
            // Known to the device before the heatmaps, which were waited for.
            let labels = wanted.iter_mut().zip(&batch.labels);
            for ((wanted, label), class) in labels.zip(host_ints(&predicted)) {
                *wanted &= class == *label as i64;
            }
        }
        let valid: Vec<bool> = valid.iter().zip(&wanted).map(|(a, b)| *a && *b).collect();
        let count = valid.iter().filter(|v| **v).count();
        if count == 0 {
            return Ok(ExplanationTerm { mean: None, valid: 0 });
        }
        let targets: Vec<f32> =
            batch.targets.iter().flat_map(|t| t.map_or([0.0; 4], |b| b.to_array())).collect();
        let explanation = Explanation {
            heatmaps,
            boxes,
            targets: Tensor::from_data(TensorData::new(targets, [n, 4]), &device),
            masks: batch
                .masks
                .as_ref()
                .map(|m| Tensor::from_data(TensorData::new(m.clone(), [n, self.size, self.size]), &device)),
            valid: valid.clone(),
        };
        let per_picture = self.loss.loss(&explanation)?;
        let weights: Vec<f32> = valid.iter().map(|&v| f32::from(v) / count as f32).collect();
        let weights = Tensor::<1>::from_data(TensorData::new(weights, [n]), &device);
        Ok(ExplanationTerm { mean: Some((per_picture * weights).sum()), valid: count })
    }
}

/// Gives the whole picture as a constant box to pictures without one (`zero_cam = "full-box"`).
fn with_full_boxes(boxes: Boxes, size: usize, device: &Device) -> Boxes {
    let n = boxes.valid.len();
    if boxes.valid.iter().all(|v| *v) {
        return boxes;
    }
    let side = size as f32;
    let full: Vec<f32> = (0..n).flat_map(|_| [0.0, 0.0, side, side]).collect();
    let full = Tensor::<2>::from_data(TensorData::new(full, [n, 4]), device);
    let missing: Vec<bool> = boxes.valid.iter().flat_map(|v| [!v; 4]).collect();
    let missing = Tensor::from_data(TensorData::new(missing, [n, 4]), device);
    Boxes {
        hard: boxes.hard.mask_where(Tensor::clone(&missing), full.clone()),
        differentiable: boxes.differentiable.mask_where(missing, full),
        valid: vec![true; n],
    }
}

/// Values of a tensor on the host.
pub(crate) fn host_floats<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    let data = tensor.to_data();
    match data.as_slice::<f32>() {
        Ok(values) => values.to_vec(),
        Err(_) => data.iter::<f32>().collect(),
    }
}

/// Values of an integer tensor on the host.
pub(crate) fn host_ints<const D: usize>(tensor: &Tensor<D, Int>) -> Vec<i64> {
    tensor.to_data().iter::<i64>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_of_known_logits() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[0.0f32, 0.0], [2.0, 0.0]], &device);
        let labels = label_tensor(&[0, 1], &device);
        let expected = (2f64.ln() + (1.0 + 2f64.exp()).ln()) / 2.0;
        let found: f32 = cross_entropy(logits, labels).into_scalar();
        assert!((f64::from(found) - expected).abs() < 1e-6);
    }

    #[test]
    fn normalised_input_is_torchvisions() {
        let device = Device::flex();
        let images = Tensor::<4>::ones([1, 3, 1, 1], &device).mul_scalar(0.5);
        let found = host_floats(&network_input(images, true));
        for (c, value) in found.iter().enumerate() {
            assert!((value - (0.5 - MEAN[c]) / STD[c]).abs() < 1e-6);
        }
    }
}

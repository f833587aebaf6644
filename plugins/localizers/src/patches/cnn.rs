//! Features of the last stage of a ResNet or a VGG, as LOST takes them (method.md section 5).

use super::{Grid, PatchBatch, PatchFeatures, pixels};
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::{DynClassifier, Mode, PluginError, RgbImage};
use std::sync::Mutex;

/// Pictures are padded to a multiple of this, as LOST's code does with every network.
const PADDING: usize = 16;
/// Epsilon of the normalisation (PyTorch's default).
const EPSILON: f64 = 1e-5;

/// A classifier whose CAM layer gives the descriptors.
pub(crate) struct ConvFeatures {
    pub(crate) network: Mutex<Box<dyn DynClassifier>>,
    pub(crate) device: Device,
}

impl PatchFeatures for ConvFeatures {
    fn device(&self) -> &Device {
        &self.device
    }

    fn padded(&self, height: usize, width: usize) -> [usize; 2] {
        [pixels::round_up(height, PADDING), pixels::round_up(width, PADDING)]
    }

    fn extract(&self, images: &[&RgbImage]) -> Result<PatchBatch, PluginError> {
        let size = images.first().map_or([0, 0], |image| self.padded(image.height, image.width));
        let [height, width] = size;
        let values = pixels::planes(images, size);
        let input = TensorData::new(values, [images.len(), 3, height, width]);
        // The lock is not held during the pass: a thread that waits within it may begin another batch and lock again.
        let network =
            self.network.lock().unwrap_or_else(std::sync::PoisonError::into_inner).evaluation_copy();
        let map = network.forward(Tensor::from_data(input, &self.device), Mode::Eval).features;
        let [n, d, rows, cols] = map.dims();
        let patch = [height as f32 / rows as f32, width as f32 / cols as f32];
        Ok(PatchBatch {
            grid: Grid { rows, cols, patch },
            features: whiten(map.reshape([n, d, rows * cols])).swap_dims(1, 2),
            class_query: None,
        })
    }
}

/// Layer normalisation without affine over the whole map of each picture.
fn whiten(map: Tensor<3>) -> Tensor<3> {
    let [n, d, patches] = map.dims();
    let flat = map.reshape([n, d * patches]);
    let (variance, mean) = flat.clone().var_mean_bias(1);
    ((flat - mean) / (variance + EPSILON).sqrt()).reshape([n, d, patches])
}

//! A descriptor of patches without weights: colour and gradient orientation.
//!
//! It is no match for a network, but LOST's idea carries over: what most patches share is background, and the patch
//! that shares least with the others is the object's.

use super::{Grid, PatchBatch, PatchFeatures};
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::{PluginError, RgbImage};
use rayon::prelude::*;

/// Bins of gradient orientation over half a turn.
const BINS: usize = 8;
/// Numbers of a descriptor: mean and standard deviation of three colour channels, and the orientations.
const NUMBERS: usize = 6 + BINS;

/// Statistics of square patches of this side; those at the right and the bottom may be smaller.
pub(crate) struct PatchStats {
    pub(crate) patch: usize,
    pub(crate) device: Device,
}

impl PatchFeatures for PatchStats {
    fn device(&self) -> &Device {
        &self.device
    }

    fn padded(&self, height: usize, width: usize) -> [usize; 2] {
        [height.div_ceil(self.patch) * self.patch, width.div_ceil(self.patch) * self.patch]
    }

    fn extract(&self, images: &[&RgbImage]) -> Result<PatchBatch, PluginError> {
        let size = images.first().map_or([0, 0], |image| self.padded(image.height, image.width));
        let [rows, cols] = size.map(|length| length / self.patch);
        let values: Vec<f32> =
            images.par_iter().flat_map_iter(|image| describe(image, self.patch, rows, cols)).collect();
        let shape = [images.len(), rows * cols, NUMBERS];
        Ok(PatchBatch {
            grid: Grid { rows, cols, patch: [self.patch as f32; 2] },
            features: Tensor::from_data(TensorData::new(values, shape), &self.device),
            class_query: None,
        })
    }
}

/// Descriptors of a picture's patches, each number centred over the picture and scaled to unit variance.
fn describe(image: &RgbImage, patch: usize, rows: usize, cols: usize) -> Vec<f32> {
    let opponent = opponent(image);
    let mut numbers = vec![[0.0f32; NUMBERS]; rows * cols];
    for (index, numbers) in numbers.iter_mut().enumerate() {
        let (top, left) = (index / cols * patch, index % cols * patch);
        let (bottom, right) = ((top + patch).min(image.height), (left + patch).min(image.width));
        let count = ((bottom - top) * (right - left)) as f32;
        for y in top..bottom {
            for x in left..right {
                let colour = opponent[y * image.width + x];
                for (channel, value) in colour.into_iter().enumerate() {
                    numbers[channel] += value / count;
                    numbers[3 + channel] += value * value / count;
                }
                let (angle, length) = gradient(&opponent, image, y, x);
                numbers[6 + ((angle * BINS as f32) as usize).min(BINS - 1)] += length / count;
            }
        }
        for channel in 0..3 {
            let (mean, square) = (numbers[channel], numbers[3 + channel]);
            numbers[3 + channel] = (square - mean * mean).max(0.0).sqrt();
        }
    }
    standardise(&mut numbers);
    numbers.into_iter().flatten().collect()
}

/// Brightness, red against green, yellow against blue.
fn opponent(image: &RgbImage) -> Vec<[f32; 3]> {
    let pixel = |rgb: &[u8]| {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(|byte| f32::from(byte) / 255.0);
        [(r + g + b) / 3.0, r - g, (r + g) / 2.0 - b]
    };
    image.pixels.chunks_exact(3).map(pixel).collect()
}

/// Orientation of the brightness gradient as a fraction of half a turn, and its length.
fn gradient(opponent: &[[f32; 3]], image: &RgbImage, y: usize, x: usize) -> (f32, f32) {
    let at = |y: usize, x: usize| opponent[y * image.width + x][0];
    let dx = at(y, (x + 1).min(image.width - 1)) - at(y, x.saturating_sub(1));
    let dy = at((y + 1).min(image.height - 1), x) - at(y.saturating_sub(1), x);
    let angle = dy.atan2(dx) / std::f32::consts::PI;
    (angle.rem_euclid(1.0), dx.hypot(dy))
}

/// Centres each number over the patches and divides it by its standard deviation; one that does not vary becomes 0.
fn standardise(numbers: &mut [[f32; NUMBERS]]) {
    let count = numbers.len() as f32;
    for i in 0..NUMBERS {
        let mean = numbers.iter().map(|n| n[i]).sum::<f32>() / count;
        let variance = numbers.iter().map(|n| (n[i] - mean).powi(2)).sum::<f32>() / count;
        let scale = if variance > 1e-10 { variance.sqrt().recip() } else { 0.0 };
        numbers.iter_mut().for_each(|n| n[i] = (n[i] - mean) * scale);
    }
}

//! Pictures as networks take them: ImageNet's mean and standard deviation, then zeros on the right and at the bottom.

use fovea_api::RgbImage;
use rayon::prelude::*;

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STANDARD_DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// The next multiple of `patch`.
pub(super) fn round_up(length: usize, patch: usize) -> usize {
    length.div_ceil(patch) * patch
}

/// Normalised values by channel and byte.
fn table() -> [[f32; 256]; 3] {
    std::array::from_fn(|c| {
        std::array::from_fn(|byte| (byte as f32 / 255.0 - MEAN[c]) / STANDARD_DEVIATION[c])
    })
}

/// Normalised, padded pictures: `[N, 3, height, width]`.
pub(super) fn planes(images: &[&RgbImage], [height, width]: [usize; 2]) -> Vec<f32> {
    place(images, [height, width], |c, y, x| (c * height + y) * width + x)
}

/// Normalised, padded pictures by patch: `[N, rows * cols, 3 * patch * patch]`, so that a product with the weights of
/// a convolution whose stride is its kernel is that convolution.
pub(super) fn patches(images: &[&RgbImage], [height, width]: [usize; 2], patch: usize) -> Vec<f32> {
    let cols = width / patch;
    place(images, [height, width], |c, y, x| {
        let patch_index = (y / patch) * cols + x / patch;
        ((patch_index * 3 + c) * patch + y % patch) * patch + x % patch
    })
}

/// Writes every value of each picture where `index` says (channel, row, column); the rest stays 0.
fn place(
    images: &[&RgbImage],
    [height, width]: [usize; 2],
    index: impl Fn(usize, usize, usize) -> usize + Sync,
) -> Vec<f32> {
    let table = table();
    let mut output = vec![0.0; images.len() * 3 * height * width];
    output.par_chunks_mut((3 * height * width).max(1)).zip(images).for_each(|(output, image)| {
        for (y, row) in image.pixels.chunks_exact(3 * image.width).enumerate() {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                for (c, &byte) in pixel.iter().enumerate() {
                    output[index(c, y, x)] = table[c][usize::from(byte)];
                }
            }
        }
    });
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_hold_the_same_numbers_and_zeros_outside() {
        let image = RgbImage { width: 3, height: 2, pixels: (0..18).map(|i| i * 14).collect() };
        let planes = planes(&[&image], [4, 4]);
        let patches = patches(&[&image], [4, 4], 2);
        let at = |c: usize, y: usize, x: usize| planes[(c * 4 + y) * 4 + x];
        assert_eq!(at(1, 1, 2), (16.0 * 14.0 / 255.0 - 0.456) / 0.224);
        assert_eq!((at(0, 0, 3), at(2, 2, 0)), (0.0, 0.0));
        // The second patch of the first row: columns 2 and 3.
        assert_eq!(patches[12..16], [at(0, 0, 2), at(0, 0, 3), at(0, 1, 2), at(0, 1, 3)]);
        let sum = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>();
        assert!((sum(&planes) - sum(&patches)).abs() < 1e-5);
    }
}

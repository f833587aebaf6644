//! The one convolution of this crate: every layer's convolution goes through [`conv2d`].

use burn::tensor::{Tensor, module, ops::ConvOptions};

/// Cross-correlation with zero padding, the same stride and padding along both axes.
///
/// # Shapes
/// - `input`: `[N, C, H, W]`
/// - `weight`: `[K, C, k, k]`
/// - `bias`: `[K]`
/// - output: `[N, K, (H + 2 padding - k) / stride + 1, (W + 2 padding - k) / stride + 1]`
#[must_use]
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
    module::conv2d(input, weight, bias, options)
}

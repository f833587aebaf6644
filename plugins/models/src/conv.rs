//! The one convolution of this crate: every layer's convolution goes through [`conv2d`].
//!
//! On the CPU it is an operation of its own with its own gradients; elsewhere, and for other types than `f32`, it is
//! Burn's.

mod extension;
mod gather;
mod kernels;
mod product;

use crate::cpu;
use burn::backend::Dispatch;
use burn::tensor::{Tensor, module, ops::ConvOptions};
use extension::ConvolutionBackend;
use kernels::Geometry;

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
    let here = cpu::holds(&input) && cpu::holds(&weight) && bias.as_ref().is_none_or(cpu::holds);
    match Geometry::new(input.dims(), weight.dims(), stride, padding).filter(|_| here) {
        Some(geometry) => {
            let out = Dispatch::convolve(input.into_dispatch(), weight.into_dispatch(), geometry);
            let out = Tensor::from_dispatch(out);
            match bias {
                Some(bias) => out + bias.reshape([1, geometry.output_shape()[1], 1, 1]),
                None => out,
            }
        }
        None => {
            let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
            module::conv2d(input, weight, bias, options)
        }
    }
}

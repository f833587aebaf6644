//! Products in fewer bits: what [`Precision`] means. The main functions are [`convolve`] and [`product`].
//!
//! With [`Precision::Bf16`] both factors are rounded to bf16, multiplied, summed in f32, and the result is rounded to
//! bf16; then it is f32 again. So do the products of the way back, whose factors are gradients. That is what
//! PyTorch's autocast does in these layers; unlike there, batch normalisation, rectifiers, poolings and residual sums
//! between them are f32, and so is the bias. A scale for the loss is not needed: bf16 has the range of f32.
//!
//! On a GPU the tensors become bf16 tensors, which its tensor cores multiply. The CPU has no such product: there the
//! rounded numbers are multiplied by the `f32` kernels, where the product of two of them is exact.
//!
//! The precision is a value that every layer holds, given by the [`ModelContext`](fovea_api::ModelContext) that it is
//! built from; nothing here is global, so networks of several precisions can live in one process.

use crate::conv;
use crate::cpu;
use crate::linear;
use crate::map::Map;
use burn::tensor::{DType, Tensor};
use fovea_api::Precision;

/// As [`conv::convolve`], multiplied in this precision.
///
/// # Shapes
/// - `input`: a map of `C` channels
/// - `weight`: `[K, C, k, k]`
/// - `bias`: `[K]`
/// - output: a map of `K` channels, `(H + 2 padding - k) / stride + 1` high, f32
#[must_use]
pub fn convolve(
    precision: Precision,
    input: Map,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Map {
    if precision == Precision::F32 {
        return conv::convolve(input, weight, bias, stride, padding);
    }
    let out = conv::convolve(input.each(rounded), rounded(weight), None, stride, padding).each(widened);
    match bias {
        Some(bias) => out.shift(bias),
        None => out,
    }
}

/// As [`linear::product`], multiplied in this precision.
///
/// # Shapes
/// - `input`: `[N, in]`
/// - `weight`: `[out, in]`
/// - output: `[N, out]`, f32
#[must_use]
pub fn product(precision: Precision, input: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    match precision {
        Precision::F32 => linear::product(input, weight),
        Precision::Bf16 => widened(linear::product(rounded(input), rounded(weight))),
    }
}

/// As [`linear::product_and_sums`], multiplied in this precision; the sums, which Grad-CAM needs, are always of the
/// f32 weight.
///
/// # Shapes
/// - outputs: `[N, out]`, `[out, channels]`
#[must_use]
pub fn product_and_sums(
    precision: Precision,
    input: Tensor<2>,
    weight: Tensor<2>,
    channels: usize,
) -> [Tensor<2>; 2] {
    match precision {
        Precision::F32 => linear::product_and_sums(input, weight, channels),
        Precision::Bf16 => {
            let sums = linear::sums_by_channel(weight.clone(), channels);
            [self::product(precision, input, weight), sums]
        }
    }
}

/// Rounded to bf16: in that type where the device multiplies in it, else as f32. Its gradient is rounded, too.
fn rounded<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let here = cpu::holds(&tensor);
    let tensor = tensor.cast(DType::BF16);
    if here { tensor.cast(DType::F32) } else { tensor }
}

/// A result in f32, as if it had been bf16. So its gradient is rounded before anything is multiplied by it.
fn widened<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.cast(DType::BF16).cast(DType::F32)
}

//! The one convolution of this crate: every layer's convolution goes through [`convolve`].
//!
//! On the CPU it is an operation of its own with its own gradients; elsewhere, and for other types than `f32`, it is
//! Burn's. Maps are `[H, W, N, C]` there ([`Map`]): what a place of the output is computed from are then rows of
//! channels that lie in one piece, for eight pictures at a time with the same taps. So nothing is gathered or packed but
//! weights, and taps that meet nothing but padding are left out, which at 2x2 are five of nine.

mod extension;
mod forward;
mod gradient;
mod images;
mod multiply;
mod outer;
pub(crate) mod shape;
mod tile;
mod weights;

use crate::cpu;
use crate::map::Map;
use burn::backend::Dispatch;
use burn::tensor::{Tensor, module, ops::ConvOptions};
use extension::ConvolutionBackend;
use shape::Geometry;
pub(crate) use tile::dispatch;

/// Channels below which pictures are convolved as they come.
const FEW: usize = 8;

/// Cross-correlation with zero padding, the same stride and padding along both axes.
///
/// # Shapes
/// - `input`: a map of `C` channels
/// - `weight`: `[K, C, k, k]`
/// - `bias`: `[K]`
/// - output: a map of `K` channels, `(H + 2 padding - k) / stride + 1` high
#[must_use]
pub fn convolve(
    input: Map,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Map {
    let here = input.is_here() && cpu::holds(&weight) && bias.as_ref().is_none_or(cpu::holds);
    let Some(geometry) = Geometry::new(input.dims(), weight.dims(), stride, padding).filter(|_| here) else {
        let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
        return Map::of_pictures(module::conv2d(input.into_pictures(), weight, bias, options));
    };
    let (input, geometry) = if input.is_by_place() || weight.dims()[1] >= FEW {
        (input.into_places(), geometry)
    } else {
        (input.into_pictures(), geometry.of_pictures())
    };
    let (input, weight) = (input.into_dispatch(), weight.into_dispatch());
    let out = match bias {
        Some(bias) => Dispatch::convolve_and_add(input, weight, bias.into_dispatch(), geometry),
        None => Dispatch::convolve(input, weight, geometry),
    };
    Map::of_places(Tensor::from_dispatch(out))
}

/// [`convolve`] of pictures `[N, C, H, W]` to `[N, K, h, w]`.
#[must_use]
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    convolve(Map::of_pictures(input), weight, bias, stride, padding).into_pictures()
}

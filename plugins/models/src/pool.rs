//! Maximum pooling, on the CPU in one pass each way.

use crate::cpu::{self, tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Tensor, module};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Channels of pictures that one task pools at least.
const PLANES: usize = 8;

/// The maximum of every square window; what lies outside the picture does not count. Of equal values the first has the
/// gradient; what is not a number wins, as in PyTorch.
///
/// # Shapes
/// - `input`: `[N, C, H, W]`
/// - output: `[N, C, (H + 2 padding - kernel) / stride + 1, (W + 2 padding - kernel) / stride + 1]`
#[must_use]
pub fn max_pool2d(input: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    match Windows::new(input.dims(), kernel, stride, padding).filter(|_| cpu::holds(&input)) {
        Some(windows) => Tensor::from_dispatch(Dispatch::max_of_windows(input.into_dispatch(), windows)),
        None => {
            let options =
                MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
            module::max_pool2d(input, options)
        }
    }
}

/// What a backend adds.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait PoolBackend: Backend {
    /// The maximum of every window.
    fn max_of_windows(input: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self>;
}

/// Where windows lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    /// Pictures times channels.
    planes: [usize; 2],
    /// `[height, width]`
    input: [usize; 2],
    /// `[height, width]`
    output: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Windows {
    /// None where a window would lie outside, or there is nothing to pool.
    fn new(shape: [usize; 4], kernel: usize, stride: usize, padding: usize) -> Option<Self> {
        let [images, channels, height, width] = shape;
        let side = |size: usize| Some((size + 2 * padding).checked_sub(kernel)?.checked_div(stride)? + 1);
        let output = [side(height)?, side(width)?];
        let full = images * channels * height * width * kernel > 0;
        // Positions within a plane are kept in 32 bits.
        let fits = padding * 2 <= kernel && height * width <= u32::MAX as usize;
        let planes = [images, channels];
        (full && fits).then_some(Self { planes, input: [height, width], output, kernel, stride, padding })
    }

    fn output_shape(&self) -> [usize; 4] {
        [self.planes[0], self.planes[1], self.output[0], self.output[1]]
    }

    /// The rows (axis 0) or columns of the input in a window.
    fn range(&self, place: usize, axis: usize) -> Range<usize> {
        let start = place * self.stride;
        let end = (start + self.kernel).saturating_sub(self.padding).min(self.input[axis]);
        start.saturating_sub(self.padding).min(end)..end
    }

    /// Calls `f` with the place of every output of a plane, its maximum, and where in the plane that is.
    fn each(&self, plane: &[f32], mut f: impl FnMut(usize, f32, usize)) {
        let [height, width] = self.output;
        for y in 0..height {
            let rows = self.range(y, 0);
            for x in 0..width {
                let columns = self.range(x, 1);
                let first = rows.start * self.input[1] + columns.start;
                let (mut most, mut place) = (plane.get(first).copied().unwrap_or(f32::NEG_INFINITY), first);
                for row in rows.clone() {
                    let start = row * self.input[1] + columns.start;
                    for (step, value) in plane[start..][..columns.len()].iter().enumerate() {
                        if *value > most || value.is_nan() {
                            (most, place) = (*value, start + step);
                        }
                    }
                }
                f(y * width + x, most, place);
            }
        }
    }

    fn pool(&self, input: &[f32]) -> Vec<f32> {
        let (from, to) = (self.input.iter().product(), self.output.iter().product());
        let mut out = vec![0.0; self.planes.iter().product::<usize>() * to];
        let planes = out.par_chunks_mut(to).zip(input.par_chunks(from)).with_min_len(PLANES);
        planes.for_each(|(out, plane)| self.each(plane, |at, most, _| out[at] = most));
        out
    }

    /// The same, with the place of each maximum in its plane.
    fn pool_with_places(&self, input: &[f32]) -> (Vec<f32>, Vec<u32>) {
        let (from, to) = (self.input.iter().product(), self.output.iter().product());
        let count = self.planes.iter().product::<usize>() * to;
        let (mut out, mut places) = (vec![0.0; count], vec![0; count]);
        let planes = out.par_chunks_mut(to).zip(places.par_chunks_mut(to)).zip(input.par_chunks(from));
        planes.with_min_len(PLANES).for_each(|((out, places), plane)| {
            self.each(plane, |at, most, place| {
                out[at] = most;
                places[at] = place as u32;
            });
        });
        (out, places)
    }

    /// The gradient of the input.
    fn gradient(&self, places: &[u32], gradient: &[f32]) -> Vec<f32> {
        let (to, from) = (self.input.iter().product(), self.output.iter().product());
        let mut out = vec![0.0; self.planes.iter().product::<usize>() * to];
        let planes = out.par_chunks_mut(to).zip(places.par_chunks(from)).zip(gradient.par_chunks(from));
        planes.with_min_len(PLANES).for_each(|((out, places), gradient)| {
            for (place, gradient) in places.iter().zip(gradient) {
                out[*place as usize] += gradient;
            }
        });
        out
    }
}

impl PoolBackend for Flex {
    fn max_of_windows(input: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self> {
        tensor(values(&input, |input| windows.pool(input)), windows.output_shape())
    }
}

#[derive(Debug)]
struct Pooling;

impl Backward<Flex, 1> for Pooling {
    type State = (Windows, Arc<Vec<u32>>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let Some(node) = node else { return };
        let (windows, places) = ops.state;
        let out = values(&gradient, |gradient| windows.gradient(&places, gradient));
        let [images, channels] = windows.planes;
        let [height, width] = windows.input;
        grads.register::<Flex>(node.id, tensor(out, [images, channels, height, width]));
    }
}

impl<C: CheckpointStrategy> PoolBackend for Autodiff<Flex, C> {
    fn max_of_windows(input: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self> {
        match Pooling.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let input = input.into_primitive();
                let (out, places) = values(&input, |input| windows.pool_with_places(input));
                prep.finish((windows, Arc::new(places)), tensor(out, windows.output_shape()))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::max_of_windows(input.into_primitive(), windows)),
        }
    }
}

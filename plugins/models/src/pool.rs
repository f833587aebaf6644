//! Maximum pooling, on the CPU in one pass each way.

use crate::conv::shape::Geometry;
use crate::cpu::{tensor, values, wide};
use crate::map::Map;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Tensor, module};
use fovea_heap::in_chunks;
use rayon::prelude::*;
use std::sync::Arc;

/// Side of the largest window whose places fit into 8 bits.
const LARGEST: usize = 16;

/// The maximum of every square window; what lies outside the picture does not count. Of equal values the first has the
/// gradient; what is not a number wins, as in PyTorch.
///
/// The output is `(H + 2 padding - kernel) / stride + 1` high.
#[must_use]
pub fn max_pool(input: Map, kernel: usize, stride: usize, padding: usize) -> Map {
    let [_, channels, ..] = input.dims();
    let windows = Geometry::new(input.dims(), [channels, channels, kernel, kernel], stride, padding);
    let fits = input.is_here() && kernel <= LARGEST && padding * 2 <= kernel;
    match windows.filter(|_| fits) {
        Some(windows) => {
            let input = input.into_places().into_dispatch();
            Map::of_places(Tensor::from_dispatch(Dispatch::max_of_windows(input, windows)))
        }
        None => {
            let options =
                MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
            Map::of_pictures(module::max_pool2d(input.into_pictures(), options))
        }
    }
}

/// [`max_pool`] of pictures `[N, C, H, W]`.
#[must_use]
pub fn max_pool2d(input: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    max_pool(Map::of_pictures(input), kernel, stride, padding).into_pictures()
}

/// What a backend adds. Maps are `[H, W, N, C]`.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait PoolBackend: Backend {
    /// The maximum of every window.
    fn max_of_windows(input: FloatTensor<Self>, windows: Geometry) -> FloatTensor<Self>;
}

impl Geometry {
    /// Elements of a place.
    fn place(&self) -> usize {
        let [_, _, images, channels] = self.output_shape();
        images * channels
    }

    /// The maxima and, for each, the place within its window.
    fn pool(&self, input: &[f32]) -> (Vec<f32>, Vec<u8>) {
        let (place, sources) = (self.place(), self.sources());
        let mut out = vec![f32::NEG_INFINITY; sources.places() * place];
        let mut taps = vec![0u8; out.len()];
        let places = out.par_chunks_mut(place).zip(taps.par_chunks_mut(place));
        places.enumerate().for_each(|(index, (out, taps))| {
            for (number, meeting) in sources.of(index).iter().enumerate() {
                let (input, tap) = (&input[meeting.place as usize * place..][..place], meeting.tap as u8);
                if number == 0 {
                    out.copy_from_slice(input);
                    taps.fill(tap);
                    continue;
                }
                wide(
                    #[inline(always)]
                    || {
                        for ((most, own), x) in out.iter_mut().zip(taps.iter_mut()).zip(input) {
                            let more = *x > *most || x.is_nan();
                            *most = if more { *x } else { *most };
                            *own = if more { tap } else { *own };
                        }
                    },
                );
            }
        });
        (out, taps)
    }

    /// The gradient of the input.
    fn pool_gradient(&self, taps: &[u8], gradient: &[f32]) -> Vec<f32> {
        let (place, targets) = (self.place(), self.targets());
        in_chunks(targets.places() * place, place, |index, out| {
            for meeting in targets.of(index) {
                let at = meeting.place as usize * place;
                let (gradient, taps) = (&gradient[at..][..place], &taps[at..][..place]);
                let tap = meeting.tap as u8;
                wide(
                    #[inline(always)]
                    || {
                        for ((out, g), own) in out.iter_mut().zip(gradient).zip(taps) {
                            *out += if *own == tap { *g } else { 0.0 };
                        }
                    },
                );
            }
        })
    }
}

impl PoolBackend for Flex {
    fn max_of_windows(input: FloatTensor<Self>, windows: Geometry) -> FloatTensor<Self> {
        tensor(values(&input, |input| windows.pool(input).0), windows.output_shape())
    }
}

#[derive(Debug)]
struct Pooling;

impl Backward<Flex, 1> for Pooling {
    type State = (Geometry, Arc<Vec<u8>>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let Some(node) = node else { return };
        let (windows, taps) = ops.state;
        let out = values(&gradient, |gradient| windows.pool_gradient(&taps, gradient));
        grads.register::<Flex>(node.id, tensor(out, windows.input_shape()));
    }
}

impl<C: CheckpointStrategy> PoolBackend for Autodiff<Flex, C> {
    fn max_of_windows(input: FloatTensor<Self>, windows: Geometry) -> FloatTensor<Self> {
        match Pooling.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (out, taps) = values(&input.into_primitive(), |input| windows.pool(input));
                prep.finish((windows, Arc::new(taps)), tensor(out, windows.output_shape()))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::max_of_windows(input.into_primitive(), windows)),
        }
    }
}

//! The rectifier, on the CPU in one pass each way.

use crate::cpu::{self, change_runs, tensor, values, wide};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

/// Elements that one task handles.
const CHUNK: usize = 1 << 14;

/// `max(0, x)`. Its gradient at 0 is 0.
#[must_use]
pub fn relu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    if cpu::holds(&input) {
        Tensor::from_dispatch(Dispatch::rectify(input.into_dispatch()))
    } else {
        activation::relu(input)
    }
}

/// What a backend adds.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait RectifierBackend: Backend {
    /// `max(0, x)`.
    fn rectify(input: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl RectifierBackend for Flex {
    fn rectify(input: FloatTensor<Self>) -> FloatTensor<Self> {
        change_runs(input, CHUNK, 1, |_, values| {
            wide(
                #[inline(always)]
                || {
                    for x in values {
                        // Not `max`, which would hide what is not a number.
                        *x = if *x <= 0.0 { 0.0 } else { *x };
                    }
                },
            );
        })
    }
}

#[derive(Debug)]
struct Rectifier;

impl Backward<Flex, 1> for Rectifier {
    type State = FloatTensor<Flex>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let Some(node) = node else { return };
        let shape = gradient.shape();
        let out = values(&gradient, |gradient| {
            values(&ops.state, |output| {
                let mut out = vec![0.0; output.len()];
                let parts = output.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK));
                out.par_chunks_mut(CHUNK).zip(parts).for_each(|(out, (output, gradient))| {
                    wide(
                        #[inline(always)]
                        || {
                            for ((out, y), g) in out.iter_mut().zip(output).zip(gradient) {
                                *out = if *y <= 0.0 { 0.0 } else { *g };
                            }
                        },
                    );
                });
                out
            })
        });
        grads.register::<Flex>(node.id, tensor(out, shape));
    }
}

impl<C: CheckpointStrategy> RectifierBackend for Autodiff<Flex, C> {
    fn rectify(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = input.node();
        let out = Flex::rectify(input.into_primitive());
        match Rectifier.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(out.clone(), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

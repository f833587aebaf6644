//! The product of a fully connected layer, on the CPU with gradients that read and write its weight once.
//!
//! A batch has few rows and VGG's first such layer 25,088 x 4,096 weights, so time goes into reading them.

mod kernels;

use crate::cpu::{self, tensor, values};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use kernels::Shape;

/// `input weight^T`.
///
/// # Shapes
/// - `input`: `[N, in]`
/// - `weight`: `[out, in]`
/// - output: `[N, out]`
#[must_use]
pub fn product(input: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([n, _], [out, _]) = (input.dims(), weight.dims());
    match Shape::new(input.dims(), weight.dims(), None).filter(|_| cpu::holds(&input) && cpu::holds(&weight))
    {
        Some(shape) => {
            let flat = Dispatch::weigh(input.into_dispatch(), weight.into_dispatch(), shape);
            Tensor::<1>::from_dispatch(flat).reshape([n, out])
        }
        None => input.matmul(weight.transpose()),
    }
}

/// [`product`], and the weight summed over space: `[out, channels h w]` to `[out, channels]`. As one operation: the
/// gradient of the weight is then one, and not the sum of two of its size.
///
/// # Shapes
/// - outputs: `[N, out]`, `[out, channels]`
#[must_use]
pub fn product_and_sums(input: Tensor<2>, weight: Tensor<2>, channels: usize) -> [Tensor<2>; 2] {
    let ([n, _], [out, _]) = (input.dims(), weight.dims());
    let shape = Shape::new(input.dims(), weight.dims(), Some(channels));
    match shape.filter(|_| cpu::holds(&input) && cpu::holds(&weight)) {
        Some(shape) => {
            let flat = Dispatch::weigh(input.into_dispatch(), weight.into_dispatch(), shape);
            let flat = Tensor::<1>::from_dispatch(flat);
            let sums = flat.clone().narrow(0, n * out, out * channels).reshape([out, channels]);
            [flat.narrow(0, 0, n * out).reshape([n, out]), sums]
        }
        None => {
            let sums = sums_by_channel(weight.clone(), channels);
            [input.matmul(weight.transpose()), sums]
        }
    }
}

/// Columns summed over space.
///
/// # Shapes
/// - `weight`: `[out, channels h w]`
/// - output: `[out, channels]`
#[must_use]
pub fn sums_by_channel(weight: Tensor<2>, channels: usize) -> Tensor<2> {
    let [out, width] = weight.dims();
    weight.reshape([out, channels, width / channels]).sum_dim(2).reshape([out, channels])
}

/// What a backend adds.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait LinearBackend: Backend {
    /// `[N, in]` times the transpose of `[out, in]`, followed by the weight's sums where the shape has channels.
    fn weigh(input: FloatTensor<Self>, weight: FloatTensor<Self>, shape: Shape) -> FloatTensor<Self>;
}

impl LinearBackend for Flex {
    fn weigh(input: FloatTensor<Self>, weight: FloatTensor<Self>, shape: Shape) -> FloatTensor<Self> {
        let out = values(&input, |input| values(&weight, |weight| shape.forward(input, weight)));
        let count = out.len();
        tensor(out, [count])
    }
}

#[derive(Debug)]
struct Weighing;

impl Backward<Flex, 2> for Weighing {
    type State = (NodeId, NodeId, Shape);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [input_node, weight_node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let (input, weight, shape) = ops.state;
        let mut value = |id| checkpointer.retrieve_node_output::<FloatTensor<Flex>>(id);
        if let Some(node) = input_node {
            let weight = value(weight);
            let out = values(&gradient, |g| values(&weight, |w| shape.input_gradient(w, g)));
            grads.register::<Flex>(node.id, tensor(out, shape.input_shape()));
        }
        if let Some(node) = weight_node {
            let input = value(input);
            let out = values(&gradient, |g| values(&input, |x| shape.weight_gradient(x, g)));
            grads.register::<Flex>(node.id, tensor(out, shape.weight_shape()));
        }
    }
}

impl<C: CheckpointStrategy> LinearBackend for Autodiff<Flex, C> {
    fn weigh(input: FloatTensor<Self>, weight: FloatTensor<Self>, shape: Shape) -> FloatTensor<Self> {
        match Weighing.prepare::<C>([input.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&input), prep.checkpoint(&weight), shape);
                prep.finish(state, Flex::weigh(input.into_primitive(), weight.into_primitive(), shape))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Flex::weigh(input.into_primitive(), weight.into_primitive(), shape))
            }
        }
    }
}

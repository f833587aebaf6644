//! The convolution as an operation of Burn's CPU backend, with its gradients.

use super::kernels::Geometry;
use crate::cpu::{tensor, values};
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::autodiff::{Autodiff, NodeId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, backend_extension};

/// What a backend adds.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait ConvolutionBackend: Backend {
    /// `[N, C, H, W]` and `[K, C, k, k]` to `[N, K, h, w]`.
    fn convolve(input: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry)
    -> FloatTensor<Self>;
}

impl ConvolutionBackend for Flex {
    fn convolve(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let out = values(&input, |input| values(&weight, |weight| geometry.forward(input, weight)));
        tensor(out, geometry.output_shape())
    }
}

#[derive(Debug)]
struct Convolution;

impl Backward<Flex, 2> for Convolution {
    type State = (NodeId, NodeId, Geometry);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [input_node, weight_node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let (input, weight, geometry) = ops.state;
        let mut value = |id| checkpointer.retrieve_node_output::<FloatTensor<Flex>>(id);
        if let Some(node) = input_node {
            let weight = value(weight);
            let out = values(&gradient, |g| values(&weight, |w| geometry.input_gradient(w, g)));
            grads.register::<Flex>(node.id, tensor(out, geometry.input_shape()));
        }
        if let Some(node) = weight_node {
            let input = value(input);
            let out = values(&gradient, |g| values(&input, |x| geometry.weight_gradient(x, g)));
            grads.register::<Flex>(node.id, tensor(out, geometry.weight_shape()));
        }
    }
}

impl<C: CheckpointStrategy> ConvolutionBackend for Autodiff<Flex, C> {
    fn convolve(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), weight.node()];
        match Convolution.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&input), prep.checkpoint(&weight), geometry);
                let out = Flex::convolve(input.into_primitive(), weight.into_primitive(), geometry);
                prep.finish(state, out)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(Flex::convolve(input.into_primitive(), weight.into_primitive(), geometry))
            }
        }
    }
}

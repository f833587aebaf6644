//! The convolution as an operation of Burn's CPU backend, with its gradients.

use super::shape::Geometry;
use crate::cpu::{tensor, values};
use crate::rows::column_sums;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};

/// What a backend adds.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait ConvolutionBackend: Backend {
    /// `[H, W, N, C]`, or pictures `[N, C, H, W]`, and `[K, C, k, k]` to `[h, w, N, K]`.
    fn convolve(input: FloatTensor<Self>, weight: FloatTensor<Self>, geometry: Geometry)
    -> FloatTensor<Self>;

    /// The same, plus a bias `[K]`.
    fn convolve_and_add(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self>;
}

impl ConvolutionBackend for Flex {
    fn convolve(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let out = values(&input, |input| values(&weight, |weight| geometry.forward(input, weight, None)));
        tensor(out, geometry.output_shape())
    }

    fn convolve_and_add(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let forward = |x: &[f32], w: &[f32], b: &[f32]| geometry.forward(x, w, Some(b));
        let out = values(&input, |x| values(&weight, |w| values(&bias, |b| forward(x, w, b))));
        tensor(out, geometry.output_shape())
    }
}

/// Operands that the way back needs.
type Kept = (NodeId, NodeId, Geometry);

/// Registers the gradients of input and weight where they are asked for.
fn register(
    (input, weight, geometry): Kept,
    [input_node, weight_node]: [Option<NodeId>; 2],
    gradient: &FloatTensor<Flex>,
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let mut value = |id| checkpointer.retrieve_node_output::<FloatTensor<Flex>>(id);
    if let Some(node) = input_node {
        let weight = value(weight);
        let out = values(gradient, |g| values(&weight, |w| geometry.input_gradient(w, g)));
        grads.register::<Flex>(node, tensor(out, geometry.input_shape()));
    }
    if let Some(node) = weight_node {
        let input = value(input);
        let out = values(gradient, |g| values(&input, |x| geometry.gradient_of_weight(x, g)));
        grads.register::<Flex>(node, tensor(out, geometry.weight_shape()));
    }
}

#[derive(Debug)]
struct Convolution;

impl Backward<Flex, 2> for Convolution {
    type State = Kept;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        register(ops.state, ops.parents.map(|node| node.map(|node| node.id)), &gradient, grads, checkpointer);
    }
}

#[derive(Debug)]
struct BiasedConvolution;

impl Backward<Flex, 3> for BiasedConvolution {
    type State = Kept;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [input_node, weight_node, bias_node] = ops.parents.map(|node| node.map(|node| node.id));
        let gradient = grads.consume::<Flex>(&ops.node);
        if let Some(node) = bias_node {
            let channels = ops.state.2.output_shape()[3];
            let sums = values(&gradient, |g| column_sums(g, channels));
            grads.register::<Flex>(node, tensor(sums, [channels]));
        }
        register(ops.state, [input_node, weight_node], &gradient, grads, checkpointer);
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

    fn convolve_and_add(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), weight.node(), bias.node()];
        let convolve = |input: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>| {
            let [input, weight, bias] = [input, weight, bias].map(<FloatTensor<Self>>::into_primitive);
            Flex::convolve_and_add(input, weight, bias, geometry)
        };
        match BiasedConvolution.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&input), prep.checkpoint(&weight), geometry);
                prep.finish(state, convolve(input, weight, bias))
            }
            OpsKind::UnTracked(prep) => prep.finish(convolve(input, weight, bias)),
        }
    }
}

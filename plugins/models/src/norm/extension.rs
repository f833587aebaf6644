//! Batch normalisation as an operation of Burn's CPU backend, with its gradients.

use super::batch::{Batch, Settings, moments};
use crate::cpu::{tensor, values};
use crate::rows::Rows;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Flex, TensorMetadata, backend_extension};

/// What a backend adds. Maps are `[H, W, N, C]`.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait NormBackend: Backend {
    /// Mean and biased variance by channel, `[2, C]`.
    fn moments(input: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The input, normalised by these moments of it, times and plus the rows of `affine`, `[2, C]`, and rectified.
    fn normalize(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;

    /// The same, with `add` added before it is rectified.
    fn normalize_and_add(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        add: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

fn channels(input: &FloatTensor<Flex>) -> usize {
    let [.., channels] = input.shape().dims::<4>();
    channels
}

/// [`NormBackend`]'s normalisations.
fn normalize(
    input: &FloatTensor<Flex>,
    affine: &FloatTensor<Flex>,
    add: Option<&FloatTensor<Flex>>,
    moments: &FloatTensor<Flex>,
    settings: Settings,
) -> FloatTensor<Flex> {
    let rows = Rows::new(channels(input));
    let out = values(input, |input| {
        values(moments, |moments| {
            let batch = Batch { rows, input, moments, settings };
            values(affine, |affine| match add {
                Some(add) => values(add, |add| batch.normalize(affine, Some(add))),
                None => batch.normalize(affine, None),
            })
        })
    });
    tensor(out, input.shape())
}

impl NormBackend for Flex {
    fn moments(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let channels = channels(&input);
        tensor(values(&input, |input| moments(input, channels)), [2, channels])
    }

    fn normalize(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        self::normalize(&input, &affine, None, &moments, settings)
    }

    fn normalize_and_add(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        add: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        self::normalize(&input, &affine, Some(&add), &moments, settings)
    }
}

/// What the way back needs.
#[derive(Clone, Debug)]
struct Kept {
    input: NodeId,
    affine: NodeId,
    moments: FloatTensor<Flex>,
    /// Where it is rectified.
    output: Option<FloatTensor<Flex>>,
    settings: Settings,
}

/// Registers the gradients that are asked for.
fn register(
    kept: Kept,
    [input_node, affine_node, add_node]: [Option<NodeId>; 3],
    gradient: FloatTensor<Flex>,
    grads: &mut Gradients,
    checkpointer: &mut Checkpointer,
) {
    let Kept { input, affine, moments, output, settings } = kept;
    let input = checkpointer.retrieve_node_output::<FloatTensor<Flex>>(input);
    let affine = checkpointer.retrieve_node_output::<FloatTensor<Flex>>(affine);
    let (shape, rows) = (input.shape(), Rows::new(channels(&input)));
    let (rectified, sums, out) = values(&input, |input| {
        values(&moments, |moments| {
            let batch = Batch { rows, input, moments, settings };
            values(&gradient, |gradient| {
                let (rectified, sums) = match &output {
                    Some(output) => values(output, |output| batch.first(gradient, Some(output))),
                    None => batch.first(gradient, None),
                };
                let gradient = rectified.as_deref().unwrap_or(gradient);
                let out = input_node
                    .is_some()
                    .then(|| values(&affine, |affine| batch.input_gradient(affine, gradient, &sums)));
                (rectified, sums, out)
            })
        })
    });
    if let (Some(node), Some(out)) = (input_node, out) {
        grads.register::<Flex>(node, tensor(out, shape.clone()));
    }
    if let Some(node) = affine_node {
        grads.register::<Flex>(node, tensor(sums, [2, rows.channels]));
    }
    if let Some(node) = add_node {
        grads.register::<Flex>(node, rectified.map_or(gradient, |rectified| tensor(rectified, shape)));
    }
}

#[derive(Debug)]
struct Normalization;

impl Backward<Flex, 2> for Normalization {
    type State = Kept;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [input, affine] = ops.parents.map(|node| node.map(|node| node.id));
        let gradient = grads.consume::<Flex>(&ops.node);
        register(ops.state, [input, affine, None], gradient, grads, checkpointer);
    }
}

#[derive(Debug)]
struct NormalizationAndSum;

impl Backward<Flex, 3> for NormalizationAndSum {
    type State = Kept;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        register(ops.state, ops.parents.map(|node| node.map(|node| node.id)), gradient, grads, checkpointer);
    }
}

impl<C: CheckpointStrategy> NormBackend for Autodiff<Flex, C> {
    fn moments(input: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(Flex::moments(input.into_primitive()))
    }

    fn normalize(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let moments = moments.into_primitive();
        let nodes = [input.node(), affine.node()];
        let prepared = Normalization.prepare::<C>(nodes).compute_bound().stateful();
        match prepared {
            OpsKind::Tracked(mut prep) => {
                let ids = (prep.checkpoint(&input), prep.checkpoint(&affine));
                let (input, affine) = (input.into_primitive(), affine.into_primitive());
                let out = self::normalize(&input, &affine, None, &moments, settings);
                let output = settings.relu.then(|| out.clone());
                prep.finish(Kept { input: ids.0, affine: ids.1, moments, output, settings }, out)
            }
            OpsKind::UnTracked(prep) => {
                let (input, affine) = (input.into_primitive(), affine.into_primitive());
                prep.finish(self::normalize(&input, &affine, None, &moments, settings))
            }
        }
    }

    fn normalize_and_add(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        add: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let moments = moments.into_primitive();
        let nodes = [input.node(), affine.node(), add.node()];
        let prepared = NormalizationAndSum.prepare::<C>(nodes).compute_bound().stateful();
        match prepared {
            OpsKind::Tracked(mut prep) => {
                let ids = (prep.checkpoint(&input), prep.checkpoint(&affine));
                let [input, affine, add] = [input, affine, add].map(<FloatTensor<Self>>::into_primitive);
                let out = self::normalize(&input, &affine, Some(&add), &moments, settings);
                let output = settings.relu.then(|| out.clone());
                prep.finish(Kept { input: ids.0, affine: ids.1, moments, output, settings }, out)
            }
            OpsKind::UnTracked(prep) => {
                let [input, affine, add] = [input, affine, add].map(<FloatTensor<Self>>::into_primitive);
                prep.finish(self::normalize(&input, &affine, Some(&add), &moments, settings))
            }
        }
    }
}

//! Batch normalisation with the batch's statistics, on the CPU in two passes forward and two backward.

use crate::cpu::{self, tensor, values, wide};
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, module};
use rayon::prelude::*;

/// Partial sums of a reduction; a constant, so that bits do not depend on the width of vectors.
const LANES: usize = 32;
/// Images' channels that one task handles at least.
const ROWS: usize = 16;

/// A normalised batch.
#[derive(Debug)]
pub struct BatchNorm {
    /// `(input - mean) / sqrt(variance + epsilon) * weight + bias`, of the input's shape.
    pub output: Tensor<4>,
    /// Mean by channel, constant in the graph, `[C]`.
    pub mean: Tensor<1>,
    /// Biased variance by channel, constant in the graph, `[C]`.
    pub variance: Tensor<1>,
}

/// Normalises every channel by its mean and variance in the batch, which are differentiated through.
///
/// # Shapes
/// - `input`: `[N, C, H, W]`
/// - `weight`, `bias`: `[C]`
#[must_use]
pub fn batch_norm(input: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> BatchNorm {
    let full = input.shape().num_elements() > 0;
    if full && cpu::holds(&input) && cpu::holds(&weight) && cpu::holds(&bias) {
        let moments = Dispatch::moments(input.clone().into_dispatch());
        let affine = Tensor::stack::<2>(vec![weight, bias], 0);
        let output =
            Dispatch::normalize(input.into_dispatch(), affine.into_dispatch(), moments.clone(), epsilon);
        let moments = Tensor::<2>::from_dispatch(moments);
        let row = |i: usize| moments.clone().narrow(0, i, 1).squeeze_dim(0);
        BatchNorm { output: Tensor::from_dispatch(output), mean: row(0), variance: row(1) }
    } else {
        let batch = module::batch_norm_train(input, weight, bias, epsilon);
        BatchNorm { output: batch.output, mean: batch.mean, variance: batch.variance }
    }
}

/// `input * scale + shift`, by channel.
///
/// # Shapes
/// - `input` and output: `[N, C, H, W]`
/// - `scale`, `shift`: `[C]`
#[must_use]
pub fn scale_and_shift(input: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>) -> Tensor<4> {
    let full = input.shape().num_elements() > 0;
    let here = cpu::holds_without_gradients::<4>;
    if full && here(&input) && cpu::holds(&scale) && cpu::holds(&shift) {
        let affine = Tensor::stack::<2>(vec![scale, shift], 0);
        Tensor::from_dispatch(Dispatch::affine(input.into_dispatch(), affine.into_dispatch()))
    } else {
        let shape = [1, input.dims()[1], 1, 1];
        input * scale.reshape(shape) + shift.reshape(shape)
    }
}

/// What a backend adds for what needs no gradients.
#[backend_extension(Flex)]
pub(crate) trait AffineBackend: Backend {
    /// The input times and plus the rows of `affine`, `[2, C]`, by channel.
    fn affine(input: FloatTensor<Self>, affine: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl AffineBackend for Flex {
    fn affine(input: FloatTensor<Self>, affine: FloatTensor<Self>) -> FloatTensor<Self> {
        let [_, channels, height, width] = input.shape().dims();
        let rows = values(&affine, <[f32]>::to_vec);
        cpu::change_runs(input, height * width, ROWS, |run, values| {
            let channel = run % channels;
            let (scale, shift) = (rows[channel], rows[channels + channel]);
            wide(|| {
                for x in values {
                    *x = *x * scale + shift;
                }
            });
        })
    }
}

/// What a backend adds.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait NormBackend: Backend {
    /// Mean and biased variance by channel, `[2, C]`.
    fn moments(input: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The input, normalised by these moments of it, times and plus the rows of `affine`, `[2, C]`.
    fn normalize(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
}

/// The shape of a batch.
#[derive(Clone, Copy, Debug)]
struct Batch {
    shape: [usize; 4],
    epsilon: f64,
}

impl Batch {
    fn new(input: &FloatTensor<Flex>, epsilon: f64) -> Self {
        Self { shape: input.shape().dims(), epsilon }
    }

    fn channels(&self) -> usize {
        self.shape[1]
    }

    /// Elements of an image's channel.
    fn place(&self) -> usize {
        self.shape[2] * self.shape[3]
    }

    /// Elements of a channel.
    fn count(&self) -> f64 {
        (self.shape[0] * self.place()) as f64
    }

    /// Places of a channel's elements, image by image.
    fn ranges(self, channel: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let place = self.place();
        (0..self.shape[0]).map(move |image| {
            let start = (image * self.channels() + channel) * place;
            start..start + place
        })
    }

    /// `[2, C]` from two values for every channel.
    fn rows(&self, f: impl Fn(usize) -> [f64; 2] + Sync + Send) -> Vec<f32> {
        let pairs: Vec<[f64; 2]> = (0..self.channels()).into_par_iter().map(f).collect();
        [0, 1].into_iter().flat_map(|i| pairs.iter().map(move |pair| pair[i] as f32)).collect()
    }

    fn moments(&self, input: &[f32]) -> Vec<f32> {
        self.rows(|channel| {
            wide(|| {
                let total: f64 = self.ranges(channel).map(|r| sum(&input[r], |x| x)).sum();
                let mean = total / self.count();
                let centre = mean as f32;
                let square = |x: f32| (x - centre) * (x - centre);
                let total: f64 = self.ranges(channel).map(|r| sum(&input[r], square)).sum();
                [mean, total / self.count()]
            })
        })
    }

    /// `1 / sqrt(variance + epsilon)` of a channel.
    fn scale(&self, moments: &[f32], channel: usize) -> f32 {
        (1.0 / (f64::from(moments[self.channels() + channel]) + self.epsilon).sqrt()) as f32
    }

    fn normalize(&self, input: &[f32], affine: &[f32], moments: &[f32]) -> Vec<f32> {
        let (place, channels) = (self.place(), self.channels());
        let mut out = vec![0.0; input.len()];
        let parts = out.par_chunks_mut(place).zip(input.par_chunks(place));
        parts.with_min_len(ROWS).enumerate().for_each(|(chunk, (out, input))| {
            let channel = chunk % channels;
            let (mean, weight, bias) = (moments[channel], affine[channel], affine[channels + channel]);
            let factor = self.scale(moments, channel) * weight;
            wide(|| {
                for (out, x) in out.iter_mut().zip(input) {
                    *out = (x - mean) * factor + bias;
                }
            });
        });
        out
    }

    /// The gradient of `affine`, `[2, C]`: sums of the gradient times the normalised input, and of the gradient.
    fn affine_gradient(&self, input: &[f32], moments: &[f32], gradient: &[f32]) -> Vec<f32> {
        self.rows(|channel| {
            let (mean, scale) = (moments[channel], self.scale(moments, channel));
            wide(|| {
                let product: f64 = self
                    .ranges(channel)
                    .map(|r| dot(&input[r.clone()], &gradient[r], |x, g| (x - mean) * g))
                    .sum();
                let total: f64 = self.ranges(channel).map(|r| sum(&gradient[r], |g| g)).sum();
                [product * f64::from(scale), total]
            })
        })
    }

    /// The gradient of the input, given that of `affine`.
    fn input_gradient(
        &self,
        input: &[f32],
        affine: &[f32],
        moments: &[f32],
        gradient: &[f32],
        sums: &[f32],
    ) -> Vec<f32> {
        let (place, channels) = (self.place(), self.channels());
        let coefficients: Vec<[f32; 3]> = (0..channels)
            .map(|channel| {
                let scale = f64::from(self.scale(moments, channel));
                let outer = scale * f64::from(affine[channel]);
                let along = outer * scale * f64::from(sums[channel]) / self.count();
                let shift = outer * f64::from(sums[channels + channel]) / self.count();
                [outer as f32, along as f32, shift as f32]
            })
            .collect();
        let mut out = vec![0.0; input.len()];
        let parts = gradient.par_chunks(place).zip(input.par_chunks(place));
        let parts = out.par_chunks_mut(place).zip(parts).with_min_len(ROWS);
        parts.enumerate().for_each(|(chunk, (out, (gradient, input)))| {
            let channel = chunk % channels;
            let (mean, [outer, along, shift]) = (moments[channel], coefficients[channel]);
            wide(|| {
                for ((out, g), x) in out.iter_mut().zip(gradient).zip(input) {
                    *out = g * outer - ((x - mean) * along + shift);
                }
            });
        });
        out
    }
}

/// The sum of `f`, in partial sums that do not depend on the machine.
#[inline(always)]
fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += f(*x);
    }
    lanes.into_iter().map(f64::from).sum()
}

/// The sum of `f` of two slices, like [`sum`].
#[inline(always)]
fn dot(left: &[f32], right: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let ((chunks, rest), (others, other)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    for (chunk, others) in chunks.iter().zip(others) {
        for ((lane, x), y) in lanes.iter_mut().zip(chunk).zip(others) {
            *lane += f(*x, *y);
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(rest).zip(other) {
        *lane += f(*x, *y);
    }
    lanes.into_iter().map(f64::from).sum()
}

impl NormBackend for Flex {
    fn moments(input: FloatTensor<Self>) -> FloatTensor<Self> {
        let batch = Batch::new(&input, 0.0);
        tensor(values(&input, |x| batch.moments(x)), [2, batch.channels()])
    }

    fn normalize(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let batch = Batch::new(&input, epsilon);
        let out = values(&input, |x| values(&affine, |a| values(&moments, |m| batch.normalize(x, a, m))));
        tensor(out, batch.shape)
    }
}

#[derive(Debug)]
struct Normalization;

impl Backward<Flex, 2> for Normalization {
    type State = (NodeId, NodeId, FloatTensor<Flex>, f64);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [input_node, affine_node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let (input, affine, moments, epsilon) = ops.state;
        let input = checkpointer.retrieve_node_output::<FloatTensor<Flex>>(input);
        let affine = checkpointer.retrieve_node_output::<FloatTensor<Flex>>(affine);
        let batch = Batch::new(&input, epsilon);
        let (sums, out) = values(&gradient, |g| {
            values(&input, |x| {
                values(&moments, |m| {
                    let sums = batch.affine_gradient(x, m, g);
                    let out = input_node
                        .is_some()
                        .then(|| values(&affine, |a| batch.input_gradient(x, a, m, g, &sums)));
                    (sums, out)
                })
            })
        });
        if let (Some(node), Some(out)) = (input_node, out) {
            grads.register::<Flex>(node.id, tensor(out, batch.shape));
        }
        if let Some(node) = affine_node {
            grads.register::<Flex>(node.id, tensor(sums, [2, batch.channels()]));
        }
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
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let moments = moments.into_primitive();
        match Normalization.prepare::<C>([input.node(), affine.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&input), prep.checkpoint(&affine), moments.clone(), epsilon);
                let out = Flex::normalize(input.into_primitive(), affine.into_primitive(), moments, epsilon);
                prep.finish(state, out)
            }
            OpsKind::UnTracked(prep) => {
                let out = Flex::normalize(input.into_primitive(), affine.into_primitive(), moments, epsilon);
                prep.finish(out)
            }
        }
    }
}

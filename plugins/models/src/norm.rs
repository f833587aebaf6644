//! Batch normalisation with what follows it in a network, on the CPU in two passes forward and two backward.

use crate::cpu::{self, tensor, values, wide};
use crate::map::Map;
use crate::relu::relu;
use crate::rows::Rows;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, module};
use fovea_heap::in_chunks;
use rayon::prelude::*;
use std::sync::OnceLock;

/// What follows a normalisation.
#[derive(Clone, Debug, Default)]
pub struct Then {
    /// A map of the same shape that is added.
    pub add: Option<Map>,
    /// Whether the rectifier comes last.
    pub relu: bool,
}

impl Then {
    /// The rectifier.
    #[must_use]
    pub fn relu() -> Self {
        Self { add: None, relu: true }
    }

    fn apply(self, mut map: Map) -> Map {
        if let Some(add) = self.add {
            map = map.both(add, |a, b| a + b);
        }
        if self.relu { map.each(relu) } else { map }
    }
}

/// A normalised batch.
#[derive(Debug)]
pub struct BatchNorm {
    /// `(input - mean) / sqrt(variance + epsilon) * weight + bias`, and what follows.
    pub output: Map,
    /// Mean by channel, constant in the graph, `[C]`.
    pub mean: Tensor<1>,
    /// Biased variance by channel, constant in the graph, `[C]`.
    pub variance: Tensor<1>,
}

/// Normalises every channel by its mean and variance in the batch, which are differentiated through.
///
/// # Shapes
/// - `weight`, `bias`: `[C]`
#[must_use]
pub fn batch_norm(input: Map, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64, then: Then) -> BatchNorm {
    let full = input.dims().iter().product::<usize>() > 0;
    let added = then.add.as_ref().is_none_or(Map::is_here);
    if !(full && added && input.is_here() && cpu::holds(&weight) && cpu::holds(&bias)) {
        let batch = module::batch_norm_train(input.into_pictures(), weight, bias, epsilon);
        let output = then.apply(Map::of_pictures(batch.output));
        return BatchNorm { output, mean: batch.mean, variance: batch.variance };
    }
    let input = input.into_places();
    let moments = Dispatch::moments(input.clone().into_dispatch());
    let affine = Tensor::stack::<2>(vec![weight, bias], 0).into_dispatch();
    let (input, settings) = (input.into_dispatch(), Settings { epsilon, relu: then.relu });
    let output = match then.add {
        Some(add) => {
            let add = add.into_places().into_dispatch();
            Dispatch::normalize_and_add(input, affine, add, moments.clone(), settings)
        }
        None => Dispatch::normalize(input, affine, moments.clone(), settings),
    };
    let moments = Tensor::<2>::from_dispatch(moments);
    let row = |i: usize| moments.clone().narrow(0, i, 1).squeeze_dim(0);
    BatchNorm { output: Map::of_places(Tensor::from_dispatch(output)), mean: row(0), variance: row(1) }
}

/// `input * scale + shift`, by channel, and what follows.
///
/// # Shapes
/// - `scale`, `shift`: `[C]`
#[must_use]
pub fn scale_and_shift(input: Map, scale: Tensor<1>, shift: Tensor<1>, then: Then) -> Map {
    let full = input.dims().iter().product::<usize>() > 0;
    let added = then.add.as_ref().is_none_or(Map::is_here_without_gradients);
    if !(full && added && input.is_here_without_gradients() && cpu::holds(&scale) && cpu::holds(&shift)) {
        return then.apply(input.scale_and_shift(scale, shift));
    }
    let affine = Tensor::stack::<2>(vec![scale, shift], 0).into_dispatch();
    let input = input.into_places().into_dispatch();
    let out = match then.add {
        Some(add) => Dispatch::affine_and_add(input, affine, add.into_places().into_dispatch(), then.relu),
        None => Dispatch::affine(input, affine, then.relu),
    };
    Map::of_places(Tensor::from_dispatch(out))
}

/// What a backend adds for what needs no gradients.
#[backend_extension(Flex)]
pub(crate) trait AffineBackend: Backend {
    /// The input times and plus the rows of `affine`, `[2, C]`, by channel, and rectified.
    fn affine(input: FloatTensor<Self>, affine: FloatTensor<Self>, relu: bool) -> FloatTensor<Self>;

    /// The same, with `add` added before it is rectified.
    fn affine_and_add(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        add: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;
}

/// Not `max`, which would hide what is not a number.
#[inline(always)]
fn rectified(x: f32, relu: bool) -> f32 {
    if relu && x <= 0.0 { 0.0 } else { x }
}

/// [`AffineBackend`]'s operations on a tensor that is its own, or on a copy.
fn affine(
    input: FloatTensor<Flex>,
    affine: &FloatTensor<Flex>,
    add: Option<&FloatTensor<Flex>>,
    relu: bool,
) -> FloatTensor<Flex> {
    let [.., channels] = input.shape().dims::<4>();
    let rows = Rows::new(channels);
    let [scale, shift] = values(affine, |affine| {
        [0, 1].map(|row| rows.spread(affine[row * channels..][..channels].iter().copied()))
    });
    let change = |add: Option<&[f32]>| {
        cpu::change_runs(input, rows.piece, 1, |index, out| {
            let add = add.map(|add| rows.piece_of(add, index));
            wide(
                #[inline(always)]
                || match add {
                    Some(add) => rows.each(
                        out,
                        [add],
                        #[inline(always)]
                        |out, [add]| {
                            for (((x, add), scale), shift) in out.iter_mut().zip(add).zip(&scale).zip(&shift)
                            {
                                *x = rectified(*x * scale + shift + add, relu);
                            }
                        },
                    ),
                    None => rows.each(
                        out,
                        [],
                        #[inline(always)]
                        |out, []| {
                            for ((x, scale), shift) in out.iter_mut().zip(&scale).zip(&shift) {
                                *x = rectified(*x * scale + shift, relu);
                            }
                        },
                    ),
                },
            );
        })
    };
    match add {
        Some(add) => values(add, |add| change(Some(add))),
        None => change(None),
    }
}

impl AffineBackend for Flex {
    fn affine(input: FloatTensor<Self>, affine: FloatTensor<Self>, relu: bool) -> FloatTensor<Self> {
        self::affine(input, &affine, None, relu)
    }

    fn affine_and_add(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        add: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        self::affine(input, &affine, Some(&add), relu)
    }
}

/// Numbers of a normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    epsilon: f64,
    relu: bool,
}

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

/// A batch by rows, with its moments.
struct Batch<'a> {
    rows: Rows,
    input: &'a [f32],
    moments: &'a [f32],
    settings: Settings,
}

/// What is summed by channel of a piece.
type Sums = [Vec<f64>; 2];

/// Mean and biased variance by channel of `[rows, channels]`, `[2, C]`.
fn moments(input: &[f32], channels: usize) -> Vec<f32> {
    let rows = Rows::new(channels);
    // Each piece has a mean and squares about it of its own, so that it is read from memory once.
    let pieces: Vec<(f64, Sums)> = input
        .par_chunks(rows.piece)
        .map(|piece| {
            let count = (piece.len() / channels) as f64;
            wide(
                #[inline(always)]
                || {
                    let [sums] = rows.sums(
                        [piece],
                        [],
                        #[inline(always)]
                        |[x], []| [x],
                    );
                    let centre = rows.spread(sums.iter().map(|sum| (sum / count) as f32));
                    // What the centre leaves out by rounding is in the second sum.
                    let [squares, rest] = rows.sums(
                        [piece],
                        [&centre],
                        #[inline(always)]
                        |[x], [centre]| {
                            let distance = x - centre;
                            [distance * distance, distance]
                        },
                    );
                    let means = (0..channels).map(|c| f64::from(centre[c]) + rest[c] / count);
                    let squares = (0..channels).map(|c| squares[c] - rest[c] * rest[c] / count);
                    (count, [means.collect(), squares.collect()])
                },
            )
        })
        .collect();
    let total = (input.len() / channels) as f64;
    let pairs: Vec<[f64; 2]> = (0..channels)
        .map(|c| {
            let mean = pieces.iter().map(|(count, [means, _])| count * means[c]).sum::<f64>() / total;
            let about =
                |(count, [means, squares]): &(f64, Sums)| squares[c] + count * (means[c] - mean).powi(2);
            [mean, pieces.iter().map(about).sum::<f64>() / total]
        })
        .collect();
    [0, 1].into_iter().flat_map(|i| pairs.iter().map(move |pair| pair[i] as f32)).collect()
}

impl Batch<'_> {
    fn channels(&self) -> usize {
        self.rows.channels
    }

    /// Elements of a channel.
    fn count(&self) -> f64 {
        (self.input.len() / self.channels()) as f64
    }

    fn mean(&self) -> Vec<f32> {
        self.rows.spread(self.moments[..self.channels()].iter().copied())
    }

    /// `1 / sqrt(variance + epsilon)` of a channel.
    fn scale(&self, channel: usize) -> f32 {
        let variance = f64::from(self.moments[self.channels() + channel]);
        (1.0 / (variance + self.settings.epsilon).sqrt()) as f32
    }

    fn normalize(&self, affine: &[f32], add: Option<&[f32]>) -> Vec<f32> {
        let (rows, channels, relu) = (self.rows, self.channels(), self.settings.relu);
        let mean = self.mean();
        let factor = rows.spread((0..channels).map(|c| self.scale(c) * affine[c]));
        let bias = rows.spread(affine[channels..].iter().copied());
        in_chunks(self.input.len(), rows.piece, |index, out| {
            let input = rows.piece_of(self.input, index);
            let numbers = || mean.iter().zip(&factor).zip(&bias);
            wide(
                #[inline(always)]
                || match add {
                    Some(add) => rows.each(
                        out,
                        [input, rows.piece_of(add, index)],
                        #[inline(always)]
                        |out, [input, add]| {
                            let values = out.iter_mut().zip(input).zip(add).zip(numbers());
                            for (((out, x), add), ((mean, factor), bias)) in values {
                                *out = rectified((x - mean) * factor + bias + add, relu);
                            }
                        },
                    ),
                    None => rows.each(
                        out,
                        [input],
                        #[inline(always)]
                        |out, [input]| {
                            for ((out, x), ((mean, factor), bias)) in out.iter_mut().zip(input).zip(numbers())
                            {
                                *out = rectified((x - mean) * factor + bias, relu);
                            }
                        },
                    ),
                },
            );
        })
    }

    /// Sums by channel of a piece: of the gradient times the centred input, and of the gradient.
    #[inline(always)]
    fn gradient_sums(&self, index: usize, gradient: &[f32], mean: &[f32]) -> Sums {
        let input = self.rows.piece_of(self.input, index);
        self.rows.sums(
            [input, gradient],
            [mean],
            #[inline(always)]
            |[x, g], [mean]| [(x - mean) * g, g],
        )
    }

    /// The gradient of what is rectified, and the gradient of `affine`, `[2, C]`: sums of the gradient times the
    /// normalised input, and of the gradient.
    fn first(&self, gradient: &[f32], output: Option<&[f32]>) -> (Option<Vec<f32>>, Vec<f32>) {
        let (rows, mean) = (self.rows, self.mean());
        let pieces: Vec<OnceLock<Sums>> =
            (0..gradient.len().div_ceil(rows.piece)).map(|_| OnceLock::new()).collect();
        let keep = |index: usize, sums| {
            // Every piece is summed once.
            let _ = pieces[index].set(sums);
        };
        let rectified = output.map(|output| {
            in_chunks(gradient.len(), rows.piece, |index, out| {
                let (gradient, output) = (rows.piece_of(gradient, index), rows.piece_of(output, index));
                let sums = wide(
                    #[inline(always)]
                    || {
                        for ((out, g), y) in out.iter_mut().zip(gradient).zip(output) {
                            *out = if *y <= 0.0 { 0.0 } else { *g };
                        }
                        self.gradient_sums(index, out, &mean)
                    },
                );
                keep(index, sums);
            })
        });
        if rectified.is_none() {
            gradient.par_chunks(rows.piece).enumerate().for_each(|(index, gradient)| {
                keep(
                    index,
                    wide(
                        #[inline(always)]
                        || self.gradient_sums(index, gradient, &mean),
                    ),
                );
            });
        }
        let sum = |which: usize, channel: usize| {
            pieces.iter().filter_map(OnceLock::get).map(|sums| sums[which][channel]).sum::<f64>()
        };
        let weights = (0..rows.channels).map(|c| sum(0, c) * f64::from(self.scale(c)));
        let biases = (0..rows.channels).map(|c| sum(1, c));
        (rectified, weights.chain(biases).map(|sum| sum as f32).collect())
    }

    /// The gradient of the input, given that of `affine`.
    fn input_gradient(&self, affine: &[f32], gradient: &[f32], sums: &[f32]) -> Vec<f32> {
        let (rows, channels) = (self.rows, self.channels());
        let coefficients: Vec<[f32; 3]> = (0..channels)
            .map(|channel| {
                let scale = f64::from(self.scale(channel));
                let outer = scale * f64::from(affine[channel]);
                let along = outer * scale * f64::from(sums[channel]) / self.count();
                let shift = outer * f64::from(sums[channels + channel]) / self.count();
                [outer as f32, along as f32, shift as f32]
            })
            .collect();
        let [outer, along, shift] =
            [0, 1, 2].map(|i| rows.spread(coefficients.iter().map(move |row| row[i])));
        let mean = self.mean();
        in_chunks(gradient.len(), rows.piece, |index, out| {
            let inputs = [rows.piece_of(self.input, index), rows.piece_of(gradient, index)];
            wide(
                #[inline(always)]
                || {
                    rows.each(
                        out,
                        inputs,
                        #[inline(always)]
                        |out, [input, gradient]| {
                            let numbers = outer.iter().zip(&along).zip(&shift).zip(&mean);
                            let values = out.iter_mut().zip(input).zip(gradient).zip(numbers);
                            for (((out, x), g), (((outer, along), shift), mean)) in values {
                                *out = g * outer - ((x - mean) * along + shift);
                            }
                        },
                    );
                },
            );
        })
    }
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

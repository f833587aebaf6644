//! A batch by rows: its moments, its normalisation and the gradients of it, on slices.

use crate::cpu::wide;
use crate::rows::Rows;
use fovea_heap::in_chunks;
use rayon::prelude::*;
use std::sync::OnceLock;

/// Numbers of a normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(super) epsilon: f64,
    pub(super) relu: bool,
}

/// Not `max`, which would hide what is not a number.
#[inline(always)]
pub(super) fn rectified(x: f32, relu: bool) -> f32 {
    if relu && x <= 0.0 { 0.0 } else { x }
}

/// A batch by rows, with its moments.
pub(super) struct Batch<'a> {
    pub(super) rows: Rows,
    /// `[rows, channels]`
    pub(super) input: &'a [f32],
    /// Mean and biased variance, `[2, C]`.
    pub(super) moments: &'a [f32],
    pub(super) settings: Settings,
}

/// What is summed by channel of a piece.
type Sums = [Vec<f64>; 2];

/// Mean and biased variance by channel of `[rows, channels]`, `[2, C]`.
pub(super) fn moments(input: &[f32], channels: usize) -> Vec<f32> {
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

    /// The input, normalised, times and plus the rows of `affine`, plus `add`, rectified where that is asked for.
    pub(super) fn normalize(&self, affine: &[f32], add: Option<&[f32]>) -> Vec<f32> {
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
    pub(super) fn first(&self, gradient: &[f32], output: Option<&[f32]>) -> (Option<Vec<f32>>, Vec<f32>) {
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
    pub(super) fn input_gradient(&self, affine: &[f32], gradient: &[f32], sums: &[f32]) -> Vec<f32> {
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

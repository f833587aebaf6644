//! The convolution and its gradients on slices.

use super::gather::{Border, Gather, Padded, copy_run};
use rayon::prelude::*;

/// The shapes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// Images.
    pub(super) images: usize,
    /// `[channels, height, width]`
    pub(super) input: [usize; 3],
    /// `[channels, height, width]`
    pub(super) output: [usize; 3],
    /// Side of the kernel.
    pub(super) kernel: usize,
    /// Stride.
    pub(super) stride: usize,
    /// Padding.
    pub(super) padding: usize,
}

impl Geometry {
    /// The shapes, or none if the kernel does not fit or a dimension is empty.
    pub(super) fn new(input: [usize; 4], weight: [usize; 4], stride: usize, padding: usize) -> Option<Self> {
        let [images, channels, height, width] = input;
        let [out, inner, kernel, other] = weight;
        let side = |size: usize| Some((size + 2 * padding).checked_sub(kernel)? / stride + 1);
        let fits = inner == channels && kernel == other && stride > 0;
        let output = [out, side(height)?, side(width)?];
        let full = images * channels * height * width * out * kernel > 0;
        (fits && full).then_some(Self {
            images,
            input: [channels, height, width],
            output,
            kernel,
            stride,
            padding,
        })
    }

    /// `[N, K, h, w]`
    pub(super) fn output_shape(&self) -> [usize; 4] {
        let [channels, height, width] = self.output;
        [self.images, channels, height, width]
    }

    /// `[N, C, H, W]`
    pub(super) fn input_shape(&self) -> [usize; 4] {
        let [channels, height, width] = self.input;
        [self.images, channels, height, width]
    }

    /// `[K, C, k, k]`
    pub(super) fn weight_shape(&self) -> [usize; 4] {
        [self.output[0], self.input[0], self.kernel, self.kernel]
    }

    fn padded(&self, input: &[f32]) -> Padded {
        let border =
            Border { before: self.padding, below: self.padding, right: self.padding, step: self.stride };
        Padded::new(input, self.input, border)
    }

    /// The patches of the input as columns.
    fn patches<'a>(&self, padded: &'a Padded) -> Gather<'a> {
        let k = self.kernel;
        let taps = (0..self.input[0] * k * k).map(|t| padded.offset(t / (k * k), t / k % k, t % k)).collect();
        let runs = (0..self.output[1]).map(|y| padded.offset(0, y * self.stride, 0)).collect();
        Gather { padded, images: self.images, taps, runs, length: self.output[2] }
    }

    /// The output `[N, K, h, w]`.
    pub(super) fn forward(&self, input: &[f32], weight: &[f32]) -> Vec<f32> {
        let [channels, height, width] = self.output;
        let place = height * width;
        let padded = self.padded(input);
        let blocks = self.patches(&padded).multiply(weight, channels);
        let mut out = vec![0.0; self.images * channels * place];
        out.par_chunks_mut(place).with_min_len(16).enumerate().for_each(|(chunk, out)| {
            let (image, channel) = (chunk / channels, chunk % channels);
            blocks.pieces(channel, image * place, place, |at, piece| {
                copy_run(&mut out[at..at + piece.len()], piece);
            });
        });
        out
    }

    /// The gradient of the weight, `[K, C, k, k]`.
    pub(super) fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let padded = self.padded(input);
        self.patches(&padded).multiply_transposed(gradient, self.output[0])
    }

    /// The gradient of the input, `[N, C, H, W]`: for every remainder of row and column modulo the stride, a
    /// convolution of the output's gradient with the part of the flipped kernel that meets it.
    pub(super) fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
        let [channels, height, width] = self.input;
        let (s, k) = (self.stride, self.kernel);
        let before = k.div_ceil(s) - 1;
        let after = |size: usize, out: usize| ((size - 1 + self.padding) / s + 1).saturating_sub(out);
        let border = Border {
            before,
            below: after(height, self.output[1]),
            right: after(width, self.output[2]),
            step: 1,
        };
        let padded = Padded::new(gradient, self.output, border);
        let mut out = vec![0.0; self.images * channels * height * width];
        for (row, column) in (0..s * s).map(|c| (Residue::new(self, c / s, 0), Residue::new(self, c % s, 1)))
        {
            let (u, v) = (row.taps, column.taps);
            if u * v * row.count * column.count == 0 {
                continue;
            }
            let taps = (0..self.output[0] * u * v)
                .map(|t| padded.offset(t / (u * v), u - 1 - t / v % u, v - 1 - t % v))
                .collect();
            let base = |q: usize, taps: usize| q + before + 1 - taps;
            let runs = (0..row.count)
                .map(|i| padded.offset(0, base(row.start + i, u), base(column.start, v)))
                .collect();
            let gather = Gather { padded: &padded, images: self.images, taps, runs, length: column.count };
            let flipped = self.part(weight, row, column);
            let blocks = gather.multiply(&flipped, channels);
            let place = row.count * column.count;
            out.par_chunks_mut(height * width).with_min_len(16).enumerate().for_each(|(chunk, out)| {
                let (image, channel) = (chunk / channels, chunk % channels);
                blocks.pieces(channel, image * place, place, |at, piece| {
                    if s == 1 {
                        copy_run(&mut out[at..at + piece.len()], piece);
                        return;
                    }
                    let (mut i, mut j) = (at / column.count, at % column.count);
                    for value in piece {
                        out[(row.first + i * s) * width + column.first + j * s] = *value;
                        j += 1;
                        if j == column.count {
                            (i, j) = (i + 1, 0);
                        }
                    }
                });
            });
        }
        out
    }

    /// `[C, K * u * v]`: the kernel's taps that meet these remainders, input channels as rows.
    fn part(&self, weight: &[f32], row: Residue, column: Residue) -> Vec<f32> {
        let (channels, s, k) = (self.input[0], self.stride, self.kernel);
        let part = row.taps * column.taps;
        let width = self.output[0] * part;
        let mut out = vec![0.0; channels * width];
        out.par_chunks_mut(width).enumerate().with_min_len(8).for_each(|(channel, out)| {
            for (to, from) in out.chunks_exact_mut(part).zip(weight.chunks_exact(channels * k * k)) {
                let from = &from[channel * k * k..][..k * k];
                if s == 1 {
                    copy_run(to, from);
                    continue;
                }
                for (t, to) in to.iter_mut().enumerate() {
                    let (y, x) = (row.rest + s * (t / column.taps), column.rest + s * (t % column.taps));
                    *to = from[y * k + x];
                }
            }
        });
        out
    }
}

/// The rows (or columns) of the input whose padded coordinate has one remainder modulo the stride.
#[derive(Clone, Copy)]
struct Residue {
    /// The remainder.
    rest: usize,
    /// The first of them.
    first: usize,
    /// Its padded coordinate divided by the stride.
    start: usize,
    /// How many there are.
    count: usize,
    /// Taps of the kernel that meet them.
    taps: usize,
}

impl Residue {
    fn new(geometry: &Geometry, rest: usize, axis: usize) -> Self {
        let (s, p, size) = (geometry.stride, geometry.padding, geometry.input[1 + axis]);
        let first = (rest + s - p % s) % s;
        let count = size.saturating_sub(first).div_ceil(s);
        let taps = geometry.kernel.saturating_sub(rest).div_ceil(s);
        Self { rest, first, start: (first + p) / s, count, taps }
    }
}

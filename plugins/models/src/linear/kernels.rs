//! Products with a large matrix on slices.
//!
//! Sums are in an order that depends on the shape alone, so bits depend neither on threads nor on the width of vectors.

use crate::conv::dispatch;
use fovea_heap::in_chunks;
use pulp::{Simd, WithSimd};

/// Rows of the weight that one task multiplies by at once.
const TASK: usize = 16;
/// Elements of a row that are multiplied at once, so that those of several rows stay in the cache.
const PIECE: usize = 4096;
/// Partial sums of a product of rows.
const LANES: usize = 16;
/// Columns that one task sums or writes at once.
const BLOCK: usize = 512;
/// Rows of the weight that are handled at once.
const HELD: usize = 8;
/// Rows of the weight and of the input whose products are summed at once.
const LEFTS: usize = 2;
/// See [`LEFTS`].
const RIGHTS: usize = 4;

/// The shapes of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Rows of the input.
    rows: usize,
    /// Elements of a row of the input and of the weight.
    width: usize,
    /// Rows of the weight.
    outputs: usize,
    /// Channels by which rows of the weight are summed.
    channels: Option<usize>,
}

impl Shape {
    /// None where something is empty or does not fit.
    pub(super) fn new(input: [usize; 2], weight: [usize; 2], channels: Option<usize>) -> Option<Self> {
        let ([rows, width], [outputs, inner]) = (input, weight);
        let fits = inner == width && channels.is_none_or(|c| c > 0 && width.is_multiple_of(c));
        (fits && rows * width * outputs > 0).then_some(Self { rows, width, outputs, channels })
    }

    /// `[N, in]`
    pub(super) fn input_shape(&self) -> [usize; 2] {
        [self.rows, self.width]
    }

    /// `[out, in]`
    pub(super) fn weight_shape(&self) -> [usize; 2] {
        [self.outputs, self.width]
    }

    /// The product `[N, out]`, then the sums `[out, channels]`.
    pub(super) fn forward(&self, input: &[f32], weight: &[f32]) -> Vec<f32> {
        let (rows, width) = (self.rows, self.width);
        let (channels, area) = (self.channels.unwrap_or(0), width / self.channels.unwrap_or(1));
        // By output: its products with all rows, then its sums.
        let line = rows + channels;
        let by_output = in_chunks(self.outputs * line, TASK * line, |task, out| {
            let count = out.len() / line;
            let weight = &weight[task * TASK * width..][..count * width];
            let mut products = vec![0.0; count * rows];
            dispatch(Products { left: weight, right: input, width, out: &mut products });
            let lines = out.chunks_exact_mut(line).zip(products.chunks_exact(rows));
            for ((out, products), weight) in lines.zip(weight.chunks_exact(width)) {
                let (out, sums) = out.split_at_mut(rows);
                out.copy_from_slice(products);
                for (sum, part) in sums.iter_mut().zip(weight.chunks_exact(area)) {
                    *sum = sum_of(part);
                }
            }
        });
        let mut out = Vec::with_capacity(by_output.len());
        for row in 0..rows {
            out.extend(by_output.iter().skip(row).step_by(line));
        }
        by_output.chunks_exact(line).for_each(|line| out.extend_from_slice(&line[rows..]));
        out
    }

    /// The gradient of the input, `[N, in]`, from that of the product.
    pub(super) fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
        let Self { rows, width, outputs, .. } = *self;
        // By block of columns, each `[N, BLOCK]`.
        let blocks = in_chunks(width.div_ceil(BLOCK) * rows * BLOCK, rows * BLOCK, |block, out| {
            let columns = BLOCK.min(width - block * BLOCK);
            let weight = &weight[block * BLOCK..];
            dispatch(Combination { weight, width, outputs, gradient, out, columns, rows });
        });
        in_chunks(rows * width, width, |row, out| {
            for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                out.copy_from_slice(&blocks[(block * rows + row) * BLOCK..][..out.len()]);
            }
        })
    }

    /// The gradient of the weight, `[out, in]`, from those of the product and of the sums.
    pub(super) fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let Self { rows, width, outputs, channels } = *self;
        let (products, sums) = gradient.split_at(rows * outputs);
        let channels = channels.filter(|_| sums.iter().any(|g| *g != 0.0));
        in_chunks(outputs * width, HELD * width, |block, out| {
            let first = block * HELD;
            let count = out.len() / width;
            let factor = |row: usize, output: usize| products[row * outputs + first + output.min(count - 1)];
            let factors: Vec<[f32; HELD]> =
                (0..rows).map(|row| std::array::from_fn(|output| factor(row, output))).collect();
            dispatch(Outer { input, width, factors: &factors, out });
            if let Some(channels) = channels {
                for (output, out) in out.chunks_exact_mut(width).enumerate() {
                    let sums = &sums[(first + output) * channels..][..channels];
                    for (out, sum) in out.chunks_exact_mut(width / channels).zip(sums) {
                        out.iter_mut().for_each(|x| *x += sum);
                    }
                }
            }
        })
    }
}

/// The sum in partial sums that do not depend on the machine.
fn sum_of(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// `out[l, r] += left[l] . right[r]`
struct Products<'a> {
    left: &'a [f32],
    right: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, right, width, out } = self;
        let (lefts, rights) = (left.len() / width, right.len() / width);
        for start in (0..width).step_by(PIECE) {
            let length = PIECE.min(width - start);
            for l in (0..lefts).step_by(LEFTS) {
                for r in (0..rights).step_by(RIGHTS) {
                    // Missing rows repeat the last one; their sums are dropped.
                    let first = |row: usize, rows: usize| row.min(rows - 1) * width + start;
                    let own = [first(l, lefts), first(l + 1, lefts)].map(|at| &left[at..at + length]);
                    let others =
                        [first(r, rights), first(r + 1, rights), first(r + 2, rights), first(r + 3, rights)]
                            .map(|at| &right[at..at + length]);
                    let sums = match LANES / S::F32_LANES {
                        1 => products::<S, 1>(simd, own, others),
                        2 => products::<S, 2>(simd, own, others),
                        4 => products::<S, 4>(simd, own, others),
                        _ => products::<pulp::Scalar, LANES>(pulp::Scalar, own, others),
                    };
                    for i in 0..LEFTS.min(lefts - l) {
                        for j in 0..RIGHTS.min(rights - r) {
                            out[(l + i) * rights + r + j] += sums[i][j];
                        }
                    }
                }
            }
        }
    }
}

/// Products of each of these with each of those, in `LANES` partial sums, which are `V` vectors.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "plain loops are inlined, adapters are not")]
fn products<S: Simd, const V: usize>(
    simd: S,
    left: [&[f32]; LEFTS],
    right: [&[f32]; RIGHTS],
) -> [[f32; RIGHTS]; LEFTS] {
    let length = left[0].len();
    let (l0, l1) = (S::as_simd_f32s(left[0]).0, S::as_simd_f32s(left[1]).0);
    let (r0, r1) = (S::as_simd_f32s(right[0]).0, S::as_simd_f32s(right[1]).0);
    let (r2, r3) = (S::as_simd_f32s(right[2]).0, S::as_simd_f32s(right[3]).0);
    let whole = length / LANES;
    let count = whole * V;
    let (l0, l1) = (&l0[..count], &l1[..count]);
    let (r0, r1, r2, r3) = (&r0[..count], &r1[..count], &r2[..count], &r3[..count]);
    let mut sums = [[[simd.splat_f32s(0.0); V]; RIGHTS]; LEFTS];
    for k in 0..whole {
        for v in 0..V {
            let at = k * V + v;
            let others = [r0[at], r1[at], r2[at], r3[at]];
            for (i, own) in [l0[at], l1[at]].into_iter().enumerate() {
                for j in 0..RIGHTS {
                    sums[i][j][v] = simd.mul_add_f32s(own, others[j], sums[i][j][v]);
                }
            }
        }
    }
    let mut totals = [[0.0; RIGHTS]; LEFTS];
    for i in 0..LEFTS {
        for j in 0..RIGHTS {
            let mut lanes = [0.0f32; LANES];
            S::as_mut_simd_f32s(&mut lanes).0.copy_from_slice(&sums[i][j]);
            // Halves are added to halves.
            for half in [LANES / 2, LANES / 4, LANES / 8, LANES / 16] {
                for lane in 0..half {
                    lanes[lane] += lanes[lane + half];
                }
            }
            let rest = left[i][whole * LANES..].iter().zip(&right[j][whole * LANES..]);
            totals[i][j] = rest.fold(lanes[0], |sum, (x, y)| x.mul_add(*y, sum));
        }
    }
    totals
}

/// `out[n] += sum over o of gradient[n, o] weight[o]`, some columns of it.
struct Combination<'a> {
    /// From the first column on, rows `width` apart.
    weight: &'a [f32],
    width: usize,
    outputs: usize,
    /// `[rows, outputs]`
    gradient: &'a [f32],
    /// `[rows, BLOCK]`
    out: &'a mut [f32],
    columns: usize,
    rows: usize,
}

impl WithSimd for Combination<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weight, width, outputs, gradient, out, columns, rows } = self;
        let vectors = columns / S::F32_LANES;
        for first in (0..outputs).step_by(HELD) {
            let count = HELD.min(outputs - first);
            let line = |held: usize| &weight[(first + held.min(count - 1)) * width..][..columns];
            let lines: [&[f32]; HELD] =
                [line(0), line(1), line(2), line(3), line(4), line(5), line(6), line(7)];
            let own = lines.map(|line| S::as_simd_f32s(line).0);
            for row in 0..rows {
                let gradient = &gradient[row * outputs + first..][..count];
                let mut factors = [0.0; HELD];
                factors[..count].copy_from_slice(gradient);
                let out = &mut out[row * BLOCK..][..columns];
                let (sums, rest) = S::as_mut_simd_f32s(out);
                let sums = &mut sums[..vectors];
                let spread = factors.map(|factor| simd.splat_f32s(factor));
                let [o0, o1, o2, o3, o4, o5, o6, o7] = own;
                let (o0, o1, o2, o3) = (&o0[..vectors], &o1[..vectors], &o2[..vectors], &o3[..vectors]);
                let (o4, o5, o6, o7) = (&o4[..vectors], &o5[..vectors], &o6[..vectors], &o7[..vectors]);
                for v in 0..vectors {
                    let mut sum = sums[v];
                    sum = simd.mul_add_f32s(spread[0], o0[v], sum);
                    sum = simd.mul_add_f32s(spread[1], o1[v], sum);
                    sum = simd.mul_add_f32s(spread[2], o2[v], sum);
                    sum = simd.mul_add_f32s(spread[3], o3[v], sum);
                    sum = simd.mul_add_f32s(spread[4], o4[v], sum);
                    sum = simd.mul_add_f32s(spread[5], o5[v], sum);
                    sum = simd.mul_add_f32s(spread[6], o6[v], sum);
                    sums[v] = simd.mul_add_f32s(spread[7], o7[v], sum);
                }
                let start = columns - rest.len();
                for (column, sum) in rest.iter_mut().enumerate() {
                    for (factor, line) in factors.iter().zip(lines) {
                        *sum = factor.mul_add(line[start + column], *sum);
                    }
                }
            }
        }
    }
}

/// `out[o] = sum over n of factors[n][o] input[n]`
struct Outer<'a> {
    /// `[rows, width]`
    input: &'a [f32],
    width: usize,
    factors: &'a [[f32; HELD]],
    /// `[at most HELD, width]`, zeros.
    out: &'a mut [f32],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "plain loops are inlined, adapters are not")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { input, width, factors, out } = self;
        for first in (0..width).step_by(BLOCK) {
            let columns = BLOCK.min(width - first);
            let vectors = columns / S::F32_LANES;
            for v in 0..vectors {
                let at = first + v * S::F32_LANES;
                let mut sums = [simd.splat_f32s(0.0); HELD];
                for (row, factors) in factors.iter().enumerate() {
                    let x = S::as_simd_f32s(&input[row * width + at..][..S::F32_LANES]).0[0];
                    for held in 0..HELD {
                        sums[held] = simd.mul_add_f32s(simd.splat_f32s(factors[held]), x, sums[held]);
                    }
                }
                for (line, sum) in out.chunks_exact_mut(width).zip(sums) {
                    S::as_mut_simd_f32s(&mut line[at..][..S::F32_LANES]).0[0] = sum;
                }
            }
            for column in first + vectors * S::F32_LANES..first + columns {
                for (held, line) in out.chunks_exact_mut(width).enumerate() {
                    let values = factors.iter().enumerate();
                    line[column] = values.fold(0.0, |sum, (row, factors)| {
                        factors[held].mul_add(input[row * width + column], sum)
                    });
                }
            }
        }
    }
}

//! Sums and changes of the columns of `[rows, channels]`, which maps by place are.

use crate::cpu::wide;
use rayon::prelude::*;

/// Elements that one task handles, about: they stay in the second-level cache.
const PIECE: usize = 1 << 15;
/// Elements that wide rows have at least.
const WIDE: usize = 256;
/// Elements whose sums stay in registers. Not fewer: a loop over them would be unrolled instead of vectorised.
const LANES: usize = 64;

/// How `[rows, channels]` is handled: several rows as one wide row, so that narrow ones are fast, too. What is done
/// depends on the shape alone, and so do the bits of sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// Channels.
    pub(crate) channels: usize,
    /// Elements of a wide row.
    width: usize,
    /// Elements of a piece.
    pub(crate) piece: usize,
}

impl Rows {
    pub(crate) fn new(channels: usize) -> Self {
        // A multiple of the lanes, which all but the last row of a piece then fill.
        let least = LANES / gcd(channels, LANES);
        let width = channels * WIDE.div_ceil(channels).next_multiple_of(least);
        Self { channels, width, piece: (PIECE / width).max(1) * width }
    }

    /// A number for every channel, for every element of a wide row.
    pub(crate) fn spread(&self, by_channel: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
        by_channel.cycle().take(self.width).collect()
    }

    /// The piece of this number.
    pub(crate) fn piece_of<'a>(&self, values: &'a [f32], index: usize) -> &'a [f32] {
        let start = index * self.piece;
        &values[start..values.len().min(start + self.piece)]
    }

    /// Calls `f` with wide rows of a piece, the last of which may be shorter.
    #[inline(always)]
    pub(crate) fn each<const I: usize>(
        &self,
        out: &mut [f32],
        inputs: [&[f32]; I],
        f: impl Fn(&mut [f32], [&[f32]; I]),
    ) {
        for (row, out) in out.chunks_mut(self.width).enumerate() {
            let (start, length) = (row * self.width, out.len());
            f(out, inputs.map(|input| &input[start..start + length]));
        }
    }

    /// Sums by channel, over a piece, of what `f` makes of elements and of their numbers in wide rows.
    #[inline(always)]
    pub(crate) fn sums<const I: usize, const M: usize, const K: usize>(
        &self,
        inputs: [&[f32]; I],
        numbers: [&[f32]; M],
        f: impl Fn([f32; I], [f32; M]) -> [f32; K],
    ) -> [Vec<f64>; K] {
        let mut totals = [(); K].map(|()| vec![0.0f64; self.channels]);
        let length = inputs[0].len();
        for first in (0..self.width).step_by(LANES) {
            let mut sums = [[0.0f32; LANES]; K];
            let own = numbers.map(|numbers| array(&numbers[first..]));
            for start in (first..length).step_by(self.width) {
                if start + LANES <= length {
                    let block = inputs.map(|input| array(&input[start..]));
                    for lane in 0..LANES {
                        let values = f(block.map(|x| x[lane]), own.map(|x| x[lane]));
                        for k in 0..K {
                            sums[k][lane] += values[k];
                        }
                    }
                } else {
                    for lane in 0..length - start {
                        let values = f(inputs.map(|x| x[start + lane]), own.map(|x| x[lane]));
                        for k in 0..K {
                            sums[k][lane] += values[k];
                        }
                    }
                }
            }
            for (total, sums) in totals.iter_mut().zip(sums) {
                for (lane, sum) in sums.into_iter().enumerate() {
                    total[(first + lane) % self.channels] += f64::from(sum);
                }
            }
        }
        totals
    }
}

/// The first elements, of which there are enough.
#[inline(always)]
fn array(values: &[f32]) -> &[f32; LANES] {
    values.first_chunk().expect("wide rows are multiples of the lanes, and shorter ones are handled apart")
}

/// The greatest common divisor.
fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The sum of each column of `[rows, channels]`.
pub(crate) fn column_sums(values: &[f32], channels: usize) -> Vec<f32> {
    let rows = Rows::new(channels);
    let pieces: Vec<[Vec<f64>; 1]> = values
        .par_chunks(rows.piece)
        .map(|piece| {
            wide(
                #[inline(always)]
                || {
                    rows.sums(
                        [piece],
                        [],
                        #[inline(always)]
                        |[x], []| [x],
                    )
                },
            )
        })
        .collect();
    let total = |channel: usize| pieces.iter().map(|[sums]| sums[channel]).sum::<f64>() as f32;
    (0..channels).map(total).collect()
}

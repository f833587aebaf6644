//! Sums of outer products over rows, for the gradient of a weight.

use super::tile::{PANEL, ROWS, dispatch};
use pulp::{Simd, WithSimd};

/// Rows of both sides that meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Which sums they are added to.
    pub(super) tap: usize,
    /// The first row of the left side.
    pub(super) left: usize,
    /// The first row of the right side.
    pub(super) right: usize,
    /// How many.
    pub(super) length: usize,
}

/// `sums[tap] += left^T right` over the rows of every run, on one thread. Sums are in the order of runs and rows.
pub(super) struct Outer<'a> {
    /// `[rows, ROWS]`
    pub(super) left: &'a [f32],
    /// `[rows, PANEL]`
    pub(super) right: &'a [f32],
    /// What meets.
    pub(super) runs: &'a [Run],
    /// `[taps, ROWS, PANEL]`
    pub(super) sums: &'a mut [f32],
    /// Columns of `right` that are needed.
    pub(super) columns: usize,
}

impl Outer<'_> {
    /// Does it.
    pub(super) fn run(self) {
        dispatch(self);
    }
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, right, runs, sums, columns } = self;
        for run in runs {
            let sums = &mut sums[run.tap * ROWS * PANEL..][..ROWS * PANEL];
            let left = &left[run.left * ROWS..][..run.length * ROWS];
            let right = &right[run.right * PANEL..][..run.length * PANEL];
            if S::F32_LANES * 2 == PANEL && columns > S::F32_LANES {
                add::<S, 2>(simd, left, right, 0, sums);
            } else {
                for lane in 0..columns.div_ceil(S::F32_LANES) {
                    add::<S, 1>(simd, left, right, lane, sums);
                }
            }
        }
    }
}

/// Adds to `ROWS` rows of `V` vectors, beginning at vector `lane`.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    reason = "plain loops are inlined, adapters are not"
)]
fn add<S: Simd, const V: usize>(simd: S, left: &[f32], right: &[f32], lane: usize, sums: &mut [f32]) {
    let width = PANEL / S::F32_LANES;
    let (factors, _) = left.as_chunks::<ROWS>();
    let (vectors, _) = S::as_simd_f32s(right);
    let vectors = &vectors[..factors.len() * width];
    let (totals, _) = S::as_mut_simd_f32s(sums);
    let totals = &mut totals[..ROWS * width];
    let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
    for r in 0..ROWS {
        for v in 0..V {
            sums[r][v] = totals[r * width + lane + v];
        }
    }
    for k in 0..factors.len() {
        let mut columns = [simd.splat_f32s(0.0); V];
        for v in 0..V {
            columns[v] = vectors[k * width + lane + v];
        }
        for r in 0..ROWS {
            let factor = simd.splat_f32s(factors[k][r]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_f32s(factor, columns[v], sums[r][v]);
            }
        }
    }
    for r in 0..ROWS {
        for v in 0..V {
            totals[r * width + lane + v] = sums[r][v];
        }
    }
}

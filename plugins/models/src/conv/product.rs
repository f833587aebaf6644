//! Products of a matrix in rows and a matrix in panels, on vector instructions chosen at run time.
//!
//! Every element is summed in the order of the inner dimension by one fused multiply-add after another, so the bits
//! depend neither on threads nor on the width of the vectors.

use pulp::{Simd, WithSimd};

/// Columns of a panel.
pub(super) const PANEL: usize = 32;
/// Rows of a tile.
pub(super) const ROWS: usize = 8;

/// `out += left * right`, on one thread.
pub(super) struct Product<'a> {
    /// `[rows, stride]` of which the first `inner` of every row count.
    pub(super) left: &'a [f32],
    /// Elements from one row of `left` to the next.
    pub(super) stride: usize,
    /// Rows of `left` and `out`.
    pub(super) rows: usize,
    /// The inner dimension.
    pub(super) inner: usize,
    /// `[panels, panel_stride]`, each of which begins with `[inner, PANEL]`.
    pub(super) right: &'a [f32],
    /// Elements from one panel to the next.
    pub(super) panel_stride: usize,
    /// Panels of `right`.
    pub(super) panels: usize,
    /// `[rows, out_stride]` of which the first `panels * PANEL` of every row are added to.
    pub(super) out: &'a mut [f32],
    /// Elements from one row of `out` to the next.
    pub(super) out_stride: usize,
}

impl Product<'_> {
    /// Does it.
    pub(super) fn run(self) {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return Simd::vectorize(simd, self);
            }
            if let Some(simd) = pulp::x86::V3::try_new() {
                return Simd::vectorize(simd, self);
            }
        }
        pulp::Arch::new().dispatch(self);
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, stride, rows, inner, right, panel_stride, panels, out, out_stride } = self;
        for first in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - first);
            // Missing rows repeat the last one; their sums are dropped.
            let tile: [&[f32]; ROWS] = std::array::from_fn(|r| {
                let row = first + r.min(count - 1);
                &left[row * stride..][..inner]
            });
            for panel in 0..panels {
                let right = &right[panel * panel_stride..][..inner * PANEL];
                let out = &mut out[first * out_stride + panel * PANEL..];
                if S::F32_LANES * 2 == PANEL {
                    multiply::<S, 2>(simd, tile, right, 0, out, out_stride, count);
                } else {
                    for lane in 0..PANEL / S::F32_LANES {
                        multiply::<S, 1>(simd, tile, right, lane, out, out_stride, count);
                    }
                }
            }
        }
    }
}

/// One tile: `ROWS` rows times `V` vectors of columns, beginning at vector `lane` of the panel.
#[inline(always)]
#[allow(clippy::needless_range_loop, clippy::manual_memcpy, reason = "see the comment on plain loops")]
fn multiply<S: Simd, const V: usize>(
    simd: S,
    left: [&[f32]; ROWS],
    right: &[f32],
    lane: usize,
    out: &mut [f32],
    stride: usize,
    count: usize,
) {
    // Plain loops: closures and adapters over vectors would not be inlined into code for other instruction sets.
    let [l0, l1, l2, l3, l4, l5, l6, l7] = left;
    let inner = l0.len();
    let (l1, l2, l3, l4) = (&l1[..inner], &l2[..inner], &l3[..inner], &l4[..inner]);
    let (l5, l6, l7) = (&l5[..inner], &l6[..inner], &l7[..inner]);
    let (vectors, _) = S::as_simd_f32s(right);
    let width = PANEL / S::F32_LANES;
    let vectors = &vectors[..inner * width];
    let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
    for r in 0..count {
        let (row, _) = S::as_simd_f32s(&out[r * stride..][..PANEL]);
        for v in 0..V {
            sums[r][v] = row[lane + v];
        }
    }
    for k in 0..inner {
        let mut columns = [simd.splat_f32s(0.0); V];
        for v in 0..V {
            columns[v] = vectors[k * width + lane + v];
        }
        let factors = [l0[k], l1[k], l2[k], l3[k], l4[k], l5[k], l6[k], l7[k]];
        for r in 0..ROWS {
            let factor = simd.splat_f32s(factors[r]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_f32s(factor, columns[v], sums[r][v]);
            }
        }
    }
    for r in 0..count {
        let (row, _) = S::as_mut_simd_f32s(&mut out[r * stride..][..PANEL]);
        for v in 0..V {
            row[lane + v] = sums[r][v];
        }
    }
}

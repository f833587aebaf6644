//! Products of rows that lie apart with a matrix in panels, on vector instructions chosen at run time.
//!
//! Every element is summed in one order, by one fused multiply-add after another, so the bits depend neither on threads
//! nor on the width of vectors.

use pulp::{Simd, WithSimd};

/// Columns of a panel.
pub(super) const PANEL: usize = 32;
/// Rows of a tile.
pub(super) const ROWS: usize = 8;
/// In place of where a row begins: it is all zeros.
pub(super) const NOTHING: usize = usize::MAX;

/// A piece of a tile's inner dimension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Where each row's piece begins in the source, or [`NOTHING`].
    pub(super) from: [usize; ROWS],
    /// The first row of the panels that it meets.
    pub(super) right: usize,
}

/// Tiles of a product, on one thread.
pub(super) struct Tiles<'a> {
    /// Where rows lie.
    pub(super) source: &'a [f32],
    /// Elements of a step.
    pub(super) length: usize,
    /// As many zeros.
    pub(super) zeros: &'a [f32],
    /// The pieces of all tiles.
    pub(super) steps: &'a [Step],
    /// Where those of each tile end.
    pub(super) ends: &'a [usize],
    /// `[panels, inner, PANEL]`
    pub(super) panels: &'a [f32],
    /// The inner dimension of the panels.
    pub(super) inner: usize,
    /// `[panels, PANEL]`: what sums begin with, or nothing for 0.
    pub(super) bias: Option<&'a [f32]>,
    /// `[rows, stride]` of which the first `columns` of every row are written.
    pub(super) out: &'a mut [f32],
    /// Rows.
    pub(super) rows: usize,
    /// Elements from one row of `out` to the next.
    pub(super) stride: usize,
    /// Columns.
    pub(super) columns: usize,
}

impl Tiles<'_> {
    /// Does it.
    pub(super) fn run(self) {
        dispatch(self);
    }
}

/// A bias by column, with zeros for the missing columns of the last panel.
pub(super) fn padded(bias: &[f32]) -> Vec<f32> {
    let mut padded = bias.to_vec();
    padded.resize(bias.len().next_multiple_of(PANEL), 0.0);
    padded
}

/// Runs this with the widest vectors that the machine has.
pub(crate) fn dispatch(work: impl WithSimd<Output = ()>) {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return Simd::vectorize(simd, work);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Simd::vectorize(simd, work);
        }
    }
    pulp::Arch::new().dispatch(work);
}

/// Where a tile's sums go.
struct Place<'a> {
    out: &'a mut [f32],
    stride: usize,
    rows: usize,
}

impl WithSimd for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { source, length, zeros, steps, ends, panels, inner, bias, out, rows, stride, columns } =
            self;
        let size = inner * PANEL;
        for panel in 0..columns.div_ceil(PANEL) {
            let right = &panels[panel * size..][..size];
            let begin = bias.map(|bias| &bias[panel * PANEL..][..PANEL]);
            let left = PANEL.min(columns - panel * PANEL);
            for tile in 0..rows.div_ceil(ROWS) {
                let first = if tile == 0 { 0 } else { ends[tile - 1] };
                let operands =
                    Operands { source, zeros, length, steps: &steps[first..ends[tile]], right, begin };
                let count = ROWS.min(rows - tile * ROWS);
                let out = &mut out[tile * ROWS * stride + panel * PANEL..];
                if left == PANEL {
                    tile_of(simd, &operands, left, Place { out, stride, rows: count });
                } else {
                    let mut sums = [0.0; ROWS * PANEL];
                    tile_of(simd, &operands, left, Place { out: &mut sums, stride: PANEL, rows: count });
                    for r in 0..count {
                        out[r * stride..][..left].copy_from_slice(&sums[r * PANEL..][..left]);
                    }
                }
            }
        }
    }
}

/// What a tile is computed from.
struct Operands<'a> {
    source: &'a [f32],
    zeros: &'a [f32],
    length: usize,
    steps: &'a [Step],
    right: &'a [f32],
    begin: Option<&'a [f32]>,
}

/// A tile in as many vectors as its columns need.
#[inline(always)]
fn tile_of<S: Simd>(simd: S, operands: &Operands<'_>, columns: usize, mut place: Place<'_>) {
    if S::F32_LANES * 2 == PANEL && columns > S::F32_LANES {
        multiply::<S, 2>(simd, operands, 0, &mut place);
    } else {
        for lane in 0..columns.div_ceil(S::F32_LANES) {
            multiply::<S, 1>(simd, operands, lane, &mut place);
        }
    }
}

/// `ROWS` rows times `V` vectors of columns, beginning at vector `lane` of the panel.
#[inline(always)]
#[allow(clippy::needless_range_loop, clippy::manual_memcpy, reason = "see the comment on plain loops")]
fn multiply<S: Simd, const V: usize>(simd: S, operands: &Operands<'_>, lane: usize, place: &mut Place<'_>) {
    // Plain loops: closures and adapters over vectors would not be inlined into code for other instruction sets.
    let Operands { source, zeros, length, steps, right, begin } = *operands;
    let width = PANEL / S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
    if let Some(begin) = begin {
        let (begin, _) = S::as_simd_f32s(begin);
        for r in 0..ROWS {
            for v in 0..V {
                sums[r][v] = begin[lane + v];
            }
        }
    }
    for step in steps {
        let row = |r: usize| -> &[f32] {
            let from = step.from[r];
            if from == NOTHING { &zeros[..length] } else { &source[from..from + length] }
        };
        let (l0, l1, l2, l3) = (row(0), row(1), row(2), row(3));
        let (l4, l5, l6, l7) = (row(4), row(5), row(6), row(7));
        let (vectors, _) = S::as_simd_f32s(&right[step.right * PANEL..][..length * PANEL]);
        let vectors = &vectors[..length * width];
        for k in 0..length {
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
    }
    for r in 0..place.rows {
        let (row, _) = S::as_mut_simd_f32s(&mut place.out[r * place.stride..][..PANEL]);
        for v in 0..V {
            row[lane + v] = sums[r][v];
        }
    }
}

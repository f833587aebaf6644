//! Convolutions as products whose right side is gathered from padded images, piece by piece.

use super::product::{PANEL, Product};
use rayon::prelude::*;

/// Columns that one task multiplies at once.
const COLUMNS: usize = 4 * PANEL;
/// Most of the inner dimension that is multiplied at once, so that a panel stays in the first-level cache.
const INNER: usize = 256;
/// Tasks that a product is split into at least, where its shape allows.
const TASKS: usize = 8;

/// Places of a packed channel that are written at once, so that they stay in the first-level cache.
const PACKED: usize = 64;

/// Copies a run, without a call where it is short and of a usual length.
#[inline(always)]
pub(super) fn copy_run(to: &mut [f32], from: &[f32]) {
    #[inline(always)]
    fn whole<const L: usize>(to: &mut [f32], from: &[f32]) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut::<L>(), from.first_chunk::<L>()) {
            *to = *from;
        }
    }
    match from.len() {
        2 => whole::<2>(to, from),
        4 => whole::<4>(to, from),
        8 => whole::<8>(to, from),
        9 => whole::<9>(to, from),
        16 => whole::<16>(to, from),
        32 => whole::<32>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Images with a border of zeros. Rows are split by the remainder of the column modulo `step`, so that columns `step`
/// apart are neighbours.
pub(super) struct Padded {
    data: Vec<f32>,
    channels: usize,
    height: usize,
    /// Columns of one remainder.
    span: usize,
    step: usize,
}

/// How far the border reaches and how columns are split.
#[derive(Clone, Copy)]
pub(super) struct Border {
    /// Rows above and columns left of the image.
    pub(super) before: usize,
    /// Rows below.
    pub(super) below: usize,
    /// Columns to the right.
    pub(super) right: usize,
    /// The step of [`Padded`].
    pub(super) step: usize,
}

impl Padded {
    /// Copies `[N, channels, height, width]`.
    pub(super) fn new(images: &[f32], [channels, height, width]: [usize; 3], border: Border) -> Self {
        let Border { before, below, right, step } = border;
        let rows = before + height + below;
        let span = (before + width + right).div_ceil(step);
        let image = channels * height * width;
        let count = images.len() / image.max(1);
        let mut data = vec![0.0; count * channels * rows * span * step];
        data.par_chunks_mut((rows * span * step).max(1))
            .zip(images.par_chunks((height * width).max(1)))
            .for_each(|(to, from)| {
                let lines = to.chunks_exact_mut(span * step).skip(before);
                for (to, from) in lines.zip(from.chunks_exact(width)) {
                    if step == 1 {
                        copy_run(&mut to[before..before + width], from);
                    } else {
                        for (x, value) in from.iter().enumerate() {
                            let x = x + before;
                            to[(x % step) * span + x / step] = *value;
                        }
                    }
                }
            });
        Self { data, channels, height: rows, span, step }
    }

    /// Elements of one image.
    fn image(&self) -> usize {
        self.channels * self.height * self.span * self.step
    }

    /// Where row `y`, column `x` of a channel lies in an image.
    pub(super) fn offset(&self, channel: usize, y: usize, x: usize) -> usize {
        let row = (channel * self.height + y) * self.step + x % self.step;
        row * self.span + x / self.step
    }
}

/// The matrix `[taps, N * runs * length]` whose element is an image's value at the sum of a tap and a position.
pub(super) struct Gather<'a> {
    /// The images.
    pub(super) padded: &'a Padded,
    /// How many.
    pub(super) images: usize,
    /// Offsets added by row.
    pub(super) taps: Vec<usize>,
    /// Offsets of the beginnings of runs in an image.
    pub(super) runs: Vec<usize>,
    /// Columns of a run, neighbours in the image.
    pub(super) length: usize,
}

/// A piece of a run: where it goes, where it comes from, its length.
type Segment = (usize, usize, usize);

impl Gather<'_> {
    /// Columns of the matrix.
    pub(super) fn columns(&self) -> usize {
        self.images * self.runs.len() * self.length
    }

    /// The pieces that make up these columns.
    fn segments(&self, first: usize, count: usize, segments: &mut Vec<Segment>) {
        segments.clear();
        let mut at = 0;
        while at < count {
            let (run, within) = ((first + at) / self.length, (first + at) % self.length);
            let (image, run) = (run / self.runs.len(), run % self.runs.len());
            let length = (self.length - within).min(count - at);
            segments.push((at, image * self.padded.image() + self.runs[run] + within, length));
            at += length;
        }
    }

    /// Writes rows `taps` of the columns of `segments` to `to`, `stride` apart.
    fn copy(&self, taps: &[usize], segments: &[Segment], to: &mut [f32], stride: usize) {
        let length = segments.first().map_or(0, |s| s.2);
        if segments.iter().all(|s| s.2 == length) {
            match length {
                1 => return self.copy_all::<1>(taps, segments, to, stride),
                2 => return self.copy_all::<2>(taps, segments, to, stride),
                4 => return self.copy_all::<4>(taps, segments, to, stride),
                8 => return self.copy_all::<8>(taps, segments, to, stride),
                16 => return self.copy_all::<16>(taps, segments, to, stride),
                32 => return self.copy_all::<32>(taps, segments, to, stride),
                _ => {}
            }
        }
        for (tap, to) in taps.iter().zip(to.chunks_mut(stride)) {
            for &(at, from, length) in segments {
                to[at..at + length].copy_from_slice(&self.padded.data[from + tap..][..length]);
            }
        }
    }

    /// [`copy`](Self::copy) of pieces of the same, known length.
    fn copy_all<const L: usize>(&self, taps: &[usize], segments: &[Segment], to: &mut [f32], stride: usize) {
        for (tap, to) in taps.iter().zip(to.chunks_mut(stride)) {
            for &(at, from, _) in segments {
                let from = self.padded.data[from + tap..].first_chunk::<L>();
                if let (Some(to), Some(from)) = (to[at..].first_chunk_mut::<L>(), from) {
                    *to = *from;
                }
            }
        }
    }

    /// Packs these taps of `count` columns as panels for a product.
    fn pack(&self, taps: &[usize], first: usize, count: usize, panels: &mut [f32]) {
        let mut segments = Vec::with_capacity(PANEL);
        for (panel, to) in panels.chunks_exact_mut(INNER * PANEL).enumerate() {
            let at = panel * PANEL;
            self.segments(first + at, PANEL.min(count - at), &mut segments);
            self.copy(taps, &segments, to, PANEL);
        }
    }

    /// `left` `[rows, taps]` times this matrix.
    pub(super) fn multiply(&self, left: &[f32], rows: usize) -> Blocks {
        let (columns, inner) = (self.columns(), self.taps.len());
        let groups = columns.div_ceil(COLUMNS);
        let mut data = vec![0.0; groups * rows * COLUMNS];
        let piece = rows.div_ceil(TASKS.div_ceil(groups.max(1))).max(64).min(rows);
        data.par_chunks_mut((rows * COLUMNS).max(1)).enumerate().for_each(|(group, out)| {
            let first = group * COLUMNS;
            let count = COLUMNS.min(columns - first);
            let panels = count.div_ceil(PANEL);
            let size = panels * INNER * PANEL;
            let product = |index: usize, block: usize, right: &[f32], out: &mut [f32]| {
                let rows = out.len() / COLUMNS;
                Product {
                    left: &left[index * piece * inner + block * INNER..],
                    stride: inner,
                    rows,
                    inner: INNER.min(inner - block * INNER),
                    right,
                    panel_stride: INNER * PANEL,
                    panels,
                    out,
                    out_stride: COLUMNS,
                }
                .run();
            };
            if piece < rows {
                // Few columns: tasks share them and have rows of their own.
                let mut right = vec![0.0; inner.div_ceil(INNER) * size];
                let blocks = right.par_chunks_mut(size).zip(self.taps.par_chunks(INNER));
                blocks.for_each(|(right, taps)| self.pack(taps, first, count, right));
                out.par_chunks_mut(piece * COLUMNS).enumerate().for_each(|(index, out)| {
                    for (block, right) in right.chunks_exact(size).enumerate() {
                        product(index, block, right, out);
                    }
                });
            } else {
                let mut right = vec![0.0; size];
                for (block, taps) in self.taps.chunks(INNER).enumerate() {
                    self.pack(taps, first, count, &mut right);
                    product(0, block, &right, out);
                }
            }
        });
        Blocks { data, rows }
    }

    /// This matrix times the transpose of `right`, `[N, channels, runs * length]` seen as
    /// `[channels, N * runs * length]`. The result is `[channels, taps]`.
    pub(super) fn multiply_transposed(&self, right: &[f32], channels: usize) -> Vec<f32> {
        let (columns, place) = (self.columns(), self.runs.len() * self.length);
        let panels = channels.div_ceil(PANEL);
        let mut packed = vec![0.0; panels * columns * PANEL];
        packed.par_chunks_mut((place * PANEL).max(1)).enumerate().for_each(|(chunk, to)| {
            let (panel, image) = (chunk / self.images, chunk % self.images);
            let count = PANEL.min(channels - panel * PANEL);
            let from = &right[(image * channels + panel * PANEL) * place..][..count * place];
            for (block, to) in to.chunks_mut(PACKED * PANEL).enumerate() {
                for (channel, from) in from.chunks_exact(place).enumerate() {
                    for (to, value) in to.chunks_exact_mut(PANEL).zip(&from[block * PACKED..]) {
                        to[channel] = *value;
                    }
                }
            }
        });
        let taps = self.taps.len();
        let piece = taps.div_ceil(TASKS).next_multiple_of(8).min(64);
        let width = panels * PANEL;
        // A task's sums stay in its cache until they are turned round.
        let pieces: Vec<Vec<f32>> = self
            .taps
            .par_chunks(piece)
            .map(|taps| {
                let mut sums = vec![0.0; taps.len() * width];
                let mut left = vec![0.0; taps.len() * INNER];
                let mut segments = Vec::new();
                for first in (0..columns).step_by(INNER) {
                    let inner = INNER.min(columns - first);
                    self.segments(first, inner, &mut segments);
                    self.copy(taps, &segments, &mut left, INNER);
                    Product {
                        left: &left,
                        stride: INNER,
                        rows: taps.len(),
                        inner,
                        right: &packed[first * PANEL..],
                        panel_stride: columns * PANEL,
                        panels,
                        out: &mut sums,
                        out_stride: width,
                    }
                    .run();
                }
                let mut turned = Vec::with_capacity(channels * taps.len());
                for channel in 0..channels {
                    turned.extend(sums.iter().skip(channel).step_by(width));
                }
                turned
            })
            .collect();
        let mut out = vec![0.0; channels * taps];
        out.par_chunks_mut((8 * taps).max(1)).enumerate().for_each(|(group, out)| {
            for (row, out) in out.chunks_exact_mut(taps).enumerate() {
                let channel = group * 8 + row;
                for (out, turned) in out.chunks_mut(piece).zip(&pieces) {
                    out.copy_from_slice(&turned[channel * out.len()..][..out.len()]);
                }
            }
        });
        out
    }
}

/// A product in blocks of [`COLUMNS`] columns, each `[rows, COLUMNS]`.
pub(super) struct Blocks {
    data: Vec<f32>,
    rows: usize,
}

impl Blocks {
    /// Calls `f` with pieces of consecutive elements of a row, `count` from column `first`, and their place.
    pub(super) fn pieces(&self, row: usize, first: usize, count: usize, mut f: impl FnMut(usize, &[f32])) {
        let mut at = 0;
        while at < count {
            let (block, within) = ((first + at) / COLUMNS, (first + at) % COLUMNS);
            let length = (COLUMNS - within).min(count - at);
            f(at, &self.data[(block * self.rows + row) * COLUMNS + within..][..length]);
            at += length;
        }
    }
}

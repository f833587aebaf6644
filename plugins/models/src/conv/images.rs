//! The first convolution, whose input is pictures as they come, `[N, C, H, W]`: their few channels would make pieces too
//! short to be worth a step, so every row is put together first.

use super::gradient::outer_sums;
use super::outer::Run;
use super::shape::Geometry;
use super::tile::{self, ROWS, Step, Tiles};
use super::weights::plain_panels;
use fovea_heap::in_chunks;

/// Rows that one task computes at once.
const BLOCK: usize = 128;

/// Pictures with a border of zeros.
struct Padded {
    data: Vec<f32>,
    /// Rows and columns.
    size: [usize; 2],
    channels: usize,
}

impl Padded {
    fn new(images: &[f32], [channels, height, width]: [usize; 3], padding: usize) -> Self {
        let size = [height + 2 * padding, width + 2 * padding];
        let plane = size[0] * size[1];
        let planes = images.len() / (height * width);
        let data = in_chunks(planes * plane, plane, |index, to| {
            let from = images[index * height * width..].chunks_exact(width).take(height);
            for (to, from) in to.chunks_exact_mut(size[1]).skip(padding).zip(from) {
                to[padding..padding + width].copy_from_slice(from);
            }
        });
        Self { data, size, channels }
    }

    fn offset(&self, channel: usize, y: usize, x: usize) -> usize {
        (channel * self.size[0] + y) * self.size[1] + x
    }

    /// Where the patch of an output's row begins.
    fn base(&self, row: usize, geometry: &Geometry) -> usize {
        let (place, image) = (row / geometry.images, row % geometry.images);
        let (y, x) = (place / geometry.output[2], place % geometry.output[2]);
        let start = image * self.channels * self.size[0] * self.size[1];
        start + self.offset(0, y * geometry.stride, x * geometry.stride)
    }
}

impl Geometry {
    /// Elements of a patch.
    fn patch(&self) -> usize {
        self.input[0] * self.taps()
    }

    /// The output `[h, w, N, K]` of pictures `[N, C, H, W]`.
    pub(super) fn forward_images(&self, images: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let (columns, inner, k) = (self.output[0], self.patch(), self.kernel);
        let padded = Padded::new(images, self.input, self.padding);
        let panels = plain_panels(weight, inner);
        let bias = bias.map(tile::padded);
        let lines: Vec<usize> =
            (0..self.input[0] * k).map(|line| padded.offset(line / k, line % k, 0)).collect();
        let zeros = vec![0.0; inner];
        in_chunks(self.output_rows() * columns, BLOCK * columns, |block, out| {
            let rows = out.len() / columns;
            let mut source = vec![0.0; rows * inner];
            for (row, to) in source.chunks_exact_mut(inner).enumerate() {
                let base = padded.base(block * BLOCK + row, self);
                for (line, to) in lines.iter().zip(to.chunks_exact_mut(k)) {
                    copy_line(to, &padded.data[base + line..][..k]);
                }
            }
            let step = |tile: usize| {
                let from = std::array::from_fn(|r| (tile * ROWS + r).min(rows - 1) * inner);
                Step { from, right: 0 }
            };
            let steps: Vec<Step> = (0..rows.div_ceil(ROWS)).map(step).collect();
            let ends: Vec<usize> = (1..=steps.len()).collect();
            Tiles {
                source: &source,
                length: inner,
                zeros: &zeros,
                steps: &steps,
                ends: &ends,
                panels: &panels,
                inner,
                bias: bias.as_deref(),
                out,
                rows,
                stride: columns,
                columns,
            }
            .run();
        })
    }

    /// The gradient of the weight, `[K, C, k, k]`.
    pub(super) fn weight_gradient_of_images(&self, images: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (inner, k, rows) = (self.patch(), self.kernel, self.output_rows());
        let padded = Padded::new(images, self.input, self.padding);
        let fill = |tile: usize, to: &mut [f32]| {
            let count = ROWS.min(inner - tile * ROWS);
            let offset = |i: usize| {
                let element = tile * ROWS + i.min(count - 1);
                padded.offset(element / (k * k), element / k % k, element % k)
            };
            let offsets: [usize; ROWS] = std::array::from_fn(offset);
            for (row, to) in to.chunks_exact_mut(ROWS).enumerate() {
                let from = &padded.data[padded.base(row, self)..];
                for (to, offset) in to[..count].iter_mut().zip(offsets) {
                    *to = from[offset];
                }
            }
        };
        let run = |start| Run { tap: 0, left: start, right: start, length: BLOCK.min(rows - start) };
        let runs: Vec<Vec<Run>> = (0..rows).step_by(BLOCK).map(|start| vec![run(start)]).collect();
        outer_sums(rows, fill, gradient, &runs, [self.output[0], inner, 1])
    }
}

/// Copies a line of a patch, without a call where it is of a usual length.
#[inline(always)]
fn copy_line(to: &mut [f32], from: &[f32]) {
    #[inline(always)]
    fn whole<const L: usize>(to: &mut [f32], from: &[f32]) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut::<L>(), from.first_chunk::<L>()) {
            *to = *from;
        }
    }
    match from.len() {
        3 => whole::<3>(to, from),
        7 => whole::<7>(to, from),
        _ => to.copy_from_slice(from),
    }
}

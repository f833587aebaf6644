//! Weights in the order in which products read them, and back.

use super::shape::Geometry;
use super::tile::PANEL;
use fovea_heap::in_chunks;

/// Output channels of a weight's gradient that one task puts in order.
const CHANNELS: usize = 16;

impl Geometry {
    /// `[K, C, k, k]` as `[panels of K, taps * C, PANEL]`.
    pub(super) fn forward_panels(&self, weight: &[f32]) -> Vec<f32> {
        let ([outputs, ..], [inputs, ..], taps) = (self.output, self.input, self.taps());
        let row = inputs * taps;
        // Input channels at a time, so that what is read of all outputs stays in the cache.
        let block = 16.min(inputs);
        in_chunks(outputs.div_ceil(PANEL) * row * PANEL, row * PANEL, |panel, to| {
            let count = PANEL.min(outputs - panel * PANEL);
            let rows = &weight[panel * PANEL * row..][..count * row];
            for first in (0..inputs).step_by(block) {
                let channels = block.min(inputs - first);
                for (output, from) in rows.chunks_exact(row).enumerate() {
                    let from = from[first * taps..][..channels * taps].chunks_exact(taps);
                    for (channel, from) in from.enumerate() {
                        for (tap, value) in from.iter().enumerate() {
                            to[(tap * inputs + first + channel) * PANEL + output] = *value;
                        }
                    }
                }
            }
        })
    }

    /// `[K, C, k, k]` as `[panels of C, taps * K, PANEL]`.
    pub(super) fn backward_panels(&self, weight: &[f32]) -> Vec<f32> {
        let ([outputs, ..], [inputs, ..], taps) = (self.output, self.input, self.taps());
        let size = taps * outputs * PANEL;
        in_chunks(inputs.div_ceil(PANEL) * size, size, |panel, to| {
            let count = PANEL.min(inputs - panel * PANEL);
            for (output, from) in weight.chunks_exact(inputs * taps).enumerate() {
                let from = &from[panel * PANEL * taps..][..count * taps];
                for tap in 0..taps {
                    let to = &mut to[(tap * outputs + output) * PANEL..][..count];
                    for (to, from) in to.iter_mut().zip(from[tap..].iter().step_by(taps)) {
                        *to = *from;
                    }
                }
            }
        })
    }
}

/// `[K, row]` as `[panels of K, row, PANEL]`.
pub(super) fn plain_panels(weight: &[f32], row: usize) -> Vec<f32> {
    in_chunks((weight.len() / row).div_ceil(PANEL) * row * PANEL, row * PANEL, |panel, to| {
        let rows = weight[panel * PANEL * row..].chunks_exact(row).take(PANEL);
        for (output, from) in rows.enumerate() {
            for (to, value) in to.chunks_exact_mut(PANEL).zip(from) {
                to[output] = *value;
            }
        }
    })
}

/// Sums by tap for some input channels, `[taps, rows, width]` each of which the first `outputs` columns count, as
/// `[outputs, channels, taps]`, where piece `i` has the channels from `i * rows`.
pub(super) fn weight_order(
    pieces: &[Vec<f32>],
    [rows, width]: [usize; 2],
    [outputs, channels, taps]: [usize; 3],
) -> Vec<f32> {
    let row = channels * taps;
    in_chunks(outputs * row, CHANNELS * row, |block, out| {
        let first = block * CHANNELS;
        for (index, piece) in pieces.iter().enumerate() {
            let own = rows.min(channels - index * rows);
            for tap in 0..taps {
                for channel in 0..own {
                    let sums = &piece[(tap * rows + channel) * width + first..];
                    let at = (index * rows + channel) * taps + tap;
                    for (out, sum) in out.chunks_exact_mut(row).zip(sums) {
                        out[at] = *sum;
                    }
                }
            }
        }
    })
}

//! The gradient of a weight: outer products of the input's rows and the gradient's.

use super::outer::{Outer, Run};
use super::shape::Geometry;
use super::tile::{PANEL, ROWS};
use super::weights::weight_order;
use fovea_heap::in_chunks;
use rayon::prelude::*;

/// Rows of the gradient that stay in the first-level cache while all taps pass.
const CHUNK: usize = 128;
/// Tasks by input channels from which on output channels are not split among tasks.
const TASKS: usize = 16;

impl Geometry {
    /// The rows that meet, in chunks that are to be handled one after the other.
    pub(super) fn runs(&self) -> Vec<Vec<Run>> {
        let (n, k, [_, height, width]) = (self.images, self.kernel, self.output);
        let line = width * n;
        let met: Vec<_> = (0..k).map(|tap| self.columns_met(tap)).collect();
        let mut chunks: Vec<Vec<Run>> = Vec::new();
        let mut pieces = Vec::new();
        let mut held = 0;
        let mut flush = |pieces: &mut Vec<(usize, std::ops::Range<usize>)>| {
            let mut runs = Vec::new();
            for tap in 0..k * k {
                for (y, range) in pieces.iter() {
                    let Some(row) = self.row_met(*y, tap / k) else { continue };
                    let columns = &met[tap % k];
                    let valid = range.start.max(columns.start * n)..range.end.min(columns.end * n);
                    self.add_runs(tap, *y * line, row, valid, &mut runs);
                }
            }
            chunks.push(runs);
            pieces.clear();
        };
        for y in 0..height {
            for start in (0..line).step_by(CHUNK) {
                let end = (start + CHUNK).min(line);
                if held + end - start > CHUNK && held > 0 {
                    flush(&mut pieces);
                    held = 0;
                }
                held += end - start;
                pieces.push((y, start..end));
            }
        }
        flush(&mut pieces);
        chunks
    }

    /// Adds the runs of a tap for rows of one line of the output, whose first row is `line`, and line `row` of the input.
    fn add_runs(
        &self,
        tap: usize,
        line: usize,
        row: usize,
        valid: std::ops::Range<usize>,
        runs: &mut Vec<Run>,
    ) {
        let (n, s, p, [_, _, width]) = (self.images, self.stride, self.padding, self.input);
        let mut at = valid.start;
        while at < valid.end {
            let (x, image) = (at / n, at % n);
            // Neighbours in the output are neighbours in the input where the stride is 1.
            let end = if s == 1 { valid.end } else { valid.end.min((x + 1) * n) };
            let left = (row * width + x * s + tap % self.kernel - p) * n + image;
            runs.push(Run { tap, left, right: line + at, length: end - at });
            at = end;
        }
    }

    /// The gradient of the weight, `[K, C, k, k]`, from input and gradient `[rows, C]` and `[rows, K]`.
    pub(super) fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let ([outputs, ..], [inputs, ..]) = (self.output, self.input);
        let fill = |tile: usize, to: &mut [f32]| {
            let first = tile * ROWS;
            let count = ROWS.min(inputs - first);
            for (to, from) in to.chunks_exact_mut(ROWS).zip(input.chunks_exact(inputs)) {
                match from[first..].first_chunk::<ROWS>() {
                    Some(from) => to.copy_from_slice(from),
                    None => to[..count].copy_from_slice(&from[first..]),
                }
            }
        };
        let shape = [outputs, inputs, self.taps()];
        outer_sums(self.input_rows(), fill, gradient, &self.runs(), shape)
    }
}

/// `[outputs, inputs, taps]`: for every tap, the sum of outer products of rows of the right side, `[_, outputs]`, and of
/// the left side, of whose rows `fill` writes the inputs from `ROWS` times its first argument.
pub(super) fn outer_sums(
    left_rows: usize,
    fill: impl Fn(usize, &mut [f32]) + Sync,
    right: &[f32],
    runs: &[Vec<Run>],
    shape: [usize; 3],
) -> Vec<f32> {
    let [outputs, inputs, taps] = shape;
    let rows = right.len() / outputs;
    let panels = outputs.div_ceil(PANEL);
    let packed = (outputs != PANEL).then(|| {
        in_chunks(panels * rows * PANEL, CHUNK * PANEL, |chunk, to| {
            // A chunk may end one panel and begin the next.
            for (i, to) in to.chunks_exact_mut(PANEL).enumerate() {
                let (panel, row) = ((chunk * CHUNK + i) / rows, (chunk * CHUNK + i) % rows);
                let from = &right[row * outputs..][..outputs][panel * PANEL..];
                match from.first_chunk::<PANEL>() {
                    Some(from) => to.copy_from_slice(from),
                    None => to[..from.len()].copy_from_slice(from),
                }
            }
        })
    });
    let packed = packed.as_deref().unwrap_or(right);
    let tiles = inputs.div_ceil(ROWS);
    let groups = if tiles >= TASKS { 1 } else { panels };
    let width = panels * PANEL / groups;
    let sums: Vec<Vec<f32>> = (0..tiles * groups)
        .into_par_iter()
        .map(|task| {
            let (tile, group) = (task / groups, task % groups);
            let mut left = vec![0.0; left_rows * ROWS];
            fill(tile, &mut left);
            let mut all = vec![0.0; taps * ROWS * width];
            let own = panels / groups;
            let mut sums = vec![0.0; taps * ROWS * PANEL];
            for panel in 0..own {
                let number = group * own + panel;
                let right = &packed[number * rows * PANEL..][..rows * PANEL];
                let columns = PANEL.min(outputs - number * PANEL);
                sums.fill(0.0);
                for runs in runs {
                    Outer { left: &left, right, runs, sums: &mut sums, columns }.run();
                }
                for (to, from) in all.chunks_exact_mut(width).zip(sums.chunks_exact(PANEL)) {
                    to[panel * PANEL..][..PANEL].copy_from_slice(from);
                }
            }
            all
        })
        .collect();
    if groups == 1 {
        return weight_order(&sums, [ROWS, width], shape);
    }
    let whole: Vec<Vec<f32>> = sums
        .chunks_exact(groups)
        .map(|parts| {
            let rows = (0..taps * ROWS)
                .flat_map(|row| parts.iter().flat_map(move |part| &part[row * width..][..width]));
            rows.copied().collect()
        })
        .collect();
    weight_order(&whole, [ROWS, panels * PANEL], shape)
}

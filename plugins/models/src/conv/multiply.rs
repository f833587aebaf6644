//! Products whose left rows are gathered from a map, by place and tap.

use super::shape::Meetings;
use super::tile::{NOTHING, PANEL, ROWS, Step, Tiles, padded};
use fovea_heap::in_chunks;

/// Rows that one task computes at once: their left sides stay in the cache while the panels pass.
const BLOCK: usize = 128;
/// Tasks by rows from which on columns are not split among tasks.
const TASKS: usize = 8;

/// The left side of a product: for each row, pieces of one length.
pub(super) struct Left<'a> {
    /// Where pieces lie.
    pub(super) source: &'a [f32],
    /// Elements of a piece.
    pub(super) length: usize,
    /// Rows by place and image.
    pub(super) meetings: &'a Meetings,
    /// Images.
    pub(super) images: usize,
}

/// Steps of some tiles.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) all: Vec<Step>,
    pub(super) ends: Vec<usize>,
}

impl Left<'_> {
    pub(super) fn rows(&self) -> usize {
        self.meetings.places() * self.images
    }

    /// The steps of the tiles of these rows.
    fn steps(&self, first: usize, rows: usize) -> Steps {
        let mut steps = Steps::default();
        for start in (first..first + rows).step_by(ROWS) {
            self.add_steps(start, ROWS.min(first + rows - start), &mut steps.all);
            steps.ends.push(steps.all.len());
        }
        steps
    }

    fn add_steps(&self, start: usize, count: usize, steps: &mut Vec<Step>) {
        let from = |place: u32, image: usize| (place as usize * self.images + image) * self.length;
        let (place, image) = (start / self.images, start % self.images);
        if image + count <= self.images {
            // One place, so all rows have the same taps. Missing rows repeat the first one; their sums are dropped.
            for meeting in self.meetings.of(place) {
                let from =
                    std::array::from_fn(|r| from(meeting.place, image + if r < count { r } else { 0 }));
                steps.push(Step { from, right: meeting.tap as usize * self.length });
            }
            return;
        }
        let rows: [_; ROWS] = std::array::from_fn(|r| {
            let row = start + r.min(count - 1);
            (self.meetings.of(row / self.images), row % self.images)
        });
        let taps = rows.iter().filter_map(|(own, _)| own.last()).map(|last| last.tap + 1).max().unwrap_or(0);
        for tap in 0..taps {
            let from = rows.map(|(own, image)| {
                let meeting = own.iter().find(|meeting| meeting.tap == tap);
                meeting.map_or(NOTHING, |meeting| from(meeting.place, image))
            });
            if from.iter().any(|from| *from != NOTHING) {
                steps.push(Step { from, right: tap as usize * self.length });
            }
        }
    }

    /// `[rows, columns]`: this times `panels`, `[panels, inner, PANEL]`, plus `bias` by column.
    pub(super) fn multiply(&self, panels: &[f32], columns: usize, bias: Option<&[f32]>) -> Vec<f32> {
        let count = columns.div_ceil(PANEL);
        let inner = panels.len() / (count * PANEL);
        let bias = bias.map(padded);
        let bias = bias.as_deref();
        let (rows, zeros) = (self.rows(), vec![0.0; self.length]);
        let tiles = |steps: &Steps, panels: &[f32], columns, bias, out: &mut [f32], rows, stride| {
            let (source, length) = (self.source, self.length);
            let Steps { all, ends } = steps;
            let (steps, zeros) = (all.as_slice(), zeros.as_slice());
            Tiles { source, length, zeros, steps, ends, panels, inner, bias, out, rows, stride, columns }
                .run();
        };
        if rows.div_ceil(BLOCK) >= TASKS || count == 1 {
            return in_chunks(rows * columns, BLOCK * columns, |block, out| {
                let rows = out.len() / columns;
                let steps = self.steps(block * BLOCK, rows);
                tiles(&steps, panels, columns, bias, out, rows, columns);
            });
        }
        // Few rows: a task has one panel.
        let steps = self.steps(0, rows);
        let parts = in_chunks(count * rows * PANEL, rows * PANEL, |panel, out| {
            let size = inner * PANEL;
            let bias = bias.map(|bias| &bias[panel * PANEL..][..PANEL]);
            let columns = PANEL.min(columns - panel * PANEL);
            tiles(&steps, &panels[panel * size..][..size], columns, bias, out, rows, PANEL);
        });
        in_chunks(rows * columns, ROWS * columns, |block, out| {
            for (r, out) in out.chunks_exact_mut(columns).enumerate() {
                for (panel, out) in out.chunks_mut(PANEL).enumerate() {
                    let from = &parts[(panel * rows + block * ROWS + r) * PANEL..];
                    out.copy_from_slice(&from[..out.len()]);
                }
            }
        })
    }
}

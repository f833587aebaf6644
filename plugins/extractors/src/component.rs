//! The hard box of a heatmap (Eq. 3): threshold, connected components, the tight box of one of them. The main function
//! is [`find`].
//!
//! Labelling runs on the host: a flood fill by runs touches each pixel about twice, and with the default `keep` it
//! visits nothing but the component it looks for.

use fovea_api::{BBox, HeatmapView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which neighbours of a pixel belong to its component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(extend("enum" = [4, 8]))]
pub enum Connectivity {
    /// Those that share a side.
    #[default]
    Four,
    /// Those that share a side or a corner.
    Eight,
}

impl TryFrom<u8> for Connectivity {
    type Error = String;

    fn try_from(neighbours: u8) -> Result<Self, String> {
        match neighbours {
            4 => Ok(Self::Four),
            8 => Ok(Self::Eight),
            other => Err(format!("connectivity is 4 or 8, not {other}")),
        }
    }
}

impl From<Connectivity> for u8 {
    fn from(connectivity: Connectivity) -> Self {
        match connectivity {
            Connectivity::Four => 4,
            Connectivity::Eight => 8,
        }
    }
}

/// Which component makes the box. Ties go to the component whose first pixel, row by row, comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The one with the maximum of the heatmap (of several maxima the first, row by row).
    #[default]
    ContainsMax,
    /// The one with the most pixels.
    Largest,
    /// The one with the highest mean.
    HighestMean,
    /// The one with the highest sum.
    HighestSum,
}

/// Label of pixels that do not exceed the threshold.
pub const BELOW: u8 = 0;
/// Label of pixels of a component that is not kept.
pub const OTHER: u8 = 1;
/// Label of the kept component.
pub const KEPT: u8 = 2;
/// Label of components while they are compared; none is left when [`find`] returns.
const VISITED: u8 = 3;

/// What a hard box is made by.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// A pixel is in when its value is above this, strictly.
    pub threshold: f32,
    /// Neighbourhood.
    pub connectivity: Connectivity,
    /// Which component is kept.
    pub keep: Keep,
}

/// The tight half-open box of the kept component. `None` where no pixel exceeds the threshold or a value is not
/// finite; then every label is [`BELOW`].
///
/// # Shapes
/// - `heatmap`: `[height, width]`.
/// - `labels`: `[height * width]`, overwritten with [`BELOW`], [`OTHER`] and [`KEPT`].
pub fn find(heatmap: HeatmapView<'_>, rule: Rule, labels: &mut [u8]) -> Option<BBox> {
    let Some(peak) = maximum(heatmap.values).filter(|&m| m > rule.threshold) else {
        labels.fill(BELOW);
        return None;
    };
    for (label, &value) in labels.iter_mut().zip(heatmap.values) {
        *label = if value > rule.threshold { OTHER } else { BELOW };
    }
    let mut grid = Grid { width: heatmap.width, labels, stack: Vec::new(), rule };
    let (seed, label) = if rule.keep == Keep::ContainsMax {
        (heatmap.values.iter().position(|&v| v == peak)?, OTHER)
    } else {
        (grid.best_seed(heatmap.values)?, VISITED)
    };
    let bbox = grid.tight_box(seed, label);
    if label == VISITED {
        for label in labels.iter_mut().filter(|label| **label == VISITED) {
            *label = OTHER;
        }
    }
    Some(bbox)
}

/// The maximum; `None` for no values or when one of them is not finite. By lanes, so that it is compiled to vectors.
fn maximum(values: &[f32]) -> Option<f32> {
    const LANES: usize = 16;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    // v * 0 is 0 for finite v and NaN otherwise, and NaN stays in a sum.
    let mut poison = [0.0f32; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
            poison[i] += chunk[i] * 0.0;
        }
    }
    let finite = poison.iter().all(|p| *p == 0.0) && rest.iter().all(|v| v.is_finite());
    let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    (finite && max.is_finite()).then_some(max)
}

struct Grid<'a> {
    width: usize,
    labels: &'a mut [u8],
    stack: Vec<usize>,
    rule: Rule,
}

impl Grid<'_> {
    /// Relabels the component of `seed` and calls `visit` with row, first and past-the-end column of each of its runs.
    fn fill(&mut self, seed: usize, from: u8, to: u8, mut visit: impl FnMut(usize, usize, usize)) {
        let width = self.width;
        let height = self.labels.len() / width;
        let reach = usize::from(self.rule.connectivity == Connectivity::Eight);
        self.stack.push(seed);
        while let Some(seed) = self.stack.pop() {
            if self.labels[seed] != from {
                continue;
            }
            let (y, x) = (seed / width, seed % width);
            let row = &mut self.labels[y * width..(y + 1) * width];
            let start = row[..x].iter().rposition(|&l| l != from).map_or(0, |i| i + 1);
            let end = row[x..].iter().position(|&l| l != from).map_or(width, |i| x + i);
            row[start..end].fill(to);
            visit(y, start, end);
            let (low, high) = (start.saturating_sub(reach), (end + reach).min(width));
            for near in [y.checked_sub(1), Some(y + 1).filter(|&y| y < height)].into_iter().flatten() {
                let mut inside = false;
                for x in near * width + low..near * width + high {
                    let matches = self.labels[x] == from;
                    if matches && !inside {
                        self.stack.push(x);
                    }
                    inside = matches;
                }
            }
        }
    }

    /// First pixel of the best component; labels every component as visited.
    fn best_seed(&mut self, values: &[f32]) -> Option<usize> {
        let width = self.width;
        let mut best: Option<(f64, usize)> = None;
        let mut next = 0;
        while let Some(offset) = self.labels[next..].iter().position(|&l| l == OTHER) {
            let seed = next + offset;
            next = seed + 1;
            let (mut count, mut sum) = (0.0, 0.0);
            self.fill(seed, OTHER, VISITED, |y, start, end| {
                count += (end - start) as f64;
                sum += values[y * width + start..y * width + end].iter().map(|&v| f64::from(v)).sum::<f64>();
            });
            let score = match self.rule.keep {
                Keep::Largest => count,
                Keep::HighestMean => sum / count,
                Keep::HighestSum | Keep::ContainsMax => sum,
            };
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, seed));
            }
        }
        best.map(|(_, seed)| seed)
    }

    /// Labels the component of `seed` as kept and measures it.
    fn tight_box(&mut self, seed: usize, from: u8) -> BBox {
        let (mut x1, mut y1, mut x2, mut y2) = (usize::MAX, usize::MAX, 0, 0);
        self.fill(seed, from, KEPT, |y, start, end| {
            (x1, x2) = (x1.min(start), x2.max(end));
            (y1, y2) = (y1.min(y), y2.max(y + 1));
        });
        BBox::new(x1 as f32, y1 as f32, x2 as f32, y2 as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { threshold: 0.5, connectivity: Connectivity::Four, keep: Keep::ContainsMax };

    /// A map from rows of digits (tenths; `X` is 1).
    fn run(rows: &[&str], rule: Rule) -> (Option<[f32; 4]>, Vec<u8>) {
        let value = |b: u8| if b == b'X' { 1.0 } else { f32::from(b - b'0') / 10.0 };
        let values: Vec<f32> = rows.iter().flat_map(|r| r.bytes().map(value)).collect();
        let heatmap = HeatmapView { height: rows.len(), width: rows[0].len(), values: &values };
        let mut labels = vec![9; values.len()];
        let bbox = find(heatmap, rule, &mut labels);
        (bbox.map(|b| b.to_array()), labels)
    }

    fn boxed(rows: &[&str], rule: Rule) -> [f32; 4] {
        run(rows, rule).0.unwrap()
    }

    #[test]
    fn the_box_of_the_maximum_is_tight_and_half_open() {
        let (bbox, labels) = run(&["60000", "00600", "06X60", "00000"], RULE);
        assert_eq!(bbox, Some([1.0, 1.0, 4.0, 3.0]));
        assert_eq!(labels, [1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_threshold_is_strict_and_ties_go_to_the_first() {
        assert_eq!(boxed(&["5X5"], RULE), [1.0, 0.0, 2.0, 1.0]);
        assert_eq!(boxed(&["00X", "000", "X00"], RULE), [2.0, 0.0, 3.0, 1.0]);
        assert_eq!(boxed(&["X0X"], RULE), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(run(&["555"], RULE), (None, vec![0; 3]));
    }

    #[test]
    fn corners_join_with_eight_neighbours_only() {
        let rows = ["X000", "0600", "0060", "0006"];
        assert_eq!(boxed(&rows, RULE), [0.0, 0.0, 1.0, 1.0]);
        let eight = Rule { connectivity: Connectivity::Eight, ..RULE };
        assert_eq!(boxed(&rows, eight), [0.0, 0.0, 4.0, 4.0]);
        assert_eq!(boxed(&["000X", "0060", "0600", "6000"], eight), [0.0, 0.0, 4.0, 4.0]);
        // A run ends at the border: the last column is no neighbour of the next row's first.
        assert_eq!(boxed(&["000X", "6000"], eight), [3.0, 0.0, 4.0, 1.0]);
    }

    #[test]
    fn every_keep() {
        // Three pixels with the maximum (mean 0.73, sum 2.2), two of 0.9, six of 0.6.
        let rows = ["X6000000", "60099000", "00000666", "00000666"];
        let with = |keep| boxed(&rows, Rule { keep, ..RULE });
        assert_eq!(with(Keep::ContainsMax), [0.0, 0.0, 2.0, 2.0]);
        assert_eq!(with(Keep::Largest), [5.0, 2.0, 8.0, 4.0]);
        assert_eq!(with(Keep::HighestMean), [3.0, 1.0, 5.0, 2.0]);
        assert_eq!(with(Keep::HighestSum), [5.0, 2.0, 8.0, 4.0]);
        let pairs = ["XX0666"];
        assert_eq!(boxed(&pairs, Rule { keep: Keep::Largest, ..RULE }), [3.0, 0.0, 6.0, 1.0]);
        assert_eq!(boxed(&pairs, Rule { keep: Keep::HighestSum, ..RULE }), [0.0, 0.0, 2.0, 1.0]);
        let (_, labels) = run(&["X066"], Rule { keep: Keep::Largest, ..RULE });
        assert_eq!(labels, [OTHER, BELOW, KEPT, KEPT]);
        for keep in [Keep::Largest, Keep::HighestMean, Keep::HighestSum] {
            assert_eq!(boxed(&["00X", "000", "X00"], Rule { keep, ..RULE }), [2.0, 0.0, 3.0, 1.0]);
        }
    }

    #[test]
    fn odd_shapes_and_values() {
        assert_eq!(boxed(&["X"], RULE), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(boxed(&["XXXXXXXXXXXXXXXXXXXXXXXX"], RULE), [0.0, 0.0, 24.0, 1.0]);
        assert_eq!(run(&["000"], RULE).0, None);
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 20, 39] {
                let mut values = vec![0.0; 40];
                values[5] = 1.0;
                values[at] = odd;
                let heatmap = HeatmapView { height: 5, width: 8, values: &values };
                let mut labels = vec![9; 40];
                assert_eq!(find(heatmap, RULE, &mut labels), None);
                assert_eq!(labels, [0; 40]);
            }
        }
        let empty = HeatmapView { height: 0, width: 0, values: &[] };
        assert_eq!(find(empty, RULE, &mut []), None);
    }

    /// The definition, slowly: repeat until nothing changes.
    fn spread(above: &[bool], width: usize, seed: usize, eight: bool) -> Vec<bool> {
        let mut member = vec![false; above.len()];
        member[seed] = true;
        let height = above.len() / width;
        loop {
            let before = member.clone();
            for i in (0..above.len()).filter(|&i| above[i]) {
                let (y, x) = ((i / width) as isize, (i % width) as isize);
                for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
                    let (v, u) = (y + dy, x + dx);
                    let inside = v >= 0 && u >= 0 && (v as usize) < height && (u as usize) < width;
                    if inside && (eight || dy == 0 || dx == 0) && member[v as usize * width + u as usize] {
                        member[i] = true;
                    }
                }
            }
            if before == member {
                return member;
            }
        }
    }

    #[test]
    fn random_maps_agree_with_the_definition() {
        let mut state = 1u64;
        for case in 0..200 {
            let (height, width) = (1 + case % 9, 1 + case % 13);
            let values: Vec<f32> = (0..height * width)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 40) as f32 / 16_777_216.0
                })
                .collect();
            let above: Vec<bool> = values.iter().map(|&v| v > 0.4).collect();
            let seed = (0..values.len()).fold(0, |a, b| if values[b] > values[a] { b } else { a });
            for connectivity in [Connectivity::Four, Connectivity::Eight] {
                let rule = Rule { threshold: 0.4, connectivity, keep: Keep::ContainsMax };
                let mut labels = vec![9; values.len()];
                let found = find(HeatmapView { height, width, values: &values }, rule, &mut labels);
                if found.is_none() {
                    assert!(!above[seed]);
                    continue;
                }
                let member = spread(&above, width, seed, connectivity == Connectivity::Eight);
                for i in 0..values.len() {
                    let label = if member[i] { KEPT } else { u8::from(above[i]) };
                    assert_eq!(labels[i], label, "case {case}, pixel {i}");
                }
            }
        }
    }
}

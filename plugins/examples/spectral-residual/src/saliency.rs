//! The saliency map and what stands out of it. The main function is [`map`].

use crate::fourier::{Complex, Direction, transform};
use fovea_abi::Image;

/// Least variance of grey values of a picture in which anything can stand out.
const FLAT: f64 = 1e-8;

/// The picture in grey, `n x n` averages of what a cell covers, in 0..=1.
pub(crate) fn small(image: &Image<'_>, n: usize) -> Vec<f64> {
    let (width, height) = (image.width(), image.height());
    let (across, down) = (cover(width, n), cover(height, n));
    let rgb = image.rgb();
    // Across first: `height x n`.
    let mut rows = vec![0.0; height * n];
    for (row, out) in rgb.chunks_exact(3 * width).zip(rows.chunks_exact_mut(n)) {
        for (cell, weights) in out.iter_mut().zip(&across) {
            *cell = weights.iter().map(|&(x, weight)| weight * grey(&row[3 * x..3 * x + 3])).sum();
        }
    }
    let mut cells = vec![0.0; n * n];
    for (out, weights) in cells.chunks_exact_mut(n).zip(&down) {
        for &(y, weight) in weights {
            for (cell, value) in out.iter_mut().zip(&rows[y * n..(y + 1) * n]) {
                *cell += weight * value;
            }
        }
    }
    cells
}

fn grey(pixel: &[u8]) -> f64 {
    (0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])) / 255.0
}

/// For each of `n` cells the pixels of a line that it covers, and how much of the cell each of them is.
fn cover(length: usize, n: usize) -> Vec<Vec<(usize, f64)>> {
    // In units of 1 / n of a pixel, so that all edges are whole numbers.
    let cell = |i: usize| {
        let (low, high) = (i * length, (i + 1) * length);
        (low / n..high.div_ceil(n))
            .map(|x| (x, (high.min((x + 1) * n) - low.max(x * n)) as f64 / length as f64))
            .collect()
    };
    (0..n).map(cell).collect()
}

/// The saliency of a grey picture of `n x n` values; `None` for a picture without contrast.
pub(crate) fn map(cells: &[f64], n: usize, sigma: f64) -> Option<Vec<f64>> {
    let mean = cells.iter().sum::<f64>() / cells.len() as f64;
    let variance = cells.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / cells.len() as f64;
    if variance < FLAT {
        return None;
    }
    let mut spectrum: Vec<Complex> = cells.iter().map(|&v| [v, 0.0]).collect();
    transform(&mut spectrum, n, Direction::Forward);
    // Frequencies at which there is nothing get a floor far below what a picture of 8 bits can have.
    let log: Vec<f64> = spectrum.iter().map(|v| v[0].hypot(v[1]).max(1e-6).ln()).collect();
    for (i, value) in spectrum.iter_mut().enumerate() {
        let residual = log[i] - average(&log, n, i % n, i / n);
        let phase = value[1].atan2(value[0]);
        *value = [residual.exp() * phase.cos(), residual.exp() * phase.sin()];
    }
    transform(&mut spectrum, n, Direction::Backward);
    let squares: Vec<f64> = spectrum.iter().map(|v| v[0] * v[0] + v[1] * v[1]).collect();
    Some(blur(&blur(&squares, n, sigma), n, sigma))
}

/// Average over 3 x 3 frequencies; the spectrum goes round.
fn average(values: &[f64], n: usize, x: usize, y: usize) -> f64 {
    let mut sum = 0.0;
    for dy in [n - 1, 0, 1] {
        for dx in [n - 1, 0, 1] {
            sum += values[(y + dy) % n * n + (x + dx) % n];
        }
    }
    sum / 9.0
}

/// Gaussian blur along the rows of `n x n` values, whose border is repeated, and a transpose.
fn blur(values: &[f64], n: usize, sigma: f64) -> Vec<f64> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weight = |d: isize| if sigma > 0.0 { (-((d * d) as f64) / (2.0 * sigma * sigma)).exp() } else { 1.0 };
    let total: f64 = (-reach..=reach).map(weight).sum();
    let mut out = vec![0.0; n * n];
    for y in 0..n {
        for x in 0..n {
            let at = |d: isize| values[y * n + x.saturating_add_signed(d).min(n - 1)] * weight(d);
            out[x * n + y] = (-reach..=reach).map(at).sum::<f64>() / total;
        }
    }
    out
}

/// A connected part of the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    /// Its tight box: x1, y1, x2, y2, half-open.
    pub(crate) cells: [usize; 4],
    /// How much of the saliency of all parts it has.
    pub(crate) share: f64,
}

/// The 4-connected part from `threshold` on that has the most saliency; the first of equals.
pub(crate) fn most_salient(map: &[f64], n: usize, threshold: f64) -> Option<Part> {
    let mut open: Vec<bool> = map.iter().map(|v| *v >= threshold).collect();
    let (mut best, mut all) = (None::<Part>, 0.0);
    for start in 0..map.len() {
        if !std::mem::take(&mut open[start]) {
            continue;
        }
        let (mut sum, mut todo, mut cells) = (0.0, vec![start], [n, n, 0, 0]);
        while let Some(i) = todo.pop() {
            let (x, y) = (i % n, i / n);
            sum += map[i];
            cells = [cells[0].min(x), cells[1].min(y), cells[2].max(x + 1), cells[3].max(y + 1)];
            let sides = [
                (x > 0, i.wrapping_sub(1)),
                (x + 1 < n, i + 1),
                (y > 0, i.wrapping_sub(n)),
                (y + 1 < n, i + n),
            ];
            for (_, i) in sides.into_iter().filter(|(there, _)| *there) {
                if std::mem::take(&mut open[i]) {
                    todo.push(i);
                }
            }
        }
        all += sum;
        if best.is_none_or(|b| sum > b.share) {
            best = Some(Part { cells, share: sum });
        }
    }
    best.map(|b| Part { share: if all > 0.0 { (b.share / all).min(1.0) } else { 1.0 }, ..b })
}

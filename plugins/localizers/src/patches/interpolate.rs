//! Position embeddings for a grid of another size, as DINO computes them.

/// A of Keys' cubic kernel, as in PyTorch.
const A: f64 = -0.75;

/// Resamples `[side, side, d]` to `[rows, cols, d]`: bicubic, with `(n + 0.1) / side` for the scale, by which DINO
/// guards the output's size against rounding; it moves the sampling points, too.
pub(super) fn positions(embedding: &[f32], side: usize, d: usize, rows: usize, cols: usize) -> Vec<f32> {
    let (vertical, horizontal) = (taps(side, rows), taps(side, cols));
    let mut output = Vec::with_capacity(rows * cols * d);
    for row in &vertical {
        for col in &horizontal {
            let at = output.len();
            output.resize(at + d, 0.0f32);
            for &(y, wy) in row {
                for &(x, wx) in col {
                    let source = &embedding[(y * side + x) * d..][..d];
                    let weight = (wy * wx) as f32;
                    output[at..].iter_mut().zip(source).for_each(|(o, s)| *o += weight * s);
                }
            }
        }
    }
    output
}

/// The four source indices of each output index, clamped at the border, with their weights.
fn taps(side: usize, length: usize) -> Vec<[(usize, f64); 4]> {
    let scale = (length as f64 + 0.1) / side as f64;
    (0..length)
        .map(|index| {
            let source = (index as f64 + 0.5) / scale - 0.5;
            let (floor, t) = (source.floor(), source - source.floor());
            std::array::from_fn(|tap| {
                let place = (floor as isize + tap as isize - 1).clamp(0, side as isize - 1);
                (place as usize, kernel((t + 1.0 - tap as f64).abs()))
            })
        })
        .collect()
}

/// Keys' cubic convolution kernel at a distance.
fn kernel(x: f64) -> f64 {
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_the_same_size_is_almost_the_same() {
        let embedding: Vec<f32> = (0..64).map(|i| (i * 7 % 13) as f32).collect();
        for (rows, cols) in [(8, 8), (3, 20)] {
            let constant = positions(&[2.5; 64], 8, 1, rows, cols);
            assert!(constant.iter().all(|v| (v - 2.5).abs() < 1e-6));
        }
        // The 0.1 in the scale moves the last sampling points by a tenth of a pixel.
        let same = positions(&embedding, 8, 1, 8, 8);
        assert!((same[0] - embedding[0]).abs() < 0.2 && same != embedding);
    }
}

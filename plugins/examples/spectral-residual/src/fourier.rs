//! The discrete Fourier transform of a square whose side is a power of two. The main function is [`transform`].

use std::f64::consts::PI;

/// A complex number: real and imaginary part.
pub(crate) type Complex = [f64; 2];

/// Which way to transform; backward divides by the number of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// Transforms `n x n` values in place.
///
/// # Panics
/// When `n` is no power of two, or there are not `n * n` values.
pub(crate) fn transform(values: &mut [Complex], n: usize, direction: Direction) {
    assert!(n.is_power_of_two() && values.len() == n * n);
    for _ in 0..2 {
        // Rows; the transpose makes rows of the columns, and the second one puts them back.
        values.chunks_exact_mut(n).for_each(|row| line(row, direction));
        for y in 0..n {
            for x in 0..y {
                values.swap(y * n + x, x * n + y);
            }
        }
    }
    if direction == Direction::Backward {
        let count = (n * n) as f64;
        values.iter_mut().flatten().for_each(|v| *v /= count);
    }
}

/// Radix 2, decimation in time.
fn line(values: &mut [Complex], direction: Direction) {
    let n = values.len();
    if n == 1 {
        return;
    }
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            values.swap(i, j);
        }
    }
    let sign = if direction == Direction::Forward { -1.0 } else { 1.0 };
    let mut half = 1;
    while half < n {
        for start in (0..n).step_by(2 * half) {
            for k in 0..half {
                let (sin, cos) = (sign * PI * k as f64 / half as f64).sin_cos();
                let (even, odd) = (values[start + k], values[start + k + half]);
                let turned = [odd[0] * cos - odd[1] * sin, odd[0] * sin + odd[1] * cos];
                values[start + k] = [even[0] + turned[0], even[1] + turned[1]];
                values[start + k + half] = [even[0] - turned[0], even[1] - turned[1]];
            }
        }
        half *= 2;
    }
}

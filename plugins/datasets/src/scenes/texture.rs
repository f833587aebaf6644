//! The ten background families. The main types are [`Family`] and [`Texture`].
//!
//! A texture maps a point of the picture, in fractions of the side, to a tone in 0..=1. Families differ in the
//! geometry of their tones; phase, pitch and (mostly) direction are drawn for each picture.

use fovea_api::Rng;
use rand::{Rng as _, RngExt as _};

/// A background family. Family `i` is the own family of class `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    HorizontalStripes,
    VerticalStripes,
    Checker,
    Grain,
    Clouds,
    Gradient,
    Dots,
    Mosaic,
    Waves,
    Rings,
}

impl Family {
    /// Every family, in the order of the classes whose own they are.
    pub const ALL: [Self; 10] = [
        Self::HorizontalStripes,
        Self::VerticalStripes,
        Self::Checker,
        Self::Grain,
        Self::Clouds,
        Self::Gradient,
        Self::Dots,
        Self::Mosaic,
        Self::Waves,
        Self::Rings,
    ];

    /// Range of the pitch: fraction of the side from one repetition to the next.
    fn pitch(self) -> (f32, f32) {
        match self {
            Self::HorizontalStripes | Self::VerticalStripes | Self::Rings => (0.10, 0.18),
            Self::Checker => (0.09, 0.14),
            Self::Grain => (0.035, 0.06),
            Self::Clouds => (0.25, 0.40),
            Self::Gradient => (0.9, 1.3),
            Self::Dots => (0.12, 0.19),
            Self::Mosaic | Self::Waves => (0.13, 0.20),
        }
    }
}

/// A family with its random parameters drawn.
#[derive(Clone, Debug)]
pub(super) struct Texture {
    family: Family,
    /// Unit vector across the stripes, along the gradient, ...
    direction: [f32; 2],
    pitch: f32,
    /// Offset of the pattern, in pitches; for rings and gradients, the centre in sides.
    phase: [f32; 2],
    /// A further shape parameter in 0..1.
    shape: f32,
    salt: u32,
}

impl Texture {
    /// Draws a texture of this family.
    pub(super) fn draw(family: Family, rng: &mut Rng) -> Self {
        let any = direction(rng);
        let tilt: f32 = rng.random_range(-0.2..0.2);
        let (low, high) = family.pitch();
        Self {
            family,
            direction: match family {
                Family::HorizontalStripes => normalise([tilt, 1.0]),
                Family::VerticalStripes => normalise([1.0, tilt]),
                _ => any,
            },
            pitch: rng.random_range(low..high),
            phase: [rng.random(), rng.random()],
            shape: rng.random(),
            salt: rng.next_u32(),
        }
    }

    /// Tone at a point, both coordinates in 0..1 from the top left; the tone is in 0..=1.
    pub(super) fn tone(&self, x: f32, y: f32) -> f32 {
        let [dx, dy] = self.direction;
        // Coordinates along and across the direction, in pitches.
        let u = (x * dx + y * dy) / self.pitch + self.phase[0];
        let v = (y * dx - x * dy) / self.pitch + self.phase[1];
        match self.family {
            Family::HorizontalStripes | Family::VerticalStripes => edge(wave(u), 2.5),
            Family::Checker => {
                let (a, b) = (wave(u * 0.5) - 0.5, wave(v * 0.5) - 0.5);
                edge(a * b * 2.0 + 0.5, 5.0)
            }
            Family::Grain => value_noise(u, v, self.salt),
            Family::Clouds => {
                let fine = value_noise(u * 2.1, v * 2.1, self.salt ^ 0x9e37);
                edge(0.72 * value_noise(u, v, self.salt) + 0.28 * fine, 1.5)
            }
            Family::Gradient => {
                // Straight for one half of the pictures, radial for the other.
                if self.shape < 0.5 {
                    ((x - 0.5) * dx + (y - 0.5) * dy) / self.pitch + 0.5
                } else {
                    let (cx, cy) = (x - self.phase[0], y - self.phase[1]);
                    (cx * cx + cy * cy).sqrt() / self.pitch
                }
                .clamp(0.0, 1.0)
            }
            Family::Dots => {
                let (a, b) = (u - floor(u) as f32 - 0.5, v - floor(v) as f32 - 0.5);
                edge(0.5 + (0.30 - (a * a + b * b).sqrt()), 6.0)
            }
            Family::Mosaic => cell(u, v, self.salt),
            Family::Waves => {
                let bend = 0.55 + 0.25 * self.shape;
                edge(wave(u + bend * wave(v * 0.4)), 2.5)
            }
            Family::Rings => {
                let (cx, cy) = (x - 0.1 - 0.8 * self.phase[0], y - 0.1 - 0.8 * self.phase[1]);
                edge(wave((cx * cx + cy * cy).sqrt() / self.pitch + self.shape), 2.5)
            }
        }
    }
}

/// Rounds down. `f32::floor` is a function call where SSE 4.1 may not be assumed.
fn floor(t: f32) -> i32 {
    let towards_zero = t as i32;
    towards_zero - i32::from((towards_zero as f32) > t)
}

/// A smooth wave of period 1 between 0 and 1.
fn wave(t: f32) -> f32 {
    let u = (2.0 * (t - floor(t) as f32) - 1.0).abs();
    u * u * (3.0 - 2.0 * u)
}

/// Steepens a tone around one half.
fn edge(tone: f32, gain: f32) -> f32 {
    ((tone - 0.5) * gain + 0.5).clamp(0.0, 1.0)
}

/// A uniformly drawn unit vector.
pub(super) fn direction(rng: &mut Rng) -> [f32; 2] {
    loop {
        let v: [f32; 2] = [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)];
        let square = v[0] * v[0] + v[1] * v[1];
        if (0.01..=1.0).contains(&square) {
            return normalise(v);
        }
    }
}

fn normalise([x, y]: [f32; 2]) -> [f32; 2] {
    let length = (x * x + y * y).sqrt();
    [x / length, y / length]
}

/// An integer hash of a lattice point (the finaliser of Murmur3 over a linear mix).
fn hash(x: i32, y: i32, salt: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x8da6_b343) ^ (y as u32).wrapping_mul(0xd816_3841) ^ salt;
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// The top 24 bits of a hash as a number in 0..1.
fn unit(h: u32) -> f32 {
    (h >> 8) as f32 / 16_777_216.0
}

/// Smoothly interpolated random values on a lattice.
pub(super) fn value_noise(u: f32, v: f32, salt: u32) -> f32 {
    let (iu, iv) = (floor(u), floor(v));
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (a, b) = (smooth(u - iu as f32), smooth(v - iv as f32));
    let at = |i: i32, j: i32| unit(hash(iu + i, iv + j, salt));
    let top = at(0, 0) + a * (at(1, 0) - at(0, 0));
    let bottom = at(0, 1) + a * (at(1, 1) - at(0, 1));
    top + b * (bottom - top)
}

/// The tone of the Voronoi cell that holds a point; one seed per lattice cell.
fn cell(u: f32, v: f32, salt: u32) -> f32 {
    let (iu, iv) = (floor(u), floor(v));
    let (mut nearest, mut tone) = (f32::INFINITY, 0.0);
    for j in -1..=1 {
        for i in -1..=1 {
            let h = hash(iu + i, iv + j, salt);
            let du = (iu + i) as f32 + (h & 0xff) as f32 / 256.0 - u;
            let dv = (iv + j) as f32 + ((h >> 8) & 0xff) as f32 / 256.0 - v;
            let d = du * du + dv * dv;
            if d < nearest {
                (nearest, tone) = (d, ((h >> 16) & 0xff) as f32 / 255.0);
            }
        }
    }
    tone
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_api::Key;

    #[test]
    fn tones_stay_in_range_and_vary() {
        for (i, family) in Family::ALL.into_iter().enumerate() {
            for draw in 0..20 {
                let texture = Texture::draw(family, &mut Key::new(1).index(i).index(draw).rng());
                let tones: Vec<f32> = (0..64 * 64)
                    .map(|p| texture.tone((p % 64) as f32 / 64.0, (p / 64) as f32 / 64.0))
                    .collect();
                assert!(tones.iter().all(|t| (0.0..=1.0).contains(t)), "{family:?}");
                let mean = tones.iter().sum::<f32>() / 4096.0;
                let sd = (tones.iter().map(|t| (t - mean).powi(2)).sum::<f32>() / 4096.0).sqrt();
                assert!(sd > 0.1, "{family:?} draw {draw}: {sd}");
            }
        }
    }
}

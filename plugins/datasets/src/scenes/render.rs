//! Draws one picture. The main function is [`render`].

use super::shape::polygon;
use super::texture::{Texture, direction, value_noise};
use super::{Family, ScenesConfig, Shape};
use fovea_api::{Key, Mask, RgbImage, Rng, Sample};
use rand::{Rng as _, RngExt as _};

type Colour = [f32; 3];

/// Draws the object of a class over a background of a family. A pure function of its arguments.
pub(super) fn render(config: &ScenesConfig, key: &Key, shape: Shape, family: Family) -> Sample {
    let size = config.size;
    let mut rng = key.purpose("background").rng();
    let palette = Palette::draw(&mut rng);
    let mut canvas = background(size, &palette, family, &mut rng);

    let mut rng = key.purpose("clutter").rng();
    for _ in 0..rng.random_range(0..=config.clutter) {
        distractor(&mut canvas, size, &palette, config.contrast as f32, &mut rng);
    }

    let mask = object(&mut canvas, config, &palette, shape, &mut key.purpose("object").rng());
    let pixels = quantise(&canvas, config.noise as f32, &mut key.purpose("noise").rng());
    Sample {
        image: RgbImage { width: size, height: size, pixels },
        mask: Some(Mask { width: size, height: size, pixels: mask }),
    }
}

/// The two colours of a background.
struct Palette {
    dark: Colour,
    light: Colour,
}

impl Palette {
    /// Two random colours, neither too like nor too unlike.
    fn draw(rng: &mut Rng) -> Self {
        let (dark, other) = (colour(rng), colour(rng));
        let wanted: f32 = rng.random_range(0.22..0.55);
        let scale = wanted / distance(dark, other).max(0.1);
        Self { dark, light: mix(dark, other, scale).map(|c| c.clamp(0.0, 1.0)) }
    }

    fn mean(&self) -> Colour {
        mix(self.dark, self.light, 0.5)
    }

    /// A colour for something that stands before this background: random, away from both of its colours, then
    /// drawn towards their mean by the lack of `contrast`.
    fn foreground(&self, contrast: f32, rng: &mut Rng) -> Colour {
        let gap =
            |c: Colour| distance(c, self.dark).min(distance(c, self.light)).min(distance(c, self.mean()));
        let mut best = colour(rng);
        for _ in 0..7 {
            if gap(best) > 0.4 {
                break;
            }
            let next = colour(rng);
            if gap(next) > gap(best) {
                best = next;
            }
        }
        mix(self.mean(), best, contrast)
    }
}

fn colour(rng: &mut Rng) -> Colour {
    [rng.random(), rng.random(), rng.random()]
}

fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    // Written out: `array::map` and `from_fn` are not always inlined, and this runs for every pixel.
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

fn lighten(c: Colour, shade: f32) -> Colour {
    [c[0] + shade, c[1] + shade, c[2] + shade]
}

fn distance(a: Colour, b: Colour) -> f32 {
    (0..3).map(|i| (a[i] - b[i]) * (a[i] - b[i])).sum::<f32>().sqrt()
}

/// The texture under a faint illumination gradient.
fn background(size: usize, palette: &Palette, family: Family, rng: &mut Rng) -> Vec<Colour> {
    let texture = Texture::draw(family, rng);
    let light = direction(rng);
    let strength: f32 = rng.random_range(0.0..0.15);
    let scale = 1.0 / size as f32;
    let mut canvas = Vec::with_capacity(size * size);
    for row in 0..size {
        let y = (row as f32 + 0.5) * scale;
        for column in 0..size {
            let x = (column as f32 + 0.5) * scale;
            let shade = strength * ((x - 0.5) * light[0] + (y - 0.5) * light[1]);
            canvas.push(lighten(mix(palette.dark, palette.light, texture.tone(x, y)), shade));
        }
    }
    canvas
}

/// Position, size and turn of something drawn.
struct Pose {
    /// Centre, pixels.
    centre: [f32; 2],
    /// Radius of the circumscribed circle, pixels.
    radius: f32,
    /// Cosine and sine of the turn.
    turn: [f32; 2],
    /// Factor by which the figure is squeezed along its own x axis; at least 1.
    squeeze: f32,
    /// Mirrored along its own x axis?
    mirrored: bool,
}

impl Pose {
    /// A pose with the circumscribed circle inside the picture.
    fn draw(size: usize, radius: f32, rng: &mut Rng) -> Self {
        let size = size as f32;
        let free = (size - 2.0 * radius).max(0.0);
        Self {
            centre: [radius + free * rng.random::<f32>(), radius + free * rng.random::<f32>()],
            radius,
            turn: direction(rng),
            squeeze: rng.random_range(1.0..1.25),
            mirrored: rng.random(),
        }
    }

    /// Figure coordinates of a picture point, and back from a distance in them to pixels.
    fn local(&self, x: f32, y: f32) -> [f32; 2] {
        let (dx, dy) = ((x - self.centre[0]) / self.radius, (y - self.centre[1]) / self.radius);
        let [cos, sin] = self.turn;
        let u = (dx * cos + dy * sin) * self.squeeze;
        [if self.mirrored { -u } else { u }, dy * cos - dx * sin]
    }

    /// Calls `paint` with every pixel that the circumscribed circle may touch: its index, its figure coordinates,
    /// and the signed distance there in pixels.
    fn each(&self, size: usize, sdf: impl Fn([f32; 2]) -> f32, mut paint: impl FnMut(usize, [f32; 2], f32)) {
        let range = |c: f32| {
            let low = (c - self.radius - 1.5).floor().max(0.0) as usize;
            let high = (c + self.radius + 1.5).ceil().max(0.0) as usize;
            low..high.min(size)
        };
        for row in range(self.centre[1]) {
            for column in range(self.centre[0]) {
                let p = self.local(column as f32 + 0.5, row as f32 + 0.5);
                paint(row * size + column, p, sdf(p) * self.radius / self.squeeze);
            }
        }
    }
}

/// Part of a pixel that is covered, from the signed distance of its centre in pixels.
fn coverage(distance: f32) -> f32 {
    (0.5 - distance).clamp(0.0, 1.0)
}

/// Draws the object and returns its mask: the pixels whose centres lie inside.
fn object(
    canvas: &mut [Colour],
    config: &ScenesConfig,
    palette: &Palette,
    shape: Shape,
    rng: &mut Rng,
) -> Vec<u8> {
    let [low, high] = config.object_scale.map(|s| s as f32);
    let diameter = low + (high - low) * rng.random::<f32>();
    let pose = Pose::draw(config.size, 0.5 * diameter * config.size as f32, rng);
    let fill = palette.foreground(config.contrast as f32, rng);
    // Shading: light from one side, and a blotchy surface.
    let light = direction(rng);
    let (slope, blotch): (f32, f32) = (rng.random_range(0.03..0.10), rng.random_range(0.0..0.12));
    let (grain, salt) = (rng.random_range(1.5..4.0), rng.next_u32());
    let mut mask = vec![0; canvas.len()];
    pose.each(
        config.size,
        |p| shape.distance(p),
        |i, [u, v], distance| {
            if distance <= 0.0 {
                mask[i] = 255;
            }
            let part = coverage(distance);
            if part > 0.0 {
                let texture = value_noise((u + 1.5) * grain, (v + 1.5) * grain, salt) - 0.5;
                let shade = slope * (u * light[0] + v * light[1]) + blotch * texture;
                canvas[i] = mix(canvas[i], lighten(fill, shade), part);
            }
        },
    );
    mask
}

/// Draws something small that is no object: a blob, a rod or a splinter.
fn distractor(canvas: &mut [Colour], size: usize, palette: &Palette, contrast: f32, rng: &mut Rng) {
    let radius = rng.random_range(0.04..0.09) * size as f32;
    let pose = Pose::draw(size, radius, rng);
    let fill = palette.foreground(contrast, rng);
    let slim: f32 = rng.random_range(0.25..0.6);
    let corners: [[f32; 2]; 3] =
        [[0.0, -1.0], [0.7, 0.3 + 0.4 * rng.random::<f32>()], [-0.7 * rng.random::<f32>(), 0.7]];
    let kind = rng.random_range(0..3);
    let sdf = |[u, v]: [f32; 2]| match kind {
        // An ellipse, roughly: exact on its outline, which is all that shows.
        0 => ((u * u / (slim * slim) + v * v).sqrt() - 0.95) * slim,
        1 => (u.abs() - slim * 0.6).max(v.abs() - 0.8),
        _ => polygon(&corners, u, v),
    };
    pose.each(size, sdf, |i, _, distance| {
        let part = coverage(distance);
        if part > 0.0 {
            canvas[i] = mix(canvas[i], fill, part);
        }
    });
}

/// Adds pixel noise and rounds to bytes.
///
/// A noise value is the sum of the four bytes of one random word, centred and scaled: close to normal (it ends at
/// 3.5 standard deviations), cheap, and free of transcendental functions.
fn quantise(canvas: &[Colour], sd: f32, rng: &mut Rng) -> Vec<u8> {
    // Four independent bytes, each of variance (256^2 - 1) / 12.
    let scale = 255.0 * sd / (4.0 * (256.0f32 * 256.0 - 1.0) / 12.0).sqrt();
    let mut bytes = Vec::with_capacity(canvas.len() * 3);
    for value in canvas.as_flattened() {
        let word = rng.next_u32();
        // Pairs of bytes in 16-bit lanes, then both lanes.
        let pairs = (word & 0x00ff_00ff) + ((word >> 8) & 0x00ff_00ff);
        let sum = (pairs & 0xffff) + (pairs >> 16);
        let noise = (sum as f32 - 510.0) * scale;
        // The cast saturates.
        bytes.push((value * 255.0 + noise + 0.5) as u8);
    }
    bytes
}

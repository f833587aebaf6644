//! Heatmaps and boxes over pictures. The main functions are [`overlay_png`] and [`box_png`].

use image::error::{ParameterError, ParameterErrorKind};
use image::imageops::{self, FilterType};
use image::{ImageError, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Weight of the heatmap's colour over the picture.
const WEIGHT: f32 = 0.5;
/// Smaller pictures are enlarged to about this side, so that a box on them is seen.
const SIDE: u32 = 224;
/// Thickness of the box's line, and of the dark line around it, pixels.
const LINE: u32 = 2;
const BOX: Rgb<u8> = Rgb([0xFF; 3]);
const HALO: Rgb<u8> = Rgb([0x10; 3]);

/// A picture `[3, height, width]` in 0..=1 (what lies outside is clamped) under its heatmap `[height, width]` in
/// 0..=1 (black is 0, yellow 1), with a white box, as a PNG.
///
/// # Errors
/// When the encoder fails.
pub fn overlay_png(
    image: &[f32],
    heatmap: &[f32],
    (height, width): (usize, usize),
    bbox: Option<[f32; 4]>,
) -> Result<Vec<u8>, ImageError> {
    let plane = height * width;
    let mut picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        Rgb([0, 1, 2].map(|channel| (image[channel * plane + at].clamp(0.0, 1.0) * 255.0).round() as u8))
    });
    blend(&mut picture, heatmap.iter().copied());
    framed(&picture, bbox)
}

/// An 8-bit picture `[height, width, 3]` with a white box, as a PNG.
///
/// # Errors
/// When the encoder fails, or there are not `height * width * 3` bytes.
pub fn box_png(
    pixels: &[u8],
    (height, width): (usize, usize),
    bbox: Option<[f32; 4]>,
) -> Result<Vec<u8>, ImageError> {
    let picture = RgbImage::from_raw(width as u32, height as u32, pixels.to_vec());
    let mismatch = || ImageError::Parameter(ParameterError::from_kind(ParameterErrorKind::DimensionMismatch));
    framed(&picture.ok_or_else(mismatch)?, bbox)
}

/// Enlarges a small picture, draws the box and encodes both.
fn framed(picture: &RgbImage, bbox: Option<[f32; 4]>) -> Result<Vec<u8>, ImageError> {
    let (w, h) = picture.dimensions();
    let scale = SIDE.div_ceil(w.max(h).max(1));
    let mut picture = imageops::resize(picture, w * scale, h * scale, FilterType::Nearest);
    if let Some(bbox) = bbox {
        let bbox = bbox.map(|v| (v * scale as f32).round() as u32);
        frame(&mut picture, bbox, 2 * LINE, HALO);
        frame(&mut picture, bbox, LINE, BOX);
    }
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

/// Puts the colours of heatmap values, one a pixel, over a picture.
pub(crate) fn blend(picture: &mut RgbImage, heat: impl Iterator<Item = f32>) {
    for (pixel, heat) in picture.pixels_mut().zip(heat) {
        for (channel, colour) in pixel.0.iter_mut().zip(inferno(heat)) {
            *channel = ((1.0 - WEIGHT) * f32::from(*channel) + WEIGHT * 255.0 * colour).round() as u8;
        }
    }
}

/// Draws a half-open box's outline inwards, so that a box at the border is seen whole.
fn frame(picture: &mut RgbImage, [x1, y1, x2, y2]: [u32; 4], thickness: u32, colour: Rgb<u8>) {
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let inside = (x1..x2).contains(&x) && (y1..y2).contains(&y);
        if inside && (x - x1).min(y - y1).min(x2 - 1 - x).min(y2 - 1 - y) < thickness {
            *pixel = colour;
        }
    }
}

/// Matplotlib's inferno as a polynomial of degree 6 (Matt Zucker's fit, public domain, shadertoy WlfXRN).
pub(crate) fn inferno(t: f32) -> [f32; 3] {
    const COEFFICIENTS: [[f32; 3]; 7] = [
        [0.000_218_94, 0.001_651_005, -0.019_480_9],
        [0.106_513_42, 0.563_956_44, 3.932_712_4],
        [11.602_493, -3.972_854, -15.942_394],
        [-41.703_995, 17.436_398, 44.354_145],
        [77.162_94, -33.402_36, -81.807_31],
        [-71.319_43, 32.626_064, 73.209_52],
        [25.131_126, -12.242_669, -23.070_325],
    ];
    let mut colour = [0.0; 3];
    for power in COEFFICIENTS.iter().rev() {
        for (channel, coefficient) in colour.iter_mut().zip(power) {
            *channel = *channel * t + coefficient;
        }
    }
    colour.map(|c| c.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inferno_runs_from_black_to_pale_yellow() {
        // Ends and middle of matplotlib 3.11.2's table.
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.03);
        assert!(near(inferno(0.0), [0.001, 0.0, 0.014]), "{:?}", inferno(0.0));
        assert!(near(inferno(0.5), [0.736, 0.216, 0.330]), "{:?}", inferno(0.5));
        assert!(near(inferno(1.0), [0.988, 0.998, 0.645]), "{:?}", inferno(1.0));
    }

    #[test]
    fn a_box_is_drawn_on_the_enlarged_picture() {
        let png = overlay_png(&[0.0; 48], &[0.0; 16], (4, 4), Some([1.0, 0.0, 3.0, 4.0])).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (224, 224));
        assert_eq!((picture.get_pixel(56, 0), picture.get_pixel(167, 223)), (&BOX, &BOX));
        assert_eq!(picture.get_pixel(58, 100), &HALO);
        assert!(picture.get_pixel(55, 0).0.iter().chain(&picture.get_pixel(112, 100).0).all(|v| *v < 3));
    }
}

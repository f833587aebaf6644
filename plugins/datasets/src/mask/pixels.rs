//! What a mask's file holds, out of its packing but with its meaning undecided. The main type is [`Pixels`].

use crate::decode::{LARGEST, too_large};
use image::DynamicImage;
use png::{BitDepth, ColorType};
use std::io::Cursor;

/// A mask's file, decoded.
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(super) stored: Stored,
    /// Opacity by pixel, 8 bits, where the file has a channel or a colour for it.
    pub(super) alpha: Option<Vec<u8>>,
    /// Whether levels may have been moved by the file's compression (JPEG).
    pub(super) lossy: bool,
}

/// The pixels, row by row.
pub(super) enum Stored {
    /// Numbers from 0 to `full`, as stored: not stretched to 8 bits.
    Grey { values: Vec<u16>, full: u16 },
    /// Places in a palette.
    Indexed { indices: Vec<u8>, palette: Vec<[u8; 3]> },
    /// Red, green, blue.
    Colour(Vec<[u8; 3]>),
}

impl Pixels {
    /// What a JPEG holds.
    pub(crate) fn of_jpeg(image: DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let stored = match image {
            DynamicImage::ImageLuma8(grey) => {
                Stored::Grey { values: grey.into_raw().into_iter().map(u16::from).collect(), full: 255 }
            }
            other => Stored::colours(other.into_rgb8().into_raw().as_chunks::<3>().0.to_vec()),
        };
        Self { width, height, stored, alpha: None, lossy: true }
    }

    /// What a PNG holds. `image` would look palettes up and stretch numbers to 8 bits, and so lose what they are.
    pub(crate) fn of_png(bytes: &[u8]) -> Result<Self, String> {
        let failed = |e: png::DecodingError| format!("cannot be decoded: {e}");
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        // What is not looked at is not unpacked either.
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let mut reader = decoder.read_info().map_err(failed)?;
        let size = reader.output_buffer_size().filter(|size| *size <= LARGEST);
        let (width, height) = reader.info().size();
        let mut buffer = vec![0; size.ok_or_else(|| too_large(width, height))?];
        let frame = reader.next_frame(&mut buffer).map_err(failed)?;
        buffer.truncate(frame.buffer_size());
        // Of an animation, the first frame, which need not fill the picture.
        let (width, height) = (frame.width as usize, frame.height as usize);
        let samples = samples(&buffer, frame.bit_depth, frame.line_size, width * frame.color_type.samples());
        let key = reader.info().trns.as_deref();
        let (stored, alpha) = match frame.color_type {
            ColorType::Grayscale => grey(samples, frame.bit_depth, key),
            ColorType::GrayscaleAlpha => {
                let (pairs, _) = samples.as_chunks::<2>();
                let alpha = pairs.iter().map(|[_, alpha]| narrow(*alpha, frame.bit_depth)).collect();
                let values = pairs.iter().map(|[value, _]| *value).collect();
                (Stored::Grey { values, full: full(frame.bit_depth) }, Some(alpha))
            }
            ColorType::Rgb => {
                let (pixels, _) = samples.as_chunks::<3>();
                (
                    colours(pixels, frame.bit_depth),
                    key.map(|key| opaque(pixels, &key_of(key, frame.bit_depth))),
                )
            }
            ColorType::Rgba => {
                let (pixels, _) = samples.as_chunks::<4>();
                let alpha = pixels.iter().map(|p| narrow(p[3], frame.bit_depth)).collect();
                let pixels: Vec<[u16; 3]> = pixels.iter().map(|[r, g, b, _]| [*r, *g, *b]).collect();
                (colours(&pixels, frame.bit_depth), Some(alpha))
            }
            ColorType::Indexed => {
                let (palette, _) = reader.info().palette.as_deref().unwrap_or_default().as_chunks::<3>();
                indexed(samples, palette, key)?
            }
        };
        Ok(Self { width, height, stored, alpha, lossy: false })
    }
}

impl Stored {
    /// Colours; greys where all of them are.
    fn colours(pixels: Vec<[u8; 3]>) -> Self {
        if pixels.iter().all(|[r, g, b]| r == g && g == b) {
            return Self::Grey { values: pixels.iter().map(|p| u16::from(p[0])).collect(), full: 255 };
        }
        Self::Colour(pixels)
    }
}

/// The numbers in rows of packed bits.
fn samples(buffer: &[u8], depth: BitDepth, line: usize, per_row: usize) -> Vec<u16> {
    match depth {
        BitDepth::Sixteen => buffer.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect(),
        BitDepth::Eight => buffer.iter().map(|v| u16::from(*v)).collect(),
        BitDepth::One | BitDepth::Two | BitDepth::Four => {
            let bits = depth as usize;
            let row = |row: &[u8]| -> Vec<u16> {
                let value = |at: usize| {
                    let shift = 8 - bits - at * bits % 8;
                    u16::from(row[at * bits / 8] >> shift) & full(depth)
                };
                (0..per_row).map(value).collect()
            };
            buffer.chunks_exact(line.max(1)).flat_map(row).collect()
        }
    }
}

/// The largest number of a depth.
fn full(depth: BitDepth) -> u16 {
    u16::MAX >> (16 - depth as u16)
}

/// 16 bits to 8, rounded as `image` does.
fn narrow(value: u16, depth: BitDepth) -> u8 {
    match depth {
        BitDepth::Sixteen => ((u32::from(value) + 128) / 257) as u8,
        _ => value as u8,
    }
}

fn grey(values: Vec<u16>, depth: BitDepth, key: Option<&[u8]>) -> (Stored, Option<Vec<u8>>) {
    let key = key.and_then(|key| key_of(key, depth).first().copied());
    let alpha = key.map(|key| values.iter().map(|v| if *v == key { 0 } else { 255 }).collect());
    (Stored::Grey { values, full: full(depth) }, alpha)
}

fn colours(pixels: &[[u16; 3]], depth: BitDepth) -> Stored {
    if depth == BitDepth::Sixteen && pixels.iter().all(|[r, g, b]| r == g && g == b) {
        return Stored::Grey { values: pixels.iter().map(|p| p[0]).collect(), full: u16::MAX };
    }
    Stored::colours(pixels.iter().map(|p| p.map(|v| narrow(v, depth))).collect())
}

/// The grey or the colour that a file calls transparent. `png` shortens it to a byte a sample, but for 16 bits.
fn key_of(bytes: &[u8], depth: BitDepth) -> Vec<u16> {
    match depth {
        BitDepth::Sixteen => bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect(),
        _ => bytes.iter().map(|v| u16::from(*v)).collect(),
    }
}

fn opaque(pixels: &[[u16; 3]], key: &[u16]) -> Vec<u8> {
    pixels.iter().map(|p| if p.as_slice() == key { 0 } else { 255 }).collect()
}

fn indexed(
    samples: Vec<u16>,
    palette: &[[u8; 3]],
    opacity: Option<&[u8]>,
) -> Result<(Stored, Option<Vec<u8>>), String> {
    let indices: Vec<u8> = samples.into_iter().map(|v| v as u8).collect();
    if let Some(beyond) = indices.iter().find(|i| usize::from(**i) >= palette.len()) {
        return Err(format!("it uses colour {beyond} of a palette that has {} (from 0)", palette.len()));
    }
    // Entries beyond the list of opacities are opaque.
    let of = |list: &[u8], index: &u8| list.get(usize::from(*index)).copied().unwrap_or(255);
    let alpha = opacity.map(|list| indices.iter().map(|index| of(list, index)).collect());
    Ok((Stored::Indexed { indices, palette: palette.to_vec() }, alpha))
}

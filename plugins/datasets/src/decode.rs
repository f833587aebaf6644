//! Bytes to pictures and masks, strictly. The main functions are [`picture`] and [`mask`].
//!
//! A file is JPEG or PNG by its content, whatever its name says; anything else, a file cut short, and one that claims more
//! than 512 MiB of pixels is an error that names it. EXIF orientation is ignored, because masks follow the stored pixels.
//!
//! Pictures are turned into 8-bit RGB: grey is repeated, 16 bits are rounded, alpha is dropped, palettes are looked up, CMYK
//! is converted. Masks are read for what they are:
//!
//! | a mask that is | is read | refused |
//! |---|---|---|
//! | black and white, with or without levels between | at one half, in JPEG as in PNG | |
//! | 0 and 1, of any depth | 1 is the object | |
//! | class or instance numbers in grey, all below one half | 0 is the background, any other number an object | without a 0; over 32 different numbers; in data sets with soft masks |
//! | class numbers with 255 for void | as above, void counts as background | where 255 covers much more than the numbers |
//! | grey with levels, in data sets with soft masks | at one half; one that nowhere reaches it is empty | PNG: 2 to 25 at the brightest |
//! | a palette of greys | by its grey levels, as above | |
//! | a palette of colours (Pascal VOC) | by index: 0 is the background, 255 void, any other an object | where 0 is drawn in a colour, or another index in black |
//! | colours on black | what is not black is the object, VOC's void colour is background | without black; with white as well; many colours |
//! | anything with an alpha channel that varies | by alpha alone | where alpha and colours disagree |
//!
//! [`Mask`] knows object and background only, so void pixels, which are neither, count as background. An alpha channel that
//! is the same everywhere says nothing and is ignored. `fovea data check` shows how much of the pictures is object: masks
//! that are inverted, or whose 0 is a class, are seen there.

use crate::files;
pub(crate) use crate::mask::MaskLevels;
use crate::mask::{self, Pixels};
use fovea_api::{DataError, Mask, RgbImage};
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader};
use std::io::Cursor;
use std::path::Path;

/// Most that a decoded file may take. 512 MiB are 178 megapixels; what claims more is damaged, or an attack.
pub(crate) const LARGEST: usize = 512 << 20;

/// Decodes a picture file to 8-bit RGB: JPEG or PNG, whatever its extension says.
///
/// # Errors
/// When it cannot be read, or is something else or cut short.
pub fn picture(path: &Path) -> Result<RgbImage, DataError> {
    let (bytes, format) = bytes(path)?;
    let image = decode(&bytes, format).map_err(|message| error(path, message))?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(RgbImage { width, height, pixels: image.into_raw() })
}

/// Decodes the mask of a picture: 255 on the object, 0 elsewhere.
pub(crate) fn mask(
    path: &Path,
    levels: MaskLevels,
    picture_path: &Path,
    picture: &RgbImage,
) -> Result<Mask, DataError> {
    let (bytes, format) = bytes(path)?;
    let is_unlike = |size: [usize; 2]| size != [picture.width, picture.height];
    let unlike = |[width, height]: [usize; 2]| {
        let message = format!(
            "the mask is {width} x {height} pixels, but its picture {} is {} x {}; they must be equal",
            picture_path.display(),
            picture.width,
            picture.height
        );
        error(path, message)
    };
    // Before it is decoded, so that it takes no more memory than its picture.
    if let (ImageFormat::Png, Some(size)) =
        (format, png_size(&bytes).map(|size| size.map(|side| side as usize)))
        && is_unlike(size)
    {
        return Err(unlike(size));
    }
    let pixels = mask_pixels(&bytes, format).map_err(|message| error(path, message))?;
    let (width, height) = (pixels.width, pixels.height);
    if is_unlike([width, height]) {
        return Err(unlike([width, height]));
    }
    let found = mask::object(&pixels, levels).map_err(|message| error(path, message))?;
    let pixels = found.object.into_iter().map(|object| if object { 255 } else { 0 }).collect();
    Ok(Mask { width, height, pixels })
}

/// How the file of a mask is read, in a few words; `None` where it cannot be.
pub(crate) fn mask_reading(path: &Path, levels: MaskLevels) -> Option<&'static str> {
    let (bytes, format) = bytes(path).ok()?;
    Some(mask::object(&mask_pixels(&bytes, format).ok()?, levels).ok()?.how)
}

fn mask_pixels(bytes: &[u8], format: ImageFormat) -> Result<Pixels, String> {
    match format {
        ImageFormat::Png => Pixels::of_png(bytes),
        _ => decode(bytes, format).map(Pixels::of_jpeg),
    }
}

/// What a file holds, and of which of the two formats it is.
fn bytes(path: &Path) -> Result<(Vec<u8>, ImageFormat), DataError> {
    let bytes = files::read(path).map_err(|e| unreadable(path, &e))?;
    let format = glance(&bytes).map_err(|message| error(path, message))?;
    Ok((bytes, format))
}

/// The format of a file, as far as can be told without decoding it: whether it is there, of a known format, whole, and
/// of a size that can be had.
pub(crate) fn glance(bytes: &[u8]) -> Result<ImageFormat, String> {
    if bytes.is_empty() {
        return Err("the file is empty (0 bytes)".to_owned());
    }
    match image::guess_format(bytes) {
        // The decoder fills what is missing from a JPEG with grey, silently.
        Ok(ImageFormat::Jpeg) if !jpeg_ends(bytes) => {
            Err(format!("the JPEG is truncated: {} bytes and no end marker", bytes.len()))
        }
        Ok(ImageFormat::Png) => {
            if let Some([width, height]) = png_size(bytes)
                && u64::from(width) * u64::from(height) > LARGEST as u64
            {
                return Err(too_large(width, height));
            }
            match png_problem(bytes) {
                Some(problem) => Err(format!("cannot be decoded: {problem}")),
                None => Ok(ImageFormat::Png),
            }
        }
        Ok(ImageFormat::Jpeg) => Ok(ImageFormat::Jpeg),
        Ok(other) => Err(format!("the file is {other:?}, neither JPEG nor PNG")),
        Err(_) => Err(format!("the file is {}neither JPEG nor PNG", instead(bytes))),
    }
}

/// What a file is that is no picture, where that is known.
fn instead(bytes: &[u8]) -> &'static str {
    let start = bytes.trim_ascii_start();
    match start {
        _ if start.starts_with(b"version https://git-lfs") => {
            "a pointer of Git LFS (`git lfs pull` fetches the picture), "
        }
        [b'<', ..] => "a page or other markup, ",
        _ if bytes.iter().all(|byte| *byte == 0) => "nothing but zeros, ",
        _ => "",
    }
}

fn decode(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, String> {
    let failed = |e: image::ImageError| format!("cannot be decoded: {e}");
    let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > LARGEST as u64 {
        return Err(too_large(width, height));
    }
    DynamicImage::from_decoder(decoder).map_err(failed)
}

/// Why a file is not decoded that claims so many pixels.
pub(crate) fn too_large(width: u32, height: u32) -> String {
    let limit = LARGEST >> 20;
    format!(
        "it claims {width} x {height} pixels, over {limit} MiB when decoded; make it smaller, if that is true"
    )
}

/// A file whose bytes cannot be had.
pub(crate) fn unreadable(path: &Path, why: &std::io::Error) -> DataError {
    error(path, format!("cannot be read: {why}"))
}

fn error(path: &Path, message: impl Into<String>) -> DataError {
    DataError { path: path.to_owned(), message: message.into() }
}

/// Width and height by a PNG's header.
fn png_size(bytes: &[u8]) -> Option<[u32; 2]> {
    let side = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    Some([side(16)?, side(20)?])
}

/// What is wrong with a PNG by its header and chunks, without inflating its pixels. Checksums of chunks that nothing
/// depends on may be wrong, and what comes after the pixels may be missing, as decoders have it.
fn png_problem(bytes: &[u8]) -> Option<String> {
    let cut = || Some(format!("the PNG is cut short, after {} bytes", bytes.len()));
    let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let (mut at, mut pixels, mut palette, mut colour) = (8, false, false, 0);
    while let Some(length) = number(at) {
        // A length, a kind, contents and a checksum of both.
        let end = at + 12 + length as usize;
        let Some(chunk) = bytes.get(at + 4..end - 4) else {
            return if pixels && bytes[at..].get(4..8).is_none_or(|kind| kind != b"IDAT") {
                None
            } else {
                cut()
            };
        };
        let (kind, contents) = chunk.split_at(4);
        // A capital letter: the picture depends on it.
        if kind[0].is_ascii_uppercase() && Some(crc32fast::hash(chunk)) != number(end - 4) {
            if bytes.len() < end {
                return cut();
            }
            return Some(format!("the checksum of its {} does not fit", kind.escape_ascii()));
        }
        match kind {
            b"IHDR" => {
                if let Some(problem) = header_problem(contents) {
                    return Some(problem);
                }
                colour = contents[9];
            }
            b"PLTE" => palette = true,
            b"IDAT" => pixels = true,
            b"IEND" => break,
            _ => {}
        }
        at = end;
    }
    match (pixels, colour) {
        // Nothing but a head, or a head and an end.
        (false, _) => cut(),
        (true, 3) if !palette => Some("it has the colours of a palette, and no palette".to_owned()),
        _ => None,
    }
}

/// What is wrong with the contents of a PNG's header.
fn header_problem(header: &[u8]) -> Option<String> {
    let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, compression, filter, interlace] = *header else {
        return Some("its header is not one of PNG".to_owned());
    };
    let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
    let depths: &[u8] = match colour {
        0 => &[1, 2, 4, 8, 16],
        3 => &[1, 2, 4, 8],
        2 | 4 | 6 => &[8, 16],
        _ => &[],
    };
    if width == 0 || height == 0 {
        return Some(format!("it has {width} x {height} pixels"));
    }
    let known = depths.contains(&depth) && compression == 0 && filter == 0 && interlace <= 1;
    (!known).then(|| format!("its header has bit depth {depth}, colour type {colour}, interlace method {interlace}: that is no PNG"))
}

/// Whether the scan of a JPEG is followed by an end marker. Entropy-coded data never hold one: there, `FF` is
/// followed by `00` or a restart marker. Segments before the first scan may (an EXIF thumbnail is a JPEG itself),
/// so they are stepped over by their lengths.
fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[marker, code, high, low]) = bytes.get(at..at + 4) {
        if marker != 0xff {
            return false;
        }
        if code == 0xff {
            // Fill byte.
            at += 1;
            continue;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if code == 0xda {
            return bytes.get(at..).is_some_and(|scan| scan.windows(2).any(|pair| pair == [0xff, 0xd9]));
        }
    }
    false
}

//! Bytes to pictures and masks, strictly. The main functions are [`picture`] and [`mask`].
//!
//! Picture modes are turned into 8-bit RGB: grey is repeated, 16 bits are rounded, alpha is dropped, CMYK is
//! converted. EXIF orientation is ignored, because masks follow the stored pixels.

use fovea_api::{DataError, Mask, RgbImage};
use image::{DynamicImage, ImageFormat, ImageReader};
use std::io::Cursor;
use std::path::Path;

/// What the grey levels of a data set's masks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaskLevels {
    /// Masks are black and white. One that is grey at its brightest was written by another convention (0 and 1, class
    /// numbers), and would silently be empty: it is refused.
    Binary,
    /// Grey is a degree of belonging (JPEG, several annotators), and one half decides. A mask that nowhere reaches it
    /// is empty, whether a faint annotation or JPEG's ringing around nothing made it grey: no level is a mistake.
    Soft,
}

/// Decodes a picture file to 8-bit RGB: JPEG or PNG, whatever its extension says.
///
/// # Errors
/// When it cannot be read, or is something else or cut short.
pub fn picture(path: &Path) -> Result<RgbImage, DataError> {
    let image = decode(path)?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(RgbImage { width, height, pixels: image.into_raw() })
}

/// Decodes the mask of a picture and binarises it at one half.
pub(crate) fn mask(
    path: &Path,
    levels: MaskLevels,
    picture_path: &Path,
    picture: &RgbImage,
) -> Result<Mask, DataError> {
    let image = decode(path)?.into_luma8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    if (width, height) != (picture.width, picture.height) {
        let message = format!(
            "the mask is {width} x {height} pixels, but its picture {} is {} x {}; they must be equal",
            picture_path.display(),
            picture.width,
            picture.height
        );
        return Err(error(path, message));
    }
    let mut pixels = image.into_raw();
    let brightest = pixels.iter().copied().max().unwrap_or(0);
    if levels == MaskLevels::Binary && (1..128).contains(&brightest) {
        let message = format!(
            "the mask's brightest pixel is {brightest} of 255, so all of it would count as background; masks \
             are white (255) on the object and black (0) outside"
        );
        return Err(error(path, message));
    }
    for value in &mut pixels {
        *value = if *value >= 128 { 255 } else { 0 };
    }
    Ok(Mask { width, height, pixels })
}

fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    if bytes.is_empty() {
        return Err(error(path, "the file is empty (0 bytes)"));
    }
    let reader =
        ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(|e| unreadable(path, &e))?;
    // The decoder fills what is missing from a JPEG with grey, silently.
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_ends(&bytes) {
        return Err(error(path, format!("the JPEG is truncated: {} bytes and no end marker", bytes.len())));
    }
    match reader.format() {
        Some(ImageFormat::Jpeg | ImageFormat::Png) => {}
        Some(other) => return Err(error(path, format!("the file is {other:?}, neither JPEG nor PNG"))),
        None => return Err(error(path, "the file is neither JPEG nor PNG")),
    }
    reader.decode().map_err(|e| error(path, format!("cannot be decoded: {e}")))
}

/// A file whose bytes cannot be had.
pub(crate) fn unreadable(path: &Path, why: &std::io::Error) -> DataError {
    error(path, format!("cannot be read: {why}"))
}

fn error(path: &Path, message: impl Into<String>) -> DataError {
    DataError { path: path.to_owned(), message: message.into() }
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

//! From what a file holds to the object. The main function is [`object`].

use super::colours::{self, BLACK, Colours, WHITE};
use super::levels::{self, MaskLevels};
use super::pixels::{Pixels, Stored};
use std::collections::BTreeSet;

/// The object in a mask.
pub(crate) struct Found {
    /// By pixel, row by row.
    pub(crate) object: Vec<bool>,
    /// What told it, in a few words.
    pub(crate) how: &'static str,
}

/// Which pixels are the object. The error says what was found and what to write instead.
pub(crate) fn object(pixels: &Pixels, levels: MaskLevels) -> Result<Found, String> {
    match &pixels.alpha {
        Some(alpha) => opaque(alpha, &pixels.stored, || shown(pixels, levels)),
        None => shown(pixels, levels),
    }
}

/// The object by the colours alone.
fn shown(pixels: &Pixels, levels: MaskLevels) -> Result<Found, String> {
    let lossy = pixels.lossy;
    match &pixels.stored {
        Stored::Grey { values, full } => grey(values, *full, levels, lossy),
        Stored::Indexed { indices, palette } => match greys(indices, palette) {
            Some(values) => grey(&values, 255, levels, lossy),
            None => {
                let object = colours::indexed(indices, palette)?;
                Ok(Found { object, how: "indices of a palette (0: background, 255: void)" })
            }
        },
        Stored::Colour(pixels) => match colours::coloured(pixels, lossy)? {
            // Computed from colours: levels, whatever they are.
            Colours::Grey(values) => grey(&values, 255, levels, true),
            Colours::Object(object) => Ok(Found { object, how: "colours on black" }),
        },
    }
}

fn grey(values: &[u16], full: u16, levels: MaskLevels, lossy: bool) -> Result<Found, String> {
    let reading = levels::reading(&levels::counts(values.iter()), full, levels, lossy)?;
    let object = values.iter().map(|value| reading.is_object(*value)).collect();
    Ok(Found { object, how: reading.words() })
}

/// Grey levels, where a palette is one of greys, or only its black and its white are in use.
fn greys(indices: &[u8], palette: &[[u8; 3]]) -> Option<Vec<u16>> {
    let colour = |index: &u8| palette[usize::from(*index)];
    let is_grey = palette.iter().all(|[r, g, b]| r == g && g == b);
    let is_plain = || indices.iter().all(|index| [BLACK, WHITE].contains(&colour(index)));
    (is_grey || is_plain()).then(|| indices.iter().map(|index| u16::from(colour(index)[0])).collect())
}

/// The object by the alpha channel, if that says anything; else by the colours.
fn opaque(
    alpha: &[u8],
    stored: &Stored,
    shown: impl FnOnce() -> Result<Found, String>,
) -> Result<Found, String> {
    let used: BTreeSet<u8> = alpha.iter().copied().collect();
    let (Some(&least), Some(&most)) = (used.first(), used.last()) else { return shown() };
    if least == most || least >= 128 {
        return shown();
    }
    // Of two levels the higher one is the object, however faint.
    let threshold = if used.len() == 2 && least == 0 { most } else { 128 };
    if most < threshold {
        return Err(format!(
            "its alpha channel goes from {least} to {most} of 255 and nowhere reaches one half, so all of it would count as \
             background; make the object opaque, or save the mask without alpha"
        ));
    }
    let object: Vec<bool> = alpha.iter().map(|a| *a >= threshold).collect();
    // A rotated mask has transparent corners, and is a mask by its colours nevertheless.
    let [mut black, mut white, mut other] = [0_usize; 3];
    for at in (0..object.len()).filter(|at| object[*at]) {
        match stored.black_or_white(at) {
            Some(false) => black += 1,
            Some(true) => white += 1,
            None => other += 1,
        }
    }
    if black > 0 && white > 0 && black + white >= 9 * other {
        let message = "where its alpha channel is opaque, its colours are black and white: which of the two is the mask \
                       cannot be told; save the mask without alpha";
        return Err(message.to_owned());
    }
    Ok(Found { object, how: "alpha channel" })
}

impl Stored {
    /// Whether a pixel is white, if it is black or white.
    fn black_or_white(&self, at: usize) -> Option<bool> {
        let of = |colour: [u8; 3]| [BLACK, WHITE].contains(&colour).then_some(colour == WHITE);
        match self {
            Self::Grey { values, full } => [0, *full].contains(&values[at]).then_some(values[at] == *full),
            Self::Indexed { indices, palette } => of(palette[usize::from(indices[at])]),
            Self::Colour(pixels) => of(pixels[at]),
        }
    }
}

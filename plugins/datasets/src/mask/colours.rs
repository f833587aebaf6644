//! Coloured masks: palettes by index, colours on black. The main functions are [`indexed`] and [`coloured`].

use super::levels::{MANY, list};
use std::collections::BTreeSet;

pub(super) const BLACK: [u8; 3] = [0; 3];
pub(super) const WHITE: [u8; 3] = [255; 3];
/// Pascal VOC's void, where a palette was looked up: the colour of index 255.
const VOID: [u8; 3] = [224, 224, 192];
/// How far channels of a grey may lie apart: where it was computed, and where chroma went through a JPEG.
const NEARLY_GREY: [u8; 2] = [16, 64];

const ADVICE: &str = "write masks as white on the object and black outside";

/// What colours are to be taken for.
pub(super) enum Colours {
    /// Grey levels that are a little off: these.
    Grey(Vec<u16>),
    /// The object by pixel.
    Object(Vec<bool>),
}

/// The object in a mask of palette indices: neither 0, the background, nor 255, void.
pub(super) fn indexed(indices: &[u8], palette: &[[u8; 3]]) -> Result<Vec<bool>, String> {
    let used: BTreeSet<u16> = indices.iter().map(|i| u16::from(*i)).collect();
    let colour = |index: u16| palette[usize::from(index)];
    let found = list(used.iter());
    if let Some(dark) = used.iter().find(|i| **i > 0 && colour(**i) == BLACK) {
        return Err(format!(
            "its palette has black at index {dark}, which would be the object, as index 0 is the background (indices in \
             use: {found}); {ADVICE}"
        ));
    }
    if used.contains(&0) && ![BLACK, WHITE].contains(&colour(0)) {
        let [r, g, b] = colour(0);
        return Err(format!(
            "index 0 of its palette, the background, is of the colour ({r}, {g}, {b}), as if it were a class (indices in \
             use: {found}); {ADVICE}"
        ));
    }
    let void_only = used.contains(&255) && used.iter().all(|i| [0, 255].contains(i));
    if void_only || used.len() > 1 && !used.contains(&0) {
        return Err(format!(
            "the indices of its palette in use are {found}: which of them is the object cannot be told, as 0 is the \
             background and 255 void; {ADVICE}"
        ));
    }
    Ok(indices.iter().map(|i| ![0, 255].contains(i)).collect())
}

/// What a mask of colours, not all of them grey, says.
pub(super) fn coloured(pixels: &[[u8; 3]], lossy: bool) -> Result<Colours, String> {
    let mut used = BTreeSet::new();
    for pixel in pixels {
        used.insert(*pixel);
        if used.len() > MANY {
            break;
        }
    }
    let few = used.len() <= MANY && !lossy;
    let [computed, compressed] = NEARLY_GREY;
    let chroma = |[r, g, b]: &[u8; 3]| r.max(g).max(b) - r.min(g).min(b);
    if pixels.iter().map(chroma).max().unwrap_or(0) <= if few { computed } else { compressed } {
        return Ok(Colours::Grey(pixels.iter().map(luma).collect()));
    }
    if !few {
        return shades(pixels).map(Colours::Grey).ok_or_else(|| {
            format!(
                "it has many colours, as a photograph has, and which is the object cannot be told; {ADVICE}"
            )
        });
    }
    let known = [BLACK, WHITE, VOID];
    let drawn = used.iter().filter(|c| !known.contains(*c)).count();
    if !used.contains(&BLACK) || used.contains(&WHITE) || drawn == 0 {
        let colours: Vec<String> = used.iter().take(8).map(|[r, g, b]| format!("({r}, {g}, {b})")).collect();
        let more = if used.len() > 8 { format!(" and {} more", used.len() - 8) } else { String::new() };
        return Err(format!(
            "its colours are {}{more}: which of them is the background cannot be told, unless it is black and the object \
             is neither black nor white; {ADVICE}",
            colours.join(", ")
        ));
    }
    Ok(Colours::Object(pixels.iter().map(|p| *p != BLACK && *p != VOID).collect()))
}

/// Brightness of one colour between black and itself, as grey levels up to 255; `None` where there are others.
fn shades(pixels: &[[u8; 3]]) -> Option<Vec<u16>> {
    let sum = |p: &&[u8; 3]| p.iter().map(|v| u32::from(*v)).sum::<u32>();
    let top = pixels.iter().max_by_key(sum)?;
    let strongest = |p: &[u8; 3]| i32::from(*p.iter().max().unwrap_or(&0));
    let most = strongest(top);
    let near = |p: &[u8; 3]| {
        let distance = |(v, t): (&u8, &u8)| (i32::from(*v) - i32::from(*t) * strongest(p) / most).abs();
        p.iter().zip(top).all(|pair| distance(pair) <= i32::from(NEARLY_GREY[1]))
    };
    let level = |p: &[u8; 3]| (strongest(p) * 255 / most).min(255) as u16;
    (most >= 128 && pixels.iter().all(near)).then(|| pixels.iter().map(level).collect())
}

/// Brightness, by the weights of `image`.
fn luma([r, g, b]: &[u8; 3]) -> u16 {
    ((2126 * u32::from(*r) + 7152 * u32::from(*g) + 722 * u32::from(*b)) / 10_000) as u16
}

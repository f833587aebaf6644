//! Grey masks: levels of brightness, or numbers. The main type is [`MaskLevels`], the main function [`reading`].

use std::collections::BTreeMap;

/// What the grey levels of a data set's masks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaskLevels {
    /// Masks are black and white. Where one is grey at its brightest, its levels are numbers.
    Binary,
    /// Grey is a degree of belonging (JPEG, several annotators), and one half decides. A mask that nowhere reaches it
    /// is empty, whether a faint annotation or JPEG's ringing around nothing made it grey.
    Soft,
}

/// How numbers tell the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is where they are at least this.
    From(u16),
    /// It is where they are neither 0 nor this.
    NonZero { void: Option<u16> },
}

impl Reading {
    /// In a few words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::From(_) => "black and white, at one half",
            Self::NonZero { void: None } => "numbers (0: background)",
            Self::NonZero { void: Some(_) } => "numbers (0: background, 255: void)",
        }
    }

    pub(super) fn is_object(self, value: u16) -> bool {
        match self {
            Self::From(least) => value >= least,
            Self::NonZero { void } => value != 0 && Some(value) != void,
        }
    }
}

/// Different numbers that a mask may have, 0 apart, and still be one of numbers. Levels of brightness are more.
pub(super) const MANY: usize = 32;
/// An annotator more or less is at least a tenth of 255: what is darker is no soft level.
const DARKEST_SOFT: u16 = 25;
/// What one of five annotators adds.
const FIFTH: u16 = 51;
/// Class numbers beside a void 255 go up to this. Above lie the 127 and 128 of trimaps, which are levels.
const LARGEST_CLASS: u16 = 100;
/// The object must cover at least this fraction of what 255 covers, for 255 to be its void outline.
const OUTLINE: usize = 16;

const WHITE: &str = "write masks as white (255) on the object and black (0) outside";

/// How often each number occurs.
pub(super) fn counts<'a>(values: impl Iterator<Item = &'a u16>) -> BTreeMap<u16, usize> {
    let mut table = vec![0; 1 << 16];
    values.for_each(|value| table[usize::from(*value)] += 1);
    table.into_iter().zip(0..=u16::MAX).filter(|(count, _)| *count > 0).map(|(n, value)| (value, n)).collect()
}

/// How a grey mask is to be read: `counts` of its numbers, which go up to `full`. The error says what is ambiguous.
pub(super) fn reading(
    counts: &BTreeMap<u16, usize>,
    full: u16,
    levels: MaskLevels,
    lossy: bool,
) -> Result<Reading, String> {
    let brightest = counts.keys().next_back().copied().unwrap_or(0);
    // Bytes in words of 16 bits are bytes.
    let full = if full == u16::MAX && brightest < 256 { 255 } else { full };
    let half = Reading::From(full / 2 + 1);
    let is_faint = brightest > 0 && !half.is_object(brightest);
    if lossy {
        // Compression moves levels: they are no numbers.
        return if levels == MaskLevels::Binary && is_faint { Err(faint(brightest, full)) } else { Ok(half) };
    }
    let within = |allowed: [u16; 2]| counts.keys().all(|value| allowed.contains(value));
    if within([0, full]) {
        return Ok(half);
    }
    if within([0, 1]) {
        return Ok(Reading::NonZero { void: None });
    }
    let found = list(counts.keys());
    let has_background = counts.contains_key(&0);
    let few = counts.len() <= MANY + 1;
    if is_faint {
        // Stretched to 8 bits, so that 3 of 15 is 51 of 255.
        let stretched = u32::from(brightest) * 255 / u32::from(full);
        return match levels {
            MaskLevels::Soft if stretched > u32::from(DARKEST_SOFT) => Ok(half),
            MaskLevels::Soft => Err(format!(
                "its grey levels are {found} of {full}: too dark for a soft mask, and numbers that do not say which \
                 of them is the object; {WHITE}, or 1 and 0"
            )),
            MaskLevels::Binary if has_background && few => Ok(Reading::NonZero { void: None }),
            MaskLevels::Binary if !has_background && counts.len() > 1 => Err(format!(
                "its grey levels are {found}, none of them 0: which is the background cannot be told; {WHITE}"
            )),
            MaskLevels::Binary => Err(faint(brightest, full)),
        };
    }
    if full < 255 && !counts.contains_key(&full) {
        // Of two or four bits: as levels they would leave white unused.
        let is_soft = counts.keys().all(|value| value * (255 / full) % FIFTH == 0);
        return match levels {
            MaskLevels::Soft if is_soft => Ok(half),
            MaskLevels::Binary if has_background => Ok(Reading::NonZero { void: None }),
            _ => Err(format!(
                "its grey levels are {found} of {full}: which is the object cannot be told; {WHITE}"
            )),
        };
    }
    numbers_and_void(counts, full, levels).unwrap_or_else(|| {
        let dark = counts.keys().any(|v| (1..=DARKEST_SOFT).contains(v));
        let white = u32::from(brightest) * 255 / u32::from(full) >= 230;
        if full >= 255 && has_background && few && dark && !white {
            return Err(format!(
                "its grey levels are {found} of {full}: class numbers, it seems, of which those below {} would count \
                 as background; {WHITE}",
                full / 2 + 1
            ));
        }
        Ok(half)
    })
}

/// Numbers with a void label: small ones, white, and nothing between. Interpolation and compression leave levels between.
fn numbers_and_void(
    counts: &BTreeMap<u16, usize>,
    full: u16,
    levels: MaskLevels,
) -> Option<Result<Reading, String>> {
    let void = *counts.get(&full)?;
    let largest = match levels {
        MaskLevels::Binary => LARGEST_CLASS,
        MaskLevels::Soft => DARKEST_SOFT,
    };
    // Depths below 8 bits are stretched: 3 of 15 may be the 51 of an annotator.
    let stretch = if full < 255 { 255 / full } else { 1 };
    let is_level = |value: u16| value != full && value * stretch > largest;
    if counts.len() > MANY + 2 || counts.keys().any(|value| is_level(*value)) {
        return None;
    }
    let numbers: usize = counts.iter().filter(|(v, _)| **v != 0 && **v != full).map(|(_, n)| n).sum();
    if numbers == 0 {
        return None;
    }
    if counts.contains_key(&0) && numbers * OUTLINE >= void {
        return Some(Ok(Reading::NonZero { void: Some(full) }));
    }
    let found = list(counts.keys());
    Some(Err(format!(
        "its grey levels are {found}, on {numbers} pixels neither 0 nor {full}, on {void} {full}: whether {full} is the \
         object or void cannot be told; {WHITE}"
    )))
}

fn faint(brightest: u16, full: u16) -> String {
    format!(
        "the mask's brightest pixel is {brightest} of {full}, so all of it would count as background; masks are white \
         ({full}) on the object and black (0) outside"
    )
}

/// Numbers for a message, at most eight.
pub(super) fn list<'a>(values: impl ExactSizeIterator<Item = &'a u16>) -> String {
    let count = values.len();
    let shown: Vec<String> = values.take(8).map(ToString::to_string).collect();
    let more = if count > 8 { format!(" and {} more", count - 8) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

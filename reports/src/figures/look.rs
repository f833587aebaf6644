//! Colours, dashes, markers and fonts. The main type is [`Look`].

use plotters::style::{FontStyle, RGBColor, register_font};
use std::sync::OnceLock;

/// Colour of text and axes; the page's text colour takes its place in inlined figures.
pub(crate) const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);

/// Font family of all figures; bundled, and a generic name so that SVGs fall back well.
pub(crate) const FAMILY: &str = "sans-serif";

/// Okabe and Ito's palette, which people with any common colour blindness can tell apart, without black (the ink) and
/// with its yellow, too faint on white, last.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x80, 0x80, 0x80),
    RGBColor(0xC9, 0xBC, 0x12),
];

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Disc.
    Disc,
    /// Square.
    Square,
    /// Triangle, tip up.
    Triangle,
    /// Square on its tip.
    Diamond,
    /// Triangle, tip down.
    Wedge,
}

const MARKERS: [Marker; 5] = [Marker::Disc, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Wedge];

/// Lengths of dash and gap, repeated; empty is a solid line.
const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.5], &[2.5, 2.5], &[9.0, 3.0, 2.5, 3.0]];

/// How a variant is drawn, the same in every figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Colour.
    pub(crate) colour: RGBColor,
    /// Dash pattern.
    pub(crate) dash: &'static [f64],
    /// Shape of points.
    pub(crate) marker: Marker,
}

/// The look of the variant at this place of the grid.
pub(crate) fn look(variant: usize) -> Look {
    // Beyond the palette colours repeat, each time with the next dash and marker.
    let round = variant / PALETTE.len();
    Look {
        colour: PALETTE[variant % PALETTE.len()],
        dash: DASHES[(variant + round) % DASHES.len()],
        marker: MARKERS[variant % MARKERS.len()],
    }
}

/// Hands the bundled fonts to plotters, once per process.
pub(crate) fn register_fonts() -> Result<(), String> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| {
        let regular = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
        let bold = include_bytes!("../../assets/fonts/DejaVuSans-Bold.ttf");
        register_font(FAMILY, FontStyle::Normal, regular).is_ok()
            && register_font(FAMILY, FontStyle::Bold, bold).is_ok()
    });
    if registered { Ok(()) } else { Err("the bundled fonts cannot be read".to_owned()) }
}

//! Colours, dashes, markers and fonts. The main types are [`Look`] and [`Looks`].

use crate::run::Run;
use plotters::style::{FontStyle, RGBColor, register_font};
use std::collections::HashMap;
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

/// Place of the grey in the palette, which is left to variants in no group where there are groups.
const GREY: usize = 6;

/// How much lighter (above 0) or darker than a colour of the palette others of its hue are.
const TINTS: [f64; 3] = [0.0, -0.35, 0.5];

/// The looks of all variants, the same in every figure.
#[derive(Debug)]
pub(crate) struct Looks(Vec<Look>);

impl Looks {
    /// A colour each; where variants are in groups, a colour a group, in shades for its variants.
    pub(crate) fn new(run: &Run) -> Self {
        Self::of_groups(&run.variants.iter().map(|v| v.group.as_deref()).collect::<Vec<_>>())
    }

    fn of_groups(groups: &[Option<&str>]) -> Self {
        if groups.iter().all(Option::is_none) {
            return Self((0..groups.len()).map(alone).collect());
        }
        let hues: Vec<RGBColor> = (0..PALETTE.len()).filter(|i| *i != GREY).map(|i| PALETTE[i]).collect();
        // Each group's colour, and how many of its variants there were.
        let mut seen: HashMap<Option<&str>, (RGBColor, usize)> = HashMap::new();
        let mut named = 0;
        let looks = groups.iter().map(|group| {
            let (colour, count) = seen.entry(*group).or_insert_with(|| match group {
                None => (PALETTE[GREY], 0),
                Some(_) => {
                    named += 1;
                    (hues[(named - 1) % hues.len()], 0)
                }
            });
            let look = Look {
                colour: tinted(*colour, TINTS[*count % TINTS.len()]),
                dash: DASHES[*count % DASHES.len()],
                marker: MARKERS[*count % MARKERS.len()],
            };
            *count += 1;
            look
        });
        Self(looks.collect())
    }

    /// That of the variant at this place.
    pub(crate) fn of(&self, variant: usize) -> Look {
        self.0.get(variant).copied().unwrap_or_else(|| alone(variant))
    }
}

/// The look of a variant in no group.
fn alone(variant: usize) -> Look {
    // Beyond the palette colours come again in other shades, with the next dash and marker.
    let round = variant / PALETTE.len();
    Look {
        colour: tinted(PALETTE[variant % PALETTE.len()], TINTS[round % TINTS.len()]),
        dash: DASHES[(variant + round) % DASHES.len()],
        marker: MARKERS[variant % MARKERS.len()],
    }
}

fn tinted(RGBColor(r, g, b): RGBColor, tint: f64) -> RGBColor {
    let to = if tint > 0.0 { 255.0 } else { 0.0 };
    let [r, g, b] = [r, g, b].map(|c| (f64::from(c) + tint.abs() * (to - f64::from(c))).round() as u8);
    RGBColor(r, g, b)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_a_hue_each_and_the_rest_is_grey() {
        let looks = Looks::of_groups(&[Some("box"), Some("box"), Some("mask"), None, None]);
        let colours: Vec<RGBColor> = (0..5).map(|v| looks.of(v).colour).collect();
        assert_eq!((colours[0], colours[2], colours[3]), (PALETTE[0], PALETTE[1], PALETTE[GREY]));
        assert_eq!(colours[1], tinted(PALETTE[0], TINTS[1]));
        assert_eq!(colours[4], tinted(PALETTE[GREY], TINTS[1]));
        assert_eq!(tinted(RGBColor(0, 100, 200), 0.5), RGBColor(128, 178, 228));
    }

    #[test]
    fn forty_variants_differ_in_colour_dash_or_marker() {
        let all = |groups: &[Option<&str>]| {
            let looks = Looks::of_groups(groups);
            let mut seen: Vec<String> = (0..groups.len()).map(|v| format!("{:?}", looks.of(v))).collect();
            seen.sort();
            seen.dedup();
            seen.len()
        };
        assert_eq!(all(&[None; 40]), 40);
        // Bars have nothing but their colours.
        let looks = Looks::of_groups(&[None; 24]);
        let mut colours: Vec<[u8; 3]> =
            (0..24).map(|v| looks.of(v).colour).map(|c| [c.0, c.1, c.2]).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 24);
        let names = ["a", "b", "c", "d"].map(Some);
        assert_eq!(all(&(0..40).map(|i| names[i / 10]).collect::<Vec<_>>()), 40);
    }
}

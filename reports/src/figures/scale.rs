//! Colours of numbers. The main type is [`ColourScale`].

use plotters::style::RGBColor;

/// matplotlib's viridis (Smith, van der Walt and Firing; CC0) at ten even places: equal steps look equally large, also
/// without red, green or blue, and in grey print.
const VIRIDIS: [[u8; 3]; 10] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x28, 0x78],
    [0x3E, 0x4A, 0x89],
    [0x31, 0x68, 0x8E],
    [0x26, 0x82, 0x8E],
    [0x1F, 0x9E, 0x89],
    [0x35, 0xB7, 0x79],
    [0x6D, 0xCD, 0x59],
    [0xB4, 0xDE, 0x2C],
    [0xFD, 0xE7, 0x25],
];

/// From numbers to colours, dark to bright.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColourScale {
    /// The darkest.
    pub(crate) low: f64,
    /// The brightest.
    pub(crate) high: f64,
}

impl ColourScale {
    /// A scale over some numbers; `None` where there are none.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let room = if high - low > 1e-9 { 0.0 } else { 0.01 };
        (low <= high).then_some(Self { low: low - room, high: high + room })
    }

    /// Colour of a number; beyond the ends, that of the end.
    pub(crate) fn colour(self, value: f64) -> RGBColor {
        viridis((value - self.low) / (self.high - self.low))
    }
}

/// Colour at a place in 0..=1.
pub(crate) fn viridis(place: f64) -> RGBColor {
    let at = place.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let first = (at as usize).min(VIRIDIS.len() - 2);
    let share = at - first as f64;
    let mix = |c: usize| {
        let (a, b) = (f64::from(VIRIDIS[first][c]), f64::from(VIRIDIS[first + 1][c]));
        (a + share * (b - a)).round() as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

/// Black or white, whichever is read better on a colour. Not the ink, which changes with the page.
pub(crate) fn lettering_on(colour: RGBColor) -> RGBColor {
    let light = luminance(colour);
    // Contrast with black is (L + 0.05) / 0.05, with white 1.05 / (L + 0.05) (WCAG 2).
    if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) {
        RGBColor(0x00, 0x00, 0x00)
    } else {
        RGBColor(0xFF, 0xFF, 0xFF)
    }
}

/// Relative luminance of sRGB.
fn luminance(RGBColor(r, g, b): RGBColor) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_rises_along_the_scale_and_letters_are_read_everywhere() {
        let mut before = -1.0;
        for step in 0..=100 {
            let colour = viridis(f64::from(step) / 100.0);
            let light = luminance(colour);
            assert!(light > before, "at {step}");
            before = light;
            let letters = luminance(lettering_on(colour));
            let contrast = (light.max(letters) + 0.05) / (light.min(letters) + 0.05);
            assert!(contrast > 4.5, "{contrast} at {step}");
        }
    }

    #[test]
    fn ends_have_the_ends_colours_and_one_value_the_middle() {
        let scale = ColourScale::over([0.2, 0.6, 0.4]).unwrap();
        assert_eq!((scale.colour(0.2), scale.colour(0.7)), (viridis(0.0), viridis(1.0)));
        assert_eq!(ColourScale::over([0.5]).unwrap().colour(0.5), viridis(0.5));
        assert_eq!(ColourScale::over([]), None);
    }
}

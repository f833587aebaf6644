//! Strokes on a plotters backend, in logical pixels. The main type is [`Pen`].

use super::look::{FAMILY, Marker};
use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::prelude::{
    Color, DrawingArea, DrawingBackend, FontDesc, FontFamily, FontTransform, RGBAColor, ShapeStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, RGBColor, TextStyle};

/// Whether it worked; the backend's message when it did not.
pub(crate) type Drawn = Result<(), String>;

/// What kind of picture is drawn. Plotters places text differently on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// SVG.
    Vector,
    /// Pixels.
    Bitmap,
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// It begins there.
    Left,
    /// Its middle is there.
    Centre,
    /// It ends there.
    Right,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lettering {
    /// Size of the em, logical pixels.
    pub(crate) size: f64,
    /// Colour.
    pub(crate) colour: RGBColor,
    /// Bold or not.
    pub(crate) bold: bool,
    /// Where it stands.
    pub(crate) align: Align,
}

/// Em of DejaVu Sans relative to the size that plotters' `ab_glyph` backend asks for (ascent + descent).
const BITMAP_EM: f64 = 1.164;
/// Em relative to the size that plotters' SVG backend asks for.
const VECTOR_EM: f64 = 1.24;

/// Draws on an area whose pixels are `scale` times smaller than a logical pixel.
pub(crate) struct Pen<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
    medium: Medium,
}

impl<'a, DB: DrawingBackend> Pen<'a, DB> {
    /// A pen for `area`.
    pub(crate) fn new(area: &'a DrawingArea<DB, Shift>, scale: f64, medium: Medium) -> Self {
        Self { area, scale, medium }
    }

    fn at(&self, point: (f64, f64)) -> (i32, i32) {
        ((point.0 * self.scale).round() as i32, (point.1 * self.scale).round() as i32)
    }

    fn stroke(&self, colour: RGBAColor, width: f64) -> ShapeStyle {
        ShapeStyle {
            color: colour,
            filled: false,
            stroke_width: (width * self.scale).round().max(1.0) as u32,
        }
    }

    /// A line through points, dashed by `dash` (lengths of dash and gap; empty is solid).
    pub(crate) fn line(&self, points: &[(f64, f64)], colour: RGBAColor, width: f64, dash: &[f64]) -> Drawn {
        for piece in dashed(points, dash) {
            let path: Vec<(i32, i32)> = piece.iter().map(|p| self.at(*p)).collect();
            self.area.draw(&PathElement::new(path, self.stroke(colour, width))).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// A filled polygon.
    pub(crate) fn polygon(&self, points: &[(f64, f64)], colour: RGBAColor) -> Drawn {
        let path: Vec<(i32, i32)> = points.iter().map(|p| self.at(*p)).collect();
        self.area.draw(&Polygon::new(path, colour.filled())).map_err(|e| e.to_string())
    }

    /// The outline of a rectangle.
    pub(crate) fn frame(
        &self,
        min: (f64, f64),
        max: (f64, f64),
        colour: RGBAColor,
        width: f64,
        dash: &[f64],
    ) -> Drawn {
        if !dash.is_empty() {
            let corners = [min, (max.0, min.1), max, (min.0, max.1), min];
            return self.line(&corners, colour, width, dash);
        }
        // Four bars instead of a line, whose last corner would stay open.
        let r = 0.5 * width;
        let bar = |x1: f64, y1: f64, x2: f64, y2: f64| {
            self.polygon(&[(x1 - r, y1 - r), (x2 + r, y1 - r), (x2 + r, y2 + r), (x1 - r, y2 + r)], colour)
        };
        bar(min.0, min.1, max.0, min.1)?;
        bar(min.0, max.1, max.0, max.1)?;
        bar(min.0, min.1 + width, min.0, max.1 - width)?;
        bar(max.0, min.1 + width, max.0, max.1 - width)
    }

    /// A point.
    pub(crate) fn marker(&self, (x, y): (f64, f64), marker: Marker, radius: f64, colour: RGBAColor) -> Drawn {
        let r = radius;
        match marker {
            Marker::Disc => {
                let size = (r * self.scale).round() as i32;
                let disc = Circle::new(self.at((x, y)), size, colour.filled());
                self.area.draw(&disc).map_err(|e| e.to_string())
            }
            Marker::Square => {
                let r = 0.88 * r;
                self.polygon(&[(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)], colour)
            }
            Marker::Triangle => self
                .polygon(&[(x, y - 1.2 * r), (x + 1.1 * r, y + 0.8 * r), (x - 1.1 * r, y + 0.8 * r)], colour),
            Marker::Diamond => {
                let r = 1.25 * r;
                self.polygon(&[(x, y - r), (x + r, y), (x, y + r), (x - r, y)], colour)
            }
            Marker::Wedge => self
                .polygon(&[(x, y + 1.2 * r), (x + 1.1 * r, y - 0.8 * r), (x - 1.1 * r, y - 0.8 * r)], colour),
        }
    }

    /// A text whose capitals are centred on the point's height.
    pub(crate) fn text(&self, text: &str, (x, y): (f64, f64), lettering: Lettering) -> Drawn {
        self.letters(text, (x, y + self.drop(lettering.size)), lettering, FontTransform::None)
    }

    /// A text that runs upwards and is centred on the point.
    pub(crate) fn upward_text(&self, text: &str, (x, y): (f64, f64), lettering: Lettering) -> Drawn {
        self.letters(text, (x + self.drop(lettering.size), y), lettering, FontTransform::Rotate270)
    }

    /// Plotters' vertical centring puts the baseline 0.11 em (bitmap) or 0.27 em (SVG) below the point; half the
    /// height of DejaVu's capitals is 0.36 em.
    fn drop(&self, size: f64) -> f64 {
        match self.medium {
            Medium::Bitmap => 0.25 * size,
            Medium::Vector => 0.09 * size,
        }
    }

    fn letters(&self, text: &str, point: (f64, f64), lettering: Lettering, turn: FontTransform) -> Drawn {
        let em = match self.medium {
            Medium::Bitmap => BITMAP_EM,
            Medium::Vector => VECTOR_EM,
        };
        let style = if lettering.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font =
            FontDesc::new(FontFamily::Name(FAMILY), lettering.size * em * self.scale, style).transform(turn);
        let anchor = match lettering.align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle::from(font).color(&lettering.colour).pos(Pos::new(anchor, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), self.at(point), style)).map_err(|e| e.to_string())
    }
}

/// Width of a text, logical pixels.
pub(crate) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    // Plotters measures in whole pixels: measure large.
    let font = FontDesc::new(FontFamily::Name(FAMILY), 20.0 * size * BITMAP_EM, style);
    font.layout_box(text)
        .map_or(0.6 * size * text.chars().count() as f64, |b| f64::from(b.1.0 - b.0.0) / 20.0)
}

/// Shortens a text with an ellipsis until it fits.
pub(crate) fn fitted(text: &str, size: f64, bold: bool, width: f64) -> String {
    if text_width(text, size, bold) <= width {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let short = format!("{}…", kept.iter().collect::<String>().trim_end());
        if text_width(&short, size, bold) <= width {
            return short;
        }
    }
    "…".to_owned()
}

/// The drawn pieces of a dashed line.
fn dashed(points: &[(f64, f64)], dash: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let Some(first) = points.first() else { return Vec::new() };
    if dash.is_empty() {
        return vec![points.to_vec()];
    }
    let mut pieces = Vec::new();
    let mut piece = vec![*first];
    let (mut place, mut left) = (0, dash[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= left {
                left -= length;
                piece.push(to);
                break;
            }
            let t = left / length;
            from = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            piece.push(from);
            if place % 2 == 0 {
                pieces.push(std::mem::take(&mut piece));
            }
            piece = vec![from];
            place = (place + 1) % dash.len();
            left = dash[place];
        }
    }
    if place % 2 == 0 && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_goes_on_around_a_corner() {
        let pieces = dashed(&[(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)], &[3.0, 2.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (3.0, 0.0)], vec![(4.0, 1.0), (4.0, 4.0)]]);
        assert_eq!(dashed(&[(0.0, 0.0), (1.0, 0.0)], &[]), [vec![(0.0, 0.0), (1.0, 0.0)]]);
    }

    #[test]
    fn long_texts_are_shortened() {
        super::super::look::register_fonts().unwrap();
        assert_eq!(fitted("loss=ria", 12.0, false, 200.0), "loss=ria");
        let short = fitted("loss=modified-iou, extractor=soft", 12.0, false, 100.0);
        assert!(short.ends_with('…') && text_width(&short, 12.0, false) <= 100.0, "{short}");
    }
}

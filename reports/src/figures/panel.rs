//! One coordinate system and what is in it. The main type is [`Panel`].

use super::axis::Axis;
use super::look::{INK, Look};
use super::pen::{Align, Drawn, Lettering, Pen, fitted, text_width};
use super::scale::{ColourScale, lettering_on, viridis};
use fovea_records::Unit;
use plotters::prelude::{Color, DrawingBackend, RGBAColor};
use plotters::style::RGBColor;

/// Size of axis labels and legends, logical pixels.
pub(crate) const LETTER: f64 = 12.0;
/// Size of what stands at ticks.
pub(crate) const SMALL: f64 = 11.5;
const TITLE: f64 = 13.0;

/// Above and below the axes.
pub(crate) const TOP: f64 = 34.0;
pub(crate) const BOTTOM: f64 = 48.0;
/// Left of the tick labels: margin, and the axis label where there is one.
const MARGIN: f64 = 12.0;
const UPWARD: f64 = 18.0;
/// Right of the axes.
pub(crate) const RIGHT: f64 = 16.0;
/// More to the right for a colour bar and its numbers.
pub(crate) const COLOUR_BAR: f64 = 62.0;

/// What one variant or trial puts into a panel.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Colour, dash, marker.
    pub(crate) look: Look,
    /// Points, in drawing order.
    pub(crate) points: Vec<(f64, f64)>,
    /// Width of the line through them; 0 for none.
    pub(crate) line: f64,
    /// Size of the points; 0 for none.
    pub(crate) marker: f64,
    /// Opacity of line and points.
    pub(crate) opacity: f64,
    /// (x, low, high): an area behind everything.
    pub(crate) band: Vec<(f64, f64, f64)>,
    /// (x, low, high): vertical bars.
    pub(crate) upright_bars: Vec<(f64, f64, f64)>,
    /// (y, low, high): horizontal bars.
    pub(crate) level_bars: Vec<(f64, f64, f64)>,
    /// Half the length of the strokes at the ends of horizontal bars, logical pixels.
    pub(crate) cap: f64,
}

impl Series {
    /// A line with points.
    pub(crate) fn new(look: Look, points: Vec<(f64, f64)>) -> Self {
        Self {
            look,
            points,
            line: 2.0,
            marker: 3.6,
            opacity: 1.0,
            band: Vec::new(),
            upright_bars: Vec::new(),
            level_bars: Vec::new(),
            cap: 4.0,
        }
    }
}

/// A filled rectangle.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    /// From and to.
    pub(crate) x: (f64, f64),
    /// From and to.
    pub(crate) y: (f64, f64),
    /// Its colour; `None` is hatched.
    pub(crate) fill: Option<RGBColor>,
    /// What stands on it: a number, and smaller below it what it rests on.
    pub(crate) text: Option<(String, String)>,
}

/// One coordinate system.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Title.
    pub(crate) title: String,
    /// Horizontal axis.
    pub(crate) x: Axis,
    /// Vertical axis.
    pub(crate) y: Axis,
    /// Contents.
    pub(crate) series: Vec<Series>,
    /// Rectangles, below the series.
    pub(crate) tiles: Vec<Tile>,
    /// Scale of the tiles' colours, shown to the right.
    pub(crate) colours: Option<(ColourScale, Unit)>,
    /// Whether x = 0 is marked.
    pub(crate) upright_zero: bool,
    /// Whether y = 0 is marked.
    pub(crate) level_zero: bool,
}

impl Panel {
    /// A panel of lines and points.
    pub(crate) fn new(title: String, x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self { title, x, y, series, tiles: Vec::new(), colours: None, upright_zero: false, level_zero: false }
    }

    /// What the labels to the left of the vertical axis take of a panel this wide.
    pub(crate) fn left(&self, width: f64) -> f64 {
        MARGIN + self.label_width(width) + 6.0 + if self.y.label.is_empty() { 0.0 } else { UPWARD }
    }

    fn label_width(&self, width: f64) -> f64 {
        let widest = self.y.ticks.iter().map(|t| text_width(&t.1, SMALL, false)).fold(0.0, f64::max);
        widest.min(self.y.room.unwrap_or(0.4 * width))
    }

    /// Draws it into a rectangle, logical pixels.
    pub(crate) fn draw<DB: DrawingBackend>(
        &self,
        pen: &Pen<DB>,
        corner: (f64, f64),
        size: (f64, f64),
    ) -> Drawn {
        let bar = if self.colours.is_some() { COLOUR_BAR } else { 0.0 };
        let frame = Frame {
            panel: self,
            left: corner.0 + self.left(size.0),
            right: corner.0 + size.0 - RIGHT - bar,
            top: corner.1 + TOP,
            bottom: corner.1 + size.1 - BOTTOM,
        };
        let room = size.0 - RIGHT - MARGIN;
        // A long title is smaller before it is cut.
        let em = if text_width(&self.title, TITLE, true) > room { SMALL } else { TITLE };
        let title = fitted(&self.title, em, true, room);
        let letters = Lettering { size: em, colour: INK, bold: true, align: Align::Left };
        let start = frame.left.min(corner.0 + size.0 - RIGHT - text_width(&title, em, true));
        pen.text(&title, (start, corner.1 + 16.0), letters)?;
        frame.axes(pen, corner.0, self.label_width(size.0))?;
        for tile in &self.tiles {
            frame.tile(pen, tile)?;
        }
        frame.series(pen)?;
        if let Some((scale, unit)) = self.colours {
            frame.colour_bar(pen, scale, unit)?;
        }
        let firm = INK.mix(0.55);
        pen.line(
            &[(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)],
            firm,
            1.0,
            &[],
        )
    }
}

/// A panel with its place.
struct Frame<'a> {
    panel: &'a Panel,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame<'_> {
    fn across(&self, x: f64) -> f64 {
        self.left + self.panel.x.place(x) * (self.right - self.left)
    }

    fn down(&self, y: f64) -> f64 {
        self.bottom - self.panel.y.place(y) * (self.bottom - self.top)
    }

    fn at(&self, p: &(f64, f64)) -> (f64, f64) {
        (self.across(p.0), self.down(p.1))
    }

    fn axes<DB: DrawingBackend>(&self, pen: &Pen<DB>, margin: f64, names: f64) -> Drawn {
        let (x_axis, y_axis) = (&self.panel.x, &self.panel.y);
        let letters = Lettering { size: LETTER, colour: INK, bold: false, align: Align::Centre };
        let small = Lettering { size: SMALL, ..letters };
        let faint: RGBAColor = INK.mix(0.13);
        let step = (self.right - self.left) / x_axis.ticks.len().max(1) as f64;
        let mut free = f64::NEG_INFINITY;
        for (value, label) in &x_axis.ticks {
            let x = self.across(*value);
            if !x_axis.names {
                pen.line(&[(x, self.top), (x, self.bottom)], faint, 0.75, &[])?;
            }
            let label = if x_axis.names { fitted(label, SMALL, false, step - 4.0) } else { label.clone() };
            let half = 0.5 * text_width(&label, SMALL, false);
            // A label that would touch the one before is left out; its line stays.
            if x - half >= free {
                pen.text(&label, (x, self.bottom + 12.0), small)?;
                free = x + half + 4.0;
            }
        }
        for (value, label) in &y_axis.ticks {
            let y = self.down(*value);
            if !y_axis.names {
                pen.line(&[(self.left, y), (self.right, y)], faint, 0.75, &[])?;
            }
            let label = fitted(label, SMALL, false, names + 1.0);
            pen.text(&label, (self.left - 6.0, y), Lettering { align: Align::Right, ..small })?;
        }
        let width = self.right - self.left + 30.0;
        let below = fitted(&x_axis.label, LETTER, false, width);
        pen.text(&below, (0.5 * (self.left + self.right), self.bottom + 32.0), letters)?;
        if !y_axis.label.is_empty() {
            let beside = fitted(&y_axis.label, LETTER, false, self.bottom - self.top + 40.0);
            pen.upward_text(&beside, (margin + MARGIN, 0.5 * (self.top + self.bottom)), letters)?;
        }
        let firm: RGBAColor = INK.mix(0.55);
        if self.panel.upright_zero && x_axis.crosses_zero() {
            pen.line(&[(self.across(0.0), self.top), (self.across(0.0), self.bottom)], firm, 1.0, &[])?;
        }
        if self.panel.level_zero && y_axis.crosses_zero() {
            pen.line(&[(self.left, self.down(0.0)), (self.right, self.down(0.0))], firm, 1.0, &[])?;
        }
        Ok(())
    }

    fn tile<DB: DrawingBackend>(&self, pen: &Pen<DB>, tile: &Tile) -> Drawn {
        let (x1, x2) = (self.across(tile.x.0), self.across(tile.x.1));
        let (y1, y2) = (self.down(tile.y.1), self.down(tile.y.0));
        let colour = match tile.fill {
            Some(fill) => {
                pen.polygon(&[(x1, y1), (x2, y1), (x2, y2), (x1, y2)], fill.to_rgba())?;
                lettering_on(fill)
            }
            None => {
                hatch(pen, (x1, y1), (x2, y2))?;
                INK
            }
        };
        let Some((number, below)) = &tile.text else { return Ok(()) };
        let middle = (0.5 * (x1 + x2), 0.5 * (y1 + y2));
        let letters = Lettering { size: SMALL, colour, bold: true, align: Align::Centre };
        if below.is_empty() {
            return pen.text(number, middle, letters);
        }
        pen.text(number, (middle.0, middle.1 - 7.0), letters)?;
        pen.text(below, (middle.0, middle.1 + 8.0), Lettering { size: 10.0, bold: false, ..letters })
    }

    fn series<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Drawn {
        for series in &self.panel.series {
            let upper = series.band.iter().map(|(x, _, high)| self.at(&(*x, *high)));
            let lower = series.band.iter().rev().map(|(x, low, _)| self.at(&(*x, *low)));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            if outline.len() > 2 {
                pen.polygon(&outline, series.look.colour.mix(0.13))?;
            }
        }
        for series in &self.panel.series {
            let colour = series.look.colour.mix(series.opacity);
            for (x, low, high) in &series.upright_bars {
                pen.line(&[self.at(&(*x, *low)), self.at(&(*x, *high))], colour, 1.5, &[])?;
            }
            let width = if series.cap < 4.0 { 1.2 } else { 2.0 };
            for (y, low, high) in &series.level_bars {
                pen.line(&[self.at(&(*low, *y)), self.at(&(*high, *y))], colour, width, &[])?;
                for end in [low, high] {
                    let (x, y) = self.at(&(*end, *y));
                    pen.line(&[(x, y - series.cap), (x, y + series.cap)], colour, width, &[])?;
                }
            }
            let points: Vec<(f64, f64)> = series.points.iter().map(|p| self.at(p)).collect();
            if series.line > 0.0 && points.len() > 1 {
                pen.line(&points, colour, series.line, series.look.dash)?;
            }
            // A line of one point would be invisible.
            let marker =
                if series.line > 0.0 && points.len() == 1 { series.marker.max(2.5) } else { series.marker };
            if marker > 0.0 {
                for point in points {
                    pen.marker(point, series.look.marker, marker, colour)?;
                }
            }
        }
        Ok(())
    }

    fn colour_bar<DB: DrawingBackend>(&self, pen: &Pen<DB>, scale: ColourScale, unit: Unit) -> Drawn {
        const STEPS: usize = 48;
        let (left, right) = (self.right + 12.0, self.right + 24.0);
        let height = (self.bottom - self.top).min(200.0);
        let top = 0.5 * (self.top + self.bottom - height);
        // Each reaches down to the end, below the next, so that no seams show.
        for step in (0..STEPS).rev() {
            let edge = top + height * (1.0 - (step + 1) as f64 / STEPS as f64);
            let slice = [(left, edge), (right, edge), (right, top + height), (left, top + height)];
            pen.polygon(&slice, viridis((step as f64 + 0.5) / STEPS as f64).to_rgba())?;
        }
        let letters = Lettering { size: SMALL, colour: INK, bold: false, align: Align::Left };
        let count = if height < 80.0 { 2 } else { 3 };
        for tick in 0..count {
            let share = f64::from(tick) / f64::from(count - 1);
            let value = scale.low + share * (scale.high - scale.low);
            let text = crate::format::minus(&crate::format::value(unit, value));
            let inside = 5.0 * (2.0 * share - 1.0);
            pen.text(&text, (right + 5.0, top + height * (1.0 - share) + inside), letters)?;
        }
        Ok(())
    }
}

/// Diagonal lines over a rectangle.
fn hatch<DB: DrawingBackend>(pen: &Pen<DB>, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Drawn {
    const STEP: f64 = 8.0;
    let height = y2 - y1;
    let mut start = x1 - height + STEP;
    while start < x2 {
        // From (start, y2) up to the right, as far as it lies inside.
        let (from, to) = (start.max(x1), (start + height).min(x2));
        if to > from {
            pen.line(&[(from, y2 - (from - start)), (to, y2 - (to - start))], INK.mix(0.18), 1.0, &[])?;
        }
        start += STEP;
    }
    Ok(())
}

//! Panels side by side with a common legend. The main type is [`Sheet`].

use super::look::{INK, Look};
use super::pen::{Align, Drawn, Lettering, Medium, Pen, fitted, text_width};
use fovea_records::Unit;
use plotters::prelude::{
    BitMapBackend, Color, DrawingBackend, IntoDrawingArea, RGBAColor, SVGBackend, WHITE,
};
use std::io::Cursor;

/// Device pixels of an SVG's or a bitmap's logical pixel while drawing: plotters knows whole pixels only.
const FINENESS: u32 = 4;
/// Pixels of the written PNG per logical pixel.
const PNG_DENSITY: u32 = 2;

const LETTER: f64 = 12.0;
const LEGEND_LINE: f64 = 20.0;
const LEGEND_SAMPLE: f64 = 30.0;

/// An axis: its range and where it is labelled.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What is measured along it.
    pub(crate) label: String,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that holds `values` with a little room, labelled at about as many round numbers as `ticks`; fractions in
    /// per cent.
    pub(crate) fn round(
        label: &str,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
        ticks: usize,
    ) -> Self {
        let (low, high) = range(values);
        let factor = if unit == Unit::Fraction { 100.0 } else { 1.0 };
        let step = round_step((high - low) * factor / ticks as f64, unit == Unit::Count) / factor;
        let decimals = (-(step * factor).log10().floor()).max(0.0) as usize;
        // 2.5 needs one decimal more than its power of ten says.
        let decimals = decimals + usize::from(!is_whole(step * factor * 10_f64.powi(decimals as i32)));
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let ticks = (first..=last)
            .map(|i| {
                let value = i as f64 * step;
                (value, format!("{:.decimals$}", value * factor + 0.0).replace('-', "\u{2212}"))
            })
            .collect();
        Self { label: label.to_owned(), low, high, ticks }
    }

    /// An axis labelled exactly at `values`.
    pub(crate) fn at(label: &str, values: &[f64]) -> Self {
        let (low, high) = range(values.iter().copied());
        Self {
            label: label.to_owned(),
            low,
            high,
            ticks: values.iter().map(|v| (*v, format!("{v}"))).collect(),
        }
    }

    /// A vertical axis of names, the first on top, at 0, -1, -2, ...
    pub(crate) fn names(names: &[String]) -> Self {
        let ticks = names.iter().enumerate().map(|(i, n)| (-(i as f64), n.clone())).collect();
        Self { label: String::new(), low: -(names.len() as f64) + 0.4, high: 0.6, ticks }
    }

    fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.into_iter().filter(|v| v.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high - low > 1e-9 * low.abs().max(high.abs()).max(1e-9) {
        0.05 * (high - low)
    } else {
        (0.1 * high.abs()).max(0.01)
    };
    (low - room, high + room)
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6
}

fn round_step(raw: f64, whole: bool) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let off = |step: &f64| (step / raw).ln().abs();
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|f| f * power);
    let step = steps.min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(raw);
    if whole { step.ceil().max(1.0) } else { step }
}

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
        }
    }
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
    /// Whether x = 0 is marked.
    pub(crate) upright_zero: bool,
    /// Whether y = 0 is marked.
    pub(crate) level_zero: bool,
}

/// A figure: panels in rows, and a legend below.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// Panels in reading order.
    pub(crate) panels: Vec<Panel>,
    /// Panels a row.
    pub(crate) columns: usize,
    /// Size of a panel, logical pixels.
    pub(crate) panel_size: (f64, f64),
    /// Looks and what they stand for.
    pub(crate) legend: Vec<(Look, String)>,
    /// Whether the legend shows lines (with dashes) or points only.
    pub(crate) legend_lines: bool,
}

impl Sheet {
    fn width(&self) -> f64 {
        self.panel_size.0 * self.columns.min(self.panels.len()).max(1) as f64
    }

    fn panel_rows(&self) -> usize {
        self.panels.len().div_ceil(self.columns.max(1))
    }

    /// Legend entries with their places, and the number of lines.
    fn legend_places(&self) -> (Vec<(f64, usize)>, usize) {
        let room = self.width() - 24.0;
        let (mut x, mut line) = (0.0, 0);
        let mut places = Vec::new();
        for (_, label) in &self.legend {
            let width = LEGEND_SAMPLE + 6.0 + text_width(label, LETTER, false).min(room - 40.0) + 20.0;
            if x > 0.0 && x + width > room {
                x = 0.0;
                line += 1;
            }
            places.push((12.0 + x, line));
            x += width;
        }
        let lines = if places.is_empty() { 0 } else { line + 1 };
        (places, lines)
    }

    fn size(&self) -> (u32, u32) {
        let legend = self.legend_places().1 as f64 * LEGEND_LINE;
        let height =
            self.panel_size.1 * self.panel_rows() as f64 + legend + if legend > 0.0 { 10.0 } else { 0.0 };
        (self.width().ceil() as u32, height.ceil() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Drawn {
        for (number, panel) in self.panels.iter().enumerate() {
            let corner = (
                (number % self.columns) as f64 * self.panel_size.0,
                (number / self.columns) as f64 * self.panel_size.1,
            );
            draw_panel(pen, panel, corner, self.panel_size)?;
        }
        let top = self.panel_rows() as f64 * self.panel_size.1 + 0.5 * LEGEND_LINE;
        let letters = Lettering { size: LETTER, colour: INK, bold: false, align: Align::Left };
        for ((look, label), (x, line)) in self.legend.iter().zip(self.legend_places().0) {
            let y = top + line as f64 * LEGEND_LINE;
            let colour = look.colour.to_rgba();
            if self.legend_lines {
                pen.line(&[(x, y), (x + LEGEND_SAMPLE, y)], colour, 2.0, look.dash)?;
            }
            pen.marker((x + 0.5 * LEGEND_SAMPLE, y), look.marker, 4.0, colour)?;
            let label = fitted(label, LETTER, false, self.width() - 24.0 - 40.0);
            pen.text(&label, (x + LEGEND_SAMPLE + 6.0, y), letters)?;
        }
        Ok(())
    }
}

fn draw_panel<DB: DrawingBackend>(
    pen: &Pen<DB>,
    panel: &Panel,
    corner: (f64, f64),
    size: (f64, f64),
) -> Drawn {
    let letters = Lettering { size: LETTER, colour: INK, bold: false, align: Align::Centre };
    let widest =
        panel.y.ticks.iter().map(|t| text_width(&t.1, 11.0, false)).fold(0.0, f64::max).min(0.4 * size.0);
    let left = corner.0 + 12.0 + widest + 6.0 + if panel.y.label.is_empty() { 0.0 } else { 18.0 };
    let right = corner.0 + size.0 - 16.0;
    let top = corner.1 + 34.0;
    let bottom = corner.1 + size.1 - 46.0;
    let across = |x: f64| left + panel.x.place(x) * (right - left);
    let down = |y: f64| bottom - panel.y.place(y) * (bottom - top);
    let at = |p: &(f64, f64)| (across(p.0), down(p.1));

    let title = fitted(&panel.title, 13.0, true, right - corner.0 - 12.0);
    pen.text(
        &title,
        (left.min(right - text_width(&title, 13.0, true)), corner.1 + 16.0),
        Lettering { size: 13.0, bold: true, align: Align::Left, ..letters },
    )?;

    let faint: RGBAColor = INK.mix(0.13);
    let firm: RGBAColor = INK.mix(0.55);
    for (value, label) in &panel.x.ticks {
        let x = across(*value);
        pen.line(&[(x, top), (x, bottom)], faint, 0.75, &[])?;
        pen.text(label, (x, bottom + 12.0), Lettering { size: 11.0, ..letters })?;
    }
    for (value, label) in &panel.y.ticks {
        let y = down(*value);
        pen.line(&[(left, y), (right, y)], faint, 0.75, &[])?;
        let label = fitted(label, 11.0, false, widest + 1.0);
        pen.text(&label, (left - 6.0, y), Lettering { size: 11.0, align: Align::Right, ..letters })?;
    }
    pen.text(&panel.x.label, (0.5 * (left + right), bottom + 31.0), letters)?;
    if !panel.y.label.is_empty() {
        pen.upward_text(&panel.y.label, (corner.0 + 12.0, 0.5 * (top + bottom)), letters)?;
    }
    if panel.upright_zero && panel.x.low < 0.0 && panel.x.high > 0.0 {
        pen.line(&[(across(0.0), top), (across(0.0), bottom)], firm, 1.0, &[])?;
    }
    if panel.level_zero && panel.y.low < 0.0 && panel.y.high > 0.0 {
        pen.line(&[(left, down(0.0)), (right, down(0.0))], firm, 1.0, &[])?;
    }

    for series in &panel.series {
        let upper = series.band.iter().map(|(x, _, high)| at(&(*x, *high)));
        let lower = series.band.iter().rev().map(|(x, low, _)| at(&(*x, *low)));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        if outline.len() > 2 {
            pen.polygon(&outline, series.look.colour.mix(0.13))?;
        }
    }
    for series in &panel.series {
        let colour = series.look.colour.mix(series.opacity);
        for (x, low, high) in &series.upright_bars {
            pen.line(&[at(&(*x, *low)), at(&(*x, *high))], colour, 1.5, &[])?;
        }
        for (y, low, high) in &series.level_bars {
            pen.line(&[at(&(*low, *y)), at(&(*high, *y))], colour, 2.0, &[])?;
            for end in [low, high] {
                let (x, y) = at(&(*end, *y));
                pen.line(&[(x, y - 4.0), (x, y + 4.0)], colour, 2.0, &[])?;
            }
        }
        let points: Vec<(f64, f64)> = series.points.iter().map(at).collect();
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
    pen.line(&[(left, top), (left, bottom), (right, bottom)], firm, 1.0, &[])
}

/// The sheet as SVG with a transparent background.
pub(crate) fn svg(sheet: &Sheet) -> Result<String, String> {
    let (width, height) = sheet.size();
    let (w, h) = (width * FINENESS, height * FINENESS);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (w, h)).into_drawing_area();
        sheet.draw(&Pen::new(&area, f64::from(FINENESS), Medium::Vector))?;
        area.present().map_err(|e| e.to_string())?;
    }
    Ok(text.replacen(
        &format!("width=\"{w}\" height=\"{h}\""),
        &format!("width=\"{width}\" height=\"{height}\""),
        1,
    ))
}

/// An SVG on white, for use outside the page.
pub(crate) fn on_paper(svg: &str) -> String {
    svg.replacen(">\n", ">\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n", 1)
}

/// An SVG for inlining: in the page's text colour, with a name for readers who do not see it.
pub(crate) fn inline(svg: &str, name: &str) -> String {
    let ink = format!("#{:02X}{:02X}{:02X}", INK.0, INK.1, INK.2);
    let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    svg.replace(&format!("\"{ink}\""), "\"currentColor\"").replacen(
        " xmlns=\"http://www.w3.org/2000/svg\"",
        &format!(" role=\"img\" aria-label=\"{name}\""),
        1,
    )
}

/// The sheet as PNG on white.
pub(crate) fn png(sheet: &Sheet) -> Result<Vec<u8>, String> {
    let (width, height) = sheet.size();
    let (w, h) = (width * FINENESS, height * FINENESS);
    let mut pixels = vec![0; (w * h * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (w, h)).into_drawing_area();
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        sheet.draw(&Pen::new(&area, f64::from(FINENESS), Medium::Bitmap))?;
        area.present().map_err(|e| e.to_string())?;
    }
    let fine = image::RgbImage::from_raw(w, h, pixels).ok_or("the drawing has the wrong size")?;
    let picture = halved(&fine);
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).map_err(|e| e.to_string())?;
    Ok(bytes.into_inner())
}

/// Half as wide and high, each pixel the mean of four: drawn finely, edges come out smooth.
fn halved(fine: &image::RgbImage) -> image::RgbImage {
    const { assert!(FINENESS == 2 * PNG_DENSITY) };
    let (width, height) = (fine.width() / 2, fine.height() / 2);
    let stride = 3 * fine.width() as usize;
    let mut pixels = Vec::with_capacity((3 * width * height) as usize);
    for rows in fine.as_raw().chunks_exact(2 * stride) {
        let (upper, lower) = rows.split_at(stride);
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for channel in 0..3 {
                let sum = u16::from(a[channel])
                    + u16::from(a[channel + 3])
                    + u16::from(b[channel])
                    + u16::from(b[channel + 3]);
                pixels.push(((sum + 2) / 4) as u8);
            }
        }
    }
    image::RgbImage::from_raw(width, height, pixels).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |axis: Axis| axis.ticks.into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(labels(Axis::round("", Unit::Fraction, [0.1, 0.9], 4)), ["20", "40", "60", "80"]);
        assert_eq!(
            labels(Axis::round("", Unit::Number, [-0.03, 0.06], 4)),
            ["−0.025", "0.000", "0.025", "0.050"]
        );
        assert_eq!(labels(Axis::round("", Unit::Count, [1.0, 4.0], 5)), ["1", "2", "3", "4"]);
        assert_eq!(labels(Axis::round("", Unit::Number, [0.5, 0.5], 2)), ["0.45", "0.50", "0.55"]);
        assert!(!labels(Axis::round("", Unit::Number, [], 4)).is_empty());
    }
}

//! Panels side by side with a common legend. The main type is [`Sheet`].

use super::look::{INK, Look};
use super::panel::{LETTER, Panel};
use super::pen::{Align, Drawn, Lettering, Medium, Pen, fitted, text_width};
use plotters::prelude::{BitMapBackend, Color, DrawingBackend, IntoDrawingArea, SVGBackend, WHITE};
use std::io::Cursor;

/// Width of a whole figure, logical pixels: on 17 cm of paper its letters are as large as those of footnotes.
pub(crate) const WIDTH: f64 = 900.0;

/// Device pixels of an SVG's or a bitmap's logical pixel while drawing: plotters knows whole pixels only.
const FINENESS: u32 = 4;
/// Pixels of the written PNG per logical pixel.
const PNG_DENSITY: u32 = 2;

const LEGEND_LINE: f64 = 20.0;
const LEGEND_SAMPLE: f64 = 30.0;
/// Longer legends stand in columns.
const MOST_FLOWING: usize = 6;

/// A line of the legend.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// Name of a group, above its variants.
    Group(String),
    /// A look and what it stands for.
    Look(Look, String),
    /// What is not in it.
    Rest(String),
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
    /// By how much the first panel of each row is wider, for names that stand for the whole row.
    pub(crate) lead: f64,
    /// What the looks stand for.
    pub(crate) legend: Vec<Entry>,
    /// Whether the legend shows lines (with dashes) or points only.
    pub(crate) legend_lines: bool,
}

impl Sheet {
    /// Panels of one size that fill the width.
    pub(crate) fn filled(panels: Vec<Panel>, columns: usize, height: f64) -> Self {
        let columns = columns.min(panels.len()).max(1);
        Self {
            panels,
            columns,
            panel_size: (WIDTH / columns as f64, height),
            lead: 0.0,
            legend: Vec::new(),
            legend_lines: false,
        }
    }

    /// A single panel that is not wider than it has to be.
    pub(crate) fn narrowed(self) -> Self {
        let width = if self.panels.len() == 1 { 0.65 * WIDTH } else { self.panel_size.0 };
        Self { panel_size: (width, self.panel_size.1), ..self }
    }

    fn width(&self) -> f64 {
        self.lead + self.panel_size.0 * self.columns.min(self.panels.len()).max(1) as f64
    }

    fn panel_rows(&self) -> usize {
        self.panels.len().div_ceil(self.columns.max(1))
    }

    /// Places of the legend's entries (left end and line), the room of each, and the number of lines.
    fn legend_places(&self) -> (Vec<(f64, usize)>, f64, usize) {
        let room = self.width() - 24.0;
        let widths: Vec<f64> = self
            .legend
            .iter()
            .map(|entry| match entry {
                Entry::Look(_, label) => LEGEND_SAMPLE + 26.0 + text_width(label, LETTER, false),
                Entry::Group(_) | Entry::Rest(_) => 0.0,
            })
            .map(|width| width.min(room))
            .collect();
        let widest = widths.iter().copied().fold(0.0, f64::max);
        let in_columns = self.legend.len() > MOST_FLOWING;
        let cell = if in_columns { room / (room / widest.max(1.0)).floor().max(1.0) } else { 0.0 };
        let (mut x, mut line) = (0.0, 0);
        let mut places = Vec::new();
        for (entry, width) in self.legend.iter().zip(widths) {
            let width = if in_columns { cell } else { width };
            let whole_line = !matches!(entry, Entry::Look(..));
            if x > 0.0 && (whole_line || x + width > room + 0.5) {
                x = 0.0;
                line += 1;
            }
            places.push((12.0 + x, line));
            x += width;
            if whole_line {
                x = 0.0;
                line += 1;
            }
        }
        let lines = if x > 0.0 { line + 1 } else { line };
        (places, if in_columns { cell } else { room }, lines)
    }

    fn size(&self) -> (u32, u32) {
        let legend = self.legend_places().2 as f64 * LEGEND_LINE;
        let height =
            self.panel_size.1 * self.panel_rows() as f64 + legend + if legend > 0.0 { 10.0 } else { 0.0 };
        (self.width().ceil() as u32, height.ceil() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, pen: &Pen<DB>) -> Drawn {
        for (number, panel) in self.panels.iter().enumerate() {
            let column = number % self.columns;
            let lead = if column > 0 { self.lead } else { 0.0 };
            let corner = (
                column as f64 * self.panel_size.0 + lead,
                (number / self.columns) as f64 * self.panel_size.1,
            );
            panel.draw(pen, corner, (self.panel_size.0 + self.lead - lead, self.panel_size.1))?;
        }
        let top = self.panel_rows() as f64 * self.panel_size.1 + 0.5 * LEGEND_LINE;
        let letters = Lettering { size: LETTER, colour: INK, bold: false, align: Align::Left };
        let (places, room, _) = self.legend_places();
        for (entry, (x, line)) in self.legend.iter().zip(places) {
            let y = top + line as f64 * LEGEND_LINE;
            match entry {
                Entry::Group(name) => {
                    let name = fitted(name, LETTER, true, self.width() - 24.0);
                    pen.text(&name, (x, y), Lettering { bold: true, ..letters })?;
                }
                Entry::Rest(words) => pen.text(words, (x, y), letters)?,
                Entry::Look(look, label) => {
                    let colour = look.colour.to_rgba();
                    if self.legend_lines {
                        pen.line(&[(x, y), (x + LEGEND_SAMPLE, y)], colour, 2.0, look.dash)?;
                    }
                    pen.marker((x + 0.5 * LEGEND_SAMPLE, y), look.marker, 4.0, colour)?;
                    let label = fitted(label, LETTER, false, room - LEGEND_SAMPLE - 14.0);
                    pen.text(&label, (x + LEGEND_SAMPLE + 6.0, y), letters)?;
                }
            }
        }
        Ok(())
    }
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

/// An SVG for inlining: in the page's text colour, with a name for readers who do not see it. Colours that stand for
/// numbers are kept from the brightening of dark pages, so that they agree with their scale and their letters.
pub(crate) fn inline(sheet: &Sheet, svg: &str, name: &str) -> String {
    let kept = if sheet.panels.iter().any(|p| p.colours.is_some()) { " style=\"filter:none\"" } else { "" };
    let ink = format!("#{:02X}{:02X}{:02X}", INK.0, INK.1, INK.2);
    let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    svg.replace(&format!("\"{ink}\""), "\"currentColor\"").replacen(
        " xmlns=\"http://www.w3.org/2000/svg\"",
        &format!(" role=\"img\" aria-label=\"{name}\"{kept}"),
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

//! One gallery as pixels. The main type is [`Grid`].

use super::pick::{Column, Picture};
use crate::figures::look::{INK, Looks};
use crate::figures::pen::{Align, Drawn, Lettering, Medium, Pen, fitted, text_width};
use crate::overlay::{blend, inferno};
use crate::run::Trial;
use fovea_records::GalleryItem;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat, Rgb, RgbImage};
use plotters::prelude::{BitMapBackend, Color, DrawingBackend, IntoDrawingArea, RGBColor};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Pixels of the written picture per logical pixel.
const DENSITY: u32 = 2;
const CELL: u32 = 136;
const GAP: u32 = 10;
/// Above the pictures: one line of the name and the seed; and each further line of a long name.
const HEADER: u32 = 44;
const LINE: u32 = 15;
const MOST_LINES: usize = 3;
const LABEL: u32 = 22;
const FOOTER: u32 = 34;
/// Narrower than this the legend would not fit.
const LEAST_WIDTH: u32 = 470;

const PREDICTED: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
const TARGET: RGBColor = RGBColor(0x35, 0xE0, 0xFF);
const HALO: RGBColor = RGBColor(0x10, 0x10, 0x10);
const OK: RGBColor = RGBColor(0x00, 0x6B, 0x4E);
const WRONG: RGBColor = RGBColor(0xB0, 0x3A, 0x00);
const TARGET_DASH: [f64; 2] = [5.0, 3.0];

/// Pictures in rows, trials in columns.
pub(super) struct Grid<'a> {
    /// Trials.
    pub(super) columns: &'a [Column<'a>],
    /// Their variants' names.
    pub(super) names: &'a Vec<String>,
    /// How variants are drawn in the other figures.
    pub(super) looks: &'a Looks,
    /// Pictures.
    pub(super) rows: &'a [&'a Picture<'a>],
}

/// A gallery's pictures.
pub(super) struct Drawing {
    /// For the folder of figures.
    pub(super) png: Vec<u8>,
    /// For the page.
    pub(super) jpeg: Vec<u8>,
    /// Size, logical pixels.
    pub(super) size: (u32, u32),
    /// Files that cannot be read.
    pub(super) problems: Vec<String>,
    /// Whether columns have different pictures under one name.
    pub(super) differ: bool,
}

impl Grid<'_> {
    /// Draws all of it; what cannot be read stays white and is named.
    pub(super) fn draw(&self) -> Result<Drawing, String> {
        let header = self.header();
        let size = (
            (GAP + (self.columns.len() as u32 + 1) * (CELL + GAP)).max(LEAST_WIDTH),
            header + self.rows.len() as u32 * (CELL + LABEL) + FOOTER,
        );
        let (mut problems, mut differ) = (Vec::new(), false);
        let mut canvas = RgbImage::from_pixel(size.0 * DENSITY, size.1 * DENSITY, Rgb([255; 3]));
        for (row, picture) in self.rows.iter().enumerate() {
            let mut first: Option<RgbImage> = None;
            for (column, (shown, item)) in self.columns.iter().zip(&picture.items).enumerate() {
                let (own, heatmap) = match load(shown.trial, item) {
                    Ok(loaded) => loaded,
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                };
                match &first {
                    Some(first) => differ |= first.dimensions() == own.dimensions() && *first != own,
                    None => {
                        paste(&mut canvas, &scaled(&own), corner(0, row, header));
                        first = Some(own.clone());
                    }
                }
                paste(&mut canvas, &overlay(&own, &heatmap), corner(column + 1, row, header));
            }
        }
        let (width, height) = canvas.dimensions();
        let mut pixels = canvas.into_raw();
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            let pen = Pen::new(&area, f64::from(DENSITY), Medium::Bitmap);
            self.annotate(&pen, size)?;
            area.present().map_err(|e| e.to_string())?;
        }
        let canvas = RgbImage::from_raw(width, height, pixels).ok_or("the drawing has the wrong size")?;
        let mut png = Cursor::new(Vec::new());
        canvas.write_to(&mut png, ImageFormat::Png).map_err(|e| e.to_string())?;
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80)
            .encode_image(&canvas)
            .map_err(|e| e.to_string())?;
        Ok(Drawing { png: png.into_inner(), jpeg, size, problems, differ })
    }

    fn header(&self) -> u32 {
        let lines = self.names.iter().map(|name| wrapped(name).len()).max().unwrap_or(1);
        HEADER + LINE * (lines as u32 - 1)
    }

    fn annotate<DB: DrawingBackend>(&self, pen: &Pen<DB>, size: (u32, u32)) -> Drawn {
        let cell = f64::from(CELL);
        let letters = Lettering { size: 12.0, colour: INK, bold: false, align: Align::Centre };
        let bold = Lettering { bold: true, ..letters };
        let header = self.header();
        let middle = |column: usize| f64::from(corner(column, 0, header).0) + 0.5 * cell;
        pen.text("picture", (middle(0), 15.0), bold)?;
        for (column, (name, shown)) in self.names.iter().zip(self.columns).enumerate() {
            let lines = wrapped(name);
            // The variant's mark of the other figures, so that it is found again.
            let half = 0.5 * text_width(&lines[0], 12.0, true);
            let look = self.looks.of(shown.variant);
            let x = middle(column + 1);
            pen.marker((x - half - 2.0, 15.0), look.marker, 4.0, look.colour.to_rgba())?;
            for (number, line) in lines.iter().enumerate() {
                let aside = if number == 0 { 7.0 } else { 0.0 };
                pen.text(line, (x + aside, 15.0 + f64::from(LINE) * number as f64), bold)?;
            }
            let seed = format!("seed {}", shown.trial.planned.seed);
            let below = 17.0 + f64::from(LINE) * lines.len() as f64;
            pen.text(&seed, (x, below), Lettering { size: 10.5, ..letters })?;
        }
        let split = &self.rows[0].items[0].split;
        let splits = self.rows.iter().any(|r| r.items[0].split != *split);
        for (row, picture) in self.rows.iter().enumerate() {
            let below = f64::from(corner(0, row, header).1) + cell + 10.0;
            let item = picture.items[0];
            let truth = if splits { format!("{} ({})", item.label, item.split) } else { item.label.clone() };
            let truth = match picture.score {
                Some(score) => format!("{}, {score:.2}", fitted(&truth, 12.0, false, cell - 34.0)),
                None => fitted(&truth, 12.0, false, cell),
            };
            pen.text(&truth, (middle(0), below), letters)?;
            for (column, (shown, item)) in self.columns.iter().zip(&picture.items).enumerate() {
                let right = item.predicted == item.label;
                let (mark, colour) = if right { ("ok", OK) } else { ("wrong", WRONG) };
                let text = fitted(&format!("{mark}: {}", item.predicted), 12.0, false, cell + 6.0);
                pen.text(&text, (middle(column + 1), below), Lettering { colour, ..letters })?;
                self.boxes(pen, corner(column + 1, row, header), shown.trial, item)?;
            }
        }
        legend(pen, f64::from(size.1 - FOOTER) + 0.55 * f64::from(FOOTER))
    }

    fn boxes<DB: DrawingBackend>(
        &self,
        pen: &Pen<DB>,
        (x, y): (u32, u32),
        trial: &Trial,
        item: &GalleryItem,
    ) -> Drawn {
        let cell = f64::from(CELL);
        let (width, height) = picture_size(trial, item).unwrap_or((1, 1));
        let at = |px: f32, py: f32| {
            let fraction = |v: f32, size: u32| (f64::from(v) / f64::from(size)).clamp(0.0, 1.0);
            // Half a line inside the cell, so that a box at the border is seen whole.
            let inside = |v: f64| v.clamp(1.75, cell - 1.75);
            (
                f64::from(x) + inside(fraction(px, width) * cell),
                f64::from(y) + inside(fraction(py, height) * cell),
            )
        };
        for (corners, colour, dash) in
            [(item.target_box, TARGET, &TARGET_DASH[..]), (item.predicted_box, PREDICTED, &[][..])]
        {
            let Some([x1, y1, x2, y2]) = corners else { continue };
            pen.frame(at(x1, y1), at(x2, y2), HALO.mix(0.75), 3.5, &[])?;
            pen.frame(at(x1, y1), at(x2, y2), colour.to_rgba(), 1.8, dash)?;
        }
        Ok(())
    }
}

fn folder(trial: &Trial) -> PathBuf {
    trial.dir.join("gallery")
}

fn load(trial: &Trial, item: &GalleryItem) -> Result<(RgbImage, GrayImage), String> {
    let dir = folder(trial);
    Ok((open(&dir.join(&item.picture_file))?.to_rgb8(), open(&dir.join(&item.heatmap_file))?.to_luma8()))
}

fn open(path: &Path) -> Result<image::DynamicImage, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let picture =
        image::load_from_memory(&bytes).map_err(|e| format!("cannot decode {}: {e}", path.display()))?;
    if picture.width() == 0 || picture.height() == 0 {
        return Err(format!("{} is an empty picture", path.display()));
    }
    Ok(picture)
}

fn scaled(picture: &RgbImage) -> RgbImage {
    imageops::resize(picture, CELL * DENSITY, CELL * DENSITY, FilterType::CatmullRom)
}

fn overlay(picture: &RgbImage, heatmap: &GrayImage) -> RgbImage {
    let mut cell = scaled(picture);
    let heat = imageops::resize(heatmap, cell.width(), cell.height(), FilterType::Triangle);
    blend(&mut cell, heat.pixels().map(|heat| f32::from(heat.0[0]) / 255.0));
    cell
}

/// Upper left corner of a cell, logical pixels.
fn corner(column: usize, row: usize, header: u32) -> (u32, u32) {
    (GAP + column as u32 * (CELL + GAP), header + row as u32 * (CELL + LABEL))
}

fn paste(canvas: &mut RgbImage, cell: &RgbImage, (x, y): (u32, u32)) {
    imageops::replace(canvas, cell, i64::from(x * DENSITY), i64::from(y * DENSITY));
}

/// A name in lines that are no wider than a cell, broken after commas; what is too long for that is cut.
fn wrapped(name: &str) -> Vec<String> {
    let room = f64::from(CELL) - 8.0;
    let fits = |text: &str| text_width(text, 12.0, true) <= room;
    let mut lines: Vec<String> = Vec::new();
    for part in name.split_inclusive(", ") {
        let full = lines.len() == MOST_LINES;
        match lines.last_mut() {
            Some(line) if full || fits(format!("{line}{part}").trim_end()) => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines.iter().map(|line| fitted(line.trim_end(), 12.0, true, room)).collect()
}

/// Size of the network input, which boxes are pixels of.
fn picture_size(trial: &Trial, item: &GalleryItem) -> Option<(u32, u32)> {
    let size = image::image_dimensions(folder(trial).join(&item.picture_file)).ok()?;
    (size.0 > 0 && size.1 > 0).then_some(size)
}

fn legend<DB: DrawingBackend>(pen: &Pen<DB>, y: f64) -> Drawn {
    let letters = Lettering { size: 12.0, colour: INK, bold: false, align: Align::Left };
    let mut x = f64::from(GAP);
    for (text, colour, dash, width) in
        [("Grad-CAM box", PREDICTED, &[][..], 130.0), ("target box", TARGET, &TARGET_DASH[..], 110.0)]
    {
        let (min, max) = ((x, y - 7.0), (x + 26.0, y + 7.0));
        let grey = RGBColor(0x77, 0x66, 0x70).to_rgba();
        pen.polygon(&[min, (max.0, min.1), max, (min.0, max.1)], grey)?;
        pen.frame(min, max, HALO.mix(0.75), 3.5, &[])?;
        pen.frame(min, max, colour.to_rgba(), 1.8, dash)?;
        pen.text(text, (x + 33.0, y), letters)?;
        x += width + 14.0;
    }
    pen.text("Grad-CAM  0", (x, y), letters)?;
    x += 82.0;
    for step in 0..50_u8 {
        let colour = inferno(f32::from(step) / 49.0).map(|c| (255.0 * c).round() as u8);
        let (left, right) = (x + 1.4 * f64::from(step), x + 1.4 * f64::from(step + 1));
        let slice = [(left, y - 6.0), (right, y - 6.0), (right, y + 6.0), (left, y + 6.0)];
        pen.polygon(&slice, RGBColor(colour[0], colour[1], colour[2]).to_rgba())?;
    }
    pen.text("1", (x + 76.0, y), letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_broken_after_commas() {
        crate::figures::look::register_fonts().unwrap();
        assert_eq!(wrapped("loss=ria"), ["loss=ria"]);
        assert_eq!(
            wrapped("loss=iou, beta=10.0, extractor=soft"),
            ["loss=iou,", "beta=10.0,", "extractor=soft"]
        );
        let long = wrapped("a=1, loss=modified-intersection-over-union, b=2, c=3, d=4");
        assert!(long.len() == 3 && long[1].ends_with('…') && long[2] == "b=2, c=3, d=4", "{long:?}");
    }

    #[test]
    fn overlay_keeps_half_of_the_picture() {
        let picture = RgbImage::from_pixel(4, 4, Rgb([200, 100, 0]));
        let cell = overlay(&picture, &GrayImage::new(4, 4));
        assert_eq!(cell.dimensions(), (CELL * DENSITY, CELL * DENSITY));
        let pixel = cell.get_pixel(10, 10).0;
        assert!(pixel[0].abs_diff(100) <= 2 && pixel[1].abs_diff(50) <= 2, "{pixel:?}");
    }
}

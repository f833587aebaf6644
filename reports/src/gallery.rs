//! Pictures with Grad-CAM overlays and boxes (the paper's Figures 5 to 7). The main type is [`Gallery`].

use crate::ReportError;
use crate::figures::look::{INK, register_fonts};
use crate::figures::pen::{Align, Drawn, Lettering, Medium, Pen, fitted};
use crate::overlay::{blend, inferno};
use crate::run::{Run, Trial};
use fovea_records::store::write_atomic;
use fovea_records::{GalleryItem, RunStore};
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat, Rgb, RgbImage};
use plotters::prelude::{BitMapBackend, Color, DrawingBackend, IntoDrawingArea, RGBColor};
use serde::Serialize;
use std::io::Cursor;
use std::path::Path;

/// More than this is for another figure.
const MOST_ROWS: usize = 12;
const MOST_VARIANTS: usize = 8;

/// Pixels of the written picture per logical pixel.
const DENSITY: u32 = 2;
const CELL: u32 = 136;
const GAP: u32 = 10;
const HEADER: u32 = 44;
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

/// The gallery as drawn.
#[derive(Debug)]
pub(crate) struct Gallery {
    /// For the page.
    pub(crate) jpeg: Vec<u8>,
    /// Size on the page, logical pixels.
    pub(crate) size: (u32, u32),
    /// What is seen.
    pub(crate) caption: String,
    /// The same in words: one row per picture.
    pub(crate) rows: Vec<GalleryRow>,
    /// Names of the columns of `rows`.
    pub(crate) variants: Vec<String>,
}

/// One picture, in words.
#[derive(Debug, Serialize)]
pub(crate) struct GalleryRow {
    /// Name of the picture.
    pub(crate) image: String,
    /// Split.
    pub(crate) split: String,
    /// True class.
    pub(crate) label: String,
    /// Predicted class per variant.
    pub(crate) predicted: Vec<Option<String>>,
}

/// Draws the gallery and writes `report/figures/gallery.png`; `None` when no trial has one.
pub(crate) fn draw(
    store: &RunStore,
    run: &Run,
    problems: &mut Vec<String>,
) -> Result<Option<Gallery>, ReportError> {
    let columns: Vec<(&str, &Trial)> = run
        .variants
        .iter()
        .filter_map(|variant| {
            let shown = variant.trials.iter().map(|&t| &run.trials[t]).filter(|t| !t.gallery.is_empty());
            Some((variant.name.as_str(), shown.min_by_key(|t| t.planned.seed)?))
        })
        .take(MOST_VARIANTS)
        .collect();
    let Some((_, first)) = columns.first() else { return Ok(None) };
    let rows: Vec<&GalleryItem> = first.gallery.iter().take(MOST_ROWS).collect();

    let failed = |message: String| ReportError::Figure { name: "gallery".to_owned(), message };
    register_fonts().map_err(failed)?;
    let size = (
        (GAP + (columns.len() as u32 + 1) * (CELL + GAP)).max(LEAST_WIDTH),
        HEADER + rows.len() as u32 * (CELL + LABEL) + FOOTER,
    );
    let mut canvas = RgbImage::from_pixel(size.0 * DENSITY, size.1 * DENSITY, Rgb([255; 3]));
    for (row, item) in rows.iter().enumerate() {
        match load(store, first, item) {
            Ok((picture, _)) => paste(&mut canvas, &scaled(&picture), 0, row),
            Err(problem) => note(problems, problem),
        }
        for (column, (_, trial)) in columns.iter().enumerate() {
            let Some(item) = same_picture(trial, item) else { continue };
            match load(store, trial, item) {
                Ok((picture, heatmap)) => paste(&mut canvas, &overlay(&picture, &heatmap), column + 1, row),
                Err(problem) => note(problems, problem),
            }
        }
    }
    let (width, height) = canvas.dimensions();
    let mut pixels = canvas.into_raw();
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        let pen = Pen::new(&area, f64::from(DENSITY), Medium::Bitmap);
        let splits = rows.iter().any(|r| r.split != rows[0].split);
        annotate(&pen, store, &columns, &rows, size, splits).map_err(failed)?;
        area.present().map_err(|e| failed(e.to_string()))?;
    }
    let canvas = RgbImage::from_raw(width, height, pixels).ok_or_else(|| failed("wrong size".to_owned()))?;
    let mut png = Cursor::new(Vec::new());
    canvas.write_to(&mut png, ImageFormat::Png).map_err(|e| failed(e.to_string()))?;
    write_atomic(&store.report_dir().join("figures").join("gallery.png"), png.get_ref())?;
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 88)
        .encode_image(&canvas)
        .map_err(|e| failed(e.to_string()))?;

    let mut caption = "The same pictures for every variant, from its lowest seed. Colour shows the Grad-CAM heatmap of \
                       the predicted class (black is 0, yellow its maximum); the solid white box is the box drawn from \
                       the heatmap, the dashed light-blue box the localizer's target. Below each, the predicted class."
        .to_owned();
    if first.gallery.len() > rows.len() {
        caption.push_str(&format!(" {} of {} recorded pictures are shown.", rows.len(), first.gallery.len()));
    }
    if run.variants.len() > columns.len() {
        caption.push_str(&format!(" {} of {} variants are shown.", columns.len(), run.variants.len()));
    }
    let words = rows.iter().map(|item| GalleryRow {
        image: item.image.clone(),
        split: item.split.clone(),
        label: item.label.clone(),
        predicted: columns.iter().map(|(_, t)| same_picture(t, item).map(|i| i.predicted.clone())).collect(),
    });
    Ok(Some(Gallery {
        jpeg,
        size,
        caption,
        rows: words.collect(),
        variants: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
    }))
}

fn note(problems: &mut Vec<String>, problem: String) {
    if !problems.contains(&problem) {
        problems.push(problem);
    }
}

fn same_picture<'a>(trial: &'a Trial, item: &GalleryItem) -> Option<&'a GalleryItem> {
    trial.gallery.iter().find(|i| i.image == item.image && i.split == item.split)
}

fn dir(_: &RunStore, trial: &Trial) -> std::path::PathBuf {
    trial.dir.join("gallery")
}

fn load(store: &RunStore, trial: &Trial, item: &GalleryItem) -> Result<(RgbImage, GrayImage), String> {
    let dir = dir(store, trial);
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
fn corner(column: usize, row: usize) -> (u32, u32) {
    (GAP + column as u32 * (CELL + GAP), HEADER + row as u32 * (CELL + LABEL))
}

fn paste(canvas: &mut RgbImage, cell: &RgbImage, column: usize, row: usize) {
    let (x, y) = corner(column, row);
    imageops::replace(canvas, cell, i64::from(x * DENSITY), i64::from(y * DENSITY));
}

fn annotate<DB: DrawingBackend>(
    pen: &Pen<DB>,
    store: &RunStore,
    columns: &[(&str, &Trial)],
    rows: &[&GalleryItem],
    size: (u32, u32),
    splits: bool,
) -> Drawn {
    let cell = f64::from(CELL);
    let letters = Lettering { size: 12.0, colour: INK, bold: false, align: Align::Centre };
    let middle = |column: usize| f64::from(corner(column, 0).0) + 0.5 * cell;
    pen.text("picture", (middle(0), 15.0), Lettering { bold: true, ..letters })?;
    for (column, (name, trial)) in columns.iter().enumerate() {
        let name = fitted(name, 12.0, true, cell + 6.0);
        pen.text(&name, (middle(column + 1), 15.0), Lettering { bold: true, ..letters })?;
        let seed = format!("seed {}", trial.planned.seed);
        pen.text(&seed, (middle(column + 1), 32.0), Lettering { size: 10.5, ..letters })?;
    }
    for (row, item) in rows.iter().enumerate() {
        let below = f64::from(corner(0, row).1) + cell + 10.0;
        let truth = if splits { format!("{} ({})", item.label, item.split) } else { item.label.clone() };
        pen.text(&fitted(&truth, 12.0, false, cell), (middle(0), below), letters)?;
        for (column, (_, trial)) in columns.iter().enumerate() {
            let place = middle(column + 1);
            let Some(item) = same_picture(trial, item) else {
                pen.text("not recorded", (place, below), letters)?;
                continue;
            };
            let right = item.predicted == item.label;
            let (mark, colour) = if right { ("ok", OK) } else { ("wrong", WRONG) };
            let text = fitted(&format!("{mark}: {}", item.predicted), 12.0, false, cell + 6.0);
            pen.text(&text, (place, below), Lettering { colour, ..letters })?;
            let (x, y) = corner(column + 1, row);
            let (width, height) = picture_size(store, trial, item).unwrap_or((1, 1));
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
        }
    }
    legend(pen, f64::from(size.1 - FOOTER) + 0.55 * f64::from(FOOTER))
}

/// Size of the network input, which boxes are pixels of.
fn picture_size(store: &RunStore, trial: &Trial, item: &GalleryItem) -> Option<(u32, u32)> {
    let size = image::image_dimensions(dir(store, trial).join(&item.picture_file)).ok()?;
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
    fn overlay_keeps_half_of_the_picture() {
        let picture = RgbImage::from_pixel(4, 4, Rgb([200, 100, 0]));
        let cell = overlay(&picture, &GrayImage::new(4, 4));
        assert_eq!(cell.dimensions(), (CELL * DENSITY, CELL * DENSITY));
        let pixel = cell.get_pixel(10, 10).0;
        assert!(pixel[0].abs_diff(100) <= 2 && pixel[1].abs_diff(50) <= 2, "{pixel:?}");
    }
}

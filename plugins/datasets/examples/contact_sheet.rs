//! Writes a contact sheet of `scenes`, to look at what a network is shown.
//!
//! ```text
//! cargo run -p fovea-datasets --example contact_sheet -- /tmp/scenes.png '{"noise": 0.1}'
//! ```
//!
//! One row per class: six pictures of `train`, six of `test-unbiased`, then one with its mask. The second argument
//! is a `scenes` table as JSON.

use fovea_api::registry::BuildContext;
use fovea_api::{Registry, Sample};
use std::error::Error;
use std::time::Instant;

const COLUMNS: usize = 6;
const GAP: usize = 4;
const ZOOM: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "/tmp/scenes.png".to_owned());
    let config = serde_json::from_str(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;

    let mut registry = Registry::new();
    fovea_datasets::register(&mut registry);
    let context = BuildContext {
        base_dir: std::env::current_dir()?,
        device: Default::default(),
        registry: registry.clone(),
    };
    let source = registry.build_dataset("scenes", config, &context)?;

    let side = source.load("train", 0)?.image.width;
    let pitch = side + GAP;
    let classes = source.classes().len();
    let (width, height) = ((2 * COLUMNS + 1) * pitch + 2 * GAP, classes * pitch);
    let mut sheet = image::RgbImage::from_pixel(width as u32, height as u32, image::Rgb([255; 3]));
    let mut put = |sample: &Sample, column: usize, row: usize, masked: bool| {
        let left = column * pitch + GAP * (column / COLUMNS);
        for i in 0..side * side {
            let mut rgb = [0, 1, 2].map(|c| sample.image.pixels[3 * i + c]);
            if masked && sample.mask.as_ref().is_some_and(|m| m.pixels[i] == 0) {
                rgb = rgb.map(|c| c / 4);
            }
            sheet.put_pixel((left + i % side) as u32, (row * pitch + i / side) as u32, image::Rgb(rgb));
        }
    };
    for row in 0..classes {
        for column in 0..COLUMNS {
            put(&source.load("train", column * classes + row)?, column, row, false);
            put(&source.load("test-unbiased", column * classes + row)?, COLUMNS + column, row, false);
        }
        put(&source.load("train", row)?, 2 * COLUMNS, row, true);
    }
    let filter = image::imageops::FilterType::Nearest;
    image::imageops::resize(&sheet, sheet.width() * ZOOM as u32, sheet.height() * ZOOM as u32, filter)
        .save(&path)?;

    let (start, count) = (Instant::now(), 500);
    for index in 0..count {
        std::hint::black_box(source.load("train", index)?);
    }
    println!("{path}: {:.3} ms a picture", start.elapsed().as_secs_f64() * 1e3 / count as f64);
    Ok(())
}

//! Pictures with their heatmaps for the report (the paper's Figures 5 to 7).

use super::Evaluator;
use crate::EngineError;
use crate::data::transform::Transform;
use crate::train::argmax;
use fovea_api::{HeatmapView, ImageView, Localizer, Mask};
use fovea_records::{GalleryItem, store};
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use std::path::Path;

impl Evaluator<'_> {
    /// Writes the gallery of a split to `dir`: the same pictures for every trial of a run.
    ///
    /// # Errors
    /// When a picture cannot be read, a plugin fails, or a file cannot be written.
    pub fn gallery(&self, split: &str, localizer: &dyn Localizer, dir: &Path) -> Result<(), EngineError> {
        let wanted = self.config.evaluation.gallery;
        if wanted == 0 {
            return Ok(());
        }
        let size = self.config.input.size;
        let count = self.source.dataset().len(split).unwrap_or(0);
        let indices = pick(self, split, count, wanted);
        let inputs = self.inputs(split, &indices)?;
        let (logits, heatmaps) = self.heatmaps(inputs.iter().flat_map(|i| i.image.iter().copied()).collect());
        let views: Vec<_> = heatmaps
            .chunks_exact(size * size)
            .map(|values| HeatmapView { height: size, width: size, values })
            .collect();
        let boxes = self.extractor.hard(&views)?;
        let classes = self.source.dataset().classes();
        let name_of = |class: usize| classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        let permutation = localizer.permutation(split, count);
        let mut items = Vec::new();
        for (slot, (&index, input)) in indices.iter().zip(&inputs).enumerate() {
            let meta = self.source.meta(split, index);
            let target = self.target(split, permutation.as_ref().map_or(index, |p| p[index]), localizer)?;
            let picture_file = format!("{slot:03}.png");
            let heatmap_file = format!("{slot:03}-cam.png");
            let rgb = interleaved(&input.image, size);
            let grey: Vec<u8> = views[slot].values.iter().map(|v| byte(*v)).collect();
            write_png(&dir.join(&picture_file), &rgb, size, ExtendedColorType::Rgb8)?;
            write_png(&dir.join(&heatmap_file), &grey, size, ExtendedColorType::L8)?;
            items.push(GalleryItem {
                split: split.to_owned(),
                image: meta.id,
                label: name_of(meta.label),
                predicted: name_of(argmax(&logits[slot])),
                picture_file,
                heatmap_file,
                predicted_box: boxes[slot].map(|b| b.to_array()),
                target_box: target,
                object_box: input.mask.as_ref().and_then(Mask::tight_box).map(|b| b.to_array()),
            });
        }
        store::write_lines(&dir.join("index.jsonl"), &items)?;
        Ok(())
    }

    /// The localizer's box on a picture, in pixels of the network input.
    fn target(
        &self,
        split: &str,
        index: usize,
        localizer: &dyn Localizer,
    ) -> Result<Option<[f32; 4]>, EngineError> {
        let sample = self.source.sample(split, index)?;
        let id = self.source.meta(split, index).id;
        let view = ImageView { id: &id, split, index, image: &sample.image, mask: sample.mask.as_ref() };
        let found = localizer.localize(&[view])?.pop().flatten();
        let squash = Transform::squash(sample.image.width, sample.image.height, self.config.input.size);
        Ok(found.and_then(|f| squash.bbox(&f.bbox, 0.0)).map(|b| b.to_array()))
    }
}

/// The first pictures of different classes in turn, so that a small gallery shows many classes.
fn pick(evaluator: &Evaluator<'_>, split: &str, count: usize, wanted: usize) -> Vec<usize> {
    let mut turn = vec![0_usize; evaluator.source.dataset().classes().len()];
    let mut ranked: Vec<(usize, usize)> = (0..count)
        .map(|i| {
            let label = evaluator.source.meta(split, i).label;
            let rank = turn.get_mut(label).map_or(0, |t| {
                *t += 1;
                *t
            });
            (rank, i)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(wanted).map(|(_, i)| i).collect()
}

fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn interleaved(image: &[f32], size: usize) -> Vec<u8> {
    let plane = size * size;
    (0..plane).flat_map(|i| [0, 1, 2].map(|c| byte(image[c * plane + i]))).collect()
}

fn write_png(path: &Path, pixels: &[u8], size: usize, color: ExtendedColorType) -> Result<(), EngineError> {
    let side = u32::try_from(size).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(pixels, side, side, color)
        .map_err(|e| EngineError::Config(format!("cannot encode {}: {e}", path.display())))?;
    store::write_atomic(path, &bytes)?;
    Ok(())
}

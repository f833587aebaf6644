//! Pictures with their heatmaps for the report (the paper's Figures 5 to 7).

use super::Evaluator;
use super::accuracy::softmax_at;
use super::inputs::Batch;
use crate::EngineError;
use crate::data::source::Source;
use crate::data::transform::Transform;
use crate::train::argmax;
use fovea_api::{HeatmapView, ImageView, Key, Localization, Localizer, Mask};
use fovea_records::{GalleryItem, store};
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

impl Evaluator<'_> {
    /// Writes the gallery of a split to `dir`: the same pictures for every trial of a run, whatever its seed. A report
    /// chooses among them.
    ///
    /// The pictures have a pass of their own: the last bits of the probabilities depend on how many pictures go through a
    /// linear layer together where these are few, and galleries of equal trials are to be equal.
    ///
    /// # Errors
    /// When a picture cannot be read, a plugin fails, or a file cannot be written.
    pub fn gallery(&self, split: &str, localizer: &dyn Localizer, dir: &Path) -> Result<(), EngineError> {
        let wanted = self.config.evaluation.gallery;
        if wanted == 0 {
            return Ok(());
        }
        let count = self.source.dataset().len(split).unwrap_or(0);
        let indices = drawn(self.source, split, count, wanted);
        let permutation = localizer.permutation(split, count);
        let targets = indices
            .iter()
            .map(|&i| self.target(split, permutation.as_ref().map_or(i, |p| p[i]), localizer))
            .collect::<Result<Vec<_>, _>>()?;
        let mut items = Vec::with_capacity(indices.len());
        self.batches(split, &indices, |batch| {
            let first = items.len();
            items.extend(self.show(split, batch, &targets[first..], (first, dir))?);
            Ok(())
        })?;
        store::write_lines(&dir.join("index.jsonl"), &items)?;
        Ok(())
    }

    /// Explains some pictures, writes them and their heatmaps, and gives their lines of the index; `first` is the number
    /// of the first.
    fn show(
        &self,
        split: &str,
        batch: Batch<'_>,
        targets: &[Option<[f32; 4]>],
        (first, dir): (usize, &Path),
    ) -> Result<Vec<GalleryItem>, EngineError> {
        let size = self.config.input.size;
        let (logits, heatmaps) = self.heatmaps(batch.images)?;
        let views: Vec<_> = heatmaps
            .chunks_exact(size * size)
            .map(|values| HeatmapView { height: size, width: size, values })
            .collect();
        let boxes = self.extractor.hard(&views)?;
        let classes = self.source.dataset().classes();
        let name_of = |class: usize| classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
        let item = |place: usize| {
            let sample = &batch.samples[place];
            let meta = self.source.meta(split, batch.indices[place]);
            let slot = first + place;
            let picture_file = format!("{slot:03}.png");
            let heatmap_file = format!("{slot:03}-cam.png");
            let grey: Vec<u8> = views[place].values.iter().map(|v| byte(*v)).collect();
            write_png(&dir.join(&picture_file), &sample.image.pixels, size, ExtendedColorType::Rgb8)?;
            write_png(&dir.join(&heatmap_file), &grey, size, ExtendedColorType::L8)?;
            Ok(GalleryItem {
                split: split.to_owned(),
                image: meta.id,
                label: name_of(meta.label),
                predicted: name_of(argmax(&logits[place])),
                confidence: Some(softmax_at(&logits[place], meta.label)),
                picture_file,
                heatmap_file,
                predicted_box: boxes[place].map(|b| b.to_array()),
                target_box: targets[place],
                object_box: sample.mask.as_ref().and_then(Mask::tight_box).map(|b| b.to_array()),
            })
        };
        (0..batch.samples.len()).into_par_iter().map(item).collect()
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
        let found = localizer.localize(&[view])?.pop().flatten().filter(Localization::is_finite);
        let squash = Transform::squash(sample.image.width, sample.image.height, self.config.input.size);
        Ok(found.and_then(|f| squash.bbox(&f.bbox, 0.0)).map(|b| b.to_array()))
    }
}

/// Pictures drawn by a key that no trial has a part in, in turn through the classes, so that a small gallery shows many
/// of them. A picture's place in the draw hangs on its name alone: more pictures in the split put others between, but
/// turn no two around.
fn drawn(source: &Source, split: &str, count: usize, wanted: usize) -> Vec<usize> {
    let key = Key::new(0).purpose("gallery").purpose(split);
    let mut drawn: Vec<(u64, usize, usize)> = (0..count)
        .map(|index| {
            let meta = source.meta(split, index);
            (key.purpose(&meta.id).seed(), index, meta.label)
        })
        .collect();
    drawn.sort_unstable();
    in_turn(&drawn.iter().map(|(_, index, label)| (*index, *label)).collect::<Vec<_>>(), wanted)
}

/// The first `wanted` of some (picture, class) when each class has one turn a round.
fn in_turn(pictures: &[(usize, usize)], wanted: usize) -> Vec<usize> {
    let mut turns: HashMap<usize, usize> = HashMap::new();
    let mut ranked: Vec<(usize, usize)> = pictures
        .iter()
        .map(|(index, label)| {
            let turn = turns.entry(*label).or_default();
            *turn += 1;
            (*turn, *index)
        })
        .collect();
    ranked.sort_by_key(|(turn, _)| *turn);
    ranked.into_iter().take(wanted).map(|(_, index)| index).collect()
}

fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
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

#[cfg(test)]
mod tests {
    use super::in_turn;

    #[test]
    fn every_class_has_a_turn_before_any_has_its_second() {
        let pictures = [(7, 0), (3, 0), (5, 0), (1, 2), (4, 1), (2, 2)];
        assert_eq!(in_turn(&pictures, 5), [7, 1, 4, 3, 2]);
        assert_eq!(in_turn(&pictures, 9).len(), 6);
    }
}

//! Pictures on their way to the network. The main type is [`Input`].

use super::Evaluator;
use crate::cam::PredictedCams;
use crate::data::transform::Transform;
use crate::{EngineError, objective};
use burn::tensor::{Tensor, TensorData};
use fovea_api::{DataError, Mask, Mode, Sample};
use rayon::prelude::*;
use std::sync::Arc;

/// A picture as network input, before normalisation, with its mask at that size.
#[derive(Debug, Clone)]
pub struct Input {
    /// `[3, size, size]` in 0..=1.
    pub image: Vec<f32>,
    /// Mask of the object.
    pub mask: Option<Mask>,
}

/// Writes a squashed picture as network input, `[3, size, size]`.
fn write(sample: &Sample, out: &mut [f32]) {
    let image = &sample.image;
    Transform::squash(image.width, image.height, image.width).image(image, out);
}

/// Pictures of a split that go through the network together.
pub(super) struct Batch<'i> {
    /// Their places in the split.
    pub(super) indices: &'i [usize],
    /// Squashed, with their masks.
    pub(super) samples: Vec<Arc<Sample>>,
    /// The same as network input, `[N, 3, size, size]`.
    pub(super) images: Vec<f32>,
}

impl Batch<'_> {
    /// Each of them by itself.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let length = self.images.len() / self.samples.len().max(1);
        let images = self.images.par_chunks_exact(length.max(1)).zip(&self.samples);
        images.map(|(image, sample)| Input { image: image.to_vec(), mask: sample.mask.clone() }).collect()
    }
}

/// Does work on a thread of the pool: from outside, every parallel operation would wake one and wait for it.
pub(super) fn on_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// Uses one item after the other, while the next is made by whoever has time.
pub(super) fn overlapped<I: Send>(
    mut make: impl FnMut() -> Result<Option<I>, EngineError> + Send,
    mut consume: impl FnMut(I) -> Result<(), EngineError> + Send,
) -> Result<(), EngineError> {
    let mut next = make()?;
    while let Some(item) = next {
        let (consumed, made) = rayon::join(|| consume(item), &mut make);
        consumed?;
        next = made?;
    }
    Ok(())
}

impl Evaluator<'_> {
    /// Gives `consume` the pictures of a split batch by batch, in order, while the next batch is made. On the pool.
    ///
    /// # Errors
    /// When a picture cannot be read, and those of `consume`.
    pub(super) fn batches(
        &self,
        split: &str,
        indices: &[usize],
        consume: impl FnMut(Batch<'_>) -> Result<(), EngineError> + Send,
    ) -> Result<(), EngineError> {
        let mut chunks = indices.chunks(self.config.evaluation.batch_size);
        let make = || Ok(chunks.next().map(|chunk| self.batch(split, chunk)).transpose()?);
        on_pool(|| overlapped(make, consume))
    }

    fn batch<'i>(&self, split: &str, indices: &'i [usize]) -> Result<Batch<'i>, DataError> {
        let size = self.config.input.size;
        let samples = indices
            .par_iter()
            .map(|&index| self.source.squashed(split, index, size))
            .collect::<Result<Vec<_>, _>>()?;
        let mut images = vec![0.0; samples.len() * 3 * size * size];
        images
            .par_chunks_exact_mut(3 * size * size)
            .zip(&samples)
            .for_each(|(image, sample)| write(sample, image));
        Ok(Batch { indices, samples, images })
    }

    /// Pictures on the device, `[N, 3, size, size]`, normalised if the trial does so.
    pub(super) fn tensor(&self, images: Vec<f32>) -> Tensor<4> {
        let size = self.config.input.size;
        let n = images.len() / (3 * size * size);
        let images = Tensor::from_data(TensorData::new(images, [n, 3, size, size]), self.device);
        objective::network_input(images, self.config.input.normalize)
    }

    /// Logits of a batch, a row a picture.
    ///
    /// # Errors
    /// [`EngineError::NotFinite`] when one is NaN or infinite: every class would be as good as any other.
    pub(super) fn logits(&self, images: Vec<f32>) -> Result<Vec<Vec<f32>>, EngineError> {
        let logits = self.model.forward(self.tensor(images), Mode::Eval).logits;
        let classes = logits.dims()[1];
        let values = objective::host_floats(&logits);
        all_finite("logits", &values)?;
        Ok(values.chunks_exact(classes).map(<[f32]>::to_vec).collect())
    }

    /// Logits and heatmaps of the predicted classes, upsampled and normalised by their maxima, `[N, size * size]`.
    ///
    /// # Errors
    /// As those of [`Self::logits`].
    pub(super) fn heatmaps(&self, images: Vec<f32>) -> Result<(Vec<Vec<f32>>, Vec<f32>), EngineError> {
        let size = self.config.input.size;
        let pass = PredictedCams::new(self.model, self.tensor(images));
        let heatmaps = objective::host_floats(&pass.heatmaps((size, size)));
        pass.logits.iter().try_for_each(|row| all_finite("logits", row))?;
        all_finite("heatmaps", &heatmaps)?;
        Ok((pass.logits, heatmaps))
    }
}

/// Refuses numbers that are none.
fn all_finite(what: &str, values: &[f32]) -> Result<(), EngineError> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(EngineError::NotFinite {
            found: format!("{what} of the network are {value}: training has made its weights too large"),
            after: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_the_first_error_ends_it() {
        let run = |bad_make: usize, bad_use: usize| {
            let (mut made, mut used) = (0, Vec::new());
            let failed = |what: &str| EngineError::Config(what.to_owned());
            let make = || {
                made += 1;
                if made == bad_make { Err(failed("make")) } else { Ok((made <= 5).then_some(made)) }
            };
            let ended = overlapped(make, |item| {
                used.push(item);
                if item == bad_use { Err(failed("use")) } else { Ok(()) }
            });
            (ended.map_err(|e| e.to_string()).err(), used)
        };
        assert_eq!(run(0, 0), (None, vec![1, 2, 3, 4, 5]));
        assert_eq!(run(3, 0), (Some("make".to_owned()), vec![1, 2]));
        assert_eq!(run(0, 4), (Some("use".to_owned()), vec![1, 2, 3, 4]));
    }
}

//! Batches from threads, in order. The main types are [`TrainLoader`] and [`Batch`].

use super::source::Source;
use super::targets::Targets;
use super::transform::Transform;
use crate::digest::Digest;
use fovea_api::{BBox, DataError, Key};
use fovea_plan::AugmentationConfig;
use rand::seq::SliceRandom as _;
use std::thread::Scope;

/// Batches that a loader thread prepares ahead.
const AHEAD: usize = 2;

/// Pictures on the host, ready for a device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[N, 3, size, size]` in 0..=1.
    pub images: Vec<f32>,
    /// True classes.
    pub labels: Vec<usize>,
    /// Target boxes, pixels of the network input.
    pub targets: Vec<Option<BBox>>,
    /// Target masks in {0, 1}, `[N, size, size]`, when asked for.
    pub masks: Option<Vec<f32>>,
}

impl Batch {
    /// Hash of everything in it, for the trace.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut digest = Digest::default();
        digest.floats(&self.images);
        for label in &self.labels {
            digest.bytes(&(*label as u64).to_le_bytes());
        }
        for target in &self.targets {
            digest.bytes(&[u8::from(target.is_some())]);
            if let Some(BBox { x1, y1, x2, y2 }) = target {
                digest.floats(&[*x1, *y1, *x2, *y2]);
            }
        }
        digest.bytes(&[u8::from(self.masks.is_some())]);
        digest.floats(self.masks.as_deref().unwrap_or_default());
        digest.text()
    }
}

/// A batch on its way to training.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The batch.
    pub batch: Batch,
    /// [`Batch::hash`], computed by the thread that prepared it.
    pub hash: String,
}

/// What training pictures are made of.
#[derive(Clone, Copy)]
pub struct TrainLoader<'a> {
    /// Where they come from.
    pub source: &'a Source,
    /// The localizer's boxes; `None` while training is CE only.
    pub targets: Option<&'a Targets>,
    /// Whether batches carry target masks.
    pub with_masks: bool,
    /// How they are augmented.
    pub augmentation: &'a AugmentationConfig,
    /// Side of the network input.
    pub size: usize,
    /// Pictures a batch; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Seed of the trial.
    pub seed: u64,
    /// Loader threads.
    pub threads: usize,
}

impl<'a> TrainLoader<'a> {
    /// Number of batches of an epoch.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.source.dataset().len("train").unwrap_or(0).div_ceil(self.batch_size)
    }

    /// The order of an epoch: a permutation keyed by (seed, epoch).
    #[must_use]
    pub fn order(&self, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.source.dataset().len("train").unwrap_or(0)).collect();
        order.shuffle(&mut Key::new(self.seed).purpose("order").index(epoch).rng());
        order
    }

    /// Batch number `step` of an epoch with this order.
    ///
    /// # Errors
    /// When a picture cannot be read.
    pub fn batch(&self, epoch: usize, order: &[usize], step: usize) -> Result<Batch, DataError> {
        let from = step * self.batch_size;
        let indices = &order[from..(from + self.batch_size).min(order.len())];
        let plane = self.size * self.size;
        let mut batch = Batch {
            images: vec![0.0; indices.len() * 3 * plane],
            labels: Vec::with_capacity(indices.len()),
            targets: Vec::with_capacity(indices.len()),
            masks: self.with_masks.then(|| vec![0.0; indices.len() * plane]),
        };
        let key = Key::new(self.seed).purpose("augment").index(epoch);
        for (slot, &index) in indices.iter().enumerate() {
            let sample = self.source.sample("train", index)?;
            let image = &sample.image;
            let transform =
                Transform::random(self.augmentation, image.width, image.height, self.size, &key.index(index));
            transform.image(image, &mut batch.images[slot * 3 * plane..(slot + 1) * 3 * plane]);
            batch.labels.push(self.source.meta("train", index).label);
            let target = self.targets.filter(|t| t.is_masked(index)).and_then(|t| t.bbox(index));
            batch.targets.push(target.and_then(|b| transform.bbox(&b, self.augmentation.min_box_kept)));
            if let Some(masks) = &mut batch.masks
                && let Some(mask) = self.targets.and_then(|t| t.mask(index))
            {
                let mask = transform.mask(mask);
                for (to, from) in masks[slot * plane..(slot + 1) * plane].iter_mut().zip(&mask.pixels) {
                    *to = f32::from(*from >= 128);
                }
            }
        }
        Ok(batch)
    }

    /// Batches of an epoch from step `from` on, in order, prepared by threads of `scope`.
    pub fn epoch<'s>(
        self,
        epoch: usize,
        from: usize,
        scope: &'s Scope<'s, 'a>,
    ) -> impl Iterator<Item = Result<Prepared, DataError>> + use<'s, 'a>
    where
        'a: 's,
    {
        let steps = self.steps();
        let threads = self.threads.clamp(1, steps.saturating_sub(from).max(1));
        let order = std::sync::Arc::new(self.order(epoch));
        // Thread t prepares the batches from + t, from + t + threads, ...: taking from the channels in turn restores the order.
        let channels: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, receiver) = crossbeam_channel::bounded(AHEAD);
                let order = std::sync::Arc::clone(&order);
                scope.spawn(move || {
                    for step in (from + first..steps).step_by(threads) {
                        let prepared = self.batch(epoch, &order, step).map(|batch| {
                            let hash = batch.hash();
                            Prepared { batch, hash }
                        });
                        if sender.send(prepared).is_err() {
                            break;
                        }
                    }
                });
                receiver
            })
            .collect();
        (from..steps).map_while(move |step| channels[(step - from) % threads].recv().ok())
    }
}

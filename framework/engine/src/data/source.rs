//! A data set with a cache of decoded pictures. The main type is [`Source`].

use super::packs::Packs;
use super::transform::Transform;
use fovea_api::{DataError, DatasetSource, Mask, RgbImage, Sample, SampleMeta};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of decoded pictures that a process keeps where nobody says how many.
pub const DEFAULT_CACHE_BYTES: usize = 4 << 30;

/// Delivers decoded pictures from memory where they fit, from disk where they lie decoded, else from the data set again.
pub struct Source {
    dataset: Box<dyn DatasetSource>,
    packs: Option<Packs>,
    kept: BTreeMap<String, Vec<Kept>>,
    free_bytes: AtomicUsize,
}

/// What is kept of a picture.
#[derive(Default)]
struct Kept {
    /// As the data set has it.
    native: Slot,
    /// Squashed to the size of the network input that was last asked for.
    squashed: Slot,
}

/// A place in memory for a picture.
#[derive(Default)]
struct Slot(RwLock<Option<Arc<Sample>>>);

impl Slot {
    fn get(&self) -> Option<Arc<Sample>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a picture in place of another; `free` is what there is room for. Gives back what is here then: where another
    /// thread was faster, its copy.
    fn put(&self, sample: Arc<Sample>, free: &AtomicUsize) -> Arc<Sample> {
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = slot.as_ref().filter(|other| size(&other.image) == size(&sample.image)) {
            return Arc::clone(other);
        }
        free.fetch_add(slot.take().map_or(0, |other| bytes(&other)), Ordering::Relaxed);
        let wanted = bytes(&sample);
        if free.try_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(wanted)).is_ok() {
            *slot = Some(Arc::clone(&sample));
        }
        sample
    }

    fn empty(&self, free: &AtomicUsize) {
        let sample = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        free.fetch_add(sample.map_or(0, |sample| bytes(&sample)), Ordering::Relaxed);
    }
}

fn size(image: &RgbImage) -> [usize; 2] {
    [image.width, image.height]
}

fn bytes(sample: &Sample) -> usize {
    sample.image.pixels.len() + sample.mask.as_ref().map_or(0, |mask| mask.pixels.len())
}

fn is_binary(mask: &Mask) -> bool {
    mask.pixels.iter().all(|v| matches!(v, 0 | 255))
}

impl Source {
    /// Wraps a data set; at most `cache_bytes` of decoded pictures are kept.
    #[must_use]
    pub fn new(dataset: Box<dyn DatasetSource>, cache_bytes: usize) -> Self {
        let kept = dataset
            .splits()
            .iter()
            .map(|s| (s.name.clone(), (0..s.len).map(|_| Kept::default()).collect()))
            .collect();
        Self { dataset, packs: None, kept, free_bytes: AtomicUsize::new(cache_bytes) }
    }

    /// With pictures that are on disk decoded. They are read again whenever they are needed: the memory that the kernel
    /// keeps them in is shared by all processes.
    #[must_use]
    pub fn with_packs(self, packs: Option<Packs>) -> Self {
        Self { packs, ..self }
    }

    /// The data set.
    #[must_use]
    pub fn dataset(&self) -> &dyn DatasetSource {
        self.dataset.as_ref()
    }

    /// What is known of a picture without decoding it.
    #[must_use]
    pub fn meta(&self, split: &str, index: usize) -> SampleMeta {
        self.dataset.meta(split, index)
    }

    /// A decoded picture.
    ///
    /// # Errors
    /// When it cannot be read; the error names the file.
    pub fn sample(&self, split: &str, index: usize) -> Result<Arc<Sample>, DataError> {
        let Some(kept) = self.kept(split, index) else { return self.load(split, index) };
        if let Some(sample) = kept.native.get().or_else(|| self.packed(split, index)) {
            return Ok(sample);
        }
        Ok(kept.native.put(self.load(split, index)?, &self.free_bytes))
    }

    /// A picture and its mask squashed to `side` x `side`, as evaluation sees them, the mask black and white. Where it is
    /// not of that size already, that is what is kept of it, not the picture itself.
    ///
    /// # Errors
    /// When it cannot be read; the error names the file.
    pub fn squashed(&self, split: &str, index: usize, side: usize) -> Result<Arc<Sample>, DataError> {
        let kept = self.kept(split, index);
        let before = kept.and_then(|kept| kept.squashed.get());
        if let Some(sample) = before.filter(|sample| size(&sample.image) == [side; 2]) {
            return Ok(sample);
        }
        let native = kept.and_then(|kept| kept.native.get()).or_else(|| self.packed(split, index));
        let native = native.map_or_else(|| self.load(split, index), Ok)?;
        if size(&native.image) == [side; 2] && native.mask.as_ref().is_none_or(is_binary) {
            return Ok(match kept {
                Some(kept) => kept.native.put(native, &self.free_bytes),
                None => native,
            });
        }
        let transform = Transform::squash(native.image.width, native.image.height, side);
        let pixels = transform.bytes(&native.image).into_owned();
        let mask = native.mask.as_ref().map(|mask| transform.mask(mask));
        let sample = Arc::new(Sample { image: RgbImage { width: side, height: side, pixels }, mask });
        Ok(match kept {
            Some(kept) => kept.squashed.put(sample, &self.free_bytes),
            None => sample,
        })
    }

    /// Gives up what is kept of a split: nobody will ask for it again.
    pub fn forget(&self, split: &str) {
        for kept in self.kept.get(split).into_iter().flatten() {
            kept.native.empty(&self.free_bytes);
            kept.squashed.empty(&self.free_bytes);
        }
    }

    fn kept(&self, split: &str, index: usize) -> Option<&Kept> {
        self.kept.get(split)?.get(index)
    }

    fn packed(&self, split: &str, index: usize) -> Option<Arc<Sample>> {
        self.packs.as_ref()?.sample(split, index).map(Arc::new)
    }

    fn load(&self, split: &str, index: usize) -> Result<Arc<Sample>, DataError> {
        tracing::trace!(split, index, "decoded");
        self.dataset.load(split, index).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_api::SplitInfo;

    /// Pictures of 4 x 2 pixels that count how often they are decoded.
    struct Counted {
        splits: [SplitInfo; 2],
        decoded: Arc<AtomicUsize>,
    }

    impl DatasetSource for Counted {
        fn splits(&self) -> &[SplitInfo] {
            &self.splits
        }

        fn classes(&self) -> &[String] {
            &[]
        }

        fn meta(&self, _: &str, index: usize) -> SampleMeta {
            SampleMeta { id: index.to_string(), label: 0, group: None }
        }

        fn load(&self, _: &str, index: usize) -> Result<Sample, DataError> {
            self.decoded.fetch_add(1, Ordering::Relaxed);
            let image = RgbImage { width: 4, height: 2, pixels: vec![index as u8; 24] };
            let mask = Mask { width: 4, height: 2, pixels: vec![200; 8] };
            Ok(Sample { image, mask: Some(mask) })
        }
    }

    fn source(cache_bytes: usize) -> (Source, Arc<AtomicUsize>) {
        let split = |name: &str| SplitInfo { name: name.to_owned(), len: 3 };
        let decoded = Arc::new(AtomicUsize::new(0));
        let dataset = Counted { splits: [split("train"), split("test")], decoded: Arc::clone(&decoded) };
        (Source::new(Box::new(dataset), cache_bytes), decoded)
    }

    #[test]
    fn what_fits_is_decoded_once_and_what_is_forgotten_makes_room() {
        // A picture and its mask are 32 bytes, squashed to 2 x 2 they are 16.
        let (source, decoded) = source(64);
        let times = || decoded.swap(0, Ordering::Relaxed);
        for _ in 0..2 {
            for index in 0..3 {
                assert_eq!(source.sample("train", index).unwrap().image.pixels[0], index as u8);
            }
        }
        assert_eq!(times(), 4, "the third picture does not fit");
        source.squashed("test", 0, 2).unwrap();
        source.squashed("test", 0, 2).unwrap();
        assert_eq!(times(), 2, "nothing is free");
        source.forget("train");
        for _ in 0..2 {
            for index in 0..3 {
                let squashed = source.squashed("test", index, 2).unwrap();
                assert_eq!((size(&squashed.image), squashed.image.pixels[0]), ([2, 2], index as u8));
                assert_eq!(squashed.mask.as_ref().unwrap().pixels, [255; 4]);
            }
        }
        assert_eq!(times(), 3);
        // Another size takes the place of the one before.
        assert_eq!(size(&source.squashed("test", 0, 1).unwrap().image), [1, 1]);
        assert_eq!(size(&source.squashed("test", 0, 1).unwrap().image), [1, 1]);
        assert_eq!(times(), 1);
        source.forget("test");
        assert_eq!(source.free_bytes.load(Ordering::Relaxed), 64);
    }
}

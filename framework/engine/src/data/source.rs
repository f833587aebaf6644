//! A data set with a cache of decoded pictures. The main type is [`Source`].

use fovea_api::{DataError, DatasetSource, Sample, SampleMeta};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes of decoded pictures that a process keeps by default.
pub const DEFAULT_CACHE_BYTES: usize = 4 << 30;

/// Delivers decoded pictures from memory where they fit, else from the data set again.
pub struct Source {
    dataset: Box<dyn DatasetSource>,
    kept: BTreeMap<String, Vec<OnceLock<Arc<Sample>>>>,
    free_bytes: AtomicUsize,
}

impl Source {
    /// Wraps a data set; at most `cache_bytes` of decoded pictures are kept.
    #[must_use]
    pub fn new(dataset: Box<dyn DatasetSource>, cache_bytes: usize) -> Self {
        let kept = dataset
            .splits()
            .iter()
            .map(|s| (s.name.clone(), (0..s.len).map(|_| OnceLock::new()).collect()))
            .collect();
        Self { dataset, kept, free_bytes: AtomicUsize::new(cache_bytes) }
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
        let slot = self.kept.get(split).and_then(|s| s.get(index));
        if let Some(sample) = slot.and_then(OnceLock::get) {
            return Ok(Arc::clone(sample));
        }
        let sample = Arc::new(self.dataset.load(split, index)?);
        let bytes = sample.image.pixels.len() + sample.mask.as_ref().map_or(0, |m| m.pixels.len());
        let fits =
            self.free_bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(bytes));
        if let Err(free) = fits {
            tracing::trace!(
                split,
                index,
                bytes,
                free,
                "decoded pictures do not fit in memory, decoded again"
            );
        } else {
            tracing::trace!(split, index, bytes, "decoded");
        }
        if let (Some(slot), Ok(_)) = (slot, fits)
            && slot.set(Arc::clone(&sample)).is_err()
        {
            // Another thread was faster; its copy is the one kept.
            self.free_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(sample)
    }
}

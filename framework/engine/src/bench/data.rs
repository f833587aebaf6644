//! How fast pictures on disk become batches. The main type is [`DataBench`].

use super::{Items, Measurement, Unit, threads, timed};
use crate::EngineError;
use crate::data::loader::TrainLoader;
use crate::data::source::{DEFAULT_CACHE_BYTES, Source};
use crate::explain::pictures::Decode;
use fovea_api::{DataError, DatasetSource, Sample, SampleMeta, SplitInfo};
use fovea_plan::AugmentationConfig;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What is measured: epochs of the training data alone, decoded, augmented, in batches, hashed for the trace.
#[derive(Clone, Debug)]
pub struct DataBench {
    /// Where the pictures come from, for the record.
    pub source: Map<String, Value>,
    /// Side of the network input.
    pub size: usize,
    /// Pictures a batch.
    pub batch: usize,
    /// Loader threads.
    pub workers: usize,
    /// Epochs after the first, which finds every picture decoded where memory has room for all.
    pub later: usize,
    /// Times that it all begins anew.
    pub repeats: usize,
}

impl DataBench {
    /// Times epochs of the split `train`; `open` opens the data set, once for each repeat, with nothing decoded yet.
    /// Files that were read before are in the system's cache: it is decoding that is measured, not the disk.
    ///
    /// # Errors
    /// When a picture cannot be read or there are none.
    pub fn run(
        &self,
        open: impl Fn() -> Result<Box<dyn DatasetSource>, EngineError>,
    ) -> Result<Vec<Measurement>, EngineError> {
        let augmentation = AugmentationConfig::default();
        let (mut first, mut later) = (Vec::new(), Vec::new());
        let mut count = 0;
        for repeat in 0..self.repeats.max(1) {
            let source = Source::new(open()?, DEFAULT_CACHE_BYTES);
            count = source.dataset().len("train").unwrap_or(0);
            if count == 0 {
                return Err(EngineError::Config("there are no training pictures".to_owned()));
            }
            let loader = TrainLoader {
                source: &source,
                targets: None,
                with_masks: false,
                augmentation: &augmentation,
                size: self.size,
                batch_size: self.batch,
                seed: 0,
                threads: self.workers,
            };
            if repeat == 0 {
                // The system reads each file before any is timed.
                epoch(&TrainLoader { source: &Source::new(open()?, 0), ..loader }, 0)?;
            }
            first.push(timed(|| epoch(&loader, 0))?.0);
            for number in 0..self.later {
                later.push(timed(|| epoch(&loader, number + 1))?.0);
            }
        }
        let threads = threads();
        let plural = if threads == 1 { "" } else { "s" };
        let measurement = |(what, values): (&str, Vec<f64>)| Measurement {
            bench: "data",
            what: what.to_owned(),
            settings: self.settings(count),
            device: format!("cpu ({threads} thread{plural})"),
            unit: Unit::Seconds,
            items: Some(Items { count, of: "pictures" }),
            values,
        };
        let found = [("first epoch", first), ("later epochs", later)];
        Ok(found.into_iter().filter(|(_, values)| !values.is_empty()).map(measurement).collect())
    }

    fn settings(&self, count: usize) -> Map<String, Value> {
        let own =
            [("pictures", count), ("size", self.size), ("batch", self.batch), ("workers", self.workers)];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), json!(value)));
        self.source.clone().into_iter().chain(own).collect()
    }
}

fn epoch(loader: &TrainLoader<'_>, epoch: usize) -> Result<(), EngineError> {
    std::thread::scope(|scope| {
        for prepared in loader.epoch(epoch, 0, scope) {
            std::hint::black_box(prepared?);
        }
        Ok(())
    })
}

/// Picture files of any folder as the split `train` of a data set of one class.
pub struct Files {
    splits: [SplitInfo; 1],
    classes: [String; 1],
    files: Vec<PathBuf>,
    decode: Decode,
}

impl Files {
    /// These files; data sets decode, the engine does not, so the caller brings that along.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, decode: Decode) -> Self {
        let splits = [SplitInfo { name: "train".to_owned(), len: files.len() }];
        Self { splits, classes: ["any".to_owned()], files, decode }
    }
}

impl DatasetSource for Files {
    fn splits(&self) -> &[SplitInfo] {
        &self.splits
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn meta(&self, _: &str, index: usize) -> SampleMeta {
        SampleMeta { id: self.files[index].display().to_string(), label: 0, group: None }
    }

    fn load(&self, _: &str, index: usize) -> Result<Sample, DataError> {
        Ok(Sample { image: (self.decode)(&self.files[index])?, mask: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_api::RgbImage;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static DECODED: AtomicUsize = AtomicUsize::new(0);

    fn grey(_: &Path) -> Result<RgbImage, DataError> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        Ok(RgbImage { width: 4, height: 4, pixels: vec![100; 48] })
    }

    #[test]
    fn only_first_epochs_decode() {
        let bench = DataBench { source: Map::new(), size: 4, batch: 2, workers: 2, later: 3, repeats: 2 };
        let files: Vec<PathBuf> = (0..5).map(|i| i.to_string().into()).collect();
        let found = bench.run(|| Ok(Box::new(Files::new(files.clone(), grey)))).unwrap();
        assert_eq!(DECODED.load(Ordering::Relaxed), 5 * (1 + 2), "once before, once for each repeat");
        let shapes: Vec<_> =
            found.iter().map(|m| (m.what.as_str(), m.values.len(), m.items.unwrap().count)).collect();
        assert_eq!(shapes, [("first epoch", 2, 5), ("later epochs", 6, 5)]);
        assert!(found.iter().flat_map(|m| &m.values).all(|v| *v > 0.0));
        let none = bench.run(|| Ok(Box::new(Files::new(Vec::new(), grey)))).unwrap_err().to_string();
        assert!(none.contains("no training pictures"), "{none}");
    }
}

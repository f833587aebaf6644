//! Where pictures come from. The main trait is [`DatasetSource`].

use crate::{DataError, Mask, RgbImage};

/// A split of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitInfo {
    /// Its name. `train` exists always; `val` is optional; every other split is a test split.
    pub name: String,
    /// Number of pictures.
    pub len: usize,
}

/// What is known of a picture without decoding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleMeta {
    /// Name, unique within the split: a path relative to the data set's root, or a number for procedural sets.
    pub id: String,
    /// Class index.
    pub label: usize,
    /// Group index, where the data set has groups.
    pub group: Option<usize>,
}

/// A decoded picture with its mask, both at native size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The picture.
    pub image: RgbImage,
    /// The object's mask, of the same size; `None` where there is none.
    pub mask: Option<Mask>,
}

/// Labelled pictures in splits.
///
/// The contract has this shape because pictures are decoded by several threads in any order and are kept by the
/// engine's cache, not by the source: `load` is a pure function of (split, index), callable from any thread.
pub trait DatasetSource: Send + Sync {
    /// Splits, in the order in which reports show them.
    fn splits(&self) -> &[SplitInfo];

    /// Class names; their positions are the class indices.
    fn classes(&self) -> &[String];

    /// Group names; empty where the data set has no groups.
    fn groups(&self) -> &[String] {
        &[]
    }

    /// What is known of picture `index` of `split`, which exist.
    fn meta(&self, split: &str, index: usize) -> SampleMeta;

    /// Decodes picture `index` of `split`, which exist.
    ///
    /// # Errors
    /// When the picture or its mask cannot be read; the error names the file.
    fn load(&self, split: &str, index: usize) -> Result<Sample, DataError>;

    /// Whether [`load`](Self::load) decodes files, so that decoded pictures are worth keeping on disk for other workers
    /// and runs.
    fn decodes_files(&self) -> bool {
        false
    }

    /// How the mask of picture `index` of `split`, which exist, was read, in a few words; `None` where it was no file, or
    /// cannot be read. `fovea data check` counts them: a mask that is read for something else than it is shows there.
    fn mask_reading(&self, _split: &str, _index: usize) -> Option<String> {
        None
    }

    /// Sentences that the user should see once (pictures skipped and why, missing masks).
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Number of pictures of a split; `None` when there is no such split.
    fn len(&self, split: &str) -> Option<usize> {
        self.splits().iter().find(|s| s.name == split).map(|s| s.len)
    }
}

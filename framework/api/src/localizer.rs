//! Who says where the object is. The main trait is [`Localizer`].

use crate::{BBox, Mask, PluginError, RgbImage};

/// A picture as a localizer sees it, at native size.
#[derive(Clone, Copy, Debug)]
pub struct ImageView<'a> {
    /// Name, for messages.
    pub id: &'a str,
    /// Split the picture is from.
    pub split: &'a str,
    /// Position in the split.
    pub index: usize,
    /// The picture.
    pub image: &'a RgbImage,
    /// Its true mask, where there is one. Only controls such as `ground-truth` may look at it.
    pub mask: Option<&'a Mask>,
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq)]
pub struct Localization {
    /// Box, pixels of the native picture.
    pub bbox: BBox,
    /// Confidence in 0..=1; 1 where the localizer has no notion of it.
    pub confidence: f32,
    /// Mask, where the localizer makes one.
    pub mask: Option<Mask>,
    /// The patch from which it was grown, counted row by row, where the localizer works that way.
    pub seed: Option<usize>,
}

impl Localization {
    /// Whether box and confidence are numbers. A localizer that computed with NaN has found nothing.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.bbox.to_array().iter().chain([&self.confidence]).all(|value| value.is_finite())
    }

    /// A box with confidence 1 and no mask.
    #[must_use]
    pub fn certain(bbox: BBox) -> Self {
        Self { bbox, confidence: 1.0, mask: None, seed: None }
    }
}

/// Finds at most one object per picture.
///
/// The contract has this shape because boxes are computed once per (picture, configuration, weights), on the
/// original picture, and kept in a cache that trials share: the answer must be a pure function of the view, and a
/// batch must give what its pictures give one by one.
pub trait Localizer: Send + Sync {
    /// One answer per picture, in order; `None` where it finds nothing.
    ///
    /// # Errors
    /// When a picture cannot be processed; the error names it.
    fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError>;

    /// Which picture's box picture `i` of `split` gets, for controls that permute boxes across the `count` pictures
    /// of a split; `None` for the identity. Boxes move in fractions of the picture's size.
    fn permutation(&self, split: &str, count: usize) -> Option<Vec<usize>> {
        let _ = (split, count);
        None
    }

    /// What an answer depends on beside the picture's pixels (configuration, weights, version), for localizers that
    /// look at nothing else: their boxes are kept by picture, so that another split, another data set with the same
    /// picture, or the same command after an interruption finds them. `None` for those that look at masks or indices,
    /// or that compute faster than a cache is read.
    fn cache_key(&self) -> Option<String> {
        None
    }
}

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
}

impl Localization {
    /// A box with confidence 1 and no mask.
    #[must_use]
    pub fn certain(bbox: BBox) -> Self {
        Self { bbox, confidence: 1.0, mask: None }
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
}

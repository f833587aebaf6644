//! Who says where the object is. The main trait is [`Localizer`].

use crate::call::{Fault, borrow, slice, with_plugin};
use crate::error::Error;
use crate::plugin::{Plugin, describe};
use crate::raw::{
    FOVEA_LOCALIZER, FOVEA_OK, FOVEA_U8, FOVEA_WANTS_MASKS, FoveaError, FoveaImage, FoveaInstance,
    FoveaLocalization, FoveaLocalizationSink, FoveaLocalizer, FoveaPlugin, FoveaStatus, FoveaTensor,
};
use crate::values::BBox;
use crate::view::Image;
use std::ptr::null;

/// Where an object is.
#[derive(Clone, Debug, PartialEq)]
pub struct Localization {
    /// Box, pixels of the picture; it has an area and lies in the picture.
    pub bbox: BBox,
    /// Confidence in 0..=1; 1 where the localizer has no notion of it.
    pub confidence: f32,
    /// Mask in {0, 1}, row by row, where the localizer makes one.
    pub mask: Option<Vec<u8>>,
}

impl Localization {
    /// A box with confidence 1 and no mask.
    #[must_use]
    pub const fn certain(bbox: BBox) -> Self {
        Self { bbox, confidence: 1.0, mask: None }
    }

    fn check(&self, image: &Image<'_>) -> Result<(), Error> {
        let (width, height) = (image.width(), image.height());
        if !self.bbox.fits(width, height) {
            let [x1, y1, x2, y2] = self.bbox.to_array();
            return Err(Error::new(format!(
                "the box [{x1}, {y1}, {x2}, {y2}] has no area or does not lie in the picture of {width} x {height} pixels"
            )));
        }
        if !(0.0..=1.0).contains(&self.confidence) {
            return Err(Error::new(format!("the confidence is between 0 and 1, not {}", self.confidence)));
        }
        match self.mask.as_ref().map(Vec::len) {
            Some(n) if n != width * height => {
                Err(Error::new(format!("the mask of a picture of {width} x {height} pixels has {n} values")))
            }
            _ => Ok(()),
        }
    }
}

/// Finds at most one object per picture.
pub trait Localizer: Plugin {
    /// Pictures that [`locate_all`](Self::locate_all) likes to get in one call.
    const BATCH: u32 = 1;
    /// Whether it looks at true masks, which only controls may do.
    const WANTS_MASKS: bool = false;

    /// Where the object is; `None` where it finds none.
    ///
    /// # Errors
    /// When the picture cannot be processed.
    fn locate(&mut self, image: &Image<'_>) -> Result<Option<Localization>, Error>;

    /// One answer per picture, in order: the same as [`locate`](Self::locate) gives, which is what it calls unless a
    /// localizer is faster on batches.
    ///
    /// # Errors
    /// When a picture cannot be processed.
    fn locate_all(&mut self, images: &[Image<'_>]) -> Result<Vec<Option<Localization>>, Error> {
        let locate = |(item, image)| self.locate(image).map_err(|e: Error| e.about(item));
        images.iter().enumerate().map(locate).collect()
    }
}

/// Describes a localizer.
#[must_use]
pub fn localizer<P: Localizer>() -> FoveaPlugin {
    let table = FoveaLocalizer {
        size: size_of::<FoveaLocalizer>(),
        flags: if P::WANTS_MASKS { FOVEA_WANTS_MASKS } else { 0 },
        batch: P::BATCH,
        localize: Some(localize::<P>),
    };
    FoveaPlugin { localizer: Box::leak(Box::new(table)), ..describe::<P>(FOVEA_LOCALIZER) }
}

/// # Safety
/// As `localize` in `fovea_plugin.h`.
unsafe extern "C" fn localize<P: Localizer>(
    instance: *mut FoveaInstance,
    images: *const *const FoveaImage,
    count: usize,
    sink: *const FoveaLocalizationSink,
    error: *mut FoveaError,
) -> FoveaStatus {
    let call = |plugin: &mut P| {
        // SAFETY: the caller's promise.
        let (images, sink) = unsafe { (slice(images, count, "pictures")?, borrow(sink, "sink")?) };
        // SAFETY: the caller's promise, for each picture.
        let images = images.iter().map(|&image| unsafe { Image::from_raw(image) });
        let images: Vec<Image<'_>> = images.collect::<Result<_, Fault>>()?;
        let found = plugin.locate_all(&images)?;
        if found.len() != count {
            let answers = found.len();
            return Err(Error::new(format!("{answers} answers for {count} pictures")).into());
        }
        for (item, (image, found)) in images.iter().zip(&found).enumerate() {
            if let Some(found) = found {
                found.check(image).map_err(|e| e.about(item))?;
                // SAFETY: the caller's promise.
                unsafe { give(sink, item, image, found)? };
            }
        }
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_plugin(instance, error, call) }
}

/// # Safety
/// `sink` is one of the host's.
unsafe fn give(
    sink: &FoveaLocalizationSink,
    item: usize,
    image: &Image<'_>,
    found: &Localization,
) -> Result<(), Fault> {
    let Some(write) = sink.found else {
        return Err(Fault::contract("the host gave a sink without a function"));
    };
    let shape = [image.height() as i64, image.width() as i64];
    let strides = [image.width() as i64, 1];
    let mask = found.mask.as_ref().map(|mask| FoveaTensor {
        size: size_of::<FoveaTensor>(),
        data: mask.as_ptr().cast(),
        dtype: FOVEA_U8,
        ndim: 2,
        shape: shape.as_ptr(),
        strides: strides.as_ptr(),
    });
    let localization = FoveaLocalization {
        size: size_of::<FoveaLocalization>(),
        x1: found.bbox.x1,
        y1: found.bbox.y1,
        x2: found.bbox.x2,
        y2: found.bbox.y2,
        confidence: found.confidence,
        reserved: 0,
        mask: mask.as_ref().map_or(null(), |mask| &raw const *mask),
    };
    // SAFETY: the sink's own function with its own context; all that it is given lives for the call.
    match unsafe { write(sink.context, item, &raw const localization) } {
        FOVEA_OK => Ok(()),
        status => Err(Fault::Returned(status)),
    }
}

//! A loaded localizer. The main type is [`LoadedLocalizer`].

use crate::call::{Instance, layout, str_of};
use crate::library::LoadedPlugin;
use fovea_abi::raw::{
    FOVEA_ERROR, FOVEA_OK, FOVEA_U8, FOVEA_WANTS_MASKS, FoveaImage, FoveaLocalization, FoveaLocalizationSink,
    FoveaLocalizer, FoveaStatus, FoveaTensor,
};
use fovea_api::{BBox, ImageView, Localization, Localizer, Mask, PluginError};
use std::ffi::c_void;
use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

/// A localizer of a library.
#[derive(Debug)]
pub(crate) struct LoadedLocalizer {
    instance: Instance,
    functions: &'static FoveaLocalizer,
    /// What answers depend on beside pixels; `None` where masks are looked at.
    key: Option<String>,
}

impl LoadedLocalizer {
    pub(crate) fn new(
        plugin: &Arc<LoadedPlugin>,
        functions: &'static FoveaLocalizer,
        (config, base_dir): (&serde_json::Value, &Path),
        key: String,
    ) -> Result<Self, PluginError> {
        let instance = Instance::create(plugin, config, base_dir)?;
        let key = (functions.flags & FOVEA_WANTS_MASKS == 0).then_some(key);
        Ok(Self { instance, functions, key })
    }

    fn call(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        let failed = |message: String| PluginError::new(self.instance.plugin().title(), message);
        let localize = self.functions.localize.ok_or_else(|| failed("it has no `localize`".to_owned()))?;
        let wants_masks = self.functions.flags & FOVEA_WANTS_MASKS != 0;
        let borrowed: Vec<Borrowed<'_>> = images
            .iter()
            .map(|view| Borrowed::new(view, wants_masks))
            .collect::<Result<_, _>>()
            .map_err(&failed)?;
        let tensors: Vec<(FoveaTensor, Option<FoveaTensor>)> =
            borrowed.iter().map(Borrowed::tensors).collect();
        let raw: Vec<FoveaImage> =
            images.iter().zip(&tensors).map(|(view, tensors)| raw_image(view, tensors)).collect();
        let pointers: Vec<*const FoveaImage> = raw.iter().map(ptr::from_ref).collect();
        let mut answers = Answers::new(images);
        let outcome =
            self.instance.call("localize", format_args!("{}", Pictures(images)), |instance, error| {
                let sink = answers.sink();
                // SAFETY: all arguments live for the call; the instance is locked.
                let status =
                    unsafe { localize(instance, pointers.as_ptr(), pointers.len(), &raw const sink, error) };
                let masks = answers.found.iter().flatten().filter_map(|found| found.mask.as_ref());
                (status, masks.map(|mask| mask.pixels.len()).sum())
            });
        if let Some(problem) = answers.problem {
            return Err(failed(problem));
        }
        let name = |item: usize| images.get(item).map(|view| picture(view));
        outcome.map_err(|failure| failure.of(self.instance.plugin(), name))?;
        Ok(answers.found)
    }
}

impl Localizer for LoadedLocalizer {
    fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        let batch = usize::try_from(self.functions.batch).unwrap_or(1).max(1);
        let mut found = Vec::with_capacity(images.len());
        for chunk in images.chunks(batch) {
            found.extend(self.call(chunk)?);
        }
        Ok(found)
    }

    fn cache_key(&self) -> Option<String> {
        self.key.clone()
    }
}

/// A picture in words.
fn picture(view: &ImageView<'_>) -> String {
    format!("picture {} of {} (`{}`)", view.index, view.split, view.id)
}

/// The pictures of a call in words, with no memory allocated.
struct Pictures<'a>(&'a [ImageView<'a>]);

impl fmt::Display for Pictures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, view) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}picture {} of {} (`{}`)", view.index, view.split, view.id)?;
        }
        Ok(())
    }
}

/// Extents and strides.
type Layout = (Vec<i64>, Vec<i64>);

/// What a plugin sees of a picture; the pixels are those of the picture itself.
struct Borrowed<'a> {
    pixels: &'a [u8],
    shape: Layout,
    /// Ones and zeros.
    mask: Option<(Vec<u8>, Layout)>,
}

impl<'a> Borrowed<'a> {
    fn new(view: &ImageView<'a>, wants_masks: bool) -> Result<Self, String> {
        let image = view.image;
        if image.pixels.len() != image.height * image.width * 3 {
            return Err(format!("{}: it has another number of pixels than it says", picture(view)));
        }
        let mask = view.mask.filter(|_| wants_masks).map(|mask| {
            let ones = mask.pixels.iter().map(|&value| u8::from(value >= 128)).collect();
            (ones, layout(&[mask.height, mask.width]))
        });
        Ok(Self { pixels: &image.pixels, shape: layout(&[image.height, image.width, 3]), mask })
    }

    /// Views that must not outlive `self`.
    fn tensors(&self) -> (FoveaTensor, Option<FoveaTensor>) {
        let tensor = |data: &[u8], (shape, strides): &Layout| FoveaTensor {
            size: size_of::<FoveaTensor>(),
            data: data.as_ptr().cast::<c_void>(),
            dtype: FOVEA_U8,
            ndim: if shape.len() == 3 { 3 } else { 2 },
            shape: shape.as_ptr(),
            strides: strides.as_ptr(),
        };
        let mask = self.mask.as_ref().map(|(pixels, shape)| tensor(pixels, shape));
        (tensor(self.pixels, &self.shape), mask)
    }
}

/// What was found, as the sink takes it.
pub(crate) struct Answers<'a> {
    pub(crate) images: &'a [ImageView<'a>],
    pub(crate) found: Vec<Option<Localization>>,
    /// The first answer that cannot be right.
    pub(crate) problem: Option<String>,
}

impl<'a> Answers<'a> {
    /// None yet.
    pub(crate) fn new(images: &'a [ImageView<'a>]) -> Self {
        Self { images, found: vec![None; images.len()], problem: None }
    }

    /// What takes them, as long as they stay where they are.
    pub(crate) fn sink(&mut self) -> FoveaLocalizationSink {
        FoveaLocalizationSink {
            size: size_of::<FoveaLocalizationSink>(),
            context: ptr::from_mut(self).cast::<c_void>(),
            found: Some(found),
        }
    }
}

/// A picture as the interface describes it, as long as its view and its tensors are there.
pub(crate) fn raw_image(
    view: &ImageView<'_>,
    (pixels, mask): &(FoveaTensor, Option<FoveaTensor>),
) -> FoveaImage {
    FoveaImage {
        size: size_of::<FoveaImage>(),
        pixels: ptr::from_ref(pixels),
        mask: mask.as_ref().map_or(ptr::null(), ptr::from_ref),
        id: str_of(view.id),
        split: str_of(view.split),
        index: view.index as u64,
    }
}

unsafe extern "C" fn found(
    context: *mut c_void,
    item: usize,
    localization: *const FoveaLocalization,
) -> FoveaStatus {
    // SAFETY: the context is the `Answers` of the call in progress, which nobody else uses; the localization is null or
    // lent for this call.
    let (answers, localization) = unsafe { (context.cast::<Answers<'_>>().as_mut(), localization.as_ref()) };
    let Some(answers) = answers else { return FOVEA_ERROR };
    match answers.take(item, localization) {
        Ok(()) => FOVEA_OK,
        Err(problem) => {
            answers.problem.get_or_insert(problem);
            FOVEA_ERROR
        }
    }
}

impl Answers<'_> {
    fn take(&mut self, item: usize, found: Option<&FoveaLocalization>) -> Result<(), String> {
        let count = self.images.len();
        let Some(view) = self.images.get(item) else {
            return Err(format!("`localize` found something in item {item} of a call with {count} pictures"));
        };
        let failed = |message: String| Err(format!("{}: `localize` {message}", picture(view)));
        let Some(found) = found.filter(|found| found.size >= size_of::<FoveaLocalization>()) else {
            return failed("gave a localization that is null or whose `size` is too small".to_owned());
        };
        if self.found[item].is_some() {
            return failed("found two objects, and at most one is expected".to_owned());
        }
        let (width, height) = (view.image.width as f32, view.image.height as f32);
        let FoveaLocalization { x1, y1, x2, y2, confidence, .. } = *found;
        // Comparisons with NaN are false.
        let inside = 0.0 <= x1 && x1 < x2 && x2 <= width && 0.0 <= y1 && y1 < y2 && y2 <= height;
        if !inside {
            return failed(format!(
                "gave the box [{x1}, {y1}, {x2}, {y2}], and a box that is not empty is expected within the picture, \
                 [0, 0, {width}, {height}]"
            ));
        }
        if !(0.0..=1.0).contains(&confidence) {
            return failed(format!("gave the confidence {confidence}, and one in 0..=1 is expected"));
        }
        // SAFETY: the mask is null or lent for this call.
        let mask = match unsafe { found.mask.as_ref() } {
            Some(mask) => match read_mask(mask, (view.image.height, view.image.width)) {
                Ok(mask) => Some(mask),
                Err(message) => return failed(message),
            },
            None => None,
        };
        self.found[item] =
            Some(Localization { bbox: BBox::new(x1, y1, x2, y2), confidence, mask, seed: None });
        Ok(())
    }
}

/// Copies a mask of ones and zeros.
fn read_mask(mask: &FoveaTensor, (height, width): (usize, usize)) -> Result<Mask, String> {
    let wrong = |found: String| format!("gave a mask {found}, and u8 of [{height}, {width}] is expected");
    if mask.size < size_of::<FoveaTensor>() || mask.dtype != FOVEA_U8 || mask.ndim != 2 {
        return Err(wrong(format!("of element type {} with {} dimensions", mask.dtype, mask.ndim)));
    }
    if mask.data.is_null() || mask.shape.is_null() || mask.strides.is_null() {
        return Err(wrong("with null pointers".to_owned()));
    }
    // SAFETY: `ndim` is 2, so both lead to two numbers.
    let (shape, strides) = unsafe { (*mask.shape.cast::<[i64; 2]>(), *mask.strides.cast::<[i64; 2]>()) };
    if layout(&[height, width]).0 != shape {
        return Err(wrong(format!("of {shape:?}")));
    }
    let mut pixels = Vec::with_capacity(height * width);
    for y in 0..height as i64 {
        for x in 0..width as i64 {
            let place = offset(y * strides[0] + x * strides[1]);
            // SAFETY: shape and strides describe an array that the plugin lends, and (y, x) is within the shape.
            match unsafe { *mask.data.cast::<u8>().offset(place) } {
                0 => pixels.push(0),
                1 => pixels.push(255),
                other => return Err(format!("gave a mask with the value {other}, and 0 and 1 are expected")),
            }
        }
    }
    Ok(Mask { width, height, pixels })
}

fn offset(elements: i64) -> isize {
    isize::try_from(elements).unwrap_or(0)
}

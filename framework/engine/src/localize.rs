//! Boxes of any pictures. The main function is [`localize`].

use crate::data::boxes::BoxCache;
use crate::explain::pictures::Decode;
use crate::{Emit, EngineError};
use fovea_api::{DataError, ImageView, Localization, Localizer, RgbImage};
use fovea_records::TrialEvent;
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Pictures a call of the localizer.
const CHUNK: usize = 64;

/// One entry of `boxes.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoxRecord {
    /// Name of the file.
    pub image: String,
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// `x1, y1, x2, y2` in pixels of the picture, half-open; `None` where nothing was found.
    #[serde(rename = "box")]
    pub bbox: Option<[f32; 4]>,
    /// Confidence in 0..=1; 1 where the localizer has no notion of it, 0 where nothing was found.
    pub confidence: f32,
    /// The patch from which the box was grown, counted row by row, where the localizer works that way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<usize>,
}

/// What became of the pictures.
#[derive(Debug, Default)]
pub struct Summary {
    /// Pictures with their boxes, in the order of the files.
    pub records: Vec<BoxRecord>,
    /// Pictures that could not be read; the others are not lost.
    pub failed: Vec<DataError>,
}

/// Finds the object in picture files. Each picture is given to `show` with its record. With `cache_dir`, boxes that are
/// known are not computed again, and an interrupted call goes on where it was.
///
/// # Errors
/// When the localizer fails or the cache cannot be written.
pub fn localize(
    files: &[PathBuf],
    decode: Decode,
    localizer: &dyn Localizer,
    cache_dir: Option<&Path>,
    emit: Emit<'_>,
    show: &dyn Fn(&RgbImage, &BoxRecord) -> Result<(), EngineError>,
) -> Result<Summary, EngineError> {
    let mut cache = match (cache_dir, localizer.cache_key()) {
        (Some(dir), Some(key)) => Some(BoxCache::open(dir, &key)?),
        _ => None,
    };
    let mut summary = Summary::default();
    for (start, chunk) in files.chunks(CHUNK).enumerate().map(|(i, chunk)| (i * CHUNK, chunk)) {
        let mut pictures = Vec::new();
        for (offset, read) in
            chunk.par_iter().map(|path| decode(path)).collect::<Vec<_>>().into_iter().enumerate()
        {
            match read {
                Ok(image) => pictures.push((start + offset, image)),
                Err(error) => summary.failed.push(error),
            }
        }
        let name = |index: usize| files[index].file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names: Vec<String> = pictures.iter().map(|(index, _)| name(*index)).collect();
        let views: Vec<ImageView<'_>> = pictures
            .iter()
            .zip(&names)
            .map(|((index, image), id)| ImageView { id, split: "images", index: *index, image, mask: None })
            .collect();
        let found = match &mut cache {
            Some(cache) => cache.localize(localizer, &views)?,
            None => localizer.localize(&views)?,
        };
        for ((found, (_, image)), name) in found.into_iter().zip(&pictures).zip(&names) {
            let found = found.filter(Localization::is_finite);
            let record = BoxRecord {
                image: name.clone(),
                width: image.width,
                height: image.height,
                bbox: found.as_ref().map(|f| f.bbox.to_array()),
                confidence: found.as_ref().map_or(0.0, |f| f.confidence),
                seed: found.and_then(|f| f.seed),
            };
            show(image, &record)?;
            summary.records.push(record);
        }
        emit(TrialEvent::Localizing { done: start + chunk.len(), total: files.len() });
    }
    Ok(summary)
}

//! Boxes of the localizer, computed once per split. The main type is [`Targets`].

use super::boxes::BoxCache;
use super::source::Source;
use crate::{Emit, EngineError};
use fovea_api::{BBox, ImageView, Localization, Localizer, Mask};
use fovea_plan::PluginConfig;
use fovea_records::store::FileLock;
use fovea_records::{MetricRow, TrialEvent, remove, sealed};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Pictures a call of the localizer.
const CHUNK: usize = 64;

/// A box with the size of the picture it was found on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    bbox: [f32; 4],
    width: usize,
    height: usize,
}

/// What a split's boxes are worth where true masks exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Quality {
    /// Pictures with a true box.
    count: usize,
    /// Of these, with IoU >= 0.5.
    hits: usize,
    /// Sum of IoU.
    iou: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cached {
    boxes: Vec<Option<Found>>,
    sizes: Vec<[usize; 2]>,
    quality: Quality,
}

/// Target boxes of a split, pixels of the native pictures.
#[derive(Debug)]
pub struct Targets {
    boxes: Vec<Option<BBox>>,
    masks: Option<Vec<Option<Mask>>>,
    quality: Quality,
}

/// The cache file of a split's boxes.
fn cached_at(
    split: &str,
    identity: (&PluginConfig, &PluginConfig),
    cache_dir: &Path,
) -> Result<PathBuf, EngineError> {
    let text = serde_json::to_string(&(split, identity.0, identity.1))
        .map_err(|e| EngineError::Config(format!("cannot name the box cache: {e}")))?;
    let name = blake3::hash(text.as_bytes()).to_hex();
    Ok(cache_dir.join("boxes").join(format!("{}.json", &name[..32])))
}

impl Targets {
    /// Computes the boxes of `split`, or takes them from the cache.
    ///
    /// The cache file is named by the data set, the localizer and their configurations and fingerprints, so runs and
    /// trials share it; it appears whole or not at all, and one process at a time computes it. Boxes of a localizer
    /// that looks at nothing but pixels are also kept picture by picture ([`BoxCache`]), so an interrupted computation
    /// goes on where it was. Masks are kept in memory only, when asked for.
    ///
    /// # Errors
    /// When a picture cannot be read or the localizer fails.
    pub fn compute(
        source: &Source,
        split: &str,
        localizer: &dyn Localizer,
        identity: (&PluginConfig, &PluginConfig),
        with_masks: bool,
        cache_dir: &Path,
        emit: Emit<'_>,
    ) -> Result<Self, EngineError> {
        let path = cached_at(split, identity, cache_dir)?;
        let count = source.dataset().len(split).unwrap_or(0);
        let cached = || {
            let cached = sealed::read::<Cached>(&path)?;
            let usable = !with_masks && cached.boxes.len() == count;
            usable.then(|| Self::new(&cached, None)).inspect(|_| {
                tracing::debug!(split, count, path = %path.display(), "target boxes from the cache");
            })
        };
        if let Some(targets) = cached() {
            return Ok(targets);
        }
        let not_kept = |error: &dyn std::fmt::Display| {
            let message = format!("boxes of the localizer are computed anew in every trial: {error}");
            emit(TrialEvent::Warning { message });
        };
        // A cache that cannot be written is none, and no reason not to train.
        let lock = FileLock::acquire(&path.with_extension("lock")).inspect_err(|error| not_kept(error)).ok();
        if let Some(targets) = cached() {
            return Ok(targets);
        }
        let mut by_picture = match localizer.cache_key() {
            Some(key) if !with_masks && lock.is_some() => BoxCache::open(cache_dir, &key).ok(),
            _ => None,
        };
        tracing::debug!(split, count, with_masks, "target boxes are computed");
        let (fresh, masks) = find(source, split, count, localizer, by_picture.as_mut(), with_masks, emit)?;
        let problem = by_picture.as_mut().and_then(BoxCache::problem);
        if let Some(error) = problem {
            not_kept(&error);
        } else if !with_masks
            && lock.is_some()
            && let Err(error) = sealed::write(&path, &fresh)
        {
            not_kept(&error);
        }
        Ok(Self::new(&fresh, masks))
    }

    /// Removes what the cache has of files that are no longer what `identity` says.
    pub fn forget(split: &str, identity: (&PluginConfig, &PluginConfig), cache_dir: &Path) {
        let removed = cached_at(split, identity, cache_dir).map(|path| remove::whole(&path));
        tracing::info!(split, ?removed, "boxes of changed files are forgotten");
    }

    fn new(cached: &Cached, masks: Option<Vec<Option<Mask>>>) -> Self {
        let boxes = cached.boxes.iter().map(|b| b.map(|f| f.bbox.into())).collect();
        Self { boxes, masks, quality: cached.quality }
    }

    /// Pictures of the split.
    #[must_use]
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Whether the split has no pictures.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// Pictures with a box that has an area.
    #[must_use]
    pub fn boxed(&self) -> usize {
        (0..self.len()).filter(|&index| self.is_boxed(index)).count()
    }

    /// Pictures with a box that has an area, and with a mask where masks were asked for.
    #[must_use]
    pub fn usable(&self) -> usize {
        (0..self.len()).filter(|&index| self.is_boxed(index) && self.is_masked(index)).count()
    }

    fn is_boxed(&self, index: usize) -> bool {
        self.boxes[index].is_some_and(|bbox| bbox.area() > 0.0)
    }

    /// Whether there is a mask, or nobody asked for one. A mask that is missing is none that is empty, and a loss that is
    /// given zeros in its place would compute with them.
    #[must_use]
    pub fn is_masked(&self, index: usize) -> bool {
        self.masks.as_ref().is_none_or(|masks| masks[index].is_some())
    }

    /// Pictures with a mask that has an object in it.
    #[must_use]
    pub fn pictures_with_object(&self) -> usize {
        self.quality.count
    }

    /// Box of a picture, native pixels.
    #[must_use]
    pub fn bbox(&self, index: usize) -> Option<BBox> {
        self.boxes[index]
    }

    /// Mask of a picture, native size, where masks were asked for and the localizer makes them.
    #[must_use]
    pub fn mask(&self, index: usize) -> Option<&Mask> {
        self.masks.as_ref()?[index].as_ref()
    }

    /// CorLoc and mean IoU against true boxes, where there are any (method.md section 5).
    #[must_use]
    pub fn quality(&self, split: &str) -> Vec<MetricRow> {
        let Quality { count, hits, iou } = self.quality;
        if count == 0 {
            return Vec::new();
        }
        vec![
            MetricRow::new(split, "cor-loc", hits as f64 / count as f64, count),
            MetricRow::new(split, "target-iou", iou / count as f64, count),
        ]
    }
}

type Fresh = (Cached, Option<Vec<Option<Mask>>>);

fn find(
    source: &Source,
    split: &str,
    count: usize,
    localizer: &dyn Localizer,
    mut cache: Option<&mut BoxCache>,
    with_masks: bool,
    emit: Emit<'_>,
) -> Result<Fresh, EngineError> {
    let mut own: Vec<Option<Found>> = Vec::with_capacity(count);
    let mut masks: Vec<Option<Mask>> = Vec::new();
    let mut truth: Vec<Option<BBox>> = Vec::with_capacity(count);
    let mut sizes: Vec<[usize; 2]> = Vec::with_capacity(count);
    for start in (0..count).step_by(CHUNK) {
        let range = start..(start + CHUNK).min(count);
        let samples =
            range.clone().into_par_iter().map(|i| source.sample(split, i)).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<String> = range.clone().map(|i| source.meta(split, i).id).collect();
        let views: Vec<ImageView<'_>> = samples
            .iter()
            .zip(&ids)
            .zip(range.clone())
            .map(|((s, id), index)| ImageView { id, split, index, image: &s.image, mask: s.mask.as_ref() })
            .collect();
        let found = match &mut cache {
            Some(cache) => cache.localize(localizer, &views)?,
            None => localizer.localize(&views)?,
        };
        for (found, sample) in found.into_iter().zip(&samples) {
            // A localizer that computes with NaN must not hand it on into the loss.
            let found = found.filter(Localization::is_finite);
            let [width, height] = [sample.image.width, sample.image.height];
            sizes.push([width, height]);
            truth.push(sample.mask.as_ref().and_then(Mask::tight_box));
            own.push(found.as_ref().map(|f| Found { bbox: f.bbox.to_array(), width, height }));
            if with_masks {
                masks.push(found.and_then(|f| f.mask));
            }
        }
        emit(TrialEvent::Localizing { done: range.end, total: count });
    }
    let boxes = match localizer.permutation(split, count) {
        None => own,
        Some(from) => {
            masks = if with_masks { vec![None; count] } else { masks };
            from.iter().zip(&sizes).map(|(&j, &size)| own[j].map(|f| moved_to(f, size))).collect()
        }
    };
    let mut quality = Quality::default();
    for (found, truth) in boxes.iter().zip(&truth) {
        if let Some(truth) = truth {
            let iou = found.map_or(0.0, |f| truth.iou(&f.bbox.into()));
            quality.count += 1;
            quality.hits += usize::from(iou >= 0.5);
            quality.iou += f64::from(iou);
        }
    }
    Ok((Cached { boxes, sizes, quality }, with_masks.then_some(masks)))
}

/// The same box, in fractions, on a picture of another size.
fn moved_to(found: Found, [width, height]: [usize; 2]) -> Found {
    let (sx, sy) = (width as f32 / found.width as f32, height as f32 / found.height as f32);
    Found { bbox: BBox::from(found.bbox).affine(sx, sy, 0.0, 0.0).to_array(), width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_box_with_an_area_and_a_mask_where_one_is_asked_for() {
        let bbox = |side: f32| Some(BBox::from([0.0, 0.0, side, side]));
        let boxes = vec![bbox(2.0), bbox(2.0), bbox(0.0), None];
        let mask = Mask { width: 2, height: 2, pixels: vec![255; 4] };
        let quality = Quality::default();
        let targets = Targets { boxes: boxes.clone(), masks: None, quality };
        assert_eq!((targets.len(), targets.boxed(), targets.usable()), (4, 2, 2));
        let targets =
            Targets { boxes: boxes.clone(), masks: Some(vec![Some(mask), None, None, None]), quality };
        assert_eq!((targets.boxed(), targets.usable()), (2, 1));
        assert!(targets.is_masked(0) && !targets.is_masked(1));
        let targets = Targets { boxes, masks: Some(vec![None; 4]), quality };
        assert_eq!((targets.boxed(), targets.usable()), (2, 0));
    }
}

//! Pictures as grids of patch descriptors, and from a set of patches to a box.
//!
//! - [`PatchFeatures`]: pictures to one descriptor per patch ([`vit`], [`cnn`], [`stats`]).
//! - [`Discovery`]: descriptors to the patches of one object (LOST, TokenCut, DINO-seg).
//! - [`PatchLocalizer`]: both together, as a [`Localizer`].

pub(crate) mod cnn;
mod gelu;
mod interpolate;
mod pixels;
pub(crate) mod stats;
pub(crate) mod vit;

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Tensor};
use fovea_api::{BBox, ImageView, Localization, Localizer, Mask, PluginError, RgbImage};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// How patches lie in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Height and width of a patch, pixels of the picture.
    pub(crate) patch: [f32; 2],
}

/// Descriptors of a batch of pictures that have one grid.
pub(crate) struct PatchBatch {
    pub(crate) grid: Grid,
    /// `[N, rows * cols, d]`
    pub(crate) features: Tensor<3>,
    /// `[N, d]`: the query of the class token, where the network has one.
    pub(crate) class_query: Option<Tensor<2>>,
}

/// Makes descriptors of patches.
pub(crate) trait PatchFeatures: Send + Sync {
    /// Height and width of what is computed for a picture of this size. Pictures that agree make a batch.
    fn padded(&self, height: usize, width: usize) -> [usize; 2];

    /// Where they are computed.
    fn device(&self) -> &Device;

    /// Descriptors of pictures whose padded sizes agree.
    fn extract(&self, images: &[&RgbImage]) -> Result<PatchBatch, PluginError>;
}

/// What was found in a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// A patch of the object; patches are counted row by row.
    pub(crate) seed: usize,
    /// For each patch whether it may be the object's. The object is the component of the seed.
    pub(crate) foreground: Vec<bool>,
}

/// From descriptors to one object per picture.
pub(crate) trait Discovery: Send + Sync {
    /// One answer per picture of the batch.
    fn discover(&self, batch: PatchBatch) -> Vec<Option<Found>>;
}

/// Loads the network behind [`PatchFeatures`].
pub(crate) type Load = Box<dyn Fn() -> Result<Box<dyn PatchFeatures>, PluginError> + Send + Sync>;

/// A localizer that looks at descriptors of patches.
pub(crate) struct PatchLocalizer<D> {
    discovery: D,
    load: Load,
    features: OnceLock<Result<Box<dyn PatchFeatures>, PluginError>>,
    key: String,
}

impl<D> PatchLocalizer<D> {
    /// `key` says what boxes depend on beside the pixels. `load` is called when the first picture comes, since boxes
    /// that are in the cache need no network.
    pub(crate) fn new(discovery: D, key: String, load: Load) -> Self {
        Self { discovery, load, features: OnceLock::new(), key }
    }
}

/// Pixels of a batch at most. On the CPU small batches, one per thread, keep all threads busy also where an operation
/// uses only one.
const BATCH_PIXELS_CPU: usize = 4 * 224 * 224;
const BATCH_PIXELS_GPU: usize = 64 * 224 * 224;

impl<D: Discovery> PatchLocalizer<D> {
    /// Answers for pictures whose padded sizes agree.
    fn batch(
        &self,
        features: &dyn PatchFeatures,
        pictures: &[&RgbImage],
    ) -> Result<Vec<Option<Localization>>, PluginError> {
        let batch = features.extract(pictures)?;
        let grid = batch.grid;
        let found = self.discovery.discover(batch).into_par_iter().zip(pictures);
        Ok(found.map(|(found, picture)| localization(&found?, grid, picture)).collect())
    }
}

impl<D: Discovery> Localizer for PatchLocalizer<D> {
    fn localize(&self, images: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        let features = self.features.get_or_init(&self.load).as_ref().map_err(Clone::clone)?.as_ref();
        let on_cpu = matches!(features.device().as_dispatch(), DispatchDevice::Flex(_));
        let pixels = if on_cpu { BATCH_PIXELS_CPU } else { BATCH_PIXELS_GPU };
        let mut sizes: BTreeMap<[usize; 2], Vec<usize>> = BTreeMap::new();
        for (index, view) in images.iter().enumerate() {
            sizes.entry(features.padded(view.image.height, view.image.width)).or_default().push(index);
        }
        let batches: Vec<&[usize]> = sizes
            .iter()
            .flat_map(|([height, width], members)| members.chunks((pixels / (height * width).max(1)).max(1)))
            .collect();
        let answer = |members: &&[usize]| {
            let pictures: Vec<&RgbImage> = members.iter().map(|&index| images[index].image).collect();
            self.batch(features, &pictures)
        };
        let found: Vec<_> = if on_cpu {
            batches.par_iter().map(answer).collect::<Result<_, _>>()?
        } else {
            batches.iter().map(answer).collect::<Result<_, _>>()?
        };
        let mut answers = vec![None; images.len()];
        for (&index, found) in batches.into_iter().flatten().zip(found.into_iter().flatten()) {
            answers[index] = found;
        }
        Ok(answers)
    }

    fn cache_key(&self) -> Option<String> {
        Some(self.key.clone())
    }
}

/// The seed's component as a box and a mask, clipped to the picture. `None` when the seed is not foreground.
pub(crate) fn localization(found: &Found, grid: Grid, picture: &RgbImage) -> Option<Localization> {
    let object = component(found, grid)?;
    let at = |(row, col): (usize, usize)| object[row * grid.cols + col];
    let in_row = |&row: &usize| (0..grid.cols).any(|col| at((row, col)));
    let in_col = |&col: &usize| (0..grid.rows).any(|row| at((row, col)));
    let (top, bottom) = ((0..grid.rows).find(in_row)?, (0..grid.rows).rfind(in_row)? + 1);
    let (left, right) = ((0..grid.cols).find(in_col)?, (0..grid.cols).rfind(in_col)? + 1);
    let [tall, wide] = grid.patch;
    let bbox = BBox::new(
        left as f32 * wide,
        top as f32 * tall,
        (right as f32 * wide).min(picture.width as f32),
        (bottom as f32 * tall).min(picture.height as f32),
    );
    let patches = |length: usize, patch: f32, count: usize| -> Vec<usize> {
        (0..length).map(|p| (((p as f32 + 0.5) / patch) as usize).min(count - 1)).collect()
    };
    let cols = patches(picture.width, wide, grid.cols);
    let pixels = patches(picture.height, tall, grid.rows)
        .into_iter()
        .flat_map(|row| cols.iter().map(move |&col| (row, col)))
        .map(|place| if at(place) { 255 } else { 0 })
        .collect();
    let mask = Mask { width: picture.width, height: picture.height, pixels };
    Some(Localization { mask: Some(mask), seed: Some(found.seed), ..Localization::certain(bbox) })
}

/// The patches that are connected with the seed through foreground; patches that share a side are neighbours.
pub(crate) fn component(found: &Found, grid: Grid) -> Option<Vec<bool>> {
    let mut inside = vec![false; found.foreground.len()];
    let mut waiting = vec![found.seed];
    while let Some(patch) = waiting.pop() {
        if !found.foreground[patch] || std::mem::replace(&mut inside[patch], true) {
            continue;
        }
        let (row, col) = (patch / grid.cols, patch % grid.cols);
        waiting.extend((row > 0).then(|| patch - grid.cols));
        waiting.extend((row + 1 < grid.rows).then_some(patch + grid.cols));
        waiting.extend((col > 0).then(|| patch - 1));
        waiting.extend((col + 1 < grid.cols).then_some(patch + 1));
    }
    inside[found.seed].then_some(inside)
}

/// Inner products of each picture's descriptors: `P * P` numbers a picture, on the host.
pub(crate) fn products(features: Tensor<3>) -> Vec<Vec<f32>> {
    let [_, patches, _] = features.dims();
    let products = values(features.clone().matmul(features.transpose()));
    products.chunks_exact(patches * patches).map(<[f32]>::to_vec).collect()
}

/// A tensor's numbers, row by row.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec_as::<f32>().expect("every float type converts to f32")
}

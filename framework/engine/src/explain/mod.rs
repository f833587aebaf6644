//! What a network says of any pictures, and where it looks. The main type is [`Explainer`].
//!
//! - [`pictures`]: the pictures, from a folder or as tensors.
//! - `tensor_file`: a `.safetensors` file that is written tensor by tensor, so that memory does not grow with the
//!   number of pictures.

pub mod pictures;
mod tensor_file;

pub use pictures::Pictures;

use crate::cam::PredictedCams;
use crate::objective::{host_floats, network_input};
use crate::train::argmax;
use crate::{Emit, EngineError};
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::{
    BoxExtractor, BuiltModel, DataError, DynClassifier, HeatmapView, ModelContext, PluginError, Precision,
    Registry,
};
use fovea_records::{TrialEvent, store};
use pictures::Picture;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tensor_file::TensorFile;

/// The network to be explained, from a resolved configuration. Without a number of classes it has as many as its
/// weights.
///
/// # Errors
/// When the configuration does not make a network, or the weights do not fit.
pub fn network(
    registry: &Registry,
    (name, config, precision): (&str, &Value, Precision),
    classes: Option<usize>,
    input_size: usize,
    device: &Device,
) -> Result<BuiltModel, PluginError> {
    let build = |classes| {
        // An empty base leaves paths as they were typed.
        let base_dir = PathBuf::new();
        let context =
            ModelContext { classes, input_size, seed: 0, device: device.clone(), precision, base_dir };
        registry.build_model(name, config.clone(), &context)
    };
    // How many classes weights have is known to the network they are for: ask for one and it says what it found.
    let built = build(classes.unwrap_or(1))?;
    match (&built.head_replaced, classes) {
        (Some(replaced), None) => build(replaced.file_classes),
        _ => Ok(built),
    }
}

/// Explains pictures with one network.
pub struct Explainer<'a> {
    /// The network, outside autodiff.
    pub model: &'a dyn DynClassifier,
    /// Heatmap to box.
    pub extractor: &'a dyn BoxExtractor,
    /// Device without autodiff.
    pub device: &'a Device,
    /// Side to which pictures are squashed, pixels; tensors stay as they are.
    pub size: usize,
    /// Whether pictures are normalised by ImageNet's statistics; tensors never are.
    pub normalize: bool,
    /// Pictures a forward pass.
    pub batch: usize,
}

/// One entry of `explain.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PictureRecord {
    /// Name of the file or tensor.
    pub image: String,
    /// Pre-softmax.
    pub logits: Vec<f32>,
    /// The class with the largest logit.
    pub predicted: usize,
    /// L2 norm of the Grad-CAM weights of the predicted class.
    pub alpha: f32,
    /// Hard box, pixels of the network input; `None` where the CAM is zero everywhere.
    #[serde(rename = "box")]
    pub bbox: Option<[f32; 4]>,
}

/// A picture that was explained, for whoever wants to draw it.
pub struct Seen<'a> {
    /// What its tensors are named after.
    pub stem: &'a str,
    /// Height and width, pixels.
    pub size: (usize, usize),
    /// `[3, height, width]`, before normalisation.
    pub image: &'a [f32],
    /// `[height, width]` in 0..=1.
    pub heatmap: &'a [f32],
    /// Hard box.
    pub bbox: Option<[f32; 4]>,
}

/// What became of the pictures.
#[derive(Debug, Default)]
pub struct Summary {
    /// Pictures explained.
    pub explained: usize,
    /// Pictures that could not be; the others are not lost.
    pub failed: Vec<DataError>,
}

/// Name of the records within the output folder.
pub const RECORDS: &str = "explain.json";
/// Name of the CAMs and heatmaps within the output folder.
pub const HEATMAPS: &str = "heatmaps.safetensors";

/// A picture's record with its maps on the host.
struct Explained {
    record: PictureRecord,
    cam_size: (usize, usize),
    cam: Vec<f32>,
    heatmap: Vec<f32>,
}

impl Explainer<'_> {
    /// Writes [`RECORDS`] and [`HEATMAPS`] to `out`, pictures in order. Every picture is given to
    /// `show` when it is explained. Only the records, logits mostly, are kept in memory.
    ///
    /// # Errors
    /// When a plugin fails or a file cannot be written. A picture that cannot be read is no error but part of the
    /// summary.
    pub fn run(
        &self,
        pictures: &Pictures,
        out: &Path,
        emit: Emit<'_>,
        show: &dyn Fn(&Seen<'_>) -> Result<(), EngineError>,
    ) -> Result<Summary, EngineError> {
        let (pictures, side) = (pictures.list(), self.size);
        let names = pictures.iter().flat_map(|p| [cam_name(p), heatmap_name(p)]);
        let mut file = TensorFile::create(&out.join(HEATMAPS), names)?;
        let mut records = Vec::new();
        let mut failed = Vec::new();
        let alike = pictures.chunk_by(|a, b| a.size(side) == b.size(side));
        for chunk in alike.flat_map(|alike| alike.chunks(self.batch.max(1))) {
            let read: Vec<_> = chunk.par_iter().map(|p| Ok((p, p.load(side)?))).collect();
            let mut batch = Vec::new();
            for read in read {
                match read {
                    Ok(loaded) => batch.push(loaded),
                    Err(error) => failed.push(error),
                }
            }
            for ((picture, pixels), explained) in batch.iter().zip(self.explain(&batch)?) {
                let Explained { record, cam_size, cam, heatmap } = explained;
                if record.logits.iter().any(|v| !v.is_finite()) {
                    failed.push(
                        picture.error("its logits are not finite: it or the weights hold NaN or infinity"),
                    );
                    continue;
                }
                let size = picture.size(side);
                file.push(cam_name(picture), cam_size, &cam)?;
                file.push(heatmap_name(picture), size, &heatmap)?;
                let bbox = record.bbox;
                show(&Seen { stem: picture.stem(), size, image: pixels, heatmap: &heatmap, bbox })?;
                records.push(record);
            }
            let (done, total) = (records.len() + failed.len(), pictures.len());
            emit(TrialEvent::Evaluating { what: "pictures".to_owned(), done, total });
        }
        file.finish()?;
        store::write_json_array(&out.join(RECORDS), &records)?;
        Ok(Summary { explained: records.len(), failed })
    }

    /// Explains a batch of pictures of one size.
    fn explain(&self, batch: &[(&Picture, Vec<f32>)]) -> Result<Vec<Explained>, PluginError> {
        let Some((first, _)) = batch.first() else { return Ok(Vec::new()) };
        let (height, width) = first.size(self.size);
        let images: Vec<f32> = batch.iter().flat_map(|(_, pixels)| pixels.iter().copied()).collect();
        let images = TensorData::new(images, [batch.len(), 3, height, width]);
        let images = Tensor::<4>::from_data(images, self.device);
        let pass =
            PredictedCams::new(self.model, network_input(images, self.normalize && !first.is_tensor()));
        let heatmaps = host_floats(&pass.heatmaps((height, width)));
        let heatmaps: Vec<&[f32]> = heatmaps.chunks_exact(height * width).collect();
        let views: Vec<_> = heatmaps.iter().map(|values| HeatmapView { height, width, values }).collect();
        let boxes = self.extractor.hard(&views)?;
        let [_, channels] = pass.alpha.dims();
        let alpha = host_floats(&pass.alpha);
        let [_, h, w] = pass.cams.dims();
        let cams = host_floats(&pass.cams);
        let rows = alpha.chunks_exact(channels).zip(cams.chunks_exact(h * w)).zip(heatmaps).zip(boxes);
        let explained = batch.iter().zip(pass.logits).zip(rows).map(
            |(((picture, _), logits), (((alpha, cam), heatmap), bbox))| Explained {
                record: PictureRecord {
                    image: picture.name().to_owned(),
                    predicted: argmax(&logits),
                    logits,
                    alpha: alpha.iter().map(|v| v * v).sum::<f32>().sqrt(),
                    bbox: bbox.map(|b| b.to_array()),
                },
                cam_size: (h, w),
                cam: cam.to_vec(),
                heatmap: heatmap.to_vec(),
            },
        );
        Ok(explained.collect())
    }
}

fn cam_name(picture: &Picture) -> String {
    format!("cam_{}", picture.stem())
}

fn heatmap_name(picture: &Picture) -> String {
    format!("heatmap_{}", picture.stem())
}

//! Per-picture outputs of the final model. The main type is [`PredictionRecord`].

use serde::{Deserialize, Serialize};

/// Where noise is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// On the object (`m`).
    Foreground,
    /// Outside it (`1 - m`).
    Background,
}

/// One line of `predictions.jsonl`. Vectors run over the pictures of the split, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum PredictionRecord {
    /// What is known of the pictures of a split. Comes first.
    Split {
        /// Name of the split.
        split: String,
        /// Names of the pictures.
        images: Vec<String>,
        /// True classes.
        labels: Vec<usize>,
        /// Groups, where the data set has them.
        groups: Option<Vec<usize>>,
    },
    /// Predictions on the pictures as they are.
    Clean {
        /// Name of the split.
        split: String,
        /// Predicted classes.
        predicted: Vec<usize>,
        /// Softmax probability of the true class.
        confidence: Vec<f32>,
    },
    /// Predictions under noise.
    Noisy {
        /// Name of the split.
        split: String,
        /// Noise kind (`gaussian`, `l2`).
        noise: String,
        /// Where.
        region: Region,
        /// Noise level.
        level: f64,
        /// Draw, from 0.
        draw: usize,
        /// Predicted classes; `None` where the region is empty and the picture is left out.
        predicted: Vec<Option<usize>>,
    },
    /// Explanations on the pictures as they are. `None` where the CAM is zero or there is no mask.
    Explanations {
        /// Name of the split.
        split: String,
        /// Grad-CAM box, pixels of the network input.
        boxes: Vec<Option<[f32; 4]>>,
        /// Tight box of the true mask.
        object_boxes: Vec<Option<[f32; 4]>>,
        /// Box IoU.
        box_iou: Vec<Option<f32>>,
        /// Mask IoU at 0.5.
        mask_iou: Vec<Option<f32>>,
        /// Energy inside.
        energy_inside: Vec<Option<f32>>,
        /// Delta density.
        delta_density: Vec<Option<f32>>,
        /// Average precision.
        average_precision: Vec<Option<f32>>,
        /// Pointing-game hit.
        pointing_hit: Vec<Option<bool>>,
        /// Whether the CAM is zero everywhere.
        zero_cam: Vec<bool>,
    },
}

/// One picture of a trial's gallery, a line of `gallery/index.jsonl`. Files lie beside the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryItem {
    /// Name of the split.
    pub split: String,
    /// Name of the picture; the same pictures are shown for every trial of a run.
    pub image: String,
    /// True class, by name.
    pub label: String,
    /// Predicted class, by name.
    pub predicted: String,
    /// Softmax probability of the true class. `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// RGB PNG of the network input.
    pub picture_file: String,
    /// 8-bit grey PNG of the heatmap, upsampled and normalised by its maximum.
    pub heatmap_file: String,
    /// Grad-CAM box, pixels of the network input.
    pub predicted_box: Option<[f32; 4]>,
    /// The localizer's box.
    pub target_box: Option<[f32; 4]>,
    /// Tight box of the true mask.
    pub object_box: Option<[f32; 4]>,
}

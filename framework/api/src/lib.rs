//! The traits that every Fovea plugin implements, and the registry they go through. Read this crate first.
//!
//! - [`dataset`]: [`DatasetSource`], pictures with labels, masks and groups.
//! - [`classifier`]: [`Classifier`] (typed, a Burn module) and [`DynClassifier`] (object-safe, by blanket
//!   implementation), whose forward pass gives what Grad-CAM needs.
//! - [`forecast`]: [`Forecast`], what a network will need, said before it is built.
//! - [`localizer`]: [`Localizer`], picture -> at most one box.
//! - [`extractor`]: [`BoxExtractor`], heatmap -> box.
//! - [`loss`]: [`ExplanationLoss`], heatmap and boxes -> one number per picture.
//! - [`registry`]: [`Registry`], the one door for built-ins and loaded plugins alike.
//! - [`bbox`], [`image`]: [`BBox`], [`RgbImage`], [`Mask`].
//! - [`weights`]: [`StateDict`], checkpoints of PyTorch as `.pth` or `.safetensors`.
//! - [`notice`]: what somebody deep in a call has to tell the user.
//! - [`random`]: [`Key`], from which all randomness comes.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

pub mod bbox;
pub mod classifier;
pub mod dataset;
pub mod error;
pub mod extractor;
pub mod forecast;
pub mod image;
pub mod localizer;
pub mod loss;
pub mod notice;
pub mod random;
pub mod registry;
pub mod weights;

pub use bbox::BBox;
pub use classifier::{
    BuiltModel, CamForward, CamHead, Classifier, DynClassifier, Mode, ModelContext, NamedTensor, Precision,
    boxed,
};
pub use dataset::{DatasetSource, Sample, SampleMeta, SplitInfo};
pub use error::{ConfigIssue, DataError, PluginError};
pub use extractor::{BoxExtractor, Boxes, HeatmapView};
pub use forecast::{Ahead, Forecast};
pub use image::{Mask, RgbImage};
pub use localizer::{ImageView, Localization, Localizer};
pub use loss::{Explanation, ExplanationLoss, LossInputs};
pub use random::{Key, Rng};
pub use registry::{BuildContext, Plugin, PluginKind, Registry};
pub use weights::{HeadReplaced, StateDict, WeightsError, load_state_dict};

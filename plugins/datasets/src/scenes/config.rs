//! What can be set about `scenes`. The main type is [`ScenesConfig`].

use fovea_api::ConfigIssue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of `scenes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScenesConfig {
    /// Side of the square pictures, pixels (16 to 1024).
    pub size: usize,
    /// Number of pictures in `train`.
    pub train: usize,
    /// Number of pictures in `val`; 0 leaves the split out.
    pub val: usize,
    /// Number of pictures in `test`, and again in `test-unbiased`; 0 leaves both out.
    pub test: usize,
    /// Probability that a picture of `train`, `val` or `test` has its class's own background family; otherwise the
    /// family is uniform over the other nine. 0.1 is no bias, 1 makes the background a perfect cue.
    pub bias: f64,
    /// Seed of every picture.
    pub seed: u64,
    /// Smallest and largest diameter of the object's circumscribed circle, fraction of the side.
    pub object_scale: [f64; 2],
    /// How far the colours of the object and of the distractors lie from the background's mean colour: 1 for a
    /// freely drawn colour, 0 for that mean itself.
    pub contrast: f64,
    /// Standard deviation of the pixel noise; white is 1.
    pub noise: f64,
    /// Largest number of small distractors scattered behind the object; the number is uniform from 0.
    pub clutter: usize,
}

impl Default for ScenesConfig {
    fn default() -> Self {
        Self {
            size: 64,
            train: 2000,
            val: 0,
            test: 500,
            bias: 0.9,
            seed: 0,
            object_scale: [0.25, 0.55],
            contrast: 0.7,
            noise: 0.05,
            clutter: 4,
        }
    }
}

impl ScenesConfig {
    /// What types cannot say.
    pub(crate) fn issues(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut require = |ok: bool, key: &str, message: String| {
            if !ok {
                issues.push(ConfigIssue::at(key, message));
            }
        };
        let within = |x: f64| (0.0..=1.0).contains(&x);
        let [low, high] = self.object_scale;
        require((16..=1024).contains(&self.size), "size", format!("{} is not within 16..=1024", self.size));
        require(self.train >= 1, "train", "at least one training picture is needed".into());
        require((0.0..=1.0).contains(&self.bias), "bias", format!("{} is not a probability", self.bias));
        require(
            0.05 <= low && low <= high && high <= 1.0,
            "object_scale",
            format!("[{low}, {high}] is not [min, max] with 0.05 <= min <= max <= 1"),
        );
        require(within(self.contrast), "contrast", format!("{} is not within 0..=1", self.contrast));
        require(within(self.noise), "noise", format!("{} is not within 0..=1", self.noise));
        require(self.clutter <= 1000, "clutter", format!("{} is more than 1000", self.clutter));
        issues
    }
}

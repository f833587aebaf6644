//! @NAME@: an explanation loss for Fovea. It compares a predicted box with a target box.

use fovea_abi::{Context, Error, Explanation, Gradient, Issue, Loss, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What an experiment can set: `loss = { name = "@NAME@", weight = 2.0 }`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the loss is multiplied by.
    pub weight: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

/// The loss: squared distance of the edges, in diagonals of the picture.
pub struct @TYPE@ {
    config: Config,
}

impl Plugin for @TYPE@ {
    const NAME: &'static str = "@NAME@";
    const SUMMARY: &'static str = "Squared distance of the edges of two boxes.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = Config;

    fn check(config: &Config, _: &Path) -> Vec<Issue> {
        if config.weight.is_finite() && config.weight >= 0.0 {
            return Vec::new();
        }
        let message = format!("the weight is 0 or more, not {}", config.weight);
        vec![Issue::at("weight", message).instead("1.0")]
    }

    fn new(config: Config, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Loss for @TYPE@ {
    // For a loss on heatmaps or masks: WANTS_BOXES = false, WANTS_HEATMAPS = true, WANTS_MASKS = true.

    fn evaluate(
        &mut self,
        seen: &Explanation<'_>,
        gradient: Option<Gradient<'_>>,
    ) -> Result<f32, Error> {
        let diagonal_squared = (seen.height * seen.height + seen.width * seen.width).max(1) as f32;
        let scale = self.config.weight / diagonal_squared;
        let (predicted, target) = (seen.predicted.to_array(), seen.target.to_array());
        let away: [f32; 4] = std::array::from_fn(|i| predicted[i] - target[i]);
        if let Some(gradient) = gradient {
            *gradient.predicted = away.map(|d| 2.0 * d * scale);
        }
        Ok(away.iter().map(|d| d * d).sum::<f32>() * scale)
    }
}

fovea_abi::plugins! { loss @TYPE@ }

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_abi::BBox;

    #[test]
    fn one_pixel_off() {
        let mut loss = @TYPE@::new(Config::default(), &Context::default()).unwrap();
        let seen = Explanation {
            height: 3,
            width: 4,
            predicted: BBox::new(1.0, 0.0, 2.0, 2.0),
            target: BBox::new(0.0, 0.0, 2.0, 2.0),
            heatmap: None,
            mask: None,
            upstream: 1.0,
        };
        let mut gradient = [0.0; 4];
        let value = loss
            .evaluate(
                &seen,
                Some(Gradient {
                    predicted: &mut gradient,
                    heatmap: &mut [],
                }),
            )
            .unwrap();
        assert_eq!((value, gradient), (0.04, [0.08, 0.0, 0.0, 0.0]));
    }
}

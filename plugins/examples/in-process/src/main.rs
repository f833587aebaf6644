//! Fovea with one more loss: `entropy`, which pulls the heatmap together, wherever that is.
//!
//! ```sh
//! cargo run --release -p example-in-process -- run plugins/examples/in-process/entropy.toml
//! ```

use fovea::api::registry::LossPlugin;
use fovea::api::{BuildContext, ConfigIssue, Explanation, ExplanationLoss, LossInputs, Plugin, PluginError};
use fovea::burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    fovea::App::new()
        .register(|registry| {
            registry.loss::<Entropy>();
        })
        .main()
}

/// The plugin.
struct Entropy;

/// Its table in an experiment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EntropyConfig {
    /// Keeps the logarithm finite where the heatmap is zero.
    #[serde(default = "default_epsilon")]
    epsilon: f32,
}

fn default_epsilon() -> f32 {
    1e-8
}

impl Plugin for Entropy {
    const NAME: &'static str = "entropy";
    const SUMMARY: &'static str = "Entropy of the heatmap as a distribution, as a fraction of the largest.";
    type Config = EntropyConfig;

    fn check(config: &EntropyConfig, _: &Path) -> Vec<ConfigIssue> {
        if config.epsilon > 0.0 && config.epsilon < 1.0 {
            return Vec::new();
        }
        vec![ConfigIssue::at("epsilon", "must lie between 0 and 1")]
    }
}

impl LossPlugin for Entropy {
    fn build(config: EntropyConfig, _: &BuildContext) -> Result<Box<dyn ExplanationLoss>, PluginError> {
        Ok(Box::new(config))
    }
}

impl ExplanationLoss for EntropyConfig {
    fn inputs(&self) -> LossInputs {
        LossInputs::Heatmaps
    }

    fn loss(&self, explanation: &Explanation) -> Result<Tensor<1>, PluginError> {
        let [pictures, height, width] = explanation.heatmaps.dims();
        let mass = explanation.heatmaps.clone().reshape([pictures, height * width]) + self.epsilon;
        let p = mass.clone() / mass.sum_dim(1);
        // Burn differentiates it: nothing more is to be written.
        let entropy = -(p.clone() * p.log()).sum_dim(1) / ((height * width) as f64).ln();
        Ok(entropy.reshape([pictures]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use fovea::burn::tensor::{Device, TensorData};

    fn entropy_and_gradient(values: [f32; 4]) -> (f32, Vec<f32>) {
        let device = Device::flex().autodiff();
        let heatmaps =
            Tensor::<3>::from_data(TensorData::new(values.to_vec(), [1, 2, 2]), &device).require_grad();
        let explanation = Explanation {
            heatmaps: heatmaps.clone(),
            boxes: None,
            targets: Tensor::zeros([1, 4], &device),
            masks: None,
            valid: vec![true],
        };
        let loss = EntropyConfig { epsilon: default_epsilon() }.loss(&explanation).unwrap();
        let gradients = loss.clone().sum().backward();
        let gradient = heatmaps.grad(&gradients).unwrap().into_data().try_to_vec().unwrap();
        (loss.into_scalar::<f32>(), gradient)
    }

    #[test]
    fn an_even_heatmap_has_all_the_entropy_and_a_single_point_none() {
        assert!((entropy_and_gradient([1.0; 4]).0 - 1.0).abs() < 1e-6);
        assert!(entropy_and_gradient([1.0, 0.0, 0.0, 0.0]).0 < 1e-6);
    }

    #[test]
    fn following_the_gradient_pulls_the_heatmap_together() {
        let start = [1.0, 0.5, 0.5, 0.25];
        let (before, gradient) = entropy_and_gradient(start);
        let moved: Vec<f32> = start.iter().zip(&gradient).map(|(v, g)| v - 0.1 * g).collect();
        let (after, _) = entropy_and_gradient(moved.try_into().unwrap());
        assert!(after < before, "{after} is not below {before}");
    }
}

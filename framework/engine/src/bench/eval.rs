//! How fast the evaluation of a trial is. The main type is [`EvalBench`].

use super::step::CLASSES;
use super::{Items, Measurement, Unit, plugin_settings, timed};
use crate::data::source::{DEFAULT_CACHE_BYTES, Source};
use crate::evaluate::Evaluator;
use crate::{EngineError, device};
use fovea_api::{BuildContext, ModelContext, Registry};
use fovea_plan::{
    DeviceRequest, EvaluationConfig, InputConfig, PluginConfig, Shared, TrainingConfig, TrialConfig,
};
use serde_json::{Map, Value, json};

/// What is measured: accuracy, heatmaps with all their metrics, and accuracy under Gaussian noise in foreground and
/// background.
#[derive(Clone, Debug)]
pub struct EvalBench {
    /// Model by name.
    pub model: String,
    /// Its configuration, a JSON object.
    pub model_config: Value,
    /// Side of the network input.
    pub size: usize,
    /// Pictures of the split that is evaluated.
    pub pictures: usize,
    /// Levels of noise.
    pub levels: usize,
    /// Draws of noise for each level.
    pub draws: usize,
    /// Pictures a forward pass.
    pub batch: usize,
    /// Timed evaluations.
    pub repeats: usize,
    /// Device.
    pub device: DeviceRequest,
}

impl EvalBench {
    /// Forward passes of one evaluation, in pictures: a clean one, and one for each noise.
    #[must_use]
    pub fn passes(&self) -> usize {
        self.pictures * (1 + 2 * self.levels * self.draws)
    }

    /// Evaluates a network of random weights on drawn pictures again and again. The pictures are in memory, as in a trial
    /// after its first look at them.
    ///
    /// # Errors
    /// When the device or a plugin is not there.
    pub fn run(&self, registry: &Registry) -> Result<Measurement, EngineError> {
        let open = device::open(self.device)?;
        let context =
            BuildContext { base_dir: ".".into(), device: open.device.clone(), registry: registry.clone() };
        let pictures = json!({ "size": self.size, "train": 1, "test": self.pictures });
        let dataset = registry.build_dataset("scenes", pictures, &context)?;
        let model = ModelContext {
            classes: CLASSES,
            input_size: self.size,
            seed: 0,
            device: open.device.clone().autodiff(),
            base_dir: ".".into(),
            precision: fovea_api::Precision::default(),
        };
        let model = registry.build_model(&self.model, self.model_config.clone(), &model)?.model;
        let model = model.evaluation_copy();
        let extractor = registry.build_extractor("threshold", json!({}), &context)?;
        let source = Source::new(dataset, DEFAULT_CACHE_BYTES);
        let config = self.config();
        let evaluator = Evaluator {
            config: &config,
            model: model.as_ref(),
            source: &source,
            extractor: extractor.as_ref(),
            device: &open.device,
            emit: &|_| {},
        };
        // The first evaluation draws the pictures.
        evaluator.run()?;
        let mut values = Vec::new();
        for _ in 0..self.repeats.max(1) {
            values.push(timed(|| evaluator.run())?.0);
        }
        Ok(Measurement {
            bench: "eval",
            what: "evaluation".to_owned(),
            settings: self.settings(),
            device: open.name,
            unit: Unit::Seconds,
            items: Some(Items { count: self.passes(), of: "forward passes" }),
            values,
        })
    }

    fn settings(&self) -> Map<String, Value> {
        let mut settings = plugin_settings("model", &self.model, &self.model_config);
        let numbers = [
            ("size", self.size),
            ("pictures", self.pictures),
            ("levels", self.levels),
            ("draws", self.draws),
            ("batch", self.batch),
        ];
        settings.extend(numbers.map(|(key, value)| (key.to_owned(), json!(value))));
        settings
    }

    fn config(&self) -> TrialConfig {
        let plugin = |name: &str| Shared::from(PluginConfig { name: name.to_owned(), ..Default::default() });
        TrialConfig {
            seed: 0,
            dataset: plugin("scenes"),
            input: InputConfig { size: self.size, normalize: false },
            augmentation: Default::default(),
            model: plugin(&self.model),
            localizer: plugin("ground-truth"),
            extractor: plugin("threshold"),
            loss: plugin("none"),
            cam: Default::default(),
            training: TrainingConfig::default(),
            evaluation: EvaluationConfig {
                splits: vec!["test".to_owned()],
                noise_split: "test".to_owned(),
                gaussian: (1..=self.levels).map(|level| 30.0 * level as f64).collect(),
                draws: self.draws,
                batch_size: self.batch,
                ..EvaluationConfig::default()
            },
        }
    }
}

//! How fast training steps are. The main type is [`StepBench`].

use super::{Items, Measurement, Unit, plugin_settings, timed};
use crate::data::loader::Batch;
use crate::objective::Objective;
use crate::train::{StepSettings, step};
use crate::{EngineError, device, precision, schedule};
use fovea_api::{BBox, BuildContext, ExplanationLoss, Key, LossInputs, ModelContext, Registry};
use fovea_plan::{CamConfig, DeviceRequest, OptimizerConfig, Precision, TrainingConfig};
use rand::RngExt as _;
use serde_json::{Map, Value, json};

/// Classes of the networks that are measured.
pub const CLASSES: usize = 10;

/// What is measured: steps by cross-entropy alone, and with explanation losses.
#[derive(Clone, Debug)]
pub struct StepBench {
    /// Model by name.
    pub model: String,
    /// Its configuration, a JSON object; what is left out has its default.
    pub model_config: Value,
    /// Explanation losses by name, each with its default configuration; `none` is measured anyway.
    pub losses: Vec<String>,
    /// Pictures a step.
    pub batch: usize,
    /// Side of the network input.
    pub size: usize,
    /// Timed steps of each kind.
    pub repeats: usize,
    /// Device.
    pub device: DeviceRequest,
    /// The type in which layers multiply.
    pub precision: Precision,
}

impl StepBench {
    /// Times steps of all kinds in turn, on one random batch: the same work as `tests/peers/step.py` (Adam, 10 classes,
    /// target box from a quarter to three quarters of each side, straight-through box, closed-form alpha). The first
    /// measurement is that of `none`.
    ///
    /// # Errors
    /// When the device or a plugin is not there.
    pub fn run(&self, registry: &Registry) -> Result<Vec<Measurement>, EngineError> {
        precision::check([self.precision], self.device)?;
        let open = device::open(self.device)?;
        precision::kept(self.precision, &open)?;
        let training = self.training();
        let context =
            BuildContext { base_dir: ".".into(), device: open.device.clone(), registry: registry.clone() };
        let autodiff = open.device.clone().autodiff();
        let model = ModelContext {
            classes: CLASSES,
            input_size: self.size,
            seed: 0,
            device: autodiff.clone(),
            precision: precision::of_layers(self.precision),
            base_dir: ".".into(),
        };
        let mut model = registry.build_model(&self.model, self.model_config.clone(), &model)?.model;
        let extractor = registry.build_extractor("threshold", json!({}), &context)?;
        let mut names = vec!["none".to_owned()];
        for loss in &self.losses {
            if !names.contains(loss) {
                names.push(loss.clone());
            }
        }
        let losses: Vec<Box<dyn ExplanationLoss>> = names
            .iter()
            .map(|name| registry.build_loss(name, json!({}), &context))
            .collect::<Result<_, _>>()?;
        let cam = CamConfig::default();
        let size = self.size;
        let objectives = losses
            .iter()
            .map(|loss| {
                let loss = loss.as_ref();
                (loss.inputs() != LossInputs::Nothing).then(|| Objective {
                    loss,
                    extractor: extractor.as_ref(),
                    cam: &cam,
                    size,
                })
            })
            .collect::<Vec<_>>();
        let mut optimizer = schedule::optimizer(&training);
        let batch = self.random_batch(losses.iter().any(|loss| loss.wants_masks()));
        let settings = StepSettings {
            size,
            normalize: false,
            alpha: training.alpha,
            beta: training.beta,
            learning_rate: training.optimizer.learning_rate,
        };
        let mut seconds = vec![Vec::with_capacity(self.repeats); names.len()];
        // The first round of each kind compiles kernels and fills caches.
        for round in 0..=self.repeats.max(1) {
            for (objective, seconds) in objectives.iter().zip(&mut seconds) {
                let batch = batch.clone();
                let (took, _) = timed(|| {
                    let objective = objective.as_ref();
                    Ok(step(model.as_mut(), &mut optimizer, batch, objective, &settings, &autodiff)?)
                })?;
                if round > 0 {
                    seconds.push(took);
                }
            }
        }
        let measurement = |(what, values)| Measurement {
            bench: "step",
            what,
            settings: self.settings(),
            device: open.name.clone(),
            unit: Unit::Seconds,
            items: Some(Items { count: self.batch, of: "pictures" }),
            values,
        };
        Ok(names.into_iter().zip(seconds).map(measurement).collect())
    }

    fn settings(&self) -> Map<String, Value> {
        let Self { model, model_config, batch, size, .. } = self;
        let mut settings = plugin_settings("model", model, model_config);
        settings.insert("batch".to_owned(), json!(batch));
        settings.insert("size".to_owned(), json!(size));
        settings.insert("precision".to_owned(), json!(self.precision.to_string()));
        settings
    }

    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: self.batch,
            optimizer: OptimizerConfig { learning_rate: 1e-4, ..OptimizerConfig::default() },
            ..TrainingConfig::default()
        }
    }

    fn random_batch(&self, with_masks: bool) -> Batch {
        let mut rng = Key::new(0).purpose("bench").rng();
        let (n, side) = (self.batch, self.size);
        let size = side as f32;
        let target = BBox::new(size * 0.25, size * 0.25, size * 0.75, size * 0.75);
        let inside = |at: usize| (side / 4..side * 3 / 4).contains(&at);
        let mask = (0..side * side).map(|i| f32::from(inside(i % side) && inside(i / side)));
        Batch {
            images: (0..n * 3 * side * side).map(|_| rng.random()).collect(),
            labels: (0..n).map(|_| rng.random_range(0..CLASSES)).collect(),
            targets: vec![Some(target); n],
            masks: with_masks.then(|| mask.collect::<Vec<f32>>().repeat(n)),
        }
    }
}

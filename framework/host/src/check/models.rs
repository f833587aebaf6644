//! What is true of models.

use super::property::{Found, HOLDS};
use super::subject::Subject;
use crate::adapt;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fovea_api::{CamForward, Mode, ModelContext, Precision, Registry};

/// Height and width of pictures, and classes.
const NETWORKS: [(usize, usize); 3] = [(32, 10), (48, 3), (64, 101)];
/// Pictures of a pass.
const PICTURES: usize = 2;

/// A pass in evaluation mode for each of [`NETWORKS`].
fn passes(subject: &Subject) -> Result<Vec<(String, usize, CamForward)>, String> {
    let mut registry = Registry::new();
    registry.register(adapt::entry(&subject.plugin)).map_err(|error| error.to_string())?;
    let mut passes = Vec::new();
    for (side, classes) in NETWORKS {
        let device = Device::flex();
        let context = ModelContext {
            classes,
            input_size: side,
            seed: subject.seed,
            device: device.clone(),
            precision: Precision::default(),
            base_dir: subject.base_dir.clone(),
        };
        let name = format!("{side}x{side} with {classes} classes");
        let built = registry
            .build_model(&subject.plugin.name, subject.resolved()?, &context)
            .map_err(|error| format!("{name}: {}", error.message))?;
        let mut random = subject.random("models");
        let values: Vec<f32> = (0..PICTURES * 3 * side * side).map(|_| random.between(-2.0, 2.0)).collect();
        let images = Tensor::<4>::from_data(TensorData::new(values, [PICTURES, 3, side, side]), &device);
        passes.push((name, classes, built.model.forward(images, Mode::Eval)));
    }
    Ok(passes)
}

fn finite<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.clone().into_data().iter::<f32>().all(f32::is_finite)
}

pub(super) fn network(subject: &Subject) -> Result<Found, String> {
    for (name, classes, pass) in passes(subject)? {
        let shape = pass.logits.dims();
        if shape != [PICTURES, classes] {
            return Err(format!(
                "{name}: the logits are {shape:?}, and [{PICTURES}, {classes}] are expected"
            ));
        }
        if !finite(&pass.logits) || !finite(&pass.features) {
            return Err(format!("{name}: logits or features are not finite for pictures in -2..2"));
        }
    }
    Ok(HOLDS)
}

pub(super) fn grad_cam(subject: &Subject) -> Result<Found, String> {
    let mut channels = Vec::new();
    for (name, classes, pass) in passes(subject)? {
        let class: Vec<i32> = vec![0, i32::try_from(classes - 1).unwrap_or(0)];
        let class = Tensor::<1, Int>::from_data(TensorData::new(class, [PICTURES]), &pass.logits.device());
        let weights = pass.head.cam_weights(class);
        let [_, k, h, w] = pass.features.dims();
        if weights.dims() != [PICTURES, k] || !finite(&weights) {
            return Err(format!(
                "{name}: {:?} weights for features of {:?}",
                weights.dims(),
                pass.features.dims()
            ));
        }
        channels.push(format!("{k} channels of {w}x{h} for {name}"));
    }
    Ok(Found::Holds(channels.join(", ")))
}

//! Dropout and the device's generator, which is one for the whole process: this test has a process of its own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Tensor};
use fovea_api::{Mode, ModelContext, Precision, Registry};
use serde_json::json;

#[test]
fn dropout_follows_the_devices_seed() {
    let device = Device::flex();
    let mut registry = Registry::new();
    fovea_models::register(&mut registry);
    let context = ModelContext {
        classes: 10,
        input_size: 64,
        seed: 3,
        device: device.clone(),
        precision: Precision::default(),
        base_dir: ".".into(),
    };
    let network = registry.build_model("vgg-tiny", json!({"batch_norm": false}), &context).unwrap().model;
    let images = Tensor::<4>::ones([4, 3, 64, 64], &device);
    let pass = |seed, mode| {
        device.seed(seed);
        network.forward(images.clone(), mode).logits.into_data()
    };
    assert_eq!(pass(1, Mode::Train), pass(1, Mode::Train));
    assert_ne!(pass(1, Mode::Train), pass(2, Mode::Train));
    assert_eq!(pass(1, Mode::Eval), pass(2, Mode::Eval));

    let mask = fovea_models::layers::dropout_mask([100, 1000], 0.25, &device);
    let values: Vec<f32> = mask.into_data().try_to_vec().unwrap();
    assert!(values.iter().all(|v| *v == 0.0 || *v == 1.0 / 0.75));
    let kept = values.iter().filter(|v| **v > 0.0).count() as f64 / values.len() as f64;
    assert!((kept - 0.75).abs() < 0.01, "{kept}");
}

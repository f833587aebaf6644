//! Dropout in graphs draws what the built-in networks draw. The generator is one for the whole process: this test has a
//! process of its own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Int, Tensor, TensorData};
use fovea_api::{DynClassifier, Mode, ModelContext, Precision, Registry};
use serde_json::json;

#[test]
fn the_masks_are_those_of_vgg_tiny() {
    let device = Device::flex().autodiff();
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
    let mut layers = vec![
        json!({"op": "conv", "id": "features.0", "out": 8, "bias": true}),
        json!({"op": "relu", "id": "features.1"}),
        json!({"op": "max-pool", "kernel": 2}),
        json!({"op": "adaptive-avg-pool", "size": 4}),
        json!({"op": "flatten"}),
    ];
    for i in [0, 3] {
        layers.push(json!({"op": "linear", "id": format!("classifier.{i}"), "out": 64, "init": "normal"}));
        layers.extend([json!({"op": "relu"}), json!({"op": "dropout", "p": 0.3})]);
    }
    layers.push(json!({"op": "linear", "id": "classifier.6", "out": "classes", "init": "normal"}));
    let graph = json!({"layers": layers, "cam": "features.1"});
    let vgg = json!({"stages": [[8]], "batch_norm": false, "dropout": 0.3});
    let build = |name: &str, config| {
        registry.build_model(name, config, &context).map_err(|e| e.to_string()).unwrap().model
    };
    let (graph, vgg) = (build("graph", graph), build("vgg-tiny", vgg));

    let values: Vec<f32> = (0..4 * 3 * 64 * 64).map(|i| ((i * i % 977) as f32 / 977.0).sin()).collect();
    let images = Tensor::<4>::from_data(TensorData::new(values, [4, 3, 64, 64]), &device);
    let pass = |network: &dyn DynClassifier, seed: u64| {
        device.seed(seed);
        let out = network.forward(images.clone(), Mode::Train);
        let alpha = out.head.cam_weights(Tensor::<1, Int>::from_ints([3, 1, 0, 9], &device));
        let loss = out.logits.clone().powi_scalar(2).mean() + alpha.clone().powi_scalar(2).sum();
        let gradients = network.gradients(&loss.backward());
        let gradients: Vec<_> = gradients.into_iter().map(|g| (g.name, g.data)).collect();
        assert_eq!(gradients.len(), 8);
        (out.logits.into_data(), alpha.into_data(), gradients)
    };
    assert_eq!(pass(&*graph, 1), pass(&*vgg, 1));
    assert_eq!(pass(&*graph, 2), pass(&*vgg, 2));
    assert_ne!(pass(&*graph, 1), pass(&*graph, 2));
}

//! Agreement with torchvision and PyTorch's double backward; the data are in `tests/golden`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use fovea_api::{DynClassifier, Mode, ModelContext, Precision, Registry};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

/// Name of the fixture, plugin and configuration that make its network.
fn networks() -> [(&'static str, &'static str, Value); 3] {
    let ones = [1, 1, 1, 1];
    [
        ("resnet_basic", "resnet18", json!({"layers": ones, "widths": [8, 12, 16, 24], "stem_width": 8})),
        ("resnet_bottleneck", "resnet50", json!({"layers": ones, "widths": [4, 6, 8, 12], "stem_width": 4})),
        ("vgg", "vgg16", json!({"stages": [[8], [12], [16, 16]], "hidden": [32, 24]})),
    ]
}

fn build(plugin: &str, mut config: Value, weights: &str, device: &Device) -> Box<dyn DynClassifier> {
    let mut registry = Registry::new();
    fovea_models::register(&mut registry);
    config["weights"] = json!(golden(weights));
    let context = ModelContext {
        classes: 10,
        input_size: 96,
        seed: 1,
        device: device.clone(),
        precision: Precision::default(),
        base_dir: ".".into(),
    };
    registry.build_model(plugin, config, &context).unwrap().model
}

struct Cases(BTreeMap<String, (Vec<f32>, Vec<usize>)>);

impl Cases {
    fn read(name: &str) -> Self {
        let bytes = std::fs::read(golden(name)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let values =
            |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        Self(file.iter().map(|(n, v)| (n.to_owned(), (values(v.data()), v.shape().to_vec()))).collect())
    }

    fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let (values, shape) = &self.0[name];
        Tensor::from_data(TensorData::new(values.clone(), shape.clone()), device)
    }

    /// Largest difference over the largest value.
    fn error<const D: usize>(&self, name: &str, tensor: &Tensor<D>) -> f32 {
        let (expected, shape) = &self.0[name];
        assert_eq!(tensor.dims().as_slice(), shape.as_slice(), "{name}");
        let got: Vec<f32> = tensor.to_data().try_to_vec().unwrap();
        let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
        got.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / largest
    }
}

/// Bilinear interpolation with half-pixel centres as a matrix, `[to, from]`.
fn interpolation(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut weights = vec![0f32; to * from];
    for i in 0..to {
        let x = ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, (from - 1) as f64);
        let low = x.floor() as usize;
        let high = (low + 1).min(from - 1);
        weights[i * from + low] += (1.0 - (x - low as f64)) as f32;
        weights[i * from + high] += (x - low as f64) as f32;
    }
    Tensor::from_data(TensorData::new(weights, [to, from]), device)
}

struct Explained {
    logits: Tensor<2>,
    features: Tensor<4>,
    alpha: Tensor<2>,
    cam: Tensor<3>,
    heatmap: Tensor<3>,
}

fn explain(network: &dyn DynClassifier, images: Tensor<4>, class: &[i32]) -> Explained {
    let device = images.device();
    let [n, _, height, width] = images.dims();
    let out = network.forward(images, Mode::Eval);
    let alpha = out.head.cam_weights(Tensor::<1, Int>::from_ints(class, &device));
    let [_, k, h, w] = out.features.dims();
    let weighted = out.features.clone() * alpha.clone().reshape([n, k, 1, 1]);
    let cam = activation::relu(weighted.sum_dim(1).reshape([n, h, w]));
    let rows = interpolation(h, height, &device).unsqueeze::<3>();
    let columns = interpolation(w, width, &device).transpose().unsqueeze::<3>();
    let large = rows.expand([n, height, h]).matmul(cam.clone()).matmul(columns.expand([n, w, width]));
    let largest = large.clone().reshape([n, height * width]).max_dim(1).reshape([n, 1, 1]);
    Explained { logits: out.logits, features: out.features, alpha, cam, heatmap: large / largest }
}

fn ints(value: &Value) -> Vec<i32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn forward_passes_agree_with_torchvision() {
    let facts: Value = serde_json::from_slice(&std::fs::read(golden("models.json")).unwrap()).unwrap();
    let device = Device::flex();
    for (name, plugin, config) in networks() {
        let cases = Cases::read(&format!("{name}_cases.safetensors"));
        for extension in ["pth", "safetensors"] {
            let network = build(plugin, config.clone(), &format!("{name}.{extension}"), &device);
            let images = cases.tensor::<4>("images", &device);
            let got = explain(&*network, images, &ints(&facts[name]["classes"]));
            let predicted: Vec<i64> = got.logits.clone().argmax(1).into_data().iter::<i64>().collect();
            let expected: Vec<i64> = serde_json::from_value(facts[name]["classes"].clone()).unwrap();
            assert_eq!(predicted, expected);
            let errors = [
                ("logits", cases.error("logits", &got.logits)),
                ("features", cases.error("features", &got.features)),
                ("alpha", cases.error("alpha", &got.alpha)),
                ("cam", cases.error("cam", &got.cam)),
                ("heatmap_max", cases.error("heatmap_max", &got.heatmap)),
            ];
            println!("{name}.{extension}: {errors:?}");
            assert!(errors.iter().all(|(_, e)| *e < 1e-4), "{name}.{extension}: {errors:?}");
        }
    }
}

#[test]
fn gradients_agree_with_pytorchs_double_backward() {
    let facts: Value = serde_json::from_slice(&std::fs::read(golden("models.json")).unwrap()).unwrap();
    let device = Device::flex().autodiff();
    for (name, plugin, config) in networks() {
        let facts = &facts[name];
        let cases = Cases::read(&format!("{name}_cases.safetensors"));
        let network = build(plugin, config, &format!("{name}.safetensors"), &device);
        let got = explain(&*network, cases.tensor::<4>("images", &device), &ints(&facts["classes"]));

        let [n, _] = got.logits.dims();
        let labels = Tensor::<1, Int>::from_ints(ints(&facts["labels"]).as_slice(), &device);
        let ce = -activation::log_softmax(got.logits, 1).gather(1, labels.reshape([n, 1])).mean();
        let b: Vec<usize> = serde_json::from_value(facts["inside_box_xyxy"].clone()).unwrap();
        let inside = got.heatmap.clone().slice([0..n, b[1]..b[3], b[0]..b[2]]);
        let share = inside.sum_dim(1).sum_dim(2) / got.heatmap.sum_dim(1).sum_dim(2);
        let energy = 1.0 - share.reshape([n]);
        assert!(cases.error("energy", &energy) < 1e-4);
        let loss = ce + energy.mean() * 0.5;
        let value = loss.clone().into_scalar::<f64>();
        let expected = facts["loss_ce_plus_half_energy"].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-4 * expected, "{name}: {value} instead of {expected}");

        let gradients = loss.backward();
        let norms: BTreeMap<String, f64> = network
            .gradients(&gradients)
            .into_iter()
            .map(|t| (t.name, t.data.iter::<f64>().map(|v| v * v).sum::<f64>().sqrt()))
            .collect();
        let expected: BTreeMap<String, f64> = serde_json::from_value(facts["grad_norms"].clone()).unwrap();
        assert_eq!(norms.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        let error = |(k, v): (&String, &f64)| (((v - expected[k]) / expected[k]).abs(), k.clone());
        let (worst, parameter) = norms.iter().map(error).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        println!("{name}: worst relative error of a gradient norm {worst:.2e} ({parameter})");
        assert!(worst < 1e-3, "{name}: {parameter} {worst:.2e}");
    }
}

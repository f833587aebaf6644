//! Architecture, initialisation, running statistics, records and weights.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fovea_api::{
    Ahead, ConfigIssue, DynClassifier, Forecast, Mode, ModelContext, NamedTensor, PluginKind, Precision,
    Registry,
};
use fovea_models::{Map, init::Scope, layers::BatchNorm2d, norm::Then};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

fn registry() -> Registry {
    let mut registry = Registry::new();
    fovea_models::register(&mut registry);
    registry
}

fn context(device: &Device, classes: usize, seed: u64) -> ModelContext {
    ModelContext {
        classes,
        input_size: 64,
        seed,
        device: device.clone(),
        precision: Precision::default(),
        base_dir: ".".into(),
    }
}

fn try_build(plugin: &str, config: Value, c: &ModelContext) -> Result<Box<dyn DynClassifier>, String> {
    registry().build_model(plugin, config, c).map(|built| built.model).map_err(|e| e.to_string())
}

fn build(plugin: &str, config: Value, device: &Device) -> Box<dyn DynClassifier> {
    try_build(plugin, config, &context(device, 10, 3)).unwrap()
}

fn values(network: &dyn DynClassifier) -> BTreeMap<String, Vec<f32>> {
    network.tensors().into_iter().map(|t| (t.name, t.data.try_to_vec().unwrap())).collect()
}

/// A fixed batch `[4, 3, 64, 64]`.
fn images(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..4 * 3 * 64 * 64).map(|i| ((i * i % 977) as f32 / 977.0).sin()).collect();
    Tensor::from_data(TensorData::new(values, [4, 3, 64, 64]), device)
}

fn train_step(network: &mut dyn DynClassifier, optimizer: &mut ModuleOptimizer, rate: f64, device: &Device) {
    let out = network.forward(images(device), Mode::Train);
    let alpha = out.head.cam_weights(Tensor::<1, Int>::from_ints([0, 1, 2, 3], device));
    let loss = out.logits.powi_scalar(2).mean() + alpha.powi_scalar(2).sum();
    network.step(optimizer, rate, loss.backward());
}

#[test]
fn parameters_are_as_many_as_torchvisions() {
    let device = Device::flex();
    let expected = [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("vgg16", 138_357_544),
        ("vgg16-bn", 138_365_992),
    ];
    let buffer = |t: &NamedTensor| t.name.contains("running_");
    for (plugin, count) in expected {
        let network = try_build(plugin, json!({}), &context(&device, 1000, 1)).unwrap();
        let tensors = network.tensors();
        let total: usize = tensors.iter().filter(|t| !buffer(t)).map(|t| t.data.num_elements()).sum();
        assert_eq!(total, count, "{plugin}");
        let foretold = forecast(plugin, json!({}), 224).unwrap();
        assert_eq!([foretold.parameters, foretold.trained], [count as u128; 2], "{plugin}");
    }
}

fn forecast(plugin: &str, config: Value, size: usize) -> Result<Forecast, ConfigIssue> {
    let ahead = Ahead { classes: 1000, input_size: size, base_dir: Path::new(".") };
    registry().forecast_model(plugin, config, &ahead).map(Option::unwrap)
}

#[test]
fn what_a_network_holds_is_counted_without_building_it() {
    // Two convolutions of 4 and 2 channels hold what they take; the first takes and gives most at once.
    let vgg = json!({"stages": [[4, 2]], "batch_norm": false, "hidden": [], "pool": 1});
    let found = forecast("vgg16", vgg, 8).unwrap();
    assert_eq!((found.held, found.widest), ((3 + 4) * 64, (3 + 4) * 64));
    assert_eq!(found.parameters, (3 * 4 * 9 + 4) + (4 * 2 * 9 + 2) + 2 * 1000 + 1000);
    let frozen = forecast("resnet18", json!({"freeze": "features"}), 224).unwrap();
    assert_eq!((frozen.held, frozen.trained), (0, 513_000));
    // What no machine could build has a forecast.
    let widths = [usize::MAX / 8; 4];
    let huge = forecast("resnet-tiny", json!({ "widths": widths }), usize::MAX).unwrap();
    assert!(huge.training_bytes(1, 2) > 1 << 100, "{huge:?}");
    let error = forecast("vgg-tiny", json!({}), 15).unwrap_err();
    assert!(error.message.contains("4 stages leave nothing of a picture of 15x15"), "{error}");
    assert!(forecast("vgg-tiny", json!({}), 16).is_ok());
}

#[test]
fn names_are_torchvisions() {
    let names = |plugin: &str| -> Vec<String> {
        build(plugin, json!({}), &Device::flex()).tensors().into_iter().map(|t| t.name).collect()
    };
    let resnet = names("resnet50");
    for name in [
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv3.weight",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.running_mean",
        "layer4.2.bn3.bias",
        "fc.weight",
        "fc.bias",
    ] {
        assert!(resnet.iter().any(|n| n == name), "{name} is not among {resnet:?}");
    }
    assert!(!resnet.iter().any(|n| n.starts_with("layer1.1.downsample")));
    let vgg = names("vgg-tiny");
    let expected = ["features.0.weight", "features.0.bias", "features.1.weight", "features.1.bias"];
    assert_eq!(vgg[..4], expected);
    assert_eq!(
        vgg[vgg.len() - 4..],
        ["classifier.3.weight", "classifier.3.bias", "classifier.6.weight", "classifier.6.bias"]
    );
}

#[test]
fn initialisation_is_torchvisions_and_keyed() {
    let device = Device::flex();
    let with = |seed| values(&*try_build("resnet18", json!({}), &context(&device, 10, seed)).unwrap());
    let first = with(5);
    let std = |v: &[f32]| (v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / v.len() as f64).sqrt();
    for (name, out, kernel) in [("conv1.weight", 64, 7), ("layer4.1.conv2.weight", 512, 3)] {
        let expected = (2.0 / f64::from(out * kernel * kernel)).sqrt();
        let got = std(&first[name]);
        assert!((got / expected - 1.0).abs() < 0.02, "{name}: {got} instead of {expected}");
    }
    let bound = 1.0 / 512f32.sqrt();
    let fc = &first["fc.weight"];
    assert!(fc.iter().all(|v| v.abs() <= bound));
    assert!((std(fc) / (f64::from(bound) / 3f64.sqrt()) - 1.0).abs() < 0.03);
    assert!(first["layer3.0.bn2.weight"].iter().all(|v| *v == 1.0));
    assert_eq!(first, with(5));
    assert_ne!(first["conv1.weight"], with(6)["conv1.weight"]);
    // Other layers around it do not change what a parameter of the same name and shape begins with.
    let other = values(&*try_build("resnet34", json!({}), &context(&device, 10, 5)).unwrap());
    assert_eq!(first["layer2.0.conv1.weight"], other["layer2.0.conv1.weight"]);
}

#[test]
fn running_statistics_follow_training_and_copies_keep_theirs() {
    let device = Device::flex().autodiff();
    let network = build("resnet-tiny", json!({}), &device);
    let before = network.evaluation_copy();
    let reference = values(&*before);
    let _ = network.forward(images(&device), Mode::Eval);
    assert_eq!(values(&*network), reference, "a pass in evaluation mode leaves the running statistics alone");
    let _ = network.forward(images(&device), Mode::Train);
    let after = values(&*network);
    assert_eq!(values(&*before), reference, "the earlier copy is independent");
    assert_eq!(values(&*network.evaluation_copy()), after, "a later copy sees the update");

    // The stem's convolution by hand.
    let weight =
        Tensor::<4>::from_data(TensorData::new(reference["conv1.weight"].clone(), [16, 3, 3, 3]), &device);
    let x = fovea_models::conv::conv2d(images(&device), weight, None, 2, 1);
    let [n, c, h, w] = x.dims();
    let x: Vec<f64> = x.swap_dims(0, 1).into_data().iter::<f64>().collect();
    let count = n * h * w;
    for k in 0..c {
        let channel = &x[k * count..(k + 1) * count];
        let mean = channel.iter().sum::<f64>() / count as f64;
        let var = channel.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
        assert!((f64::from(after["bn1.running_mean"][k]) - 0.1 * mean).abs() < 1e-6);
        assert!((f64::from(after["bn1.running_var"][k]) - (0.9 + 0.1 * var)).abs() < 1e-6 * (1.0 + var));
    }
}

#[test]
fn batch_normalisation_agrees_with_pytorch() {
    // torch.nn.BatchNorm2d(1) on [[1, 2], [3, 6]]: mean 3, biased variance 3.5, unbiased 14 / 3.
    let device = Device::flex();
    let norm = BatchNorm2d::new(1, &Scope::new(&context(&device, 1, 1)));
    let input = Tensor::<4>::from_floats([[[[1.0, 2.0]]], [[[3.0, 6.0]]]], &device);
    let flat = |t: Tensor<4>| -> Vec<f32> { t.into_data().try_to_vec().unwrap() };
    let normalized = |t, mode| norm.forward(Map::of_pictures(t), mode, Then::default()).into_pictures();
    let close = |got: &[f32], expected: &[f64]| {
        let near = |(g, e): (&f32, &f64)| (f64::from(*g) - e).abs() < 1e-6 * (1.0 + e.abs());
        assert!(got.iter().zip(expected).all(near), "{got:?} instead of {expected:?}");
    };
    let expect = |mean: f64, var: f64| [1.0, 2.0, 3.0, 6.0].map(|x| (x - mean) / (var + 1e-5).sqrt());
    close(&flat(normalized(input.clone(), Mode::Train)), &expect(3.0, 3.5));
    let (mean, var) = (0.3, 0.9 + 1.4 / 3.0);
    close(&norm.running_mean.value().into_data().try_to_vec::<f32>().unwrap(), &[mean]);
    close(&norm.running_var.value().into_data().try_to_vec::<f32>().unwrap(), &[var]);
    close(&flat(normalized(input, Mode::Eval)), &expect(mean, var));
}

#[test]
fn records_come_back_bit_for_bit() {
    let device = Device::flex().autodiff();
    for plugin in ["resnet-tiny", "vgg-tiny"] {
        let mut network = build(plugin, json!({}), &device);
        let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
        train_step(&mut *network, &mut optimizer, 0.1, &device);
        let bytes = network.to_record().into_bytes().unwrap();
        let mut other = try_build(plugin, json!({}), &context(&device, 10, 99)).unwrap();
        assert_ne!(values(&*other), values(&*network));
        other.load_record(ModuleRecord::from_bytes(bytes).unwrap()).unwrap();
        assert_eq!(values(&*other), values(&*network));
        let trained = |n: &dyn DynClassifier| n.tensors().into_iter().filter(|t| t.trained).count();
        assert_eq!(trained(&*other), trained(&*network));
        let logits = |n: &dyn DynClassifier| n.forward(images(&device), Mode::Eval).logits.into_data();
        assert_eq!(logits(&*other), logits(&*network));
        let foreign = build("resnet-tiny", json!({"stem_width": 8}), &device).to_record();
        assert!(other.load_record(foreign).is_err());
    }
}

#[test]
fn steps_train_everything_or_the_head() {
    let device = Device::flex().autodiff();
    for plugin in ["resnet-tiny", "vgg-tiny"] {
        let head = |name: &str| name.starts_with("fc.") || name.starts_with("classifier.");
        for freeze in ["none", "features"] {
            let mut config = json!({"freeze": freeze});
            if plugin == "vgg-tiny" {
                // Masks come from a generator that all tests share: which test runs beside this one would count.
                config["dropout"] = json!(0.0);
            }
            let mut network = build(plugin, config, &device);
            let before = values(&*network);
            let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
            // A fresh VGG's gradients are so small that a usual step is lost in rounding.
            train_step(&mut *network, &mut optimizer, 1e6, &device);
            for tensor in network.tensors() {
                let buffer = tensor.name.contains("running_");
                let name = &tensor.name;
                assert_eq!(tensor.trained, !buffer && (freeze == "none" || head(name)), "{name}");
                let changed = tensor.data.try_to_vec::<f32>().unwrap() != before[name];
                // A bias before a batch normalisation has a zero gradient; rounding may leave it as it is.
                let idle = plugin == "vgg-tiny" && name.starts_with("features.") && name.ends_with(".bias");
                assert!(idle || changed == (freeze == "none" || head(name)), "{plugin} {freeze}: {name}");
            }
        }
    }
}

#[test]
fn every_preset_explains_a_picture() {
    let device = Device::flex();
    let shapes = [
        ("resnet-tiny", json!({}), 8),
        ("vgg-tiny", json!({}), 8),
        ("vgg-tiny", json!({"cam_layer": "pooled"}), 4),
    ];
    for (plugin, config, side) in shapes {
        let out = build(plugin, config, &device).forward(images(&device), Mode::Eval);
        assert_eq!(out.logits.dims(), [4, 10]);
        assert_eq!(out.features.dims(), [4, 64, side, side]);
        let alpha = out.head.cam_weights(Tensor::<1, Int>::from_ints([0, 9, 3, 3], &device));
        assert_eq!(alpha.dims(), [4, 64]);
    }
}

fn save(path: &Path, tensors: &[NamedTensor]) {
    let views = tensors.iter().map(|t| {
        (t.name.clone(), TensorView::new(Dtype::F32, t.data.shape().to_vec(), t.data.as_bytes()).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn differences_to_the_weights_are_listed_together() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let config = json!({"weights": path});
    let mut tensors = build("resnet-tiny", json!({}), &device).tensors();

    // Data-parallel names nested in a checkpoint, and a head of another number of classes, are fine.
    let c = context(&device, 4, 8);
    let fresh = values(&*try_build("resnet-tiny", json!({}), &c).unwrap());
    let file = values(&*build("resnet-tiny", json!({}), &device));
    for nest in ["", "module.", "state_dict.", "model.", "state_dict.module."] {
        let mut nested = tensors.clone();
        nested.iter_mut().for_each(|t| t.name = format!("{nest}{}", t.name));
        save(&path, &nested);
        let got = values(&*try_build("resnet-tiny", config.clone(), &c).unwrap());
        assert_eq!(got["fc.weight"], fresh["fc.weight"], "{nest}");
        assert_eq!(got["layer4.0.conv2.weight"], file["layer4.0.conv2.weight"], "{nest}");
    }
    let built = registry().build_model("resnet-tiny", config.clone(), &c).unwrap();
    assert_eq!(
        built.head_replaced.unwrap().to_string(),
        "the weights have 10 classes, not 4: layer `fc` begins from random values, everything else from the weights"
    );
    assert!(registry().build_model("resnet-tiny", json!({}), &c).unwrap().head_replaced.is_none());

    tensors.retain(|t| t.name != "bn1.bias" && t.name != "fc.bias");
    tensors.iter_mut().filter(|t| t.name == "layer2.0.conv2.weight").for_each(|t| t.name.push('s'));
    tensors.iter_mut().filter(|t| t.name == "conv1.weight").for_each(|t| {
        t.data = TensorData::zeros::<f32, _>([16, 3, 7, 7]);
    });
    save(&path, &tensors);
    let error = try_build("resnet-tiny", config, &context(&device, 10, 8)).err().unwrap();
    for part in [
        "missing: bn1.bias, fc.bias, layer2.0.conv2.weight;",
        "unexpected: layer2.0.conv2.weights;",
        "of another shape: conv1.weight [16, 3, 7, 7] instead of [16, 3, 3, 3];",
        "weights.safetensors",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn configurations_are_checked() {
    let registry = registry();
    let names = registry.names(PluginKind::Model);
    assert_eq!(
        names,
        ["graph", "resnet-tiny", "resnet18", "resnet34", "resnet50", "vgg-tiny", "vgg16", "vgg16-bn"]
    );
    let here = Path::new(".");
    let entry = registry.get(PluginKind::Model, "resnet-tiny").unwrap();
    let resolved = entry.resolve(json!({"stem_width": 8}), here).unwrap();
    assert_eq!(resolved.config["widths"], json!([16, 32, 48, 64]));
    assert_eq!(resolved.config["stem_width"], json!(8));
    assert_eq!(resolved.fingerprint, "v1");
    assert_eq!(entry.schema["properties"]["stem_kernel"]["default"], json!(3));
    let issues = entry
        .resolve(json!({"stem_kernel": 4, "layers": [1, 0, 1, 1], "weights": "no.pth"}), here)
        .unwrap_err();
    let keys: Vec<&str> = issues.iter().map(|i| i.path[0].as_str()).collect();
    assert_eq!(keys, ["weights", "layers", "stem_kernel"]);
    assert!(entry.resolve(json!({"depth": 4}), here).is_err());
    let vgg = registry.get(PluginKind::Model, "vgg-tiny").unwrap();
    assert!(vgg.resolve(json!({"dropout": 1.0, "stages": [[8], []]}), here).unwrap_err().len() == 2);

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let vgg16 = registry.get(PluginKind::Model, "vgg16").unwrap();
    let print = |file: &str| vgg16.resolve(json!({"weights": file}), &golden).unwrap().fingerprint;
    let bytes = std::fs::read(golden.join("vgg.pth")).unwrap();
    assert_eq!(print("vgg.pth"), format!("v1 weights={}", blake3::hash(&bytes).to_hex()));
    assert_ne!(print("vgg.pth"), print("vgg.safetensors"));
}

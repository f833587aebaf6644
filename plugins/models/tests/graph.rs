//! Networks declared as graphs: the same numbers as the built-in ones, exact Grad-CAM weights.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fovea_api::{
    BuiltModel, CamForward, DynClassifier, Mode, ModelContext, NamedTensor, Precision, Registry,
};
use fovea_models::Freeze;
use fovea_models::graph::{BuildOptions, GraphSpec, InputShape, build, build_json, check};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const INPUT: InputShape = InputShape { channels: 3, height: 32, width: 32 };

fn registry() -> Registry {
    let mut registry = Registry::new();
    fovea_models::register(&mut registry);
    registry
}

fn context(device: &Device, seed: u64) -> ModelContext {
    ModelContext {
        classes: 10,
        input_size: 64,
        seed,
        device: device.clone(),
        precision: Precision::default(),
        base_dir: folder(),
    }
}

/// Where the example graphs are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/models")
}

fn plugin(name: &str, config: Value, c: &ModelContext) -> BuiltModel {
    registry().build_model(name, config, c).map_err(|e| e.to_string()).unwrap()
}

fn of(json: &Value, c: &ModelContext) -> Box<dyn DynClassifier> {
    let options = BuildOptions { plugin: "test", weights: None, freeze: Freeze::None };
    build_json(json, c, &options).map_err(|e| e.to_string()).unwrap().model
}

fn images(device: &Device, side: usize) -> Tensor<4> {
    let values: Vec<f32> = (0..4 * 3 * side * side).map(|i| ((i * i % 977) as f32 / 977.0).sin()).collect();
    Tensor::from_data(TensorData::new(values, [4, 3, side, side]), device)
}

fn classes(device: &Device) -> Tensor<1, Int> {
    Tensor::from_ints([0, 9, 3, 3], device)
}

fn bits(tensors: Vec<NamedTensor>) -> Vec<(String, bool, Vec<f32>)> {
    tensors.into_iter().map(|t| (t.name, t.trained, t.data.try_to_vec().unwrap())).collect()
}

fn loss(out: CamForward, device: &Device) -> Tensor<1> {
    let alpha = out.head.cam_weights(classes(device));
    let [n, k] = alpha.dims();
    let cam = (out.features * alpha.reshape([n, k, 1, 1])).sum_dim(1);
    out.logits.powi_scalar(2).mean() + cam.powi_scalar(2).sum()
}

/// Both networks give the same bits: tensors, logits, CAM weights, gradients, and three steps of training.
fn assert_equal(mut a: Box<dyn DynClassifier>, mut b: Box<dyn DynClassifier>, device: &Device) {
    let optimizer = || -> ModuleOptimizer { SgdConfig::new().init() };
    let (mut optimizer_a, mut optimizer_b) = (optimizer(), optimizer());
    for step in 0..3 {
        assert_eq!(bits(a.tensors()), bits(b.tensors()), "step {step}");
        for mode in [Mode::Eval, Mode::Train] {
            let pass = |network: &dyn DynClassifier| {
                let out = network.forward(images(device, 64), mode);
                let alpha = out.head.cam_weights(classes(device)).into_data();
                (out.logits.into_data(), out.features.into_data(), alpha)
            };
            assert_eq!(pass(&*a), pass(&*b), "step {step} {mode:?}");
        }
        let of = |network: &dyn DynClassifier| {
            let gradients = loss(network.forward(images(device, 64), Mode::Train), device).backward();
            (bits(network.gradients(&gradients)), gradients)
        };
        let ((of_a, gradients_a), (of_b, gradients_b)) = (of(&*a), of(&*b));
        assert!(of_a.iter().all(|(_, _, values)| values.iter().all(|v| v.is_finite())));
        assert_eq!(of_a, of_b, "step {step}");
        a.step(&mut optimizer_a, 0.01, gradients_a);
        b.step(&mut optimizer_b, 0.01, gradients_b);
    }
}

#[test]
fn the_example_is_resnet_tiny() {
    let device = Device::flex().autodiff();
    for freeze in ["none", "features"] {
        let graph =
            plugin("graph", json!({"file": "resnet-tiny.json", "freeze": freeze}), &context(&device, 3));
        let own = plugin("resnet-tiny", json!({"freeze": freeze}), &context(&device, 3));
        assert_equal(graph.model, own.model, &device);
    }
}

/// torchvision's names for stages of several blocks: the first one strided, the others repeated.
#[test]
fn repeated_blocks_are_those_of_a_deeper_resnet() {
    let block = |out: usize, stride: usize, shortcut: bool| {
        let mut block = json!({"op": "residual", "body": [
            {"op": "conv", "id": "conv1", "out": out, "stride": stride}, {"op": "batch-norm", "id": "bn1"}, {"op": "relu"},
            {"op": "conv", "id": "conv2", "out": out}, {"op": "batch-norm", "id": "bn2"},
        ]});
        if shortcut {
            block["shortcut"] = json!([
                {"op": "conv", "id": "downsample.0", "out": out, "stride": stride, "kernel": 1, "padding": 0},
                {"op": "batch-norm", "id": "downsample.1"},
            ]);
        }
        block
    };
    let named = |mut block: Value, id: &str| {
        block["id"] = json!(id);
        block
    };
    let mut layers = vec![
        json!({"op": "conv", "id": "conv1", "out": 16, "stride": 2}),
        json!({"op": "batch-norm", "id": "bn1"}),
        json!({"op": "relu"}),
        json!({"op": "max-pool", "kernel": 3, "stride": 2, "padding": 1}),
    ];
    let repeat = |id: &str, times: usize, start: usize, out: usize| {
        let body = json!([named(block(out, 1, false), ""), {"op": "relu"}]);
        json!({"op": "repeat", "id": id, "times": times, "start": start, "body": body})
    };
    layers.push(repeat("layer1", 2, 0, 16));
    for (stage, out, stride) in [(2, 32, 2), (3, 48, 1), (4, 64, 1)] {
        layers.push(named(block(out, stride, true), &format!("layer{stage}.0")));
        layers.extend([json!({"op": "relu"}), repeat(&format!("layer{stage}"), 2, 1, out)]);
    }
    layers.extend([json!({"op": "global-avg-pool"}), json!({"op": "linear", "id": "fc", "out": "classes"})]);
    let device = Device::flex().autodiff();
    let own = plugin("resnet-tiny", json!({"layers": [2, 3, 3, 3]}), &context(&device, 4));
    assert_equal(of(&json!({"layers": layers, "cam": "layer4"}), &context(&device, 4)), own.model, &device);
}

fn vgg_tiny(cam: &str) -> Value {
    let mut layers = Vec::new();
    for out in [16, 32, 48, 64] {
        layers.push(
            json!({"op": "conv", "id": format!("features.{}", layers.len()), "out": out, "bias": true}),
        );
        layers.push(json!({"op": "batch-norm", "id": format!("features.{}", layers.len())}));
        layers.push(json!({"op": "relu", "id": format!("features.{}", layers.len())}));
        layers.push(json!({"op": "max-pool", "kernel": 2}));
    }
    layers.push(json!({"op": "adaptive-avg-pool", "size": 4, "id": "pooled"}));
    layers.push(json!({"op": "flatten"}));
    for i in [0, 3] {
        layers.push(json!({"op": "linear", "id": format!("classifier.{i}"), "out": 64, "init": "normal"}));
        layers.push(json!({"op": "relu"}));
        // Masks come from a generator that all tests share: see graph_dropout.rs.
        layers.push(json!({"op": "dropout", "p": 0.0}));
    }
    layers.push(json!({"op": "linear", "id": "classifier.6", "out": "classes", "init": "normal"}));
    json!({"layers": layers, "cam": cam})
}

#[test]
fn a_perceptron_head_is_that_of_vgg_tiny() {
    let device = Device::flex().autodiff();
    for (cam, layer) in [("features.14", "last-conv"), ("pooled", "pooled")] {
        let own = plugin("vgg-tiny", json!({"dropout": 0.0, "cam_layer": layer}), &context(&device, 3));
        assert_equal(of(&vgg_tiny(cam), &context(&device, 3)), own.model, &device);
    }
}

fn save(path: &Path, tensors: &[NamedTensor]) {
    let views = tensors.iter().map(|t| {
        (t.name.clone(), TensorView::new(Dtype::F32, t.data.shape().to_vec(), t.data.as_bytes()).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn weights_of_the_built_in_network_fit() {
    let device = Device::flex().autodiff();
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("weights.safetensors");
    save(&path, &plugin("resnet-tiny", json!({}), &context(&device, 8)).model.tensors());
    let config = json!({"file": "resnet-tiny.json", "weights": path});
    let graph = plugin("graph", config.clone(), &context(&device, 3));
    assert!(graph.head_replaced.is_none());
    let own = plugin("resnet-tiny", json!({"weights": path}), &context(&device, 3));
    assert_equal(graph.model, own.model, &device);
    let other = ModelContext { classes: 4, ..context(&device, 3) };
    assert_eq!(plugin("graph", config, &other).head_replaced.unwrap().layer, "fc");
}

#[test]
fn records_come_back_bit_for_bit() {
    let device = Device::flex().autodiff();
    let network = |seed| of(&branches(), &context(&device, seed));
    let mut trained = network(1);
    let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
    let gradients = loss(trained.forward(images(&device, 64), Mode::Train), &device).backward();
    trained.step(&mut optimizer, 0.1, gradients);
    let bytes = trained.to_record().into_bytes().unwrap();
    let mut other = network(2);
    assert_ne!(bits(other.tensors()), bits(trained.tensors()));
    other.load_record(ModuleRecord::from_bytes(bytes).unwrap()).unwrap();
    assert_eq!(bits(other.tensors()), bits(trained.tensors()));
    let copy = trained.evaluation_copy();
    let logits = |n: &dyn DynClassifier, device| n.forward(images(device, 64), Mode::Eval).logits.into_data();
    assert_eq!(logits(&*copy, &Device::flex()), logits(&*other, &device));
}

/// Every way of branching: concatenation, addition, repetition, blocks within blocks.
fn branches() -> Value {
    json!({"layers": [
        {"op": "conv", "id": "stem", "out": 8, "stride": 4},
        {"op": "batch-norm"},
        {"op": "silu", "id": "a"},
        {"op": "conv", "out": 4, "kernel": 1},
        {"op": "concat", "inputs": ["previous", "a", "a"]},
        {"op": "repeat", "id": "stage", "times": 2, "start": 1, "body": [
            {"op": "residual", "id": "", "body": [
                {"op": "conv", "id": "conv1", "out": 20}, {"op": "gelu"},
                {"op": "residual", "body": [{"op": "conv", "out": 20}, {"op": "tanh"}]},
            ]},
            {"op": "relu"},
        ]},
        {"op": "conv", "id": "left", "out": 6},
        {"op": "conv", "id": "right", "input": "stage", "out": 6},
        {"op": "add", "inputs": ["left", "right"]},
        {"op": "leaky-relu", "slope": 0.1, "id": "last"},
        {"op": "global-avg-pool"},
        {"op": "linear", "id": "fc", "out": "classes"},
    ]})
}

#[test]
fn names_follow_places_and_ids() {
    let device = Device::flex();
    let names: Vec<String> =
        of(&branches(), &context(&device, 1)).tensors().into_iter().map(|t| t.name).collect();
    assert_eq!(
        names,
        [
            "stem.weight",
            "layers.1.weight",
            "layers.1.bias",
            "layers.1.running_mean",
            "layers.1.running_var",
            "layers.3.weight",
            "stage.1.conv1.weight",
            "stage.1.body.2.body.0.weight",
            "stage.2.conv1.weight",
            "stage.2.body.2.body.0.weight",
            "left.weight",
            "right.weight",
            "fc.weight",
            "fc.bias",
        ]
    );
}

/// The Grad-CAM weights in closed form are the mean of the gradient that Burn finds, which it finds by differentiating
/// the logit with respect to a bias that shifts the CAM layer: the sum of the gradient over space.
#[test]
fn alpha_is_the_mean_gradient() {
    let heads = [
        ("average", json!([{"op": "global-avg-pool"}, {"op": "linear", "out": "classes"}])),
        (
            "rectified",
            json!([{"op": "relu"}, {"op": "global-avg-pool"}, {"op": "linear", "out": "classes"}, {"op": "identity"}]),
        ),
        (
            "smooth",
            json!([
                {"op": "global-avg-pool"}, {"op": "linear", "out": 12}, {"op": "gelu"}, {"op": "linear", "out": 9},
                {"op": "silu"}, {"op": "linear", "out": 9}, {"op": "tanh"}, {"op": "linear", "out": 9},
                {"op": "sigmoid"}, {"op": "linear", "out": "classes"},
            ]),
        ),
        (
            "flattened",
            json!([
                {"op": "max-pool", "kernel": 3, "stride": 2, "padding": 1}, {"op": "avg-pool", "kernel": 2},
                {"op": "adaptive-avg-pool", "size": 3}, {"op": "flatten"}, {"op": "identity"},
                {"op": "linear", "out": 12}, {"op": "leaky-relu", "slope": 0.2}, {"op": "linear", "out": "classes"},
            ]),
        ),
        (
            "elementwise",
            json!([
                {"op": "gelu"}, {"op": "residual", "body": [{"op": "sigmoid"}]}, {"op": "flatten"}, {"op": "relu"},
                {"op": "linear", "out": "classes"}, {"op": "tanh"},
            ]),
        ),
        (
            "branches",
            json!([
                {"op": "relu", "id": "r"}, {"op": "max-pool", "kernel": 2, "input": "cam"}, {"op": "concat", "id": "c", "inputs": ["previous", "previous"]},
                {"op": "flatten", "id": "f"}, {"op": "global-avg-pool", "input": "r", "id": "g"},
                {"op": "flatten", "input": "cam"}, {"op": "silu"}, {"op": "linear", "out": 5, "id": "l"},
                {"op": "concat", "inputs": ["f", "g", "l", "g"]}, {"op": "linear", "out": "classes", "id": "x"},
                {"op": "linear", "out": "classes", "input": "g"}, {"op": "add", "inputs": ["x", "previous", "x"]},
            ]),
        ),
        ("class maps", json!([{"op": "max-pool", "kernel": 2}, {"op": "global-avg-pool"}])),
    ];
    let device = Device::flex().autodiff();
    for (name, head) in heads {
        // The bias of this convolution shifts whole channels of what is explained.
        let out = if name == "class maps" { json!("classes") } else { json!(6) };
        let mut layers = vec![json!({"op": "conv", "out": out, "stride": 4, "id": "cam", "bias": true})];
        layers.extend(head.as_array().unwrap().iter().cloned());
        let network = of(&json!({"layers": layers, "cam": "cam"}), &context(&device, 5));
        let out = network.forward(images(&device, 64), Mode::Train);
        let [_, k, h, w] = out.features.dims();
        let alpha: Vec<f64> = out.head.cam_weights(classes(&device)).into_data().iter::<f64>().collect();
        let largest = alpha.iter().fold(0f64, |m, a| m.max(a.abs()));
        assert!(largest > 0.0, "{name}");
        for (picture, class) in [0i64, 9, 3, 3].into_iter().enumerate() {
            let logits = network.forward(images(&device, 64), Mode::Train).logits;
            let logit = logits.narrow(0, picture, 1).narrow(1, class as usize, 1).sum();
            let gradients = network.gradients(&logit.backward());
            let bias = gradients.into_iter().find(|g| g.name == "cam.bias").unwrap();
            for (channel, sum) in bias.data.iter::<f64>().enumerate() {
                let (got, expected) = (alpha[picture * k + channel], sum / (h * w) as f64);
                assert!((got - expected).abs() < 2e-5 * largest, "{name}: {got} instead of {expected}");
            }
        }
    }
}

/// Alpha is differentiated through smooth activations too: its gradient agrees with central differences.
#[test]
fn alpha_is_differentiable() {
    let device = Device::flex().autodiff();
    for activation in ["gelu", "silu", "tanh", "sigmoid", "relu", "leaky-relu"] {
        let graph = json!({"layers": [
            {"op": "conv", "out": 3, "stride": 8}, {"op": "global-avg-pool"}, {"op": "linear", "out": 4, "id": "hidden"},
            {"op": activation}, {"op": "linear", "out": "classes"},
        ]});
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("w.safetensors");
        let value = |network: &dyn DynClassifier| {
            let alpha = network.forward(images(&device, 64), Mode::Eval).head.cam_weights(classes(&device));
            (alpha * 300.0).powi_scalar(3).sum()
        };
        let network = of(&graph, &context(&device, 7));
        let gradients = network.gradients(&value(&*network).backward());
        let gradient = gradients.iter().find(|g| g.name == "hidden.weight").unwrap();
        let gradient: Vec<f64> = gradient.data.iter::<f64>().collect();
        let largest = gradient.iter().fold(0f64, |m, g| m.max(g.abs()));
        let spec = GraphSpec::from_json(&graph).unwrap();
        let shifted = |index: usize, step: f32| -> f64 {
            let mut tensors = network.tensors();
            let weight = tensors.iter_mut().find(|t| t.name == "hidden.weight").unwrap();
            let mut values: Vec<f32> = weight.data.try_to_vec().unwrap();
            values[index] += step;
            weight.data = TensorData::new(values, weight.data.shape().to_vec());
            save(&path, &tensors);
            let options = BuildOptions { plugin: "test", weights: Some(&path), freeze: Freeze::None };
            let network =
                build(&spec, &context(&device, 7), &options).map_err(|e| e.to_string()).unwrap().model;
            value(&*network).into_data().iter::<f64>().next().unwrap()
        };
        for (index, got) in gradient.iter().enumerate() {
            let expected = (shifted(index, 2e-3) - shifted(index, -2e-3)) / 4e-3;
            assert!((got - expected).abs() < 5e-3 * largest, "{activation}: {got} instead of {expected}");
        }
    }
}

/// A small generator of numbers, so that a failure can be repeated.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// Changes one value somewhere within.
fn mutate(value: &mut Value, draw: &mut Draw) {
    let deeper = draw.below(5) > 0;
    match value {
        Value::Array(items) if deeper && !items.is_empty() => {
            let i = draw.below(items.len());
            match draw.below(8) {
                0 => drop(items.remove(i)),
                1 => items.push(items[i].clone()),
                2 => {
                    let j = draw.below(items.len());
                    items.swap(i, j);
                }
                _ => mutate(&mut items[i], draw),
            }
        }
        Value::Object(map) if deeper && !map.is_empty() => {
            let key = map.keys().nth(draw.below(map.len())).unwrap().clone();
            match draw.below(8) {
                0 => drop(map.remove(&key)),
                1 => {
                    let keys =
                        ["input", "inputs", "id", "body", "shortcut", "padding", "stride", "times", "cam"];
                    map.insert(keys[draw.below(keys.len())].to_owned(), json!(draw.below(4)));
                }
                _ => mutate(&mut map[&key], draw),
            }
        }
        _ => {
            let ops =
                ["conv", "relu", "max-pool", "linear", "flatten", "add", "concat", "global-avg-pool", "tanh"];
            *value = match draw.below(12) {
                0 => json!(0),
                1 => json!(u64::MAX),
                2 => json!(usize::MAX / 2),
                3 => json!(-1),
                4 => json!(1.5),
                5 => json!(null),
                6 => json!([]),
                7 => json!({"op": ops[draw.below(ops.len())]}),
                8 => json!(["a", "previous", "input"][draw.below(3)]),
                9 => json!(["a", "previous"]),
                10 => json!(draw.below(40)),
                _ => json!(ops[draw.below(ops.len())]),
            };
        }
    }
}

#[test]
fn no_document_makes_it_panic() {
    let device = Device::flex();
    let text = std::fs::read_to_string(folder().join("resnet-tiny.json")).unwrap();
    let seeds = [branches(), vgg_tiny("pooled"), serde_json::from_str(&text).unwrap()];
    let (mut good, mut bad) = (0, 0);
    for number in 0..6000 {
        let draw = &mut Draw(number);
        let mut graph = seeds[draw.below(seeds.len())].clone();
        for _ in 0..=draw.below(3) {
            mutate(&mut graph, draw);
        }
        match check(&graph, INPUT, 10) {
            Ok(summary) => {
                good += 1;
                // What passes the checks runs.
                if summary.parameters < 100_000 && good % 4 == 0 {
                    let elements: usize =
                        summary.layers.iter().map(|l| l.shape.iter().product::<usize>()).max().unwrap();
                    if elements < 100_000 {
                        let context = ModelContext { input_size: 32, ..context(&device, number) };
                        let out = of(&graph, &context).forward(images(&device, 32), Mode::Train);
                        let shape = &summary.cam().unwrap().shape;
                        assert_eq!(out.logits.dims(), [4, 10]);
                        assert_eq!(out.features.dims()[1..], shape[..]);
                        assert_eq!(out.head.cam_weights(classes(&device)).dims(), [4, shape[0]]);
                    }
                }
            }
            Err(issues) => {
                bad += 1;
                assert!(!issues.is_empty());
                assert!(issues.iter().all(|issue| !issue.to_string().is_empty()));
            }
        }
    }
    assert!(good > 300 && bad > 300, "{good} good, {bad} bad");
}

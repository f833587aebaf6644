//! Products in bf16: what is rounded, that gradients follow, and that the CPU's way is that of a GPU.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor, TensorData, module};
use fovea_api::{DynClassifier, Mode, ModelContext, NamedTensor, Precision, Registry};
use fovea_models::{Map, precision};
use serde_json::{Value, json};

/// The distance between 1 and the next bf16.
const ULP: f32 = 1.0 / 128.0;

fn numbers<const D: usize>(shape: [usize; D], step: f32, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|i: usize| (i as f32 * step).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

/// The convolution of pictures.
fn convolve(
    precision: Precision,
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let input = Map::of_pictures(input);
    precision::convolve(precision, input, weight, bias, stride, padding).into_pictures()
}

/// The difference's norm, as a part of the second's.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied()).max(f32::MIN_POSITIVE)
}

fn is_bf16(value: f32) -> bool {
    value.to_bits() & 0xffff == 0
}

#[test]
fn products_are_bf16_and_biases_are_not() {
    let device = Device::flex();
    let (input, weight) = (numbers([2, 3, 9, 9], 0.37, &device), numbers([4, 3, 3, 3], 0.71, &device));
    let f32 = convolve(Precision::F32, input.clone(), weight.clone(), None, 2, 1);
    let bf16 = convolve(Precision::Bf16, input.clone(), weight.clone(), None, 2, 1);
    assert_eq!(bf16.dtype(), DType::F32);
    assert!(values(&bf16).into_iter().all(is_bf16));
    let off = distance(&values(&bf16), &values(&f32));
    assert!(off > 1e-4 && off < ULP, "{off}");

    let bias = numbers([4], 1.3, &device);
    let both = convolve(Precision::Bf16, input, weight, Some(bias.clone()), 2, 1);
    assert_eq!(values(&both), values(&(bf16 + bias.reshape([1, 4, 1, 1]))));

    let (left, right) = (numbers([5, 7], 0.37, &device), numbers([6, 7], 0.71, &device));
    let bf16 = precision::product(Precision::Bf16, left.clone(), right.clone());
    let f32 = precision::product(Precision::F32, left, right);
    assert!(values(&bf16).into_iter().all(is_bf16));
    let off = distance(&values(&bf16), &values(&f32));
    assert!(off > 1e-4 && off < ULP, "{off}");
}

/// What a GPU is given are bf16 tensors; Burn's CPU backend has them, too, only slowly.
#[test]
fn the_cpu_computes_as_with_bf16_tensors() {
    let device = Device::flex().autodiff();
    let leaves = || {
        let input = numbers([2, 3, 9, 9], 0.37, &device).require_grad();
        (input, numbers([4, 3, 3, 3], 0.71, &device).require_grad())
    };
    let weights = numbers([2, 4, 9, 9], 0.13, &device);
    let run = |native: bool| {
        let (input, weight) = leaves();
        let out = if native {
            let (input, weight) = (input.clone().cast(DType::BF16), weight.clone().cast(DType::BF16));
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            module::conv2d(input, weight, None, options).cast(DType::F32)
        } else {
            convolve(Precision::Bf16, input.clone(), weight.clone(), None, 1, 1)
        };
        let gradients = (out.clone() * weights.clone()).sum().backward();
        let of = |tensor: &Tensor<4>| values(&tensor.grad(&gradients).unwrap());
        [values(&out), of(&input), of(&weight)]
    };
    for (ours, native) in run(false).iter().zip(run(true)) {
        let off = distance(ours, &native);
        assert!(off < ULP / 2.0, "{off}");
    }
}

/// Gradients of the summed squares of logits and features, by name.
fn gradients(model: &str, config: &Value, precision: Precision) -> Vec<NamedTensor> {
    let mut registry = Registry::new();
    fovea_models::register(&mut registry);
    let device = Device::flex().autodiff();
    let context = ModelContext {
        classes: 10,
        input_size: 64,
        seed: 3,
        device: device.clone(),
        precision,
        base_dir: ".".into(),
    };
    let network: Box<dyn DynClassifier> =
        registry.build_model(model, config.clone(), &context).unwrap().model;
    let pass = network.forward(numbers([8, 3, 64, 64], 0.011, &device), Mode::Train);
    assert_eq!((pass.logits.dtype(), pass.features.dtype()), (DType::F32, DType::F32));
    let loss = pass.logits.powi_scalar(2).sum() + pass.features.powi_scalar(2).mean();
    network.gradients(&loss.backward())
}

#[test]
fn gradients_of_networks_are_those_of_f32_but_for_rounding() {
    let vgg = json!({ "dropout": 0.0 });
    for (model, config) in [("resnet-tiny", json!({})), ("vgg-tiny", vgg)] {
        let exact = gradients(model, &config, Precision::F32);
        let rounded = gradients(model, &config, Precision::Bf16);
        let list = |tensors: &[NamedTensor]| -> Vec<f32> {
            tensors.iter().flat_map(|tensor| tensor.data.iter::<f32>().collect::<Vec<f32>>()).collect()
        };
        assert!(rounded.iter().all(|tensor| tensor.data.dtype() == DType::F32), "weights stay f32");
        // Roundings of 2^-9 each, over the layers of the way forth and back. A single layer may be further off, where
        // its gradient is a small difference of large numbers.
        let off = distance(&list(&rounded), &list(&exact));
        assert!(off > 1e-4 && off < 0.15, "{model}: {off}");
    }
}

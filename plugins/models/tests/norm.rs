//! Batch normalisation and the rectifier against Burn's own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Distribution, Tensor, activation, module};
use fovea_models::norm::{batch_norm, scale_and_shift};
use fovea_models::{layers::EPSILON, relu::relu};

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn random<const D: usize>(shape: [usize; D], mean: f64, device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(mean, 1.0), device)
}

fn assert_close(ours: &[f32], burns: &[f32], name: &str) {
    assert_eq!(ours.len(), burns.len(), "{name}");
    let scale = burns.iter().fold(0.1f32, |m, v| m.max(v.abs()));
    for (a, b) in ours.iter().zip(burns) {
        assert!((a - b).abs() <= 2e-5 * scale, "{name}: {a} instead of {b}");
    }
}

/// Output, mean, variance and the gradients of input, weight and bias.
fn normalized(arguments: &(Tensor<4>, Tensor<1>, Tensor<1>, Tensor<4>), own: bool) -> Vec<Vec<f32>> {
    let (x, weight, bias, target) = arguments.clone();
    let (x, weight, bias) = (x.require_grad(), weight.require_grad(), bias.require_grad());
    let (output, mean, variance) = if own {
        let batch = batch_norm(x.clone(), weight.clone(), bias.clone(), EPSILON);
        (batch.output, batch.mean, batch.variance)
    } else {
        let batch = module::batch_norm_train(x.clone(), weight.clone(), bias.clone(), EPSILON);
        (batch.output, batch.mean, batch.variance)
    };
    let gradients = (output.clone() * target).sum().backward();
    vec![
        values(output),
        values(mean),
        values(variance),
        values(x.grad(&gradients).unwrap()),
        values(weight.grad(&gradients).unwrap()),
        values(bias.grad(&gradients).unwrap()),
    ]
}

#[test]
fn batches_are_normalized_like_burns() {
    let device = Device::flex().autodiff();
    device.seed(1);
    for shape in [[1, 3, 2, 2], [5, 7, 9, 3], [32, 64, 16, 16], [32, 40, 2, 2], [2, 1, 1, 1]] {
        let channels = [shape[1]];
        let [n, c, h, w] = shape;
        let arguments = (
            random([n, c, w, h], 0.5, &device).swap_dims(2, 3),
            random(channels, 1.0, &device),
            random(channels, 0.0, &device),
            random(shape, 0.1, &device),
        );
        let (ours, burns) = (normalized(&arguments, true), normalized(&arguments, false));
        for ((ours, burns), name) in
            ours.iter().zip(&burns).zip(["output", "mean", "variance", "x", "w", "b"])
        {
            assert_close(ours, burns, &format!("{shape:?} {name}"));
        }
    }
}

#[test]
fn bits_of_a_batch_do_not_depend_on_threads() {
    let device = Device::flex().autodiff();
    device.seed(2);
    let shape = [32, 40, 7, 5];
    let channels = || random([40], 1.0, &device);
    let arguments = (random(shape, 0.5, &device), channels(), channels(), random(shape, 0.0, &device));
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let all = pool.install(|| normalized(&arguments, true));
        all.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let expected = bits(1);
    assert!(bits(2) == expected && bits(3) == expected && bits(2) == expected);
}

#[test]
fn the_rectifier_is_burns() {
    let device = Device::flex().autodiff();
    device.seed(3);
    let x = random([5, 3, 33, 47], 0.0, &device);
    // Zeros too.
    let x = (x.clone() * x.greater_elem(-0.5).float()).swap_dims(1, 3).require_grad();
    let target = random(x.dims(), 0.0, &device);
    let run = |f: fn(Tensor<4>) -> Tensor<4>| {
        let y = f(x.clone());
        let gradients = (y.clone() * target.clone()).sum().backward();
        (values(y), values(x.grad(&gradients).unwrap()))
    };
    let (ours, burns) = (run(relu), run(activation::relu));
    assert!(ours == burns);
    let strange = relu(Tensor::<1>::from_floats([f32::NAN, -1.0, 2.0], &Device::flex()));
    let strange = values(strange);
    assert!(strange[0].is_nan() && strange[1..] == [0.0, 2.0]);
}

#[test]
fn scaling_has_the_bits_of_burns_with_and_without_gradients() {
    let plain = Device::flex();
    plain.seed(3);
    for shape in [[1, 3, 2, 2], [5, 7, 9, 3], [32, 16, 8, 8]] {
        let [n, c, h, w] = shape;
        let input = random([n, c, w, h], 0.5, &plain).swap_dims(2, 3);
        let (scale, shift) = (random([c], 1.0, &plain), random([c], 0.0, &plain));
        let by_hand =
            values(input.clone() * scale.clone().reshape([1, c, 1, 1]) + shift.clone().reshape([1, c, 1, 1]));
        assert_eq!(values(scale_and_shift(input.clone(), scale.clone(), shift.clone())), by_hand);
        let tracked = |t: Tensor<1>| Tensor::<1>::from_data(t.into_data(), &plain.clone().autodiff());
        let input = Tensor::<4>::from_data(input.into_data(), &plain.clone().autodiff()).require_grad();
        let out = scale_and_shift(input.clone(), tracked(scale.clone()), tracked(shift));
        let gradients = out.clone().sum().backward();
        assert_eq!(values(out), by_hand);
        let gradient = values(input.grad(&gradients).unwrap());
        let scale = values(scale);
        assert!(gradient.iter().enumerate().all(|(i, g)| *g == scale[i / (h * w) % c]));
    }
}

#[test]
fn a_tensor_that_others_hold_is_not_changed_in_place() {
    let device = Device::flex();
    device.seed(4);
    let input = random([4, 3, 5, 5], 0.0, &device);
    let before = values(input.clone());
    let rectified = values(relu(input.clone()));
    let scaled = scale_and_shift(input.clone(), random([3], 2.0, &device), random([3], 1.0, &device));
    assert_ne!(values(scaled), before);
    assert_eq!(values(input.clone()), before);
    // Nobody else holds it now; a part of it is another's all the same.
    let part = input.clone().narrow(0, 1, 2);
    assert_eq!(values(relu(part)), rectified[75..225]);
    assert_eq!(values(relu(input)), rectified);
}

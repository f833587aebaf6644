//! Batch normalisation and the rectifier against Burn's own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Distribution, Tensor, TensorData, activation, module};
use fovea_models::norm::{Then, batch_norm, scale_and_shift};
use fovea_models::{Map, layers::EPSILON, relu::relu};

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

/// A batch, weight, bias, the gradient of the output, and what is added.
type Arguments = (Tensor<4>, Tensor<1>, Tensor<1>, Tensor<4>, Tensor<4>);

/// Output, mean, variance and the gradients of input, weight, bias and what is added.
fn normalized(arguments: &Arguments, own: bool, add: bool, rectify: bool) -> Vec<Vec<f32>> {
    let (x, weight, bias, target, added) = arguments.clone();
    let [x, added] = [x, added].map(Tensor::require_grad);
    let (weight, bias) = (weight.require_grad(), bias.require_grad());
    let (output, mean, variance) = if own {
        let then = Then { add: add.then(|| Map::of_pictures(added.clone())), relu: rectify };
        let batch = batch_norm(Map::of_pictures(x.clone()), weight.clone(), bias.clone(), EPSILON, then);
        (batch.output.into_pictures(), batch.mean, batch.variance)
    } else {
        let batch = module::batch_norm_train(x.clone(), weight.clone(), bias.clone(), EPSILON);
        let output = if add { batch.output + added.clone() } else { batch.output };
        let output = if rectify { activation::relu(output) } else { output };
        (output, batch.mean, batch.variance)
    };
    let gradients = (output.clone() * target).sum().backward();
    let mut all = vec![
        values(output),
        values(mean),
        values(variance),
        values(x.grad(&gradients).unwrap()),
        values(weight.grad(&gradients).unwrap()),
        values(bias.grad(&gradients).unwrap()),
    ];
    all.extend(added.grad(&gradients).map(values));
    assert_eq!(all.len(), if add { 7 } else { 6 });
    all
}

fn arguments(shape: [usize; 4], device: &Device) -> Arguments {
    let [n, c, h, w] = shape;
    (
        random([n, c, w, h], 0.5, device).swap_dims(2, 3),
        random([c], 1.0, device),
        random([c], 0.0, device),
        random(shape, 0.1, device),
        random(shape, 0.2, device),
    )
}

#[test]
fn batches_are_normalized_like_burns() {
    let device = Device::flex().autodiff();
    device.seed(1);
    let shapes =
        [[1, 3, 2, 2], [5, 7, 9, 3], [32, 64, 16, 16], [32, 40, 2, 2], [2, 1, 1, 1], [9, 300, 13, 11]];
    for (shape, then) in shapes.into_iter().flat_map(|shape| (0..4).map(move |then| (shape, then))) {
        let (add, rectify) = (then & 1 > 0, then & 2 > 0);
        let arguments = arguments(shape, &device);
        let (ours, burns) =
            (normalized(&arguments, true, add, rectify), normalized(&arguments, false, add, rectify));
        let names = ["output", "mean", "variance", "x", "w", "b", "added"];
        for ((ours, burns), name) in ours.iter().zip(&burns).zip(names) {
            assert_close(ours, burns, &format!("{shape:?} {name} {add} {rectify}"));
        }
    }
}

#[test]
fn moments_are_exact_far_from_zero() {
    let device = Device::flex();
    let values: Vec<f32> = (0..40_000).map(|i| 1000.0 + (i % 4) as f32).collect();
    let input = Map::of_places(Tensor::from_data(TensorData::new(values, [100, 100, 4, 1]), &device));
    let [one, zero] = [1.0, 0.0].map(|x| Tensor::<1>::from_floats([x], &device));
    let batch = batch_norm(input, one, zero, EPSILON, Then::default());
    assert_eq!(self::values(batch.mean), [1001.5]);
    assert!((self::values(batch.variance)[0] - 1.25).abs() < 1e-6);
}

#[test]
fn bits_of_a_batch_do_not_depend_on_threads() {
    let device = Device::flex().autodiff();
    device.seed(2);
    let arguments = arguments([32, 40, 17, 15], &device);
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let all = pool.install(|| normalized(&arguments, true, true, true));
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
        let own = |input: &Tensor<4>, scale: &Tensor<1>, shift: &Tensor<1>, then: Then| {
            let input = Map::of_pictures(input.clone());
            scale_and_shift(input, scale.clone(), shift.clone(), then).into_pictures()
        };
        assert_eq!(values(own(&input, &scale, &shift, Then::default())), by_hand);
        let added = random([n, c, h, w], 0.5, &plain);
        let both = Then { add: Some(Map::of_pictures(added.clone())), relu: true };
        let by_hand_both: Vec<f32> =
            by_hand.iter().zip(values(added)).map(|(x, added)| (x + added).max(0.0)).collect();
        assert_eq!(values(own(&input, &scale, &shift, both)), by_hand_both);
        let tracked = |t: Tensor<1>| Tensor::<1>::from_data(t.into_data(), &plain.clone().autodiff());
        let input = Tensor::<4>::from_data(input.into_data(), &plain.clone().autodiff()).require_grad();
        let out = own(&input, &tracked(scale.clone()), &tracked(shift), Then::default());
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
    let input = random([5, 5, 4, 3], 0.0, &device);
    let before = values(input.clone());
    let rectified = values(relu(input.clone()));
    let (scale, shift) = (random([3], 2.0, &device), random([3], 1.0, &device));
    let scaled = scale_and_shift(Map::of_places(input.clone()), scale, shift, Then::default()).into_places();
    assert_ne!(values(scaled), before);
    assert_eq!(values(input.clone()), before);
    // Nobody else holds it now; a part of it is another's all the same.
    let part = input.clone().narrow(0, 1, 2);
    assert_eq!(values(relu(part)), rectified[60..180]);
    assert_eq!(values(relu(input)), rectified);
}

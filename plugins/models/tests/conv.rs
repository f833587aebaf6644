//! The convolution against Burn's own, against differences, and its bits.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{DType, Device, Tensor, TensorData, module, ops::ConvOptions};
use fovea_models::Map;
use fovea_models::conv::{conv2d, convolve};

/// Sizes of a case.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    input: usize,
    output: usize,
    size: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
}

fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn tensor<const D: usize>(shape: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values(shape.iter().product(), seed), shape), device)
}

/// Output and gradients of input, weight and bias. A turned input is a view with height and width swapped.
fn run(case: Case, own: bool, turned: bool) -> [Vec<f32>; 4] {
    let Case { batch, input, output, size: [h, w], kernel, stride, padding } = case;
    let device = Device::flex().autodiff();
    let x = if turned {
        tensor([batch, input, w, h], 1, &device).swap_dims(2, 3)
    } else {
        tensor([batch, input, h, w], 1, &device)
    };
    let x = x.require_grad();
    let weight = tensor([output, input, kernel, kernel], 2, &device).require_grad();
    let bias = tensor([output], 3, &device).require_grad();
    let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    let y = match own {
        true => conv2d(x.clone(), weight.clone(), Some(bias.clone()), stride, padding),
        false => module::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options),
    };
    let mut target = tensor(y.dims(), 4, &device);
    if turned {
        let [n, c, h, w] = y.dims();
        target = tensor([n, c, w, h], 4, &device).swap_dims(2, 3);
    }
    // The gradient of the output is the target, in its layout.
    let gradients = (y.clone() * target).sum().backward();
    [
        y.into_data().try_to_vec().unwrap(),
        x.grad(&gradients).unwrap().into_data().try_to_vec().unwrap(),
        weight.grad(&gradients).unwrap().into_data().try_to_vec().unwrap(),
        bias.grad(&gradients).unwrap().into_data().try_to_vec().unwrap(),
    ]
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kernel, padding) in [(1, 0), (1, 1), (2, 0), (3, 0), (3, 1), (5, 2), (7, 3), (7, 1)] {
        for stride in [1, 2, 3] {
            for size in [[8, 8], [9, 7], [15, 32]] {
                for (batch, input, output) in [(1, 3, 9), (5, 8, 40)] {
                    cases.push(Case { batch, input, output, size, kernel, stride, padding });
                }
            }
        }
    }
    for size in [[2, 2], [4, 4], [16, 16], [7, 7], [3, 1]] {
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (1, 2, 0), (1, 1, 0)] {
            cases.push(Case { batch: 32, input: 33, output: 70, size, kernel, stride, padding });
        }
    }
    cases.retain(|c| c.size.iter().all(|s| s + 2 * c.padding >= c.kernel));
    cases
}

#[test]
fn output_and_gradients_are_those_of_burn() {
    for (index, case) in cases().into_iter().enumerate() {
        let turned = index % 3 == 0;
        let (ours, burns) = (run(case, true, turned), run(case, false, turned));
        for ((ours, burns), name) in ours.iter().zip(&burns).zip(["output", "input", "weight", "bias"]) {
            assert_eq!(ours.len(), burns.len(), "{case:?} {name}");
            let scale = burns.iter().fold(0.0f32, |m, v| m.max(v.abs())).max(1e-3);
            for (a, b) in ours.iter().zip(burns) {
                assert!((a - b).abs() <= 1e-5 * scale, "{case:?} {name}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn gradients_are_differences() {
    // The operation is linear in each argument, so a difference is exact but for rounding, whatever its step.
    let case = Case { batch: 2, input: 3, output: 4, size: [5, 6], kernel: 3, stride: 2, padding: 1 };
    let device = Device::flex();
    let shapes = [[2, 3, 5, 6], [4, 3, 3, 3]];
    let arguments = [values(2 * 3 * 5 * 6, 1), values(4 * 3 * 3 * 3, 2)];
    let bias = tensor([4], 3, &device);
    let target: Vec<f64> = values(2 * 4 * 3 * 3, 4).into_iter().map(f64::from).collect();
    let loss = |arguments: &[Vec<f32>; 2]| -> f64 {
        let [x, w] =
            [0, 1].map(|i| Tensor::<4>::from_data(TensorData::new(arguments[i].clone(), shapes[i]), &device));
        let y: Vec<f32> = conv2d(x, w, Some(bias.clone()), 2, 1).into_data().try_to_vec().unwrap();
        y.iter().zip(&target).map(|(y, t)| f64::from(*y) * t).sum()
    };
    let gradients = run(case, true, false);
    for (which, gradient) in [&gradients[1], &gradients[2]].into_iter().enumerate() {
        for (at, expected) in gradient.iter().enumerate() {
            let [mut up, mut down] = [arguments.clone(), arguments.clone()];
            up[which][at] += 0.5;
            down[which][at] -= 0.5;
            let difference = loss(&up) - loss(&down);
            assert!(
                (difference - f64::from(*expected)).abs() < 1e-4,
                "{which} {at}: {difference} {expected}"
            );
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let [one, two, three] = [1, 2, 3].map(pool);
    let bits = |run: [Vec<f32>; 4]| run.map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    let shapes = [
        (32, 3, 64, 32, 7, 2, 3),
        (32, 40, 80, 8, 3, 1, 1),
        (32, 64, 128, 4, 3, 2, 1),
        (32, 128, 128, 2, 3, 1, 1),
    ];
    for (batch, input, output, size, kernel, stride, padding) in shapes {
        let case = Case { batch, input, output, size: [size; 2], kernel, stride, padding };
        let expected = bits(one.install(|| run(case, true, false)));
        for pool in [&one, &two, &two, &three] {
            assert!(bits(pool.install(|| run(case, true, false))) == expected, "{case:?}");
        }
    }
}

/// With 8 or 16 pictures a tile has one place, with 11 several; alone a picture fills none. All agree to the bit.
#[test]
fn a_picture_has_the_same_bits_in_every_batch() {
    let device = Device::flex();
    for (channels, kernel, stride) in [(3, 7, 2), (12, 3, 1), (12, 3, 2), (12, 1, 2)] {
        let x = tensor([16, channels, 9, 6], 1, &device);
        let weight = tensor([40, channels, kernel, kernel], 2, &device);
        let run = |first: usize, count: usize| -> Vec<u32> {
            let part = x.clone().narrow(0, first, count);
            let y = conv2d(part, weight.clone(), None, stride, kernel / 2);
            y.into_data().iter::<f32>().map(f32::to_bits).collect()
        };
        let whole = run(0, 16);
        let one = whole.len() / 16;
        for (first, count) in [(0, 8), (3, 11), (5, 1), (15, 1)] {
            assert!(run(first, count) == whole[first * one..(first + count) * one], "{first} {count}");
        }
    }
}

#[test]
fn maps_of_few_channels_are_convolved_like_pictures() {
    let device = Device::flex();
    let (x, weight) = (tensor([9, 3, 8, 7], 1, &device), tensor([5, 3, 3, 3], 2, &device));
    let flat = |y: Tensor<4>| y.into_data().try_to_vec::<f32>().unwrap();
    let pictures = flat(conv2d(x.clone(), weight.clone(), None, 1, 1));
    let places = flat(convolve(Map::of_places(x.permute([2, 3, 0, 1])), weight, None, 1, 1).into_pictures());
    assert_eq!(pictures.len(), places.len());
    assert!(pictures.iter().zip(&places).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn only_what_is_asked_for_is_tracked() {
    let device = Device::flex().autodiff();
    let x = tensor([2, 3, 8, 8], 1, &device);
    let weight = tensor([4, 3, 3, 3], 2, &device).require_grad();
    let gradients = conv2d(x.clone(), weight.clone(), None, 1, 1).sum().backward();
    assert!(x.grad(&gradients).is_none());
    assert!(weight.grad(&gradients).is_some());
    let x = x.require_grad();
    let weight = tensor([4, 3, 3, 3], 2, &device);
    let gradients = conv2d(x.clone(), weight.clone(), None, 1, 1).sum().backward();
    assert!(x.grad(&gradients).is_some());
    assert!(weight.grad(&gradients).is_none());
}

#[test]
fn other_types_are_convolved_by_burn() {
    let device = Device::flex();
    let x = tensor([2, 3, 8, 8], 1, &device);
    let weight = tensor([4, 3, 3, 3], 2, &device);
    let double = conv2d(x.clone().cast(DType::F64), weight.clone().cast(DType::F64), None, 1, 1);
    assert_eq!(double.dtype(), DType::F64);
    let single: Vec<f32> = conv2d(x, weight, None, 1, 1).into_data().try_to_vec().unwrap();
    for (a, b) in single.iter().zip(double.into_data().try_to_vec::<f64>().unwrap()) {
        assert!((f64::from(*a) - b).abs() < 1e-5);
    }
}

//! The fully connected product against Burn's own, and its bits.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Tensor, TensorData};
use fovea_models::linear::{product, product_and_sums};

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Numbers that depend on nothing but shape and seed: tests run side by side, and share the device's generator.
fn random([rows, columns]: [usize; 2], seed: u32, device: &Device) -> Tensor<2> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..rows * columns).map(|_| next()).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Product, sums, and the gradients of input and weight.
fn run(rows: usize, outputs: usize, width: usize, channels: usize, own: bool) -> Vec<Vec<f32>> {
    let device = Device::flex().autodiff();
    // A view of what lies otherwise.
    let input = random([width, rows], 1, &device).transpose().require_grad();
    let weight = random([outputs, width], 2, &device).require_grad();
    let (target, by_channel) = (random([rows, outputs], 3, &device), random([outputs, channels], 4, &device));
    let [out, sums] = if own {
        product_and_sums(input.clone(), weight.clone(), channels)
    } else {
        let sums = weight.clone().reshape([outputs, channels, width / channels]).sum_dim(2);
        [input.clone().matmul(weight.clone().transpose()), sums.reshape([outputs, channels])]
    };
    let loss = (out.clone() * target).sum() + (sums.clone() * by_channel).sum();
    let gradients = loss.backward();
    let gradient = |of: Tensor<2>| values(of.grad(&gradients).unwrap());
    vec![values(out), values(sums), gradient(input), gradient(weight)]
}

const SHAPES: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [3, 10, 64, 64], [16, 37, 490, 10], [5, 9, 4999, 1], [33, 8, 1100, 11], [2, 130, 9000, 9]];

#[test]
fn products_and_gradients_are_those_of_burn() {
    for [rows, outputs, width, channels] in SHAPES {
        let (ours, burns) =
            (run(rows, outputs, width, channels, true), run(rows, outputs, width, channels, false));
        for ((ours, burns), name) in ours.iter().zip(&burns).zip(["product", "sums", "input", "weight"]) {
            assert_eq!(ours.len(), burns.len(), "{name}");
            let scale = burns.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
            for (a, b) in ours.iter().zip(burns) {
                assert!((a - b).abs() <= 1e-5 * scale, "{rows} {outputs} {width} {name}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_other_rows_nor_on_sums() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let bits = |run: Vec<Vec<f32>>| run.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    for [rows, outputs, width, channels] in SHAPES {
        let all = [1, 2, 3].map(|n| bits(pool(n).install(|| run(rows, outputs, width, channels, true))));
        assert!(all[0] == all[1] && all[1] == all[2]);
    }
    let device = Device::flex();
    let (input, weight) = (random([7, 300], 1, &device), random([20, 300], 2, &device));
    let whole = values(product(input.clone(), weight.clone()));
    let alone = values(product(input.clone().narrow(0, 4, 1), weight.clone()));
    assert_eq!(whole[80..100], alone);
    assert_eq!(values(product_and_sums(input, weight, 3)[0].clone()), whole);
}

//! Maximum pooling against Burn's own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Distribution, Tensor, TensorData, module};
use fovea_models::pool::max_pool2d;

fn bits(tensor: Tensor<4>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

#[test]
fn outputs_and_gradients_have_the_bits_of_burns() {
    let device = Device::flex().autodiff();
    device.seed(7);
    for (shape, kernel, stride, padding) in [
        ([2, 3, 8, 8], 3, 2, 1),
        ([1, 2, 7, 9], 3, 2, 1),
        ([3, 5, 6, 4], 2, 2, 0),
        ([1, 1, 5, 5], 2, 2, 0),
        ([2, 2, 4, 6], 3, 1, 1),
        ([1, 3, 2, 2], 3, 2, 1),
    ] {
        let [n, c, h, w] = shape;
        let random = Tensor::<4>::random([n, c, w, h], Distribution::Normal(0.0, 1.0), &device);
        // Many equal values, as a rectifier leaves them, and not contiguous.
        let input = random.swap_dims(2, 3).clamp_min(0.2);
        let run = |own: bool| {
            let input = input.clone().detach().require_grad();
            let out = if own {
                max_pool2d(input.clone(), kernel, stride, padding)
            } else {
                let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
                module::max_pool2d(input.clone(), options.with_padding([padding; 2]))
            };
            let factors = Tensor::<4>::ones(out.dims(), &device) * 0.1 + out.clone().detach() * 0.7;
            let gradients = (out.clone() * factors).sum().backward();
            (out.dims(), bits(out), bits(Tensor::from_inner(input.grad(&gradients).unwrap())))
        };
        assert_eq!(run(true), run(false), "{shape:?}, kernel {kernel}, stride {stride}");
        let plain = input.clone().inner();
        assert_eq!(bits(max_pool2d(plain, kernel, stride, padding)), run(false).1);
    }
}

#[test]
fn what_is_not_a_number_wins_and_what_is_too_small_is_no_picture() {
    let device = Device::flex();
    let values = [1.0, f32::NAN, 3.0, f32::NEG_INFINITY, -1.0, f32::NEG_INFINITY, 0.0, -2.0];
    let input = Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 2, 2, 2]), &device);
    let out = max_pool2d(input, 2, 2, 0).into_data().try_to_vec::<f32>().unwrap();
    assert!(out[0].is_nan() && out[1] == 0.0, "{out:?}");
    let low = Tensor::<4>::from_data(TensorData::new(vec![f32::NEG_INFINITY; 4], [1, 1, 2, 2]), &device);
    assert_eq!(max_pool2d(low, 2, 2, 0).into_data().try_to_vec::<f32>().unwrap(), [f32::NEG_INFINITY]);
}

//! The convolutions of a ResNet-18 at 64x64, batch 32, ours and Burn's, forward and with both gradients.

use burn::tensor::{Device, Distribution, Tensor, module, ops::ConvOptions};
use divan::{Bencher, counter::ItemsCount};
use fovea_models::conv::conv2d;

const BATCH: usize = 32;

/// Input channels, output channels, side of the input, kernel, stride.
type Shape = (usize, usize, usize, usize, usize);

/// Input channels, output channels, side of the input, kernel, stride.
const SHAPES: [Shape; 9] = [
    (3, 64, 64, 7, 2),
    (64, 64, 16, 3, 1),
    (64, 128, 16, 3, 2),
    (64, 128, 16, 1, 2),
    (128, 128, 8, 3, 1),
    (128, 256, 8, 3, 2),
    (256, 256, 4, 3, 1),
    (256, 512, 4, 3, 2),
    (512, 512, 2, 3, 1),
];

fn operands(shape: Shape, device: &Device) -> [Tensor<4>; 2] {
    let (input, output, side, kernel, _) = shape;
    let normal = |shape: [usize; 4]| Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
    [normal([BATCH, input, side, side]), normal([output, input, kernel, kernel])]
}

fn convolve(own: bool, x: Tensor<4>, weight: Tensor<4>, (_, _, _, kernel, stride): Shape) -> Tensor<4> {
    let padding = kernel / 2;
    if own {
        conv2d(x, weight, None, stride, padding)
    } else {
        module::conv2d(x, weight, None, ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1))
    }
}

/// Multiplications of one pass.
fn multiplications((input, output, side, kernel, stride): Shape) -> ItemsCount {
    ItemsCount::new(BATCH * input * output * kernel * kernel * (side / stride).pow(2))
}

fn forward(bencher: Bencher, own: bool, shape: Shape) {
    let [x, weight] = operands(shape, &Device::flex());
    bencher.counter(multiplications(shape)).bench(|| convolve(own, x.clone(), weight.clone(), shape));
}

fn both(bencher: Bencher, own: bool, shape: Shape) {
    let [x, weight] = operands(shape, &Device::flex().autodiff()).map(Tensor::require_grad);
    let run = || convolve(own, x.clone(), weight.clone(), shape).sum().backward();
    bencher.counter(multiplications(shape)).bench(run);
}

#[divan::bench(args = SHAPES, sample_count = 20)]
fn forward_ours(bencher: Bencher, shape: Shape) {
    forward(bencher, true, shape);
}

#[divan::bench(args = SHAPES, sample_count = 5)]
fn forward_burn(bencher: Bencher, shape: Shape) {
    forward(bencher, false, shape);
}

#[divan::bench(args = SHAPES, sample_count = 20)]
fn both_ours(bencher: Bencher, shape: Shape) {
    both(bencher, true, shape);
}

#[divan::bench(args = SHAPES, sample_count = 5)]
fn both_burn(bencher: Bencher, shape: Shape) {
    both(bencher, false, shape);
}

fn main() {
    fovea_heap::keep_freed();
    divan::main();
}

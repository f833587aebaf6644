//! What surrounds the convolutions of a ResNet-18 at 64x64, batch 32: normalisation, pooling, forward and back.

use burn::tensor::{Device, Distribution, Tensor};
use divan::{Bencher, counter::BytesCount};
use fovea_models::norm::{Then, batch_norm};
use fovea_models::{Map, pool::max_pool};

/// Channels and side.
const SHAPES: [(usize, usize); 4] = [(64, 16), (128, 8), (512, 2), (16, 32)];

fn map(channels: usize, side: usize) -> Tensor<4> {
    let device = Device::flex().autodiff();
    Tensor::random([side, side, 32, channels], Distribution::Normal(0.0, 1.0), &device).require_grad()
}

#[divan::bench(args = SHAPES)]
fn norm_add_relu(bencher: Bencher, (channels, side): (usize, usize)) {
    let (x, y) = (map(channels, side), map(channels, side));
    let [weight, bias] = [1.0, 0.1].map(|v| Tensor::<1>::full([channels], v, &x.device()).require_grad());
    bencher.counter(BytesCount::new(channels * side * side * 32 * 4)).bench(|| {
        let then = Then { add: Some(Map::of_places(y.clone())), relu: true };
        let batch = batch_norm(Map::of_places(x.clone()), weight.clone(), bias.clone(), 1e-5, then);
        batch.output.into_places().sum().backward()
    });
}

#[divan::bench]
fn pool(bencher: Bencher) {
    let x = map(64, 32);
    bencher.bench(|| max_pool(Map::of_places(x.clone()), 3, 2, 1).into_places().sum().backward());
}

fn main() {
    fovea_heap::keep_freed();
    divan::main();
}

//! The plugin and the built-in loss, bit for bit: values, and gradients through Burn's automatic differentiation.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Tensor, TensorData};
use fovea_abi::{BBox, Context, Explanation, Gradient, Loss as _, Plugin as _};
use fovea_losses::{DiagonalUnit as BuiltIn, functions};
use ria_loss::{DiagonalUnit, Ria, RiaConfig};

/// Numbers without a crate: the generator of Steele et al. 2014.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// An edge: whole or not, at the border or beyond, next to 0.
    fn edge(&mut self) -> f32 {
        let whole = self.below(225) as f32;
        match self.below(8) {
            0..3 => whole,
            3..6 => self.below(1 << 24) as f32 / (1 << 24) as f32 * 224.0,
            6 => [0.0, -0.0, 224.0, 1e-7, -3.5, 1e-4, 100.0, 230.25][self.below(8) as usize],
            _ => (whole / 8.0).floor() * 8.0 + [0.0, 1e-4, -1e-4][self.below(3) as usize],
        }
    }

    fn boxed(&mut self) -> [f32; 4] {
        let [a, b, c, d] = std::array::from_fn(|_| self.edge());
        match self.below(10) {
            // Inverted, empty in one direction or both, tiny.
            0 => [a, b, c, d],
            1 => [a, b, a, b.max(d)],
            2 => [a, b, a, b],
            3 => [a, b, a + self.below(100) as f32 * 1e-5, b + self.below(100) as f32 * 1e-5],
            _ => [a.min(c), b.min(d), a.max(c), b.max(d)],
        }
    }
}

/// Values and gradients of the built-in, whose results are weighted as the engine does.
fn built_in(
    predicted: &[f32],
    targets: &[f32],
    upstream: &[f32],
    lambda: f64,
    unit: BuiltIn,
    (height, width): (usize, usize),
) -> (Vec<f32>, Vec<f32>) {
    let (device, n) = (Device::flex().autodiff(), upstream.len());
    let boxes = Tensor::<2>::from_data(TensorData::new(predicted.to_vec(), [n, 4]), &device).require_grad();
    let targets = Tensor::<2>::from_data(TensorData::new(targets.to_vec(), [n, 4]), &device);
    let mut loss = functions::modified_iou(boxes.clone(), targets);
    if lambda != 0.0 {
        loss = loss + functions::diagonal(boxes.clone(), unit, height, width).mul_scalar(lambda);
    }
    let weights = Tensor::<1>::from_data(TensorData::new(upstream.to_vec(), [n]), &device);
    let gradients = (loss.clone() * weights).sum().backward();
    (loss.try_into_vec_as().unwrap(), boxes.grad(&gradients).unwrap().try_into_vec_as().unwrap())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn values_and_gradients_have_the_bits_of_the_built_in() {
    let mut random = Random(7);
    let n = 4096;
    let units = [
        (DiagonalUnit::Fraction, BuiltIn::Fraction),
        (DiagonalUnit::Pixels, BuiltIn::Pixels),
        (DiagonalUnit::UnitSquare, BuiltIn::UnitSquare),
    ];
    let mut compared = 0;
    for (unit, twin) in units {
        for lambda in [0.1, 0.0, 3.0, 0.037] {
            for (height, width) in [(224, 224), (64, 96)] {
                let mut predicted: Vec<f32> = (0..n).flat_map(|_| random.boxed()).collect();
                let targets: Vec<f32> = (0..n).flat_map(|_| random.boxed()).collect();
                // Some equal boxes, and some with one edge in common.
                predicted[..400].copy_from_slice(&targets[..400]);
                for i in 100..300 {
                    predicted[4 * i + i % 4] = targets[4 * i + i % 4];
                }
                let upstream: Vec<f32> =
                    (0..n).map(|i| if i % 3 == 0 { 0.5 / 13.0 } else { 1.0 / 7.0 }).collect();
                let (values, gradients) =
                    built_in(&predicted, &targets, &upstream, lambda, twin, (height, width));
                let mut plugin = Ria::new(RiaConfig { lambda, diagonal: unit }, &Context::default()).unwrap();
                for i in 0..n {
                    let at = |b: &[f32]| BBox::new(b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]);
                    let seen = Explanation {
                        height,
                        width,
                        predicted: at(&predicted),
                        target: at(&targets),
                        heatmap: None,
                        mask: None,
                        upstream: upstream[i],
                    };
                    let mut gradient = [0.0; 4];
                    let out = Gradient { predicted: &mut gradient, heatmap: &mut [] };
                    let value = plugin.evaluate(&seen, Some(out)).unwrap();
                    let theirs = &gradients[4 * i..4 * i + 4];
                    assert_eq!(value.to_bits(), values[i].to_bits(), "{value} {} {seen:?}", values[i]);
                    assert_eq!(bits(&gradient), bits(theirs), "{gradient:?} {theirs:?} {seen:?}");
                    assert!(value.is_finite() && gradient.iter().all(|g| g.is_finite()));
                    compared += 1;
                }
            }
        }
    }
    println!("{compared} pairs of boxes, all bits equal");
}

#[test]
fn the_defaults_are_those_of_the_built_in() {
    let ours = RiaConfig::default();
    let theirs = fovea_losses::RiaConfig::default();
    assert_eq!((ours.lambda, ours.diagonal as u8), (theirs.lambda, theirs.diagonal as u8));
    assert!(Ria::check(&ours, std::path::Path::new("")).is_empty());
    let negative = RiaConfig { lambda: -1.0, ..ours };
    assert_eq!(Ria::check(&negative, std::path::Path::new(""))[0].path, ["lambda"]);
}

//! The exact GELU, fast on the CPU.
//!
//! Burn's CPU backend computes it on one thread with `libm`'s error function, which takes longer than the matrix
//! products around it.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor, TensorData, activation};
use rayon::prelude::*;

/// `x / 2 (1 + erf(x / sqrt 2))`.
pub(super) fn gelu<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let device = tensor.device();
    if !matches!(device.as_dispatch(), DispatchDevice::Flex(_)) || tensor.dtype() != DType::F32 {
        return activation::gelu(tensor);
    }
    let shape = tensor.dims();
    let mut values = super::values(tensor);
    values.par_chunks_mut(1 << 14).for_each(|chunk| {
        pulp::Arch::new().dispatch(|| {
            for x in chunk {
                *x *= 0.5 + 0.5 * erf(*x * std::f32::consts::FRAC_1_SQRT_2);
            }
        });
    });
    Tensor::from_data(TensorData::new(values, shape), &device)
}

/// The error function within 2e-7, as a rational function of `x` clamped to plus or minus 4, beyond which it is 1 in
/// `f32`. It has no branches, so that loops over it become vector instructions. The coefficients are the minimax
/// approximation that numerical libraries share (Eigen, XLA).
#[inline(always)]
fn erf(x: f32) -> f32 {
    const ODD: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const EVEN: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let mut odd = ODD[0];
    for &coefficient in &ODD[1..] {
        odd = odd * square + coefficient;
    }
    let mut even = EVEN[0];
    for &coefficient in &EVEN[1..] {
        even = even * square + coefficient;
    }
    x * odd / even
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_burns_own() {
        let values: Vec<f32> = (-60_000..=60_000).map(|i| i as f32 * 1e-4).collect();
        let tensor =
            || Tensor::<1>::from_data(TensorData::new(values.clone(), [values.len()]), &Default::default());
        let ours: Vec<f32> = gelu(tensor()).into_data().iter().collect();
        let burns: Vec<f32> = activation::gelu(tensor()).into_data().iter().collect();
        for ((x, a), b) in values.iter().zip(ours).zip(burns) {
            assert!((a - b).abs() <= 4e-7 * x.abs().max(1.0), "gelu({x}) = {a}, not {b}");
        }
    }
}

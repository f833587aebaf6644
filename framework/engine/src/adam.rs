//! Adam on the CPU in one pass over parameters, gradients and moments. The main type is [`FusedAdam`].
//!
//! Burn's Adam is a dozen operations on whole tensors, one after the other and on one thread: an eighth of a ResNet-18
//! step at 64x64. This one does the same arithmetic in the same order, so bits, and the state in checkpoints, are those
//! of Burn's.

use burn::optim::{Adam, AdamConfig, AdamState, AdaptiveMomentumState};
use burn::optim::{LearningRate, Optimizer, decay::WeightDecayConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

/// Elements that one task updates.
const CHUNK: usize = 1 << 14;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Adam as PyTorch defines it (epsilon 1e-8), with weight decay as an L2 penalty.
#[derive(Clone)]
pub(crate) struct FusedAdam {
    /// For other devices.
    burns: Adam,
    penalty: Option<f32>,
}

/// What a step multiplies by.
#[derive(Clone, Copy)]
struct Factors {
    rate: f32,
    penalty: Option<f32>,
    /// `sqrt(1 - beta_2^t) / (1 - beta_1^t)`
    correction: f32,
    /// `epsilon * sqrt(1 - beta_2^t)`
    floor: f32,
}

impl FusedAdam {
    /// With this weight decay.
    pub(crate) fn new(penalty: Option<f32>) -> Self {
        let decay = penalty.map(WeightDecayConfig::new);
        let config = AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON);
        Self { burns: config.with_weight_decay(decay).build(), penalty }
    }

    fn factors(&self, rate: LearningRate, time: usize) -> Factors {
        let time = i32::try_from(time).unwrap_or(i32::MAX);
        let root = (1.0 - BETA_2.powi(time)).sqrt();
        Factors {
            rate: rate as f32,
            penalty: self.penalty,
            correction: root / (1.0 - BETA_1.powi(time)),
            floor: EPSILON * root,
        }
    }
}

impl Factors {
    /// Updates parameters and moments by their gradients.
    fn update(self, parameters: &mut [f32], gradients: &[f32], first: &mut [f32], second: &mut [f32]) {
        let values = parameters.iter_mut().zip(gradients).zip(first.iter_mut().zip(second));
        for ((p, g), (m, v)) in values {
            let g = self.penalty.map_or(*g, |penalty| *p * penalty + g);
            *m = *m * BETA_1 + g * (1.0 - BETA_1);
            *v = *v * BETA_2 + g * g * (1.0 - BETA_2);
            let step = *m * self.correction / (v.sqrt() + self.floor);
            *p -= step * self.rate;
        }
    }
}

impl Optimizer for FusedAdam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let device = Device::flex();
        let is_here = |t: &Tensor<D>| t.device() == device && t.dtype() == DType::F32;
        if !is_here(&tensor) || !is_here(&gradient) {
            return self.burns.step(rate, tensor, gradient, state);
        }
        let shape = tensor.shape();
        let (time, first, second) = match state {
            Some(AdamState { momentum: AdaptiveMomentumState { time, moment_1, moment_2, .. } }) => {
                (time + 1, moment_1.into_data(), moment_2.into_data())
            }
            None => (1, TensorData::zeros::<f32, _>(shape.clone()), TensorData::zeros::<f32, _>(shape)),
        };
        let factors = self.factors(rate, time);
        let (mut parameters, gradient) = (tensor.into_data(), gradient.into_data());
        let (mut first, mut second) = (first, second);
        update(factors, &mut parameters, &gradient, &mut first, &mut second)
            .expect("parameters and gradients are f32, as was asked, and so are moments made of them");
        let tensor = |data| Tensor::from_data(data, &device);
        let momentum = AdaptiveMomentumState::new(time, tensor(first), tensor(second));
        (tensor(parameters), Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        Adam::to_device(state, device)
    }
}

/// Updates tensors of one shape, in pieces on all threads.
fn update(
    factors: Factors,
    parameters: &mut TensorData,
    gradient: &TensorData,
    first: &mut TensorData,
    second: &mut TensorData,
) -> Result<(), burn::tensor::DataError> {
    let pieces = parameters.as_mut_slice::<f32>()?.par_chunks_mut(CHUNK);
    let moments = first.as_mut_slice::<f32>()?.par_chunks_mut(CHUNK);
    let moments = moments.zip(second.as_mut_slice::<f32>()?.par_chunks_mut(CHUNK));
    pieces.zip(gradient.as_slice::<f32>()?.par_chunks(CHUNK)).zip(moments).for_each(
        |((parameters, gradient), (first, second))| {
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || factors.update(parameters, gradient, first, second),
            );
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn bits_are_those_of_burns_adam() {
        let device = Device::flex();
        device.seed(5);
        let bits =
            |t: &Tensor<2>| -> Vec<u32> { t.clone().into_data().iter::<f32>().map(f32::to_bits).collect() };
        for penalty in [None, Some(0.01)] {
            let ours = FusedAdam::new(penalty);
            let mut parameters = [(); 2].map(|()| Tensor::<2>::ones([150, 160], &device));
            let mut states = [None, None];
            for step in 0..5 {
                let gradient = Tensor::<2>::random([160, 150], Distribution::Normal(0.0, 1.0), &device);
                // Not contiguous, and with zeros.
                let gradient = gradient.swap_dims(0, 1).clamp_min(-0.5);
                let rate = 1e-3 * f64::from(step + 1);
                let [a, b] = parameters;
                let [state_a, state_b] = states;
                let (a, state_a) = ours.step(rate, a, gradient.clone(), state_a);
                let (b, state_b) = ours.burns.step(rate, b, gradient, state_b);
                assert_eq!(bits(&a), bits(&b), "step {step}, penalty {penalty:?}");
                parameters = [a, b];
                states = [state_a, state_b];
            }
            let [Some(ours), Some(burns)] = states.map(|s| s.map(|s| s.momentum)) else { unreachable!() };
            assert_eq!(bits(&ours.moment_1), bits(&burns.moment_1));
            assert_eq!(bits(&ours.moment_2), bits(&burns.moment_2));
            assert_eq!(ours.time, burns.time);
        }
    }
}

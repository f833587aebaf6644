//! Batch normalisation with what follows it in a network, on the CPU in two passes forward and two backward.

mod affine;
mod batch;
mod extension;

use crate::cpu;
use crate::map::Map;
use crate::relu::relu;
use affine::AffineBackend;
use batch::Settings;
use burn::backend::Dispatch;
use burn::tensor::{Tensor, module};
use extension::NormBackend;

/// What follows a normalisation.
#[derive(Clone, Debug, Default)]
pub struct Then {
    /// A map of the same shape that is added.
    pub add: Option<Map>,
    /// Whether the rectifier comes last.
    pub relu: bool,
}

impl Then {
    /// The rectifier.
    #[must_use]
    pub fn relu() -> Self {
        Self { add: None, relu: true }
    }

    fn apply(self, mut map: Map) -> Map {
        if let Some(add) = self.add {
            map = map.both(add, |a, b| a + b);
        }
        if self.relu { map.each(relu) } else { map }
    }
}

/// A normalised batch.
#[derive(Debug)]
pub struct BatchNorm {
    /// `(input - mean) / sqrt(variance + epsilon) * weight + bias`, and what follows.
    pub output: Map,
    /// Mean by channel, constant in the graph, `[C]`.
    pub mean: Tensor<1>,
    /// Biased variance by channel, constant in the graph, `[C]`.
    pub variance: Tensor<1>,
}

/// Normalises every channel by its mean and variance in the batch, which are differentiated through.
///
/// # Shapes
/// - `weight`, `bias`: `[C]`
#[must_use]
pub fn batch_norm(input: Map, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64, then: Then) -> BatchNorm {
    let full = input.dims().iter().product::<usize>() > 0;
    let added = then.add.as_ref().is_none_or(Map::is_here);
    if !(full && added && input.is_here() && cpu::holds(&weight) && cpu::holds(&bias)) {
        let batch = module::batch_norm_train(input.into_pictures(), weight, bias, epsilon);
        let output = then.apply(Map::of_pictures(batch.output));
        return BatchNorm { output, mean: batch.mean, variance: batch.variance };
    }
    let input = input.into_places();
    let moments = Dispatch::moments(input.clone().into_dispatch());
    let affine = Tensor::stack::<2>(vec![weight, bias], 0).into_dispatch();
    let (input, settings) = (input.into_dispatch(), Settings { epsilon, relu: then.relu });
    let output = match then.add {
        Some(add) => {
            let add = add.into_places().into_dispatch();
            Dispatch::normalize_and_add(input, affine, add, moments.clone(), settings)
        }
        None => Dispatch::normalize(input, affine, moments.clone(), settings),
    };
    let moments = Tensor::<2>::from_dispatch(moments);
    let row = |i: usize| moments.clone().narrow(0, i, 1).squeeze_dim(0);
    BatchNorm { output: Map::of_places(Tensor::from_dispatch(output)), mean: row(0), variance: row(1) }
}

/// `input * scale + shift`, by channel, and what follows.
///
/// # Shapes
/// - `scale`, `shift`: `[C]`
#[must_use]
pub fn scale_and_shift(input: Map, scale: Tensor<1>, shift: Tensor<1>, then: Then) -> Map {
    let full = input.dims().iter().product::<usize>() > 0;
    let added = then.add.as_ref().is_none_or(Map::is_here_without_gradients);
    if !(full && added && input.is_here_without_gradients() && cpu::holds(&scale) && cpu::holds(&shift)) {
        return then.apply(input.scale_and_shift(scale, shift));
    }
    let affine = Tensor::stack::<2>(vec![scale, shift], 0).into_dispatch();
    let input = input.into_places().into_dispatch();
    let out = match then.add {
        Some(add) => Dispatch::affine_and_add(input, affine, add.into_places().into_dispatch(), then.relu),
        None => Dispatch::affine(input, affine, then.relu),
    };
    Map::of_places(Tensor::from_dispatch(out))
}

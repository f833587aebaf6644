//! Activations with their derivatives. The main type is [`Activation`].

use crate::relu::relu;
use burn::tensor::{Tensor, activation};
use std::f64::consts::{PI, SQRT_2};

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `x`
    Identity,
    /// `max(0, x)`
    Relu,
    /// `x` where positive, else this slope times `x`.
    LeakyRelu(f64),
    /// `x Phi(x)`, with the error function.
    Gelu,
    /// `x sigmoid(x)`
    Silu,
    /// `tanh(x)`
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
}

impl Activation {
    /// The function.
    #[must_use]
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(slope) => {
                let factor = Self::LeakyRelu(slope).derivative(x.clone());
                x * factor
            }
            // Not Burn's own, whose gradient is that of an approximation.
            Self::Gelu => x.clone() * normal(x),
            Self::Silu => x.clone() * activation::sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => activation::sigmoid(x),
        }
    }

    /// The derivative at `x`. Where it is smooth it can be differentiated once more; slopes of pieces are constants.
    #[must_use]
    pub fn derivative<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x.ones_like(),
            Self::Relu => x.detach().greater_elem(0.0).float(),
            Self::LeakyRelu(slope) => x.detach().greater_elem(0.0).float() * (1.0 - slope) + slope,
            Self::Gelu => {
                let density = (x.clone().powi_scalar(2) * -0.5).exp() / (2.0 * PI).sqrt();
                normal(x.clone()) + x * density
            }
            Self::Silu => {
                let gate = activation::sigmoid(x.clone());
                gate.clone() * (x * (-gate + 1.0) + 1.0)
            }
            Self::Tanh => -x.tanh().powi_scalar(2) + 1.0,
            Self::Sigmoid => {
                let y = activation::sigmoid(x);
                y.clone() * (-y + 1.0)
            }
        }
    }
}

/// The distribution function of the standard normal distribution.
fn normal<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    ((x / SQRT_2).erf() + 1.0) * 0.5
}

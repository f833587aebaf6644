//! Initialisation drawn on the host, keyed by parameter name. The main type is [`Scope`].
//!
//! Every parameter has its own stream of random numbers, so that its value depends on the seed, its name and its shape
//! alone: not on the device, and not on which layers are built before it.

use burn::module::{Param, RunningState};
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::{Key, ModelContext, Precision};
use rand::RngExt as _;
use rand_distr::{Distribution as _, StandardNormal};

/// How a parameter begins.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    /// Every element the same.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform in plus or minus this bound.
    Uniform(f64),
}

impl Fill {
    /// PyTorch's `kaiming_normal_(mode = "fan_out", nonlinearity = "relu")` of a convolution with this many output
    /// channels and a square kernel of this side: standard deviation `sqrt(2 / (out k k))`.
    #[must_use]
    pub fn kaiming(out: usize, kernel: usize) -> Self {
        Self::Normal((2.0 / (out * kernel * kernel) as f64).sqrt())
    }
}

/// A place in a network under construction: where its parameters lie, what they are called, whether they are trained.
#[derive(Clone, Debug)]
pub struct Scope {
    key: Key,
    path: String,
    device: Device,
    precision: Precision,
    trained: bool,
}

impl Scope {
    /// The root of a network.
    #[must_use]
    pub fn new(context: &ModelContext) -> Self {
        Self {
            key: Key::new(context.seed).purpose("init"),
            path: String::new(),
            device: context.device.clone(),
            precision: context.precision,
            trained: true,
        }
    }

    /// The same place; parameters made from here are trained or not.
    #[must_use]
    pub fn trained(&self, trained: bool) -> Self {
        Self { trained, ..self.clone() }
    }

    /// The type in which the layers of this network multiply.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The part of this name within this place.
    #[must_use]
    pub fn enter(&self, name: impl std::fmt::Display) -> Self {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Self { path, ..self.clone() }
    }

    /// A parameter of this place.
    #[must_use]
    pub fn parameter<const D: usize>(&self, name: &str, shape: [usize; D], fill: Fill) -> Param<Tensor<D>> {
        let tensor = Tensor::from_data(self.draw(name, shape, fill), &self.device);
        Param::from_tensor(tensor).set_require_grad(self.trained)
    }

    /// A buffer of this place, with one constant value per channel.
    #[must_use]
    pub fn buffer(&self, channels: usize, value: f32) -> RunningState<Tensor<1>> {
        RunningState::new(Tensor::from_data(TensorData::new(vec![value; channels], [channels]), &self.device))
    }

    fn draw<const D: usize>(&self, name: &str, shape: [usize; D], fill: Fill) -> TensorData {
        let count = shape.iter().product();
        let values: Vec<f32> = match fill {
            Fill::Constant(value) => vec![value; count],
            Fill::Normal(std) => {
                let mut rng = self.key.purpose(&self.enter(name).path).rng();
                let draw = |_| {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    (z * std) as f32
                };
                (0..count).map(draw).collect()
            }
            Fill::Uniform(bound) => {
                let mut rng = self.key.purpose(&self.enter(name).path).rng();
                (0..count).map(|_| ((2.0 * rng.random::<f64>() - 1.0) * bound) as f32).collect()
            }
        };
        TensorData::new(values, shape)
    }
}

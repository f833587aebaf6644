//! Layers with torchvision's parameter names and layouts, so that module paths are names in a state dict.
//!
//! Burn's own layers are not used: its linear layer stores the transposed weight, its batch normalisation keeps the
//! biased variance where PyTorch keeps the unbiased one, and its behaviour follows the device instead of an argument.

use crate::init::{Fill, Scope};
use crate::map::Map;
use crate::norm::{Then, batch_norm, scale_and_shift};
use crate::pool::max_pool;
use crate::precision;
use crate::relu::relu;
use burn::module::{Module, Param, RunningState};
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Distribution, Tensor, module};
use fovea_api::{Mode, Precision};

/// Weight of the newest batch in running statistics (PyTorch's default).
pub const MOMENTUM: f64 = 0.1;
/// Added to variances (PyTorch's default).
pub const EPSILON: f64 = 1e-5;

/// A convolution with a square kernel.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in, k, k]`
    pub weight: Param<Tensor<4>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
    #[module(skip)]
    precision: Precision,
}

/// What a [`Conv2d`] is made from. The weight begins Kaiming normal (fan out, ReLU), the bias 0.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dConfig {
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zeros around the map, fewer than the kernel's side.
    pub padding: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

impl Conv2dConfig {
    /// A convolution with an odd kernel, padded by half of it, without bias, as before a batch normalisation.
    #[must_use]
    pub fn new(input: usize, output: usize, kernel: usize, stride: usize) -> Self {
        Self { input, output, kernel, stride, padding: kernel / 2, bias: false }
    }

    /// The initialised layer.
    #[must_use]
    pub fn init(&self, scope: &Scope) -> Conv2d {
        let shape = [self.output, self.input, self.kernel, self.kernel];
        Conv2d {
            weight: scope.parameter("weight", shape, Fill::kaiming(self.output, self.kernel)),
            bias: self.bias.then(|| scope.parameter("bias", [self.output], Fill::Constant(0.0))),
            stride: self.stride,
            padding: self.padding,
            precision: scope.precision(),
        }
    }
}

impl Conv2d {
    /// Convolves a map of `in` channels to one of `out` channels, `(H + 2 padding - kernel) / stride + 1` high.
    #[must_use]
    pub fn forward(&self, input: Map) -> Map {
        let bias = self.bias.as_ref().map(Param::val);
        precision::convolve(self.precision, input, self.weight.val(), bias, self.stride, self.padding)
    }
}

/// Batch normalisation over `N`, `H` and `W`.
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    /// `[channels]`
    pub weight: Param<Tensor<1>>,
    /// `[channels]`
    pub bias: Param<Tensor<1>>,
    /// `[channels]`
    pub running_mean: RunningState<Tensor<1>>,
    /// `[channels]`, unbiased.
    pub running_var: RunningState<Tensor<1>>,
}

impl BatchNorm2d {
    /// The initialised layer: weight 1, bias 0, running mean 0, running variance 1.
    #[must_use]
    pub fn new(channels: usize, scope: &Scope) -> Self {
        Self {
            weight: scope.parameter("weight", [channels], Fill::Constant(1.0)),
            bias: scope.parameter("bias", [channels], Fill::Constant(0.0)),
            running_mean: scope.buffer(channels, 0.0),
            running_var: scope.buffer(channels, 1.0),
        }
    }

    /// Normalises with the batch's statistics, which update the running ones ([`Mode::Train`]), or with the running
    /// ones ([`Mode::Eval`], differentiable), and does what follows.
    #[must_use]
    pub fn forward(&self, input: Map, mode: Mode, then: Then) -> Map {
        let [n, _, h, w] = input.dims();
        match mode {
            Mode::Train => {
                let batch = batch_norm(input, self.weight.val(), self.bias.val(), EPSILON, then);
                // The batch is normalised with the biased variance; the running one is unbiased, as in PyTorch.
                let count = (n * h * w) as f64;
                let unbiased = batch.variance * (count / (count - 1.0).max(1.0));
                blend(&self.running_mean, batch.mean);
                blend(&self.running_var, unbiased);
                batch.output
            }
            Mode::Eval => {
                let scale = self.weight.val() / (self.running_var.value() + EPSILON).sqrt();
                let shift = self.bias.val() - self.running_mean.value() * scale.clone();
                scale_and_shift(input, scale, shift, then)
            }
        }
    }
}

/// Moves a running statistic towards the batch's.
fn blend(running: &RunningState<Tensor<1>>, batch: Tensor<1>) {
    let value = running.value() * (1.0 - MOMENTUM) + batch.detach() * MOMENTUM;
    running.update(value.detach());
    // An update waits in a list by thread, which records and visitors do not read; this settles it now.
    let _ = running.value_sync();
}

/// A fully connected layer in PyTorch's layout.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    precision: Precision,
}

impl Linear {
    /// PyTorch's default initialisation: weight and bias uniform in plus or minus `1 / sqrt(in)`.
    #[must_use]
    pub fn uniform(input: usize, output: usize, scope: &Scope) -> Self {
        let fill = Fill::Uniform(1.0 / (input as f64).sqrt());
        Self {
            weight: scope.parameter("weight", [output, input], fill),
            bias: scope.parameter("bias", [output], fill),
            precision: scope.precision(),
        }
    }

    /// The initialisation of torchvision's VGG: weight normal with standard deviation 0.01, bias 0.
    #[must_use]
    pub fn normal(input: usize, output: usize, scope: &Scope) -> Self {
        Self {
            weight: scope.parameter("weight", [output, input], Fill::Normal(0.01)),
            bias: scope.parameter("bias", [output], Fill::Constant(0.0)),
            precision: scope.precision(),
        }
    }

    /// `input W^T + b`.
    ///
    /// # Shapes
    /// - `input`: `[N, in]`
    /// - output: `[N, out]`
    #[must_use]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.with_bias(precision::product(self.precision, input, self.weight.val()))
    }

    /// [`forward`](Self::forward), and the weight summed over space, `[out, channels]`, which Grad-CAM needs.
    ///
    /// # Shapes
    /// - `input`: `[N, channels h w]`
    /// - outputs: `[N, out]`, `[out, channels]`
    #[must_use]
    pub fn forward_with_sums(&self, input: Tensor<2>, channels: usize) -> [Tensor<2>; 2] {
        let [product, sums] = precision::product_and_sums(self.precision, input, self.weight.val(), channels);
        [self.with_bias(product), sums]
    }

    fn with_bias(&self, product: Tensor<2>) -> Tensor<2> {
        product + self.bias.val().unsqueeze()
    }
}

/// The rectifier, as a place in a list of layers.
#[derive(Module, Debug)]
pub struct Relu;

impl Relu {
    /// `max(0, x)`.
    #[must_use]
    pub fn forward(&self, input: Map) -> Map {
        input.each(relu)
    }
}

/// Max pooling, as a place in a list of layers.
#[derive(Module, Debug)]
pub struct MaxPool2d {
    kernel: usize,
    padding: usize,
}

impl MaxPool2d {
    /// Halves height and width: a window of 2x2 (VGG) or of 3x3 with padding 1 (ResNet's stem), stride 2.
    #[must_use]
    pub fn halve(kernel: usize) -> Self {
        Self { kernel, padding: kernel.saturating_sub(1) / 2 }
    }

    /// The maximum of each window; the output is `(H + 2 padding - kernel) / 2 + 1` high.
    #[must_use]
    pub fn forward(&self, input: Map) -> Map {
        max_pool(input, self.kernel, 2, self.padding)
    }
}

/// Adaptive average pooling to a square, PyTorch's bins.
///
/// # Shapes
/// - output: `[N, C, side, side]`
#[must_use]
pub fn adaptive_average(input: Map, side: usize) -> Tensor<4> {
    let [_, _, h, w] = input.dims();
    let input = input.into_pictures();
    if (h, w) == (side, side) {
        input
    } else if h % side == 0 && w % side == 0 {
        module::avg_pool2d(input, AvgPoolOptions::new([h / side, w / side]))
    } else {
        module::adaptive_avg_pool2d(input, [side, side])
    }
}

/// The average of each channel.
///
/// # Shapes
/// - output: `[N, C]`
#[must_use]
pub fn global_average(input: Map) -> Tensor<2> {
    let [n, c, h, w] = input.dims();
    if input.is_by_place() {
        input.into_places().reshape([h * w, n * c]).mean_dim(0).reshape([n, c])
    } else {
        input.into_pictures().reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
    }
}

/// A scaled dropout mask, constant in the graph: 0 with this probability, else `1 / (1 - probability)`. Drawn from the
/// device's generator, which the engine reseeds before every step.
#[must_use]
pub fn dropout_mask<const D: usize>(shape: [usize; D], probability: f64, device: &Device) -> Tensor<D> {
    let keep = 1.0 - probability;
    Tensor::<D>::random(shape, Distribution::Bernoulli(keep), device) / keep
}

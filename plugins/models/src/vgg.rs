//! VGG as torchvision builds it. The main type is [`Vgg`].

use crate::init::Scope;
use crate::layers::{
    BatchNorm2d, Conv2d, Conv2dConfig, Linear, MaxPool2d, Relu, adaptive_average, dropout_mask,
};
use crate::linear::sums_by_channel;
use crate::map::Map;
use crate::norm::Then;
use crate::options::Freeze;
use crate::relu::relu;
use crate::tally::{Conv, Takes, Tally};
use burn::module::Module;
use burn::tensor::{Int, Tensor};
use fovea_api::{CamForward, CamHead, Classifier, Forecast, Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which activations are the CAM layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CamLayer {
    /// After the last convolution's ReLU, before the last max pooling (`relu5_3`, 14x14 at 224).
    #[default]
    LastConv,
    /// After the adaptive average pooling (7x7).
    Pooled,
}

/// What a [`Vgg`] is made from.
#[derive(Clone, Debug)]
pub struct Architecture {
    /// Output channels of the convolutions of each stage; a max pooling ends a stage.
    pub stages: Vec<Vec<usize>>,
    /// Whether every convolution is followed by a batch normalisation.
    pub batch_norm: bool,
    /// Side of the map after adaptive average pooling.
    pub pool: usize,
    /// Widths of the hidden fully connected layers.
    pub hidden: Vec<usize>,
    /// Probability that a hidden unit is dropped in training.
    pub dropout: f64,
    /// Which activations are the CAM layer.
    pub cam_layer: CamLayer,
    /// Number of classes.
    pub classes: usize,
    /// What is not trained.
    pub freeze: Freeze,
}

impl Architecture {
    /// What the network will need for pictures of this side.
    ///
    /// # Errors
    /// When its stages leave nothing of them, in words.
    pub fn forecast(&self, side: usize) -> Result<Forecast, String> {
        let mut tally = Tally::new(side, self.freeze == Freeze::None);
        for stage in &self.stages {
            for &output in stage {
                tally.conv(Conv { output, kernel: 3, stride: 1, bias: true }, Takes::Own);
                if self.batch_norm {
                    tally.norm();
                }
            }
            // Every stage halves the map; the last one must leave at least one pixel.
            tally.halve(false);
            if tally.side() == 0 {
                return Err(format!(
                    "{} stages leave nothing of a picture of {side}x{side}",
                    self.stages.len()
                ));
            }
        }
        let pooled = tally.channels().saturating_mul(self.pool).saturating_mul(self.pool);
        let mut input = pooled;
        for &output in self.hidden.iter().chain([&self.classes]) {
            tally.linear(input, output);
            input = output;
        }
        Ok(tally.forecast())
    }
}

/// A place in `features`; torchvision counts them all.
#[derive(Module, Debug)]
pub enum Feature {
    /// 3x3 convolution with bias.
    Conv(Conv2d),
    /// Batch normalisation.
    Norm(BatchNorm2d),
    /// Rectifier.
    Relu(Relu),
    /// 2x2 max pooling.
    Pool(MaxPool2d),
}

impl Feature {
    fn forward(&self, x: Map, mode: Mode) -> Map {
        match self {
            Self::Conv(layer) => layer.forward(x),
            Self::Norm(layer) => layer.forward(x, mode, Then::default()),
            Self::Relu(layer) => layer.forward(x),
            Self::Pool(layer) => layer.forward(x),
        }
    }
}

/// A VGG.
#[derive(Module, Debug)]
pub struct Vgg {
    features: Vec<Feature>,
    /// The linear layers only; torchvision's `classifier` has a ReLU and a dropout after each but the last.
    classifier: Vec<Linear>,
    pool: usize,
    dropout: f64,
    #[module(skip)]
    cam_layer: CamLayer,
    /// Whether `features` stay as they are.
    frozen: bool,
}

impl Vgg {
    /// The initialised network.
    ///
    /// # Panics
    /// When a stage has no convolution, which the configuration's check refuses.
    #[must_use]
    pub fn new(architecture: &Architecture, scope: &Scope) -> Self {
        let a = architecture;
        let frozen = a.freeze == Freeze::Features;
        let root = scope.trained(!frozen).enter("features");
        let mut features = Vec::new();
        let mut channels = 3;
        for stage in &a.stages {
            assert!(!stage.is_empty(), "a stage has at least one convolution");
            for &output in stage {
                let conv = Conv2dConfig { bias: true, ..Conv2dConfig::new(channels, output, 3, 1) };
                features.push(Feature::Conv(conv.init(&root.enter(features.len()))));
                if a.batch_norm {
                    features.push(Feature::Norm(BatchNorm2d::new(output, &root.enter(features.len()))));
                }
                features.push(Feature::Relu(Relu));
                channels = output;
            }
            features.push(Feature::Pool(MaxPool2d::halve(2)));
        }
        let mut input = channels * a.pool * a.pool;
        let linear = |(i, output)| {
            let layer = Linear::normal(input, output, &scope.enter("classifier").enter(3 * i));
            input = output;
            layer
        };
        let classifier = a.hidden.iter().copied().chain([a.classes]).enumerate().map(linear).collect();
        Self { features, classifier, pool: a.pool, dropout: a.dropout, cam_layer: a.cam_layer, frozen }
    }

    /// Name of the classification layer.
    #[must_use]
    pub fn head_name(architecture: &Architecture) -> String {
        format!("classifier.{}", 3 * architecture.hidden.len())
    }

    /// Everything up to the last ReLU, from `[N, 3, H, W]`.
    fn convolve(&self, images: Tensor<4>, mode: Mode) -> Map {
        let mode = if self.frozen { Mode::Eval } else { mode };
        let (_, before) = self.features.split_last().expect("there is at least one stage");
        before.iter().fold(Map::of_pictures(images), |x, layer| layer.forward(x, mode))
    }

    /// Everything behind the last ReLU. `drop` gives the scaled dropout mask of hidden layer `i`.
    fn classify(&self, last: Map, drop: impl Fn(usize, [usize; 2]) -> Option<Tensor<2>>) -> CamForward {
        let pooled = adaptive_average(MaxPool2d::halve(2).forward(last.clone()), self.pool);
        let [n, channels, side, _] = pooled.dims();
        let mut x = pooled.clone().reshape([n, channels * side * side]);
        let (output, hidden) = self.classifier.split_last().expect("the last linear layer gives the logits");
        let (mut masks, mut sums) = (Vec::new(), None);
        for (i, layer) in hidden.iter().enumerate() {
            let raw = if i == 0 {
                // Behind a Grad-CAM, the same operation gives the sums that it needs.
                let [raw, by_channel] = layer.forward_with_sums(x, channels);
                sums = Some(by_channel);
                raw
            } else {
                layer.forward(x)
            };
            let mut mask = raw.clone().detach().greater_elem(0.0).float();
            x = relu(raw);
            if let Some(kept) = drop(i, mask.dims()) {
                mask = mask * kept.clone();
                x = x * kept;
            }
            masks.push(mask);
        }
        let logits = output.forward(x);
        let features = match self.cam_layer {
            CamLayer::LastConv => last.into_pictures(),
            CamLayer::Pooled => pooled,
        };
        let [_, _, h, w] = features.dims();
        let sums = sums.unwrap_or_else(|| sums_by_channel(output.weight.val(), channels));
        let behind = self.classifier.iter().skip(1).map(|layer| layer.weight.val());
        let head = PerceptronHead { weights: [sums].into_iter().chain(behind).collect(), masks, area: h * w };
        CamForward { logits, features, head: Box::new(head) }
    }
}

impl Classifier for Vgg {
    fn forward(&self, images: Tensor<4>, mode: Mode) -> CamForward {
        let device = images.device();
        let dropping = mode == Mode::Train && self.dropout > 0.0;
        let drop = |_, shape| dropping.then(|| dropout_mask(shape, self.dropout, &device));
        self.classify(self.convolve(images, mode), drop)
    }

    fn state_name(path: &str) -> String {
        let mut parts: Vec<String> = path
            .split('.')
            // Burn puts the name of an enum's variant into the path.
            .filter(|part| !part.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(str::to_owned)
            .collect();
        if let [first, index, ..] = parts.as_mut_slice()
            && first == "classifier"
            && let Ok(i) = index.parse::<usize>()
        {
            *index = (3 * i).to_string();
        }
        parts.join(".")
    }
}

/// Fully connected layers with ReLU and dropout over a pooled map.
///
/// Pooling preserves the sum of a gradient over space, so `alpha_k` is the sum over the pooled map of the gradient
/// `W1^T (m1 * W2^T (m2 * ... W[t]))`, divided by the area of the CAM layer. The masks are constants.
struct PerceptronHead {
    /// `[out, in]` of each layer, that of the first summed over space, `[out, K]`: summing before the product is the same
    /// as summing the product, and cheaper.
    weights: Vec<Tensor<2>>,
    /// `[N, out]` of each layer but the last: ReLU mask times scaled dropout mask.
    masks: Vec<Tensor<2>>,
    area: usize,
}

impl CamHead for PerceptronHead {
    fn cam_weights(&self, class: Tensor<1, Int>) -> Tensor<2> {
        let (last, hidden) = self.weights.split_last().expect("the last linear layer gives the logits");
        let mut gradient = last.clone().select(0, class);
        for (weight, mask) in hidden.iter().zip(&self.masks).rev() {
            gradient = (gradient * mask.clone()).matmul(weight.clone());
        }
        gradient / self.area as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use fovea_api::{ModelContext, Precision};

    fn vgg(cam_layer: CamLayer, pool: usize) -> (Vgg, Device) {
        let device = Device::flex();
        let context = ModelContext {
            classes: 5,
            input_size: 44,
            seed: 4,
            device: device.clone(),
            precision: Precision::default(),
            base_dir: ".".into(),
        };
        let architecture = Architecture {
            stages: vec![vec![6], vec![8]],
            batch_norm: false,
            pool,
            hidden: vec![32, 24],
            dropout: 0.5,
            cam_layer,
            classes: 5,
            freeze: Freeze::None,
        };
        (Vgg::new(&architecture, &Scope::new(&context)), device)
    }

    /// Adding a constant to a whole channel changes the logit by the sum of its derivatives, `h w alpha_k`.
    #[test]
    fn alpha_is_the_derivative_of_the_logit_in_training() {
        // 44 pixels: the last stage has 22, pooled to 11; side 7 needs overlapping bins, 11 none.
        for (pool, mode) in [(7, Mode::Train), (11, Mode::Train), (7, Mode::Eval)] {
            let (network, device) = vgg(CamLayer::LastConv, pool);
            let values: Vec<f32> = (0..2 * 3 * 44 * 44).map(|i| (i as f32 * 0.37).sin()).collect();
            let images = Tensor::from_data(TensorData::new(values, [2, 3, 44, 44]), &device);
            let features = network.convolve(images, mode).into_pictures();
            // The same dropout masks in every pass, and in every run of the test: where few units are left, the
            // differences below drown in rounding.
            let masks = [32, 24].map(|width| {
                let kept: Vec<f32> = (0..2 * width).map(|i| if i % 3 == 0 { 0.0 } else { 1.5 }).collect();
                Tensor::<2>::from_data(TensorData::new(kept, [2, width]), &device)
            });
            let drop = |i: usize, _| (mode == Mode::Train).then(|| masks[i].clone());
            let class = Tensor::<1, Int>::from_ints([3, 1], &device);
            let alpha =
                network.classify(Map::of_pictures(features.clone()), drop).head.cam_weights(class.clone());
            let alpha: Vec<f64> = alpha.into_data().iter::<f64>().collect();
            let largest = alpha.iter().fold(0f64, |m, a| m.max(a.abs()));
            assert!(largest > 0.0);
            let [_, k, h, w] = features.dims();
            let logits = |shift: Tensor<4>| -> Vec<f64> {
                let logits = network.classify(Map::of_pictures(features.clone() + shift), drop).logits;
                logits.gather(1, class.clone().reshape([2, 1])).into_data().iter::<f64>().collect()
            };
            let step = 1e-3;
            for channel in 0..k {
                let mut shift = vec![0f32; k];
                shift[channel] = step as f32;
                let shift = Tensor::<4>::from_data(TensorData::new(shift, [1, k, 1, 1]), &device);
                let (up, down) = (logits(shift.clone()), logits(-shift));
                for n in 0..2 {
                    let expected = (up[n] - down[n]) / (2.0 * step) / (h * w) as f64;
                    let got = alpha[n * k + channel];
                    assert!((got - expected).abs() < 5e-3 * largest, "{got} instead of {expected}");
                }
            }
        }
    }

    /// The same, against automatic differentiation with respect to the features.
    #[test]
    fn alpha_is_the_mean_gradient() {
        for cam_layer in [CamLayer::LastConv, CamLayer::Pooled] {
            let (network, device) = vgg(cam_layer, 7);
            let device = device.autodiff();
            let network = network.train();
            let values: Vec<f32> = (0..2 * 8 * 15 * 17).map(|i| (i as f32 * 0.37).sin().max(0.0)).collect();
            let leaf =
                Tensor::<4>::from_data(TensorData::new(values, [2, 8, 15, 17]), &device).require_grad();
            let drop = |_, shape| Some(dropout_mask(shape, 0.5, &device));
            let out = network.classify(Map::of_pictures(leaf.clone()), drop);
            let class = Tensor::<1, Int>::from_ints([3, 1], &device);
            let alpha = out.head.cam_weights(class.clone());
            let chosen = out.logits.gather(1, class.reshape([2, 1])).sum();
            let gradient = leaf.grad(&chosen.backward()).unwrap();
            // Pooling preserves the sum, so both layers have the same one.
            let [_, _, h, w] = out.features.dims();
            let mean = gradient.sum_dim(2).sum_dim(3).reshape([2, 8]) / (h * w) as f64;
            let got: Vec<f32> = alpha.into_data().try_to_vec().unwrap();
            let expected: Vec<f32> = mean.into_data().try_to_vec().unwrap();
            let largest = expected.iter().fold(0f32, |m, a| m.max(a.abs()));
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-5 * largest, "{got} instead of {expected}");
            }
        }
    }
}

//! ResNet as torchvision builds it ("v1.5": a bottleneck's stride is on its 3x3). The main type is [`ResNet`].

use crate::init::Scope;
use crate::layers::{BatchNorm2d, Conv2d, Conv2dConfig, Linear, MaxPool2d, global_average};
use crate::map::Map;
use crate::norm::Then;
use crate::options::Freeze;
use crate::tally::{Conv, Takes, Tally};
use burn::module::Module;
use burn::tensor::{Int, Tensor};
use fovea_api::{CamForward, CamHead, Classifier, Forecast, Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1, with four times as many channels out as inside.
    Bottleneck,
}

impl BlockKind {
    /// Output channels per plane.
    #[must_use]
    pub fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// What a [`ResNet`] is made from.
#[derive(Clone, Debug)]
pub struct Architecture {
    /// The residual block.
    pub block: BlockKind,
    /// Blocks per stage.
    pub layers: [usize; 4],
    /// Planes per stage.
    pub widths: [usize; 4],
    /// Stride of each stage's first block.
    pub strides: [usize; 4],
    /// Channels of the stem.
    pub stem_width: usize,
    /// Side of the stem's kernel.
    pub stem_kernel: usize,
    /// Stride of the stem's convolution.
    pub stem_stride: usize,
    /// Whether a 3x3 max pooling follows the stem.
    pub stem_pool: bool,
    /// Number of classes.
    pub classes: usize,
    /// What is not trained.
    pub freeze: Freeze,
}

impl Architecture {
    /// What the network will need for pictures of this side.
    #[must_use]
    pub fn forecast(&self, side: usize) -> Forecast {
        let plain = |output, kernel, stride| Conv { output, kernel, stride, bias: false };
        let mut tally = Tally::new(side, self.freeze == Freeze::None);
        tally.conv(plain(self.stem_width, self.stem_kernel, self.stem_stride), Takes::Own);
        tally.norm();
        if self.stem_pool {
            tally.halve(true);
        }
        for stage in 0..4 {
            let (planes, output) =
                (self.widths[stage], self.widths[stage].saturating_mul(self.block.expansion()));
            for block in 0..self.layers[stage] {
                let stride = if block == 0 { self.strides[stage] } else { 1 };
                let convs: &[Conv] = match self.block {
                    BlockKind::Basic => &[plain(planes, 3, stride), plain(planes, 3, 1)],
                    BlockKind::Bottleneck => {
                        &[plain(planes, 1, 1), plain(planes, 3, stride), plain(output, 1, 1)]
                    }
                };
                let before = tally;
                for &conv in convs {
                    tally.conv(conv, Takes::Own);
                    tally.norm();
                }
                if stride != 1 || before.channels() != output {
                    tally.back_to(&before);
                    tally.conv(plain(output, 1, stride), Takes::Shared);
                    tally.norm();
                }
            }
        }
        tally.linear(tally.channels(), self.classes);
        tally.forecast()
    }
}

/// A residual block of either kind; a bottleneck has the third convolution.
#[derive(Module, Debug)]
pub struct Block {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm2d>,
    downsample: Option<(Conv2d, BatchNorm2d)>,
}

impl Block {
    fn new(kind: BlockKind, input: usize, planes: usize, stride: usize, scope: &Scope) -> Self {
        let conv = |name: &str, from, to, kernel, stride| {
            Conv2dConfig::new(from, to, kernel, stride).init(&scope.enter(name))
        };
        let norm = |name: &str, channels| BatchNorm2d::new(channels, &scope.enter(name));
        let output = planes * kind.expansion();
        let (conv1, conv2, conv3, bn3) = match kind {
            BlockKind::Basic => {
                (conv("conv1", input, planes, 3, stride), conv("conv2", planes, planes, 3, 1), None, None)
            }
            BlockKind::Bottleneck => (
                conv("conv1", input, planes, 1, 1),
                conv("conv2", planes, planes, 3, stride),
                Some(conv("conv3", planes, output, 1, 1)),
                Some(norm("bn3", output)),
            ),
        };
        let downsample = (stride != 1 || input != output)
            .then(|| (conv("downsample.0", input, output, 1, stride), norm("downsample.1", output)));
        Self { conv1, bn1: norm("bn1", planes), conv2, bn2: norm("bn2", planes), conv3, bn3, downsample }
    }

    fn forward(&self, input: Map, mode: Mode) -> Map {
        let x = self.bn1.forward(self.conv1.forward(input.clone()), mode, Then::relu());
        let mut x = self.conv2.forward(x);
        let mut last = &self.bn2;
        if let (Some(conv3), Some(bn3)) = (&self.conv3, &self.bn3) {
            x = conv3.forward(last.forward(x, mode, Then::relu()));
            last = bn3;
        }
        let identity = match &self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(input), mode, Then::default()),
            None => input,
        };
        last.forward(x, mode, Then { add: Some(identity), relu: true })
    }
}

/// A ResNet. Its CAM layer is the output of `layer4`.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    maxpool: Option<MaxPool2d>,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Linear,
    /// Whether everything before `fc` stays as it is.
    frozen: bool,
}

impl ResNet {
    /// The classification layer.
    pub const HEAD: &'static str = "fc";

    /// The initialised network.
    #[must_use]
    pub fn new(architecture: &Architecture, scope: &Scope) -> Self {
        let a = architecture;
        let frozen = a.freeze == Freeze::Features;
        let features = scope.trained(!frozen);
        let mut channels = a.stem_width;
        let mut stage = |index: usize| -> Vec<Block> {
            let scope = features.enter(format_args!("layer{}", index + 1));
            let block = |i| {
                let stride = if i == 0 { a.strides[index] } else { 1 };
                let block = Block::new(a.block, channels, a.widths[index], stride, &scope.enter(i));
                channels = a.widths[index] * a.block.expansion();
                block
            };
            (0..a.layers[index]).map(block).collect()
        };
        Self {
            conv1: Conv2dConfig::new(3, a.stem_width, a.stem_kernel, a.stem_stride)
                .init(&features.enter("conv1")),
            bn1: BatchNorm2d::new(a.stem_width, &features.enter("bn1")),
            maxpool: a.stem_pool.then(|| MaxPool2d::halve(3)),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            fc: Linear::uniform(channels, a.classes, &scope.enter(Self::HEAD)),
            frozen,
        }
    }
}

impl Classifier for ResNet {
    fn forward(&self, images: Tensor<4>, mode: Mode) -> CamForward {
        let mode = if self.frozen { Mode::Eval } else { mode };
        let mut x = self.bn1.forward(self.conv1.forward(Map::of_pictures(images)), mode, Then::relu());
        if let Some(maxpool) = &self.maxpool {
            x = maxpool.forward(x);
        }
        for block in [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().flatten() {
            x = block.forward(x, mode);
        }
        let [_, _, h, w] = x.dims();
        let pooled = global_average(x.clone());
        let head = AverageHead { weight: self.fc.weight.val(), area: h * w };
        CamForward { logits: self.fc.forward(pooled), features: x.into_pictures(), head: Box::new(head) }
    }
}

/// Global average pooling and one linear layer: `alpha_k = W[t, k] / (h w)`.
struct AverageHead {
    /// `[classes, K]`
    weight: Tensor<2>,
    area: usize,
}

impl CamHead for AverageHead {
    fn cam_weights(&self, class: Tensor<1, Int>) -> Tensor<2> {
        self.weight.clone().select(0, class) / self.area as f64
    }
}

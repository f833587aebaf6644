//! DINO's vision transformer, as far as the keys of its last block (method.md section 5). The main type is
//! [`VisionTransformer`].

use super::gelu::gelu;
use super::{Grid, PatchBatch, PatchFeatures, interpolate, pixels};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor, TensorData, module};
use fovea_api::weights::{Mismatch, StateDict};
use fovea_api::{PluginError, RgbImage};
use std::collections::BTreeMap;

/// Tensors by which a checkpoint is known.
pub(crate) const OWN: [&str; 4] =
    ["cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"];
/// Epsilon of layer normalisations, as DINO sets it.
const EPSILON: f64 = 1e-6;
/// Dimensions of a head in DINO's ViT-S and ViT-B.
const HEAD: usize = 64;

/// `x W + b`, the weight transposed from PyTorch's layout once.
struct Linear {
    /// `[in, out]`
    weight: Tensor<2>,
    /// `[out]`
    bias: Tensor<1>,
}

impl Linear {
    fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        module::linear(input, self.weight.clone(), Some(self.bias.clone()))
    }

    /// The part that makes outputs `from..to` only.
    fn outputs(&self, from: usize, to: usize) -> Self {
        let [input, _] = self.weight.dims();
        Self {
            weight: self.weight.clone().slice([0..input, from..to]),
            bias: self.bias.clone().narrow(0, from, to - from),
        }
    }
}

struct Norm {
    /// `[d]`
    weight: Tensor<1>,
    /// `[d]`
    bias: Tensor<1>,
}

impl Norm {
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        module::layer_norm(input, self.weight.clone(), Some(self.bias.clone()), EPSILON)
    }
}

struct Block {
    norm1: Norm,
    qkv: Linear,
    projection: Linear,
    norm2: Norm,
    expand: Linear,
    contract: Linear,
}

impl Block {
    fn forward(&self, tokens: Tensor<3>, heads: usize) -> Tensor<3> {
        let [n, t, d] = tokens.dims();
        let qkv = self.qkv.forward(self.norm1.forward(tokens.clone()));
        let part = |index: usize| {
            let part = qkv.clone().slice([0..n, 0..t, index * d..(index + 1) * d]);
            part.reshape([n, t, heads, d / heads]).swap_dims(1, 2)
        };
        let options = AttentionModuleOptions::default();
        let attended = module::attention(part(0), part(1), part(2), None, None, options);
        let tokens = tokens + self.projection.forward(attended.swap_dims(1, 2).reshape([n, t, d]));
        let hidden = gelu(self.expand.forward(self.norm2.forward(tokens.clone())));
        tokens + self.contract.forward(hidden)
    }
}

/// The network. Patch size, width and depth are read off the checkpoint.
pub(crate) struct VisionTransformer {
    patch: usize,
    heads: usize,
    /// Linear embedding of a patch's `3 * patch * patch` values.
    embed: Linear,
    /// Class token with its position embedding: `[1, 1, d]`.
    class: Tensor<3>,
    /// Position embeddings of the grid that the network was trained on, `[side * side, d]`, on the host.
    positions: Vec<f32>,
    side: usize,
    /// All but the last block.
    blocks: Vec<Block>,
    /// Of the last block, what its queries and keys need.
    norm: Norm,
    query: Linear,
    key: Linear,
    device: Device,
}

impl VisionTransformer {
    /// The network of a checkpoint. Where `heads` is not given, a head has 64 dimensions.
    ///
    /// # Errors
    /// What is wrong with the checkpoint, with every missing, unexpected and mis-shaped tensor.
    pub(crate) fn new(dict: StateDict, heads: Option<usize>, device: &Device) -> Result<Self, String> {
        // Full training checkpoints call the network a backbone, beside a projection head.
        let dict = dict.fitted(&|name| OWN.contains(&name));
        let shape = |name: &str| dict.0.get(name).map(|data| data.shape().to_vec()).unwrap_or_default();
        let (embed, positions) = (shape("patch_embed.proj.weight"), shape("pos_embed"));
        let (&[d, 3, patch, _], &[1, tokens, _]) = (&embed[..], &positions[..]) else {
            return Err(format!(
                "this is no vision transformer's checkpoint: `patch_embed.proj.weight` {embed:?} and `pos_embed` \
                 {positions:?} should be [d, 3, patch, patch] and [1, 1 + side * side, d]"
            ));
        };
        let side = (tokens.saturating_sub(1) as f64).sqrt() as usize;
        let hidden = shape("blocks.0.mlp.fc1.weight").first().copied().unwrap_or(4 * d);
        let depth = (0..).take_while(|i| dict.0.contains_key(&format!("blocks.{i}.attn.qkv.weight"))).count();
        let heads = heads.unwrap_or(d / HEAD).max(1);
        if d % heads != 0 || depth == 0 || side * side + 1 != tokens {
            return Err(format!(
                "a vision transformer of width {d}, {heads} heads, {depth} blocks and {tokens} position embeddings \
                 cannot be built: set `heads` to a number that divides the width; position embeddings are one more \
                 than a square"
            ));
        }
        let mut parts = Parts { dict, device, mismatch: Mismatch::default() };
        let embed = Linear {
            weight: parts
                .tensor::<4>("patch_embed.proj.weight", [d, 3, patch, patch])
                .reshape([d as i32, -1])
                .transpose(),
            bias: parts.tensor("patch_embed.proj.bias", [d]),
        };
        let class = parts.tensor::<3>("cls_token", [1, 1, d]);
        let positions = parts.tensor::<3>("pos_embed", [1, tokens, d]);
        let class = class + positions.clone().slice([0..1, 0..1, 0..d]);
        let positions = super::values(positions.slice([0..1, 1..tokens, 0..d]));
        let mut blocks: Vec<Block> =
            (0..depth).map(|i| parts.block(&format!("blocks.{i}"), d, hidden)).collect();
        let _ = parts.norm("norm", d);
        parts.finish()?;
        let last = blocks.pop().ok_or("it has no blocks")?;
        let (query, key) = (last.qkv.outputs(0, d), last.qkv.outputs(d, 2 * d));
        let norm = last.norm1;
        let device = device.clone();
        Ok(Self { patch, heads, embed, class, positions, side, blocks, norm, query, key, device })
    }

    /// Position embeddings for a grid: `[1, rows * cols, d]`.
    fn positions(&self, rows: usize, cols: usize) -> Tensor<3> {
        let d = self.positions.len() / (self.side * self.side);
        let values = if (rows, cols) == (self.side, self.side) {
            self.positions.clone()
        } else {
            interpolate::positions(&self.positions, self.side, d, rows, cols)
        };
        Tensor::from_data(TensorData::new(values, [1, rows * cols, d]), &self.device)
    }
}

impl PatchFeatures for VisionTransformer {
    fn device(&self) -> &Device {
        &self.device
    }

    fn padded(&self, height: usize, width: usize) -> [usize; 2] {
        [pixels::round_up(height, self.patch), pixels::round_up(width, self.patch)]
    }

    /// Keys of the last block, the class token's left out, not normalised.
    fn extract(&self, images: &[&RgbImage]) -> Result<PatchBatch, PluginError> {
        let size = images.first().map_or([0, 0], |image| self.padded(image.height, image.width));
        let [rows, cols] = size.map(|length| length / self.patch);
        let (n, patches) = (images.len(), rows * cols);
        let values = pixels::patches(images, size, self.patch);
        let shape = [n, patches, 3 * self.patch * self.patch];
        let input = Tensor::<3>::from_data(TensorData::new(values, shape), &self.device);
        let embedded = self.embed.forward(input) + self.positions(rows, cols);
        let class = self.class.clone().repeat_dim(0, n);
        let mut tokens = Tensor::cat(vec![class, embedded], 1);
        for block in &self.blocks {
            tokens = block.forward(tokens, self.heads);
        }
        let [_, t, d] = tokens.dims();
        let tokens = self.norm.forward(tokens);
        let class = tokens.clone().slice([0..n, 0..1, 0..d]);
        Ok(PatchBatch {
            grid: Grid { rows, cols, patch: [self.patch as f32; 2] },
            features: self.key.forward(tokens.slice([0..n, 1..t, 0..d])),
            class_query: Some(self.query.forward(class).reshape([n, d])),
        })
    }
}

/// Takes tensors out of a state dict and notes what does not fit.
struct Parts<'a> {
    dict: StateDict,
    device: &'a Device,
    mismatch: Mismatch,
}

impl Parts<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Tensor<D> {
        match self.dict.0.remove(name) {
            Some(data) if *data.shape().to_vec() == shape => Tensor::from_data(data, self.device),
            Some(data) => {
                let found = data.shape().to_vec();
                self.mismatch.misshaped.push(format!("{name} {found:?} instead of {shape:?}"));
                Tensor::zeros(shape, self.device)
            }
            None => {
                self.mismatch.missing.push(name.to_owned());
                Tensor::zeros(shape, self.device)
            }
        }
    }

    fn linear(&mut self, name: &str, input: usize, output: usize) -> Linear {
        Linear {
            weight: self.tensor::<2>(&format!("{name}.weight"), [output, input]).transpose(),
            bias: self.tensor(&format!("{name}.bias"), [output]),
        }
    }

    fn norm(&mut self, name: &str, d: usize) -> Norm {
        Norm {
            weight: self.tensor(&format!("{name}.weight"), [d]),
            bias: self.tensor(&format!("{name}.bias"), [d]),
        }
    }

    fn block(&mut self, name: &str, d: usize, hidden: usize) -> Block {
        Block {
            norm1: self.norm(&format!("{name}.norm1"), d),
            qkv: self.linear(&format!("{name}.attn.qkv"), d, 3 * d),
            projection: self.linear(&format!("{name}.attn.proj"), d, d),
            norm2: self.norm(&format!("{name}.norm2"), d),
            expand: self.linear(&format!("{name}.mlp.fc1"), d, hidden),
            contract: self.linear(&format!("{name}.mlp.fc2"), hidden, d),
        }
    }

    /// Whether everything was there, and nothing else. A head behind the network (`head.*`) is not the network's.
    fn finish(mut self) -> Result<(), String> {
        let others: BTreeMap<_, _> =
            self.dict.0.iter().filter(|(name, _)| !name.starts_with("head.")).collect();
        self.mismatch.unexpected = others.into_keys().cloned().collect();
        if self.mismatch == Mismatch::default() { Ok(()) } else { Err(self.mismatch.to_string()) }
    }
}

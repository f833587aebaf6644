//! What plugins are asked. The main type is [`Input`].

use super::random::Random;
use fovea_api::{Mask, PluginKind, RgbImage};

/// A picture with a blob of another colour.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) id: String,
    pub(super) image: RgbImage,
    pub(super) mask: Mask,
}

/// What a loss sees.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// N, height, width.
    pub(super) shape: [usize; 3],
    pub(super) boxes: Vec<f32>,
    pub(super) targets: Vec<f32>,
    pub(super) heatmaps: Vec<f32>,
    pub(super) masks: Vec<f32>,
    pub(super) valid: Vec<u8>,
    pub(super) upstream: Option<Vec<f32>>,
    /// Whether gradients are wanted.
    pub(super) gradients: bool,
}

/// The arguments of a call.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Pictures(Vec<Picture>),
    /// Values and shape `[N, H, W]`.
    Heatmaps(Vec<f32>, [usize; 3]),
    Seen(Box<Seen>),
    /// Height and width, and classes.
    Request(u32, u32),
}

/// An input and what to call it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) input: Input,
}

/// Heights and widths that are asked for everywhere.
const SIZES: [(usize, usize); 5] = [(24, 32), (1, 1), (1, 7), (7, 1), (224, 224)];

impl Input {
    /// Items of the batch.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pictures(pictures) => pictures.len(),
            Self::Heatmaps(_, shape) => shape[0],
            Self::Seen(seen) => seen.shape[0],
            Self::Request(..) => 1,
        }
    }

    /// One item of the batch.
    pub(super) fn item(&self, item: usize) -> Self {
        let part = |values: &[f32], size: usize| values[item * size..(item + 1) * size].to_vec();
        match self {
            Self::Pictures(pictures) => Self::Pictures(vec![pictures[item].clone()]),
            Self::Heatmaps(values, [_, h, w]) => Self::Heatmaps(part(values, h * w), [1, *h, *w]),
            Self::Seen(seen) => {
                let [_, h, w] = seen.shape;
                Self::Seen(Box::new(Seen {
                    shape: [1, h, w],
                    boxes: part(&seen.boxes, 4),
                    targets: part(&seen.targets, 4),
                    heatmaps: part(&seen.heatmaps, h * w),
                    masks: part(&seen.masks, h * w),
                    valid: vec![seen.valid[item]],
                    upstream: seen.upstream.as_ref().map(|upstream| vec![upstream[item]]),
                    gradients: seen.gradients,
                }))
            }
            Self::Request(side, classes) => Self::Request(*side, *classes),
        }
    }

    /// No item at all; `None` where there is no such thing.
    pub(super) fn empty(kind: PluginKind) -> Option<Self> {
        match kind {
            PluginKind::Localizer => Some(Self::Pictures(Vec::new())),
            PluginKind::Extractor => Some(Self::Heatmaps(Vec::new(), [0, 8, 8])),
            PluginKind::Loss => Some(Self::Seen(Box::new(seen(&mut Random::new(0, ""), 0, 8, 8)))),
            _ => None,
        }
    }
}

/// An ordinary input of `n` items of this size.
pub(super) fn ordinary(kind: PluginKind, random: &mut Random, n: usize, h: usize, w: usize) -> Input {
    match kind {
        PluginKind::Extractor => Input::Heatmaps(heatmaps(random, n, h, w), [n, h, w]),
        PluginKind::Loss => Input::Seen(Box::new(seen(random, n, h, w))),
        PluginKind::Model => Input::Request(32, 10),
        _ => Input::Pictures((0..n).map(|i| picture(random, h, w, &format!("blob-{i}"))).collect()),
    }
}

/// Inputs of many sizes.
pub(super) fn cases(kind: PluginKind, random: &mut Random) -> Vec<Case> {
    if kind == PluginKind::Model {
        let requests = [(32, 10), (64, 2), (96, 101), (224, 1000)];
        let case = |(side, classes)| Case {
            name: format!("{side}x{side} with {classes} classes"),
            input: Input::Request(side, classes),
        };
        return requests.map(case).to_vec();
    }
    let mut sizes = SIZES.to_vec();
    sizes.push(if kind == PluginKind::Localizer { (3, 640) } else { (5, 3) });
    let mut cases: Vec<Case> = sizes
        .iter()
        .map(|&(h, w)| Case {
            name: format!("{w}x{h} (width x height)"),
            input: ordinary(kind, random, 1, h, w),
        })
        .collect();
    if kind == PluginKind::Localizer {
        let mut flat = |name: &str, value: fn(&mut Random) -> u8| {
            let mut picture = picture(random, 40, 48, name);
            picture.image.pixels.iter_mut().for_each(|pixel| *pixel = value(random));
            cases.push(Case { name: format!("{name} 48x40"), input: Input::Pictures(vec![picture]) });
        };
        flat("noise", Random::byte);
        flat("black", |_| 0);
        flat("white", |_| 255);
    }
    cases
}

/// Two blobs on a darker ground with noise; the mask is that of the first.
pub(super) fn picture(random: &mut Random, height: usize, width: usize, id: &str) -> Picture {
    let mut blob = || {
        let (cx, cy) = (random.between(0.2, 0.8) * width as f32, random.between(0.2, 0.8) * height as f32);
        let (rx, ry) = (random.between(0.1, 0.3) * width as f32, random.between(0.1, 0.3) * height as f32);
        let colour = [random.byte(), random.byte(), random.byte()];
        ((cx, cy, rx.max(0.6), ry.max(0.6)), colour)
    };
    let blobs = [blob(), blob()];
    let mut pixels = Vec::with_capacity(height * width * 3);
    let mut mask = Vec::with_capacity(height * width);
    for i in 0..height * width {
        let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
        let within =
            |(cx, cy, rx, ry): (f32, f32, f32, f32)| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) <= 1.0;
        let found = blobs.iter().find(|(place, _)| within(*place));
        let ground = [60, 70, 50u8];
        let colour = found.map_or(ground, |(_, colour)| *colour);
        pixels.extend(colour.map(|c| c.saturating_add(random.byte() / 16)));
        mask.push(if within(blobs[0].0) { 255 } else { 0 });
    }
    Picture {
        id: format!("{id}.png"),
        image: RgbImage { width, height, pixels },
        mask: Mask { width, height, pixels: mask },
    }
}

/// Smooth heatmaps in 0.05..1 with one maximum, which is 1.
pub(super) fn heatmaps(random: &mut Random, n: usize, h: usize, w: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(n * h * w);
    for _ in 0..n {
        let (cx, cy) = (random.between(0.3, 0.7) * w as f32, random.between(0.3, 0.7) * h as f32);
        let (rx, ry) = (random.between(0.15, 0.3) * w as f32, random.between(0.15, 0.3) * h as f32);
        let one: Vec<f32> = (0..h * w)
            .map(|i| {
                let (x, y) = ((i % w) as f32 + 0.5, (i / w) as f32 + 0.5);
                let far = ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2);
                0.05 + 0.9 * (-0.5 * far).exp() + random.between(0.0, 0.05)
            })
            .collect();
        let most = one.iter().copied().fold(f32::MIN, f32::max);
        values.extend(one.iter().map(|value| value / most));
    }
    values
}

/// Boxes in general position, all valid.
pub(super) fn seen(random: &mut Random, n: usize, h: usize, w: usize) -> Seen {
    let mut boxes = || -> Vec<f32> {
        let mut one = || {
            let (x1, x2) = (random.between(0.05, 0.45), random.between(0.55, 0.95));
            let (y1, y2) = (random.between(0.05, 0.45), random.between(0.55, 0.95));
            [x1 * w as f32, y1 * h as f32, x2 * w as f32, y2 * h as f32]
        };
        (0..n).flat_map(|_| one()).collect()
    };
    let (predicted, targets) = (boxes(), boxes());
    let inside = |i: usize| {
        let (item, x, y) = (i / (h * w), (i % w) as f32 + 0.5, (i / w % h) as f32 + 0.5);
        let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|edge| targets[item * 4 + edge]);
        f32::from(x1 <= x && x < x2 && y1 <= y && y < y2)
    };
    Seen {
        shape: [n, h, w],
        masks: (0..n * h * w).map(inside).collect(),
        heatmaps: heatmaps(random, n, h, w),
        boxes: predicted,
        targets,
        valid: vec![1; n],
        upstream: None,
        gradients: true,
    }
}

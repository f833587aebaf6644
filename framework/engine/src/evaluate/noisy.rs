//! Pictures with noise in their foreground or background (method.md section 8). The main type is [`NoisyBatches`].

use crate::EngineError;
use crate::data::transform::Transform;
use fovea_api::{DataError, Key, Sample};
use fovea_records::Region;
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// The noise seed is fixed: every trial of every run sees the same noise, so that comparisons are paired.
const NOISE_SEED: u64 = 0;

/// A kind of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    /// `clamp(x + s z m)`, levels s in 255ths.
    Gaussian,
    /// `clamp(x + e (z m) / ||z m||)`, levels e.
    L2,
}

impl Noise {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::L2 => "l2",
        }
    }
}

/// What is done to every picture once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    pub(super) noise: Noise,
    pub(super) level: f64,
    pub(super) region: Region,
    pub(super) draw: usize,
}

/// A picture to which noise is added.
struct Picture {
    /// `[3, size, size]` in 0..=1.
    image: Vec<f32>,
    /// Pixels in the foreground.
    inside: Vec<bool>,
}

impl Picture {
    /// `None` without a mask.
    fn new(sample: &Sample) -> Option<Self> {
        let mask = sample.mask.as_ref()?;
        let side = sample.image.width;
        let mut image = vec![0.0; sample.image.pixels.len()];
        Transform::squash(side, side, side).image(&sample.image, &mut image);
        Some(Self { image, inside: mask.pixels.iter().map(|v| *v >= 128).collect() })
    }

    /// Whether foreground and background both have pixels. A picture that lacks one is measured under noise in neither:
    /// RFS compares two accuracies, which must be of the same pictures.
    fn has_both_regions(&self) -> bool {
        self.inside.contains(&true) && self.inside.contains(&false)
    }

    /// The picture under a condition, written to `out`; `z` are as many normal numbers as it has values.
    fn write(&self, z: &[f32], norms: Norms, condition: Condition, out: &mut [f32]) {
        let scale = match condition.noise {
            Noise::Gaussian => condition.level / 255.0,
            Noise::L2 => condition.level / norms.of(condition.region).sqrt().max(f64::MIN_POSITIVE),
        } as f32;
        let wanted = condition.region == Region::Foreground;
        let plane = self.inside.len().max(1);
        let planes = out.chunks_exact_mut(plane).zip(self.image.chunks_exact(plane));
        pulp::Arch::new().dispatch(|| {
            for ((out, image), z) in planes.zip(z.chunks_exact(plane)) {
                for (((out, x), z), inside) in out.iter_mut().zip(image).zip(z).zip(&self.inside) {
                    *out = if *inside == wanted { (x + scale * z).clamp(0.0, 1.0) } else { *x };
                }
            }
        });
    }
}

/// Sums of the squares of normal numbers in foreground and background.
#[derive(Clone, Copy, Debug, Default)]
struct Norms {
    foreground: f64,
    background: f64,
}

impl Norms {
    fn new(picture: &Picture, z: &[f32]) -> Self {
        let mut norms = Self::default();
        for z in z.chunks_exact(picture.inside.len().max(1)) {
            for (z, inside) in z.iter().zip(&picture.inside) {
                let sum = if *inside { &mut norms.foreground } else { &mut norms.background };
                *sum += f64::from(*z).powi(2);
            }
        }
        norms
    }

    fn of(self, region: Region) -> f64 {
        match region {
            Region::Foreground => self.foreground,
            Region::Background => self.background,
        }
    }
}

/// A picture with the numbers of one draw. The same draw serves every level and region, so that levels differ in nothing
/// but the level.
struct Drawn {
    picture: Arc<Picture>,
    z: Vec<f32>,
    norms: Norms,
}

/// One picture under one condition, not made yet.
struct Item {
    /// Places of the picture and of the condition.
    place: (usize, usize),
    condition: Condition,
    drawn: Arc<Drawn>,
}

/// Pictures that go through the network together.
pub(super) struct NoisyBatch {
    /// `[N, 3, size, size]` in 0..=1.
    pub(super) images: Vec<f32>,
    /// Places of the picture, among those that were asked for, and of the condition.
    pub(super) items: Vec<(usize, usize)>,
    /// Pictures times conditions that are dealt with after this batch, those without noise included.
    pub(super) done: usize,
}

/// Every picture under every condition, in full batches; those without mask, or with an empty region, are left out.
///
/// Pictures come one after the other, each under all conditions, so that its random numbers are drawn once and no more
/// than a few pictures are held.
pub(super) struct NoisyBatches<'a> {
    load: &'a (dyn Fn(usize) -> Result<Arc<Sample>, DataError> + Sync),
    indices: &'a [usize],
    conditions: &'a [Condition],
    batch_size: usize,
    /// Pictures that were loaded.
    loaded: usize,
    waiting: VecDeque<Item>,
}

impl<'a> NoisyBatches<'a> {
    /// `load` gives a squashed picture by its place in the split.
    pub(super) fn new(
        load: &'a (dyn Fn(usize) -> Result<Arc<Sample>, DataError> + Sync),
        indices: &'a [usize],
        conditions: &'a [Condition],
        batch_size: usize,
    ) -> Self {
        Self { load, indices, conditions, batch_size, loaded: 0, waiting: VecDeque::new() }
    }

    /// The next batch.
    pub(super) fn next(&mut self) -> Result<Option<NoisyBatch>, EngineError> {
        while self.waiting.len() < self.batch_size && self.loaded < self.indices.len() {
            self.load_more()?;
        }
        let count = self.batch_size.min(self.waiting.len());
        let items: Vec<Item> = self.waiting.drain(..count).collect();
        let Some(first) = items.first() else { return Ok(None) };
        let length = first.drawn.z.len();
        let mut images = vec![0.0; count * length];
        images.par_chunks_exact_mut(length).zip(&items).for_each(|(image, item)| {
            let Drawn { picture, z, norms } = item.drawn.as_ref();
            picture.write(z, *norms, item.condition, image);
        });
        // What was loaded and does not wait is done with, one way or the other.
        let done = self.loaded * self.conditions.len() - self.waiting.len();
        Ok(Some(NoisyBatch { images, items: items.into_iter().map(|item| item.place).collect(), done }))
    }

    /// Loads as many pictures as fill a batch.
    fn load_more(&mut self) -> Result<(), EngineError> {
        let missing = self.batch_size - self.waiting.len();
        let wanted = missing.div_ceil(self.conditions.len().max(1)).max(1);
        let places = self.loaded..(self.loaded + wanted).min(self.indices.len());
        let load = |place| -> Result<_, DataError> {
            let index = self.indices[place];
            let picture = Picture::new((self.load)(index)?.as_ref());
            Ok((place, index, picture.filter(Picture::has_both_regions).map(Arc::new)))
        };
        let pictures = places.clone().into_par_iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let draws = 1 + self.conditions.iter().map(|c| c.draw).max().unwrap_or(0);
        let is_l2 = self.conditions.iter().any(|c| c.noise == Noise::L2);
        let pairs: Vec<_> = pictures
            .into_iter()
            .filter_map(|(place, index, picture)| Some((place, index, picture?)))
            .flat_map(|(place, index, picture)| {
                (0..draws).map(move |draw| (place, index, Arc::clone(&picture), draw))
            })
            .collect();
        let drawn = pairs.into_par_iter().map(|(place, index, picture, draw)| {
            let z = normals(index, draw, picture.image.len());
            let norms = if is_l2 { Norms::new(&picture, &z) } else { Norms::default() };
            (place, draw, Arc::new(Drawn { picture, z, norms }))
        });
        for (place, draw, drawn) in drawn.collect::<Vec<_>>() {
            let own = self.conditions.iter().enumerate().filter(|(_, c)| c.draw == draw);
            self.waiting.extend(own.map(|(number, condition)| Item {
                place: (place, number),
                condition: *condition,
                drawn: Arc::clone(&drawn),
            }));
        }
        self.loaded = places.end;
        Ok(())
    }
}

fn normals(index: usize, draw: usize, len: usize) -> Vec<f32> {
    let rng = Key::new(NOISE_SEED).purpose("noise").index(index).index(draw).rng();
    StandardNormal.sample_iter(rng).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_api::{Mask, RgbImage};

    const BACK: Condition =
        Condition { noise: Noise::Gaussian, level: 255.0, region: Region::Background, draw: 0 };

    fn noisy(inside: &[bool], z: &[f32], condition: Condition) -> Vec<f32> {
        let picture = Picture { image: vec![0.5; z.len()], inside: inside.to_vec() };
        let mut out = vec![0.0; z.len()];
        picture.write(z, Norms::new(&picture, z), condition, &mut out);
        out
    }

    #[test]
    fn noise_stays_in_its_region_and_is_clamped() {
        let z = [9.0, 0.25, 9.0, -9.0, 9.0, 0.0];
        assert_eq!(noisy(&[true, false], &z, BACK), [0.5, 0.75, 0.5, 0.0, 0.5, 0.5]);
        let fore = Condition { region: Region::Foreground, ..BACK };
        assert_eq!(noisy(&[true, false], &z, fore), [1.0, 0.5, 1.0, 0.5, 1.0, 0.5]);
    }

    #[test]
    fn l2_noise_has_the_norm_it_says() {
        let condition = Condition { noise: Noise::L2, level: 0.3, region: Region::Foreground, draw: 0 };
        let out = noisy(&[true, false], &[1.0, 5.0, -2.0, 5.0, 2.0, 5.0], condition);
        let norm: f32 = out.iter().map(|v| (v - 0.5).powi(2)).sum::<f32>().sqrt();
        assert!((norm - 0.3).abs() < 1e-6);
        assert_eq!(out[1], 0.5);
    }

    /// 2 x 2 pictures: the first is all object, the next two half, the fourth has no mask, that of the fifth is empty.
    fn load(index: usize) -> Result<Arc<Sample>, DataError> {
        let mask = |pixels: [u8; 4]| Some(Mask { width: 2, height: 2, pixels: pixels.to_vec() });
        let half = mask([255, 255, 0, 0]);
        let mask = [mask([255; 4]), half.clone(), half, None, mask([0; 4])][index].clone();
        let image = RgbImage { width: 2, height: 2, pixels: vec![index as u8 * 50; 12] };
        Ok(Arc::new(Sample { image, mask }))
    }

    #[test]
    fn batches_are_full_and_leave_out_pictures_that_lack_a_region() {
        let conditions: Vec<Condition> = [Region::Foreground, Region::Background]
            .into_iter()
            .flat_map(|region| (0..2).map(move |draw| Condition { region, draw, ..BACK }))
            .collect();
        let of = |batch_size: usize| {
            let mut batches = NoisyBatches::new(&load, &[1, 3, 0, 4, 2], &conditions, batch_size);
            let (mut sizes, mut all, mut done) = (Vec::new(), Vec::new(), 0);
            while let Some(batch) = batches.next().unwrap() {
                sizes.push(batch.items.len());
                assert!(batch.done > done, "{} after {done}", batch.done);
                done = batch.done;
                let images = batch.images.chunks_exact(12).map(<[f32]>::to_vec);
                all.extend(batch.items.iter().copied().zip(images));
            }
            all.sort_by_key(|(place, _)| *place);
            (sizes, all, done)
        };
        let (sizes, all, done) = of(3);
        assert_eq!((sizes, done), (vec![3, 3, 2], 20));
        let places: Vec<_> = all.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [(0, 0), (0, 1), (0, 2), (0, 3), (4, 0), (4, 1), (4, 2), (4, 3)]);
        for batch_size in [1, 4, 64] {
            assert!(of(batch_size).1 == all, "{batch_size} a batch");
        }
        // A draw is a function of picture and number; the second picture's background is as it was under noise in front.
        let again = normals(1, 1, 12);
        let background: Vec<f32> = (0..12).map(|i| (50.0 / 255.0 + again[i]).clamp(0.0, 1.0)).collect();
        assert_eq!(all[3].1[2..4], background[2..4]);
        assert_eq!(all[3].1[..2], [50.0 / 255.0; 2]);
    }
}

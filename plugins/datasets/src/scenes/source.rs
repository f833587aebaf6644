//! Splits, labels and families of `scenes`. The main type is [`Scenes`].

use super::render::render;
use super::{Family, ScenesConfig, Shape};
use fovea_api::registry::{BuildContext, DatasetPlugin, Plugin};
use fovea_api::{ConfigIssue, DataError, DatasetSource, Key, PluginError, Sample, SampleMeta, SplitInfo};
use rand::RngExt as _;
use std::path::Path;

/// The plugin `scenes`.
#[derive(Clone, Copy, Debug)]
pub struct Scenes;

impl Plugin for Scenes {
    const NAME: &'static str = "scenes";
    const SUMMARY: &'static str =
        "Procedural figures over textures that give the class away in biased splits.";
    // Raise this when a picture changes for the same configuration; `pictures_are_pinned` notices.
    const VERSION: u32 = 1;
    type Config = ScenesConfig;

    fn check(config: &ScenesConfig, _: &Path) -> Vec<ConfigIssue> {
        config.issues()
    }
}

impl DatasetPlugin for Scenes {
    fn build(config: ScenesConfig, _: &BuildContext) -> Result<Box<dyn DatasetSource>, PluginError> {
        if let Some(issue) = config.issues().into_iter().next() {
            return Err(PluginError::new("dataset scenes", issue.to_string()));
        }
        Ok(Box::new(open(config)))
    }
}

/// The pictures of a configuration without issues.
pub(crate) fn open(config: ScenesConfig) -> impl DatasetSource {
    Source::new(config)
}

/// The split whose backgrounds are independent of the class.
const UNBIASED: &str = "test-unbiased";

struct Source {
    config: ScenesConfig,
    splits: Vec<SplitInfo>,
    classes: Vec<String>,
    groups: Vec<String>,
}

impl Source {
    fn new(config: ScenesConfig) -> Self {
        let lengths =
            [("train", config.train), ("val", config.val), ("test", config.test), (UNBIASED, config.test)];
        let splits = lengths
            .into_iter()
            .filter(|(_, len)| *len > 0)
            .map(|(name, len)| SplitInfo { name: name.to_owned(), len })
            .collect();
        Self {
            config,
            splits,
            classes: Shape::ALL.iter().map(|s| s.name().to_owned()).collect(),
            groups: vec!["own background".to_owned(), "other background".to_owned()],
        }
    }

    /// The stream of one picture.
    fn key(&self, split: &str, index: usize) -> Key {
        Key::new(self.config.seed).purpose("scenes").purpose(split).index(index)
    }

    /// The class of a picture and the class whose own family stands behind it.
    fn draw(&self, split: &str, index: usize) -> (usize, usize) {
        let classes = Shape::ALL.len();
        let label = index % classes;
        let mut rng = self.key(split, index).purpose("family").rng();
        let family = if split == UNBIASED {
            rng.random_range(0..classes)
        } else if rng.random_bool(self.config.bias) {
            label
        } else {
            // Uniform over the other nine.
            (label + rng.random_range(1..classes)) % classes
        };
        (label, family)
    }
}

impl DatasetSource for Source {
    fn splits(&self) -> &[SplitInfo] {
        &self.splits
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn groups(&self) -> &[String] {
        &self.groups
    }

    fn meta(&self, split: &str, index: usize) -> SampleMeta {
        let (label, family) = self.draw(split, index);
        SampleMeta { id: format!("{index:06}"), label, group: Some(usize::from(family != label)) }
    }

    fn load(&self, split: &str, index: usize) -> Result<Sample, DataError> {
        let (label, family) = self.draw(split, index);
        Ok(render(&self.config, &self.key(split, index), Shape::ALL[label], Family::ALL[family]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn source(config: ScenesConfig) -> Source {
        Source::new(config)
    }

    #[test]
    fn splits_are_in_order_and_empty_ones_left_out() {
        let names = |config| -> Vec<String> {
            Source::new(config).splits.iter().map(|s| format!("{} {}", s.name, s.len)).collect()
        };
        assert_eq!(names(ScenesConfig::default()), ["train 2000", "test 500", "test-unbiased 500"]);
        let config = ScenesConfig { val: 7, test: 0, ..ScenesConfig::default() };
        assert_eq!(names(config), ["train 2000", "val 7"]);
    }

    #[test]
    fn a_picture_is_a_function_of_seed_split_and_index() {
        let (a, b) = (source(ScenesConfig::default()), source(ScenesConfig::default()));
        let other = source(ScenesConfig { seed: 1, ..ScenesConfig::default() });
        let mut seen = HashSet::new();
        for split in ["train", "test", "test-unbiased"] {
            for index in [0, 1, 10] {
                let sample = a.load(split, index).unwrap();
                assert_eq!(sample, b.load(split, index).unwrap());
                assert!(seen.insert(sample.image.pixels), "{split} {index} repeats a picture");
                assert!(seen.insert(other.load(split, index).unwrap().image.pixels));
            }
        }
    }

    #[test]
    fn pictures_are_pinned() {
        let source = source(ScenesConfig::default());
        let mut hasher = blake3::Hasher::new();
        for index in 0..100 {
            let sample = source.load("train", index).unwrap();
            hasher.update(&sample.image.pixels).update(&sample.mask.unwrap().pixels);
        }
        let hash = hasher.finalize().to_hex();
        assert_eq!(
            &hash[..16],
            PINNED,
            "the generator draws other pictures: raise `Scenes::VERSION`, then pin"
        );
    }

    const PINNED: &str = "a42dec0875ccd433";

    #[test]
    fn every_picture_has_a_whole_object() {
        for size in [16, 64, 97] {
            let source = source(ScenesConfig { size, ..ScenesConfig::default() });
            for index in 0..200 {
                let sample = source.load("train", index).unwrap();
                let mask = sample.mask.unwrap();
                assert_eq!((mask.width, sample.image.pixels.len()), (size, size * size * 3));
                let tight = mask.tight_box().expect("there is an object");
                let side = tight.width().max(tight.height()) / size as f32;
                assert!((0.12..=0.58).contains(&side), "{index}: {side}");
            }
        }
    }

    /// Without noise and distractors, the pixels that the object's colour changes are those of the mask (and the
    /// antialiased ones along its edge).
    #[test]
    fn the_mask_is_the_object_that_was_drawn() {
        let config = ScenesConfig { noise: 0.0, clutter: 0, ..ScenesConfig::default() };
        let source = source(config.clone());
        for index in 0..50 {
            let (label, family) = source.draw("train", index);
            let key = source.key("train", index);
            let drawn = render(&config, &key, Shape::ALL[label], Family::ALL[family]);
            // An object of no size: at most the four pixels around one point.
            let tiny = ScenesConfig { object_scale: [0.0001, 0.0001], ..config.clone() };
            let bare = render(&tiny, &key, Shape::ALL[label], Family::ALL[family]);
            let mask = drawn.mask.unwrap();
            let (mut changed, mut missed, mut stray) = (0, 0, 0);
            for (i, &inside) in mask.pixels.iter().enumerate() {
                let rgb = |s: &fovea_api::RgbImage| [0, 1, 2].map(|c| i32::from(s.pixels[3 * i + c]));
                let (a, b) = (rgb(&drawn.image), rgb(&bare.image));
                let differs = (0..3).any(|c| (a[c] - b[c]).abs() > 3);
                changed += usize::from(differs);
                missed += usize::from(inside == 255 && !differs);
                let near = |d: isize| mask.pixels.get(i.wrapping_add_signed(d)) == Some(&255);
                let w = mask.width as isize;
                let edge = [-1, 1, -w, w, -w - 1, -w + 1, w - 1, w + 1].into_iter().any(near);
                stray += usize::from(differs && inside == 0 && !edge);
            }
            assert!(changed > 50 && stray <= 4, "{index}: {changed} changed, {stray} outside");
            assert!(missed * 5 < changed, "{index}: {missed} of the mask show no object");
        }
    }

    #[test]
    fn the_bias_is_the_probability_of_the_own_family() {
        let source = source(ScenesConfig::default());
        for split in ["train", "test"] {
            let n = source.len(split).unwrap();
            let own = (0..n).filter(|&i| source.meta(split, i).group == Some(0)).count() as f64 / n as f64;
            let sigma = (0.9 * 0.1 / n as f64).sqrt();
            assert!((own - 0.9).abs() < 3.0 * sigma, "{split}: {own}");
        }
        for bias in [0.0, 1.0] {
            let source = Source::new(ScenesConfig { bias, ..ScenesConfig::default() });
            let group = usize::from(bias < 0.5);
            assert!((0..500).all(|i| source.meta("train", i).group == Some(group)));
        }
    }

    #[test]
    fn unbiased_backgrounds_are_independent_of_the_class() {
        let source = source(ScenesConfig { test: 10_000, ..ScenesConfig::default() });
        let mut table = [[0.0f64; 10]; 10];
        for index in 0..10_000 {
            let (label, family) = source.draw("test-unbiased", index);
            table[label][family] += 1.0;
        }
        let chi2: f64 = table.iter().flatten().map(|n| (n - 100.0) * (n - 100.0) / 100.0).sum();
        // 90 degrees of freedom (rows are fixed): mean 90, standard deviation 13.4.
        assert!((50.0..145.0).contains(&chi2), "{chi2}");
        let n = source.len("test-unbiased").unwrap();
        assert!(
            (0..10).all(|c| (0..n).filter(|&i| source.meta("test-unbiased", i).label == c).count() == 1000)
        );
    }

    #[test]
    fn mistakes_are_named() {
        let config = ScenesConfig { bias: 1.5, object_scale: [0.5, 0.2], ..ScenesConfig::default() };
        let keys: Vec<String> = config.issues().into_iter().map(|i| i.path.join(".")).collect();
        assert_eq!(keys, ["bias", "object_scale"]);
        assert!(ScenesConfig::default().issues().is_empty());
    }
}

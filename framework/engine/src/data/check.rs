//! Reads a whole data set once, so that what is wrong with it is known before hours of training. The main function is
//! [`check`], the main type [`DataCheck`].

use super::shares::Share;
pub use super::shares::Shares;
use crate::{EngineError, device};
use fovea_api::{BuildContext, DataError, DatasetSource, Registry, RgbImage, Sample};
use fovea_plan::{DeviceRequest, Plan, PluginConfig};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What was found in a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataCheck {
    /// Counts by split, in the data set's order.
    pub splits: Vec<SplitCheck>,
    /// Smallest and largest width and height of the pictures, pixels; `None` when none can be read.
    pub sizes: Option<Sizes>,
    /// Pictures that have no mask.
    pub missing_masks: Vec<Picture>,
    /// Pictures that cannot be read, or whose mask cannot.
    pub unreadable: Vec<Unreadable>,
    /// What the data set itself has to say.
    pub warnings: Vec<String>,
}

/// Counts of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitCheck {
    /// Name of the split.
    pub split: String,
    /// Counts by class, in the order of the class indices.
    pub classes: Vec<Counts>,
    /// Pictures by group; empty where the data set has no groups.
    pub groups: Vec<GroupCheck>,
    /// How much of the pictures is object; `None` where no mask can be read.
    pub object: Option<Shares>,
    /// How many masks were read in which way, in words; empty where they are no files.
    pub readings: BTreeMap<String, usize>,
}

/// A group's share of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupCheck {
    /// Name of the group.
    pub group: String,
    /// Pictures, readable or not.
    pub pictures: usize,
}

/// How many of each there are. A picture has a mask, has none, or cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Name of the class.
    pub class: String,
    /// Pictures, readable or not.
    pub pictures: usize,
    /// Masks.
    pub masks: usize,
    /// Those of the masks that have no pixel on an object.
    pub empty_masks: usize,
    /// Pictures without mask.
    pub missing_masks: usize,
    /// Pictures that cannot be read, or whose mask cannot.
    pub unreadable: usize,
}

/// Ranges of the pictures' sides, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Smallest and largest width, pixels.
    pub width: [usize; 2],
    /// Smallest and largest height, pixels.
    pub height: [usize; 2],
}

/// A picture by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Its split.
    pub split: String,
    /// Its name within the split.
    pub id: String,
}

/// A picture that cannot be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its split.
    pub split: String,
    /// Its name within the split.
    pub id: String,
    /// The file and what is wrong with it.
    pub reason: String,
}

/// The distinct data sets of an experiment, in the order of its trials.
#[must_use]
pub fn datasets(plan: &Plan) -> Vec<&PluginConfig> {
    let mut found: Vec<&PluginConfig> = Vec::new();
    for trial in &plan.trials {
        if !found.contains(&&*trial.config.dataset) {
            found.push(&trial.config.dataset);
        }
    }
    found
}

/// Opens a data set by itself.
///
/// # Errors
/// When it cannot be opened; the error says what is missing where.
pub fn open(
    plugin: &PluginConfig,
    base_dir: &Path,
    registry: &Registry,
) -> Result<Box<dyn DatasetSource>, EngineError> {
    let device = device::open(DeviceRequest::Cpu)?.device;
    let context = BuildContext { base_dir: base_dir.to_owned(), device, registry: registry.clone() };
    Ok(registry.build_dataset(&plugin.name, plugin.config.clone(), &context)?)
}

/// Number of pictures in all splits.
#[must_use]
pub fn pictures(dataset: &dyn DatasetSource) -> usize {
    dataset.splits().iter().map(|s| s.len).sum()
}

/// Reads every picture and mask once; `tick` is called after each picture, from any thread.
#[must_use]
pub fn check(dataset: &dyn DatasetSource, tick: &(dyn Fn() + Sync)) -> DataCheck {
    let mut found = DataCheck {
        splits: Vec::new(),
        sizes: None,
        missing_masks: Vec::new(),
        unreadable: Vec::new(),
        warnings: dataset.warnings(),
    };
    for split in dataset.splits() {
        let read: Vec<Result<Facts, DataError>> = (0..split.len)
            .into_par_iter()
            .map(|index| {
                let facts = dataset.load(&split.name, index).map(|sample| {
                    let has_mask = sample.mask.is_some();
                    let reading = if has_mask { dataset.mask_reading(&split.name, index) } else { None };
                    Facts { reading, ..Facts::of(&sample) }
                });
                tick();
                facts
            })
            .collect();
        found.add(dataset, &split.name, read);
    }
    found
}

/// What is kept of a picture.
struct Facts {
    width: usize,
    height: usize,
    mask: Option<Share>,
    reading: Option<String>,
}

impl Facts {
    fn of(sample: &Sample) -> Self {
        let &RgbImage { width, height, .. } = &sample.image;
        Self { width, height, mask: sample.mask.as_ref().map(Share::of), reading: None }
    }
}

impl DataCheck {
    fn add(&mut self, dataset: &dyn DatasetSource, split: &str, read: Vec<Result<Facts, DataError>>) {
        let class = |name: &String| Counts { class: name.clone(), ..Counts::default() };
        let mut classes: Vec<Counts> = dataset.classes().iter().map(class).collect();
        let group = |name: &String| GroupCheck { group: name.clone(), pictures: 0 };
        let mut groups: Vec<GroupCheck> = dataset.groups().iter().map(group).collect();
        let (mut shares, mut readings) = (Vec::new(), BTreeMap::new());
        for (index, read) in read.into_iter().enumerate() {
            let meta = dataset.meta(split, index);
            let (split, id) = (split.to_owned(), meta.id);
            let counts = &mut classes[meta.label];
            counts.pictures += 1;
            if let Some(group) = meta.group.and_then(|group| groups.get_mut(group)) {
                group.pictures += 1;
            }
            match read {
                Err(error) => {
                    counts.unreadable += 1;
                    self.unreadable.push(Unreadable { split, id, reason: error.to_string() });
                }
                Ok(facts) => {
                    self.sizes = Some(Sizes::with(self.sizes, facts.width, facts.height));
                    match facts.mask {
                        None => {
                            counts.missing_masks += 1;
                            self.missing_masks.push(Picture { split, id });
                        }
                        Some(share) => {
                            counts.masks += 1;
                            counts.empty_masks += usize::from(share.is_empty());
                            shares.push((id, share));
                            if let Some(reading) = facts.reading {
                                *readings.entry(reading).or_default() += 1;
                            }
                        }
                    }
                }
            }
        }
        let object = Shares::of(&shares);
        self.warnings.extend(object.iter().flat_map(|shares| shares.warnings(split)));
        self.splits.push(SplitCheck { split: split.to_owned(), classes, groups, object, readings });
    }
}

impl SplitCheck {
    /// Counts over all classes.
    #[must_use]
    pub fn total(&self) -> Counts {
        let sum = |of: fn(&Counts) -> usize| self.classes.iter().map(of).sum();
        Counts {
            class: "all".to_owned(),
            pictures: sum(|c| c.pictures),
            masks: sum(|c| c.masks),
            empty_masks: sum(|c| c.empty_masks),
            missing_masks: sum(|c| c.missing_masks),
            unreadable: sum(|c| c.unreadable),
        }
    }
}

impl Sizes {
    fn with(sizes: Option<Self>, width: usize, height: usize) -> Self {
        let wider = |range: [usize; 2], x: usize| [range[0].min(x), range[1].max(x)];
        sizes.map_or(Self { width: [width; 2], height: [height; 2] }, |s| Self {
            width: wider(s.width, width),
            height: wider(s.height, height),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_api::{Mask, SampleMeta, SplitInfo};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Four pictures: with an object, with an empty mask, without mask, broken.
    struct Four {
        splits: [SplitInfo; 1],
        classes: [String; 2],
        groups: [String; 1],
    }

    impl DatasetSource for Four {
        fn splits(&self) -> &[SplitInfo] {
            &self.splits
        }

        fn classes(&self) -> &[String] {
            &self.classes
        }

        fn groups(&self) -> &[String] {
            &self.groups
        }

        fn meta(&self, _: &str, index: usize) -> SampleMeta {
            SampleMeta { id: format!("{index}.png"), label: usize::from(index == 0), group: Some(0) }
        }

        fn load(&self, _: &str, index: usize) -> Result<Sample, DataError> {
            if index == 3 {
                return Err(DataError { path: PathBuf::from("/d/3.png"), message: "is empty".to_owned() });
            }
            let (width, height) = (10 + index, 20 - index);
            let image = RgbImage { width, height, pixels: vec![0; width * height * 3] };
            let level = if index == 0 { 255 } else { 0 };
            let mask = Mask { width, height, pixels: vec![level; width * height] };
            Ok(Sample { image, mask: Some(mask).filter(|_| index < 2) })
        }

        fn warnings(&self) -> Vec<String> {
            vec!["a word".to_owned()]
        }
    }

    #[test]
    fn everything_is_counted_once() {
        let dataset = Four {
            splits: [SplitInfo { name: "train".to_owned(), len: 4 }],
            classes: ["cat", "dog"].map(str::to_owned),
            groups: ["all".to_owned()],
        };
        let ticks = AtomicUsize::new(0);
        let tick = || {
            ticks.fetch_add(1, Ordering::Relaxed);
        };
        let found = check(&dataset, &tick);
        assert_eq!((ticks.into_inner(), pictures(&dataset)), (4, 4));
        let cat = Counts {
            class: "cat".to_owned(),
            pictures: 3,
            masks: 1,
            empty_masks: 1,
            missing_masks: 1,
            unreadable: 1,
        };
        let dog = Counts { class: "dog".to_owned(), pictures: 1, masks: 1, ..Counts::default() };
        assert_eq!(found.splits[0].classes, [cat, dog]);
        assert_eq!(found.splits[0].groups, [GroupCheck { group: "all".to_owned(), pictures: 4 }]);
        assert_eq!((found.splits[0].total().pictures, found.splits[0].total().masks), (4, 2));
        assert_eq!(found.sizes, Some(Sizes { width: [10, 12], height: [18, 20] }));
        assert_eq!(found.missing_masks[0].id, "2.png");
        assert_eq!(found.unreadable[0].reason, "/d/3.png: is empty");
        let object = found.splits[0].object.as_ref().unwrap();
        assert_eq!((object.min, object.median, object.max), (0.0, 0.5, 1.0));
        assert_eq!(found.warnings.len(), 3);
        assert!(found.warnings[0] == "a word" && found.warnings[1].ends_with("(share 0) in `train`: 1.png"));
        assert!(found.warnings[2].ends_with("(share 1) in `train`: 0.png"), "{:?}", found.warnings);
    }
}

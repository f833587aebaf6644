//! What a trial did on each test picture. The main type is [`Pictures`].

use crate::summary::Key;
use fovea_records::{PredictionRecord, Region};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Values by picture, for each number that is a mean over pictures: accuracies (1 where right), accuracies under noise
/// and RFS (means over draws and levels), explanation metrics. NaN where a picture has none.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    values: HashMap<Key, Vec<f32>>,
    /// Hash of the names of each split's pictures: trials are compared picture by picture only where these agree.
    names: HashMap<String, u64>,
}

/// Sums and counts by picture.
type Sums = Vec<(f32, f32)>;

impl Pictures {
    /// Works the records of a trial into values by picture.
    pub(crate) fn of(records: Vec<PredictionRecord>) -> Self {
        let mut pictures = Self::default();
        let mut labels: HashMap<String, Vec<usize>> = HashMap::new();
        let mut noisy: BTreeMap<(String, String, Region), Sums> = BTreeMap::new();
        for record in records {
            match record {
                PredictionRecord::Split { split, images, labels: classes, .. } => {
                    let mut hasher = DefaultHasher::new();
                    (&images, &classes).hash(&mut hasher);
                    pictures.names.insert(split.clone(), hasher.finish());
                    labels.insert(split, classes);
                }
                PredictionRecord::Clean { split, predicted, .. } => {
                    let Some(classes) = labels.get(&split) else { continue };
                    let right = predicted.iter().zip(classes).map(|(p, c)| f32::from(p == c)).collect();
                    pictures.values.insert(Key::clean(&split, "accuracy"), right);
                }
                PredictionRecord::Noisy { split, noise, region, predicted, .. } => {
                    let Some(classes) = labels.get(&split) else { continue };
                    let sums = noisy
                        .entry((split, noise, region))
                        .or_insert_with(|| vec![(0.0, 0.0); classes.len()]);
                    for ((predicted, class), sum) in predicted.iter().zip(classes).zip(sums) {
                        if let Some(predicted) = predicted {
                            sum.0 += f32::from(predicted == class);
                            sum.1 += 1.0;
                        }
                    }
                }
                PredictionRecord::Explanations {
                    split,
                    box_iou,
                    mask_iou,
                    energy_inside,
                    delta_density,
                    average_precision,
                    pointing_hit,
                    ..
                } => {
                    let hits = pointing_hit.into_iter().map(|hit| hit.map(f32::from)).collect();
                    for (metric, values) in [
                        ("box-iou", box_iou),
                        ("mask-iou", mask_iou),
                        ("energy-inside", energy_inside),
                        ("delta-density", delta_density),
                        ("average-precision", average_precision),
                        ("pointing-game", hits),
                    ] {
                        let values = values.into_iter().map(|v| v.unwrap_or(f32::NAN)).collect();
                        pictures.values.insert(Key::clean(&split, metric), values);
                    }
                }
            }
        }
        pictures.add_noisy(&noisy);
        pictures
    }

    fn add_noisy(&mut self, noisy: &BTreeMap<(String, String, Region), Sums>) {
        let mean = |sums: &Sums| -> Vec<f32> { sums.iter().map(|(sum, count)| sum / count).collect() };
        for ((split, noise, region), sums) in noisy {
            let key = |metric: &str| Key::noisy(split, metric, noise, None);
            let own = mean(sums);
            let other = noisy.get(&(split.clone(), noise.clone(), Region::Background)).map(mean);
            match (region, other) {
                (Region::Foreground, other) => {
                    if let Some(background) = other {
                        let rfs = background.iter().zip(&own).map(|(b, f)| b - f).collect();
                        self.values.insert(key("rfs"), rfs);
                    }
                    self.values.insert(key("accuracy-fg"), own);
                }
                (Region::Background, _) => drop(self.values.insert(key("accuracy-bg"), own)),
            }
        }
    }

    /// Values of this trial and of another by picture; `None` where one of them has none, or the pictures differ.
    pub(crate) fn beside<'a>(&'a self, other: &'a Self, key: &Key) -> Option<(&'a [f32], &'a [f32])> {
        let name = self.names.get(&key.split)?;
        let (own, others) = (self.values.get(key)?, other.values.get(key)?);
        (Some(name) == other.names.get(&key.split) && own.len() == others.len()).then_some((own, others))
    }
}

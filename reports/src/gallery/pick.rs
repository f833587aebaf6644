//! Which trials and which pictures are shown. The main type is [`Pool`].

use crate::run::{Run, Trial};
use fovea_records::GalleryItem;
use std::collections::BTreeMap;

/// More than this is for another figure.
pub(super) const MOST_VARIANTS: usize = 8;
/// Rows of pictures drawn at random, and of the best, the median and the worst.
const RANDOM: usize = 6;
const RANKED: usize = 4;

/// A column of the galleries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    /// Place of its variant.
    pub(super) variant: usize,
    /// Whose pictures are shown.
    pub(super) trial: &'a Trial,
}

/// One picture, as each column's trial recorded it.
#[derive(Clone, Debug)]
pub(super) struct Picture<'a> {
    /// In the order of the columns.
    pub(super) items: Vec<&'a GalleryItem>,
    /// What it is ranked by, where it can be.
    pub(super) score: Option<f64>,
}

/// What pictures are ranked by: the mean over the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranking {
    /// IoU of the Grad-CAM box and the object's box.
    BoxIou,
    /// Softmax probability of the true class, where no objects are known.
    Confidence,
}

/// Pictures that all columns have, and what can be said of them.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    /// The columns, in the order of the grid.
    pub(super) columns: Vec<Column<'a>>,
    /// Variants with a gallery, shown or not.
    pub(super) variants: usize,
    /// The pictures.
    pub(super) pictures: Vec<Picture<'a>>,
    /// What [`Picture::score`] is; `None` where too few pictures have any.
    pub(super) ranking: Option<Ranking>,
}

/// Places in [`Pool::pictures`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picks {
    /// By a key made of the pictures' names.
    pub(super) random: Vec<usize>,
    /// Highest scores, the highest first; this and the next two have no picture in common.
    pub(super) best: Vec<usize>,
    /// Scores in the middle, descending.
    pub(super) median: Vec<usize>,
    /// Lowest scores, the lowest last.
    pub(super) worst: Vec<usize>,
}

impl<'a> Pool<'a> {
    /// `None` when no trial has a gallery.
    pub(super) fn new(run: &'a Run) -> Option<Self> {
        let (mut columns, variants) = columns(run);
        let reference = columns.iter().position(|c| Some(c.variant) == run.baseline).unwrap_or(0);
        let reference = columns.get(reference)?.trial;
        // A trial of an earlier version, or with another setting, may have recorded other pictures.
        columns.retain(|c| c.trial.gallery.iter().any(|item| same(reference, item).is_some()));
        let of_all = |item: &GalleryItem| -> Option<Vec<&'a GalleryItem>> {
            columns.iter().map(|c| same(c.trial, item)).collect()
        };
        let mut all: Vec<Vec<&GalleryItem>> = reference.gallery.iter().filter_map(of_all).collect();
        if all.is_empty() {
            columns.retain(|c| std::ptr::eq(c.trial, reference));
            all = reference.gallery.iter().map(|item| vec![item]).collect();
        }
        let scored = |ranking: Ranking| all.iter().filter(|p| score(p, ranking).is_some()).count();
        let ranking =
            [Ranking::BoxIou, Ranking::Confidence].into_iter().find(|ranking| scored(*ranking) >= 3);
        let pictures = all
            .into_iter()
            .map(|items| Picture { score: ranking.and_then(|r| score(&items, r)), items })
            .collect();
        Some(Self { columns, variants, pictures, ranking })
    }

    /// Pictures with a score.
    pub(super) fn ranked(&self) -> usize {
        self.pictures.iter().filter(|p| p.score.is_some()).count()
    }

    /// Chooses.
    pub(super) fn picks(&self) -> Picks {
        let key = |p: &Picture| scattered(&format!("{}/{}", p.items[0].split, p.items[0].image));
        let mut random: Vec<usize> = (0..self.pictures.len()).collect();
        random.sort_by_key(|&p| (key(&self.pictures[p]), p));
        random.truncate(RANDOM);

        let mut ranked: Vec<(f64, usize)> =
            self.pictures.iter().enumerate().filter_map(|(p, picture)| Some((picture.score?, p))).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let order: Vec<usize> = ranked.into_iter().map(|(_, p)| p).collect();
        let each = RANKED.min(order.len() / 3);
        let middle = (order.len() - each) / 2;
        Picks {
            random,
            best: order[..each].to_vec(),
            median: order[middle..middle + each].to_vec(),
            worst: order[order.len() - each..].to_vec(),
        }
    }
}

/// The trial shown for each variant: that of the seed which most of them have, else that of its lowest. The baseline and
/// others evenly over the grid; and how many variants have a gallery.
fn columns(run: &Run) -> (Vec<Column<'_>>, usize) {
    let with_gallery = |variant: usize| {
        run.variants[variant].trials.iter().map(|&t| &run.trials[t]).filter(|t| !t.gallery.is_empty())
    };
    let mut seeds: BTreeMap<u64, usize> = BTreeMap::new();
    for variant in 0..run.variants.len() {
        for trial in with_gallery(variant) {
            *seeds.entry(trial.planned.seed).or_default() += 1;
        }
    }
    let common = seeds.iter().max_by_key(|(seed, count)| (**count, std::cmp::Reverse(**seed))).map(|s| *s.0);
    let mut columns: Vec<Column> = (0..run.variants.len())
        .filter_map(|variant| {
            let trial =
                with_gallery(variant).min_by_key(|t| (Some(t.planned.seed) != common, t.planned.seed))?;
            Some(Column { variant, trial })
        })
        .collect();
    let variants = columns.len();
    let baseline = columns.iter().position(|c| Some(c.variant) == run.baseline);
    let chosen = spread(variants, baseline);
    columns = chosen.into_iter().map(|place| columns[place]).collect();
    (columns, variants)
}

/// At most [`MOST_VARIANTS`] places below `count`, evenly spread, with one of them moved to `kept`.
fn spread(count: usize, kept: Option<usize>) -> Vec<usize> {
    let shown = count.min(MOST_VARIANTS);
    let mut places: Vec<usize> = (0..shown).map(|i| i * count / shown).collect();
    if let Some(kept) = kept
        && let Some(nearest) = places.iter_mut().min_by_key(|place| place.abs_diff(kept))
    {
        *nearest = kept;
    }
    places
}

/// What a trial recorded of a picture.
fn same<'a>(trial: &'a Trial, item: &GalleryItem) -> Option<&'a GalleryItem> {
    trial.gallery.iter().find(|i| i.image == item.image && i.split == item.split)
}

/// Mean over the columns; `None` where one of them lacks it. No Grad-CAM box counts as an IoU of 0.
fn score(items: &[&GalleryItem], ranking: Ranking) -> Option<f64> {
    let of = |item: &&GalleryItem| match ranking {
        Ranking::BoxIou => {
            let object = item.object_box?;
            Some(item.predicted_box.map_or(0.0, |own| iou(own, object)))
        }
        Ranking::Confidence => item.confidence.map(f64::from).filter(|c| c.is_finite()),
    };
    let scores: Option<Vec<f64>> = items.iter().map(of).collect();
    scores.map(|s| s.iter().sum::<f64>() / s.len().max(1) as f64)
}

/// Intersection over union of two boxes (x1, y1, x2, y2); 0 where the union is empty.
fn iou(a: [f32; 4], b: [f32; 4]) -> f64 {
    let area = |b: [f32; 4]| f64::from((b[2] - b[0]).max(0.0)) * f64::from((b[3] - b[1]).max(0.0));
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let either = area(a) + area(b) - both;
    if either > 0.0 { both / either } else { 0.0 }
}

/// A number that hangs on every letter of a text: FNV-1a, then the finalizer of SplitMix64.
fn scattered(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The seed of all columns, if it is one.
pub(super) fn common_seed(columns: &[Column<'_>]) -> Option<u64> {
    let first = columns.first()?.trial.planned.seed;
    columns.iter().all(|c| c.trial.planned.seed == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(
        image: &str,
        predicted: Option<[f32; 4]>,
        object: Option<[f32; 4]>,
        confidence: f32,
    ) -> GalleryItem {
        GalleryItem {
            split: "test".to_owned(),
            image: image.to_owned(),
            label: "a".to_owned(),
            predicted: "a".to_owned(),
            confidence: Some(confidence),
            picture_file: String::new(),
            heatmap_file: String::new(),
            predicted_box: predicted,
            target_box: None,
            object_box: object,
        }
    }

    #[test]
    fn scores_are_means_over_variants() {
        let object = Some([0.0, 0.0, 4.0, 4.0]);
        let (all, half) =
            (item("x", object, object, 0.5), item("x", Some([0.0, 0.0, 4.0, 2.0]), object, 0.25));
        let none = item("x", None, object, 0.0);
        assert_eq!(score(&[&all, &half, &none], Ranking::BoxIou), Some(0.5));
        assert_eq!(score(&[&all, &half, &none], Ranking::Confidence), Some(0.25));
        let unknown = item("x", object, None, 1.0);
        assert_eq!(score(&[&all, &unknown], Ranking::BoxIou), None);
    }

    fn picks(scores: &[Option<f64>]) -> Picks {
        let items: Vec<GalleryItem> =
            (0..scores.len()).map(|i| item(&i.to_string(), None, None, 0.0)).collect();
        let pictures = items.iter().zip(scores).map(|(i, s)| Picture { items: vec![i], score: *s }).collect();
        Pool { columns: Vec::new(), variants: 0, pictures, ranking: Some(Ranking::BoxIou) }.picks()
    }

    #[test]
    fn of_many_variants_some_all_over_the_grid_are_shown() {
        assert_eq!(spread(3, Some(2)), [0, 1, 2]);
        assert_eq!(spread(40, Some(0)), [0, 5, 10, 15, 20, 25, 30, 35]);
        assert_eq!(spread(40, Some(39)), [0, 5, 10, 15, 20, 25, 30, 39]);
        assert_eq!(spread(0, None), [0_usize; 0]);
    }

    #[test]
    fn best_median_and_worst_have_nothing_in_common() {
        let scores: Vec<Option<f64>> = (0..24).map(|i| Some(f64::from((i * 7) % 24))).collect();
        let picks = picks(&scores);
        let of = |places: &[usize]| places.iter().map(|&p| scores[p].unwrap() as i32).collect::<Vec<_>>();
        assert_eq!(of(&picks.best), [23, 22, 21, 20]);
        assert_eq!(of(&picks.median), [13, 12, 11, 10]);
        assert_eq!(of(&picks.worst), [3, 2, 1, 0]);
        let mut random = picks.random.clone();
        random.sort_unstable();
        random.dedup();
        assert_eq!(random.len(), RANDOM);
    }

    #[test]
    fn a_small_pool_is_not_ranked_beyond_what_it_has() {
        let few = picks(&[Some(0.1), Some(0.9), None, Some(0.5)]);
        assert_eq!((few.best, few.median, few.worst), (vec![1], vec![3], vec![0]));
        assert_eq!(few.random.len(), 4);
        let two = picks(&[Some(0.1), Some(0.9)]);
        assert!(two.best.is_empty() && two.worst.is_empty());
    }
}

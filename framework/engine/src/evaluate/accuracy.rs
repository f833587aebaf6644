//! Predictions and accuracies on pictures as they are.

use super::clean::Purpose;
use super::{Evaluation, Evaluator};
use crate::EngineError;
use crate::train::argmax;
use fovea_records::{MetricRow, PredictionRecord};

impl Evaluator<'_> {
    /// Accuracy on a split: overall, balanced, per class and per group; `logits` has a row a picture. Nothing of a split
    /// without pictures: a number over nothing is none.
    pub(super) fn accuracy(&self, split: &str, logits: &[Vec<f32>], evaluation: &mut Evaluation) {
        let dataset = self.source.dataset();
        let count = dataset.len(split).unwrap_or(0);
        if count == 0 {
            return;
        }
        let metas: Vec<_> = (0..count).map(|i| self.source.meta(split, i)).collect();
        let labels: Vec<usize> = metas.iter().map(|m| m.label).collect();
        let groups: Option<Vec<usize>> = metas.iter().map(|m| m.group).collect();
        let predicted: Vec<usize> = logits.iter().map(|row| argmax(row)).collect();
        let confidence: Vec<f32> = logits.iter().zip(&labels).map(|(row, l)| softmax_at(row, *l)).collect();
        let hits: Vec<bool> = predicted.iter().zip(&labels).map(|(p, l)| p == l).collect();

        evaluation.rows.push(MetricRow::new(split, "accuracy", fraction(&hits), count));
        let classes = subsets(&hits, &labels, dataset.classes());
        let balanced = classes.iter().map(|(_, a, _)| a).sum::<f64>() / classes.len().max(1) as f64;
        evaluation.rows.push(MetricRow::new(split, "balanced-accuracy", balanced, count));
        for (class, accuracy, n) in &classes {
            evaluation
                .rows
                .push(MetricRow::new(split, "accuracy", *accuracy, *n).subset(&format!("class {class}")));
        }
        if let Some(groups) = &groups
            && !dataset.groups().is_empty()
        {
            let groups = subsets(&hits, groups, dataset.groups());
            for (group, accuracy, n) in &groups {
                let row = MetricRow::new(split, "accuracy", *accuracy, *n).subset(&format!("group {group}"));
                evaluation.rows.push(row);
            }
            // Not marked with the group's name: seeds may differ in which group is worst, and are averaged all the same.
            if let Some((_, worst, n)) = groups.iter().min_by(|a, b| a.1.total_cmp(&b.1)) {
                evaluation.rows.push(MetricRow::new(split, "worst-group-accuracy", *worst, *n));
            }
        }
        evaluation.records.push(PredictionRecord::Split {
            split: split.to_owned(),
            images: metas.into_iter().map(|m| m.id).collect(),
            labels,
            groups,
        });
        evaluation.records.push(PredictionRecord::Clean { split: split.to_owned(), predicted, confidence });
    }

    /// Predicted classes.
    ///
    /// # Errors
    /// When a picture cannot be read.
    pub fn predict(&self, split: &str) -> Result<Vec<usize>, EngineError> {
        let clean = self.clean(split, Purpose::Logits, split)?;
        Ok(clean.logits.iter().map(|row| argmax(row)).collect())
    }
}

/// Softmax probability of a class.
pub(super) fn softmax_at(row: &[f32], class: usize) -> f32 {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = row.iter().map(|v| (v - top).exp()).sum();
    row.get(class).map_or(0.0, |v| (v - top).exp() / sum)
}

fn fraction(hits: &[bool]) -> f64 {
    hits.iter().filter(|h| **h).count() as f64 / hits.len().max(1) as f64
}

/// Name, accuracy and size of every subset that is not empty.
fn subsets<'n>(hits: &[bool], member: &[usize], names: &'n [String]) -> Vec<(&'n str, f64, usize)> {
    names
        .iter()
        .enumerate()
        .filter_map(|(i, name)| {
            let own: Vec<bool> = hits.iter().zip(member).filter(|(_, m)| **m == i).map(|(h, _)| *h).collect();
            (!own.is_empty()).then(|| (name.as_str(), fraction(&own), own.len()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::source::Source;
    use burn::module::Module;
    use burn::tensor::{Device, Int, Tensor};
    use fovea_api::extractor::Boxes;
    use fovea_api::{
        BBox, BoxExtractor, CamForward, CamHead, Classifier, DataError, DatasetSource, DynClassifier,
        HeatmapView, Mask, Mode, PluginError, RgbImage, Sample, SampleMeta, SplitInfo,
    };
    use fovea_plan::{EvaluationConfig, InputConfig, PluginConfig, Shared, TrialConfig};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Label and brightness of each picture, and its group.
    struct Greys {
        splits: [SplitInfo; 1],
        names: [Vec<String>; 2],
        pictures: Vec<(usize, u8, usize)>,
        /// How many pixels of each picture are object, of 16; no masks where there are none.
        objects: Vec<usize>,
        loaded: Arc<AtomicUsize>,
    }

    impl DatasetSource for Greys {
        fn splits(&self) -> &[SplitInfo] {
            &self.splits
        }

        fn classes(&self) -> &[String] {
            &self.names[0]
        }

        fn groups(&self) -> &[String] {
            &self.names[1]
        }

        fn meta(&self, _: &str, index: usize) -> SampleMeta {
            let (label, _, group) = self.pictures[index];
            SampleMeta { id: index.to_string(), label, group: Some(group) }
        }

        fn load(&self, _: &str, index: usize) -> Result<Sample, DataError> {
            self.loaded.fetch_add(1, Ordering::Relaxed);
            let pixels = vec![self.pictures[index].1; 4 * 4 * 3];
            let mask = self.objects.get(index).map(|&object| Mask {
                width: 4,
                height: 4,
                pixels: (0..16).map(|i| if i < object { 255 } else { 0 }).collect(),
            });
            Ok(Sample { image: RgbImage { width: 4, height: 4, pixels }, mask })
        }
    }

    /// Dark pictures are of class 0, bright ones of class 1.
    #[derive(Module, Debug)]
    struct Threshold;

    struct NoHead;

    impl CamHead for NoHead {
        fn cam_weights(&self, class: Tensor<1, Int>) -> Tensor<2> {
            class.float().unsqueeze_dim(1)
        }
    }

    impl Classifier for Threshold {
        fn forward(&self, images: Tensor<4>, _: Mode) -> CamForward {
            let bright = images.clone().flatten::<2>(1, 3).mean_dim(1) - 0.5;
            CamForward {
                logits: Tensor::cat(vec![-bright.clone(), bright], 1),
                features: images,
                head: Box::new(NoHead),
            }
        }
    }

    struct NoBoxes;

    impl BoxExtractor for NoBoxes {
        fn hard(&self, heatmaps: &[HeatmapView<'_>]) -> Result<Vec<Option<BBox>>, PluginError> {
            Ok(vec![None; heatmaps.len()])
        }

        fn extract(&self, _: Tensor<3>) -> Result<Boxes, PluginError> {
            Err(PluginError::new("no boxes", "accuracy needs none"))
        }
    }

    /// The same, explained by brightness; counts the pictures that pass through any network of this kind.
    #[derive(Module, Debug)]
    struct Counted;

    static PASSED: AtomicUsize = AtomicUsize::new(0);

    struct Mean;

    impl CamHead for Mean {
        fn cam_weights(&self, class: Tensor<1, Int>) -> Tensor<2> {
            let [n] = class.dims();
            Tensor::ones([n, 3], &class.device())
        }
    }

    impl Classifier for Counted {
        fn forward(&self, images: Tensor<4>, mode: Mode) -> CamForward {
            PASSED.fetch_add(images.dims()[0], Ordering::Relaxed);
            CamForward { head: Box::new(Mean), ..Threshold.forward(images, mode) }
        }
    }

    /// Label, brightness and group of each picture.
    fn greys(pictures: &[(usize, u8, usize)]) -> (Greys, Arc<AtomicUsize>) {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let loaded = Arc::new(AtomicUsize::new(0));
        let dataset = Greys {
            splits: [SplitInfo { name: "test".to_owned(), len: pictures.len() }],
            names: [names(&["dark", "bright"]), names(&["a", "b", "c", "d"])],
            pictures: pictures.to_vec(),
            objects: Vec::new(),
            loaded: Arc::clone(&loaded),
        };
        (dataset, loaded)
    }

    fn config() -> TrialConfig {
        let plugin = Shared::from(PluginConfig { name: "none".to_owned(), ..PluginConfig::default() });
        TrialConfig {
            seed: 0,
            dataset: plugin.clone(),
            input: InputConfig { size: 4, normalize: false },
            augmentation: Default::default(),
            model: plugin.clone(),
            localizer: plugin.clone(),
            extractor: plugin.clone(),
            loss: plugin,
            cam: Default::default(),
            training: Default::default(),
            evaluation: EvaluationConfig { batch_size: 4, ..EvaluationConfig::default() },
        }
    }

    fn with_evaluator<T>(
        model: &dyn DynClassifier,
        source: &Source,
        f: impl FnOnce(&Evaluator<'_>) -> T,
    ) -> T {
        let config = config();
        f(&Evaluator {
            config: &config,
            model,
            source,
            extractor: &NoBoxes,
            device: &Device::default(),
            emit: &|_| {},
        })
    }

    // Group 1 is right once in three, group 2 has no pictures.
    const PICTURES: [(usize, u8, usize); 6] =
        [(0, 10, 0), (1, 240, 0), (0, 10, 1), (0, 250, 1), (1, 20, 1), (1, 200, 3)];

    #[test]
    fn the_worst_group_is_measured() {
        let source = Source::new(Box::new(greys(&PICTURES).0), 0);
        let mut found = Evaluation::default();
        with_evaluator(fovea_api::boxed(Threshold).as_ref(), &source, |evaluator| {
            let clean = evaluator.clean("test", Purpose::Logits, "test").unwrap();
            evaluator.accuracy("test", &clean.logits, &mut found);
        });
        let row = |metric: &str, subset: Option<&str>| {
            let mut rows = found.rows.iter().filter(|r| r.metric == metric && r.subset.as_deref() == subset);
            rows.next().map(|r| (r.value, r.count))
        };
        assert_eq!(row("accuracy", None), Some((4.0 / 6.0, 6)));
        assert_eq!(row("accuracy", Some("group a")), Some((1.0, 2)));
        assert_eq!(row("accuracy", Some("group b")), Some((1.0 / 3.0, 3)));
        assert_eq!(row("accuracy", Some("group c")), None);
        assert_eq!(row("worst-group-accuracy", None), Some((1.0 / 3.0, 3)));
        assert!(found.rows.iter().all(|r| fovea_records::metrics::definition(&r.metric).is_some()));
    }

    #[test]
    fn pictures_are_decoded_once_and_pass_through_the_network_once() {
        let (dataset, loaded) = greys(&PICTURES);
        let source = Source::new(Box::new(dataset), 1 << 20);
        let found =
            with_evaluator(fovea_api::boxed(Counted).as_ref(), &source, |evaluator| evaluator.run().unwrap());
        let value = |metric: &str| found.rows.iter().find(|r| r.metric == metric).map(|r| r.value);
        assert_eq!((value("accuracy"), value("zero-cam")), (Some(4.0 / 6.0), Some(0.0)));
        assert_eq!(PASSED.load(Ordering::Relaxed), 6, "for accuracy and for heatmaps");
        assert_eq!(loaded.load(Ordering::Relaxed), 6, "for these and for noise");
    }

    /// What noise leaves of pictures whose objects are of these sizes.
    fn noise_rows(objects: &[usize]) -> (Vec<MetricRow>, Vec<PredictionRecord>) {
        let (mut dataset, _) = greys(&PICTURES);
        dataset.objects = objects.to_vec();
        let source = Source::new(Box::new(dataset), 1 << 20);
        let network = fovea_api::boxed(Threshold);
        let mut found = Evaluation::default();
        with_evaluator(network.as_ref(), &source, |evaluator| evaluator.noise("test", &mut found).unwrap());
        (found.rows, found.records)
    }

    #[test]
    fn noise_in_front_and_behind_is_measured_on_the_same_pictures() {
        let (rows, records) = noise_rows(&[8, 0, 4, 16, 0, 8]);
        assert!(!rows.is_empty());
        assert!(rows.iter().all(|row| row.count == 3), "{rows:?}");
        for record in records {
            let PredictionRecord::Noisy { predicted, .. } = record else { unreachable!() };
            let measured: Vec<bool> = predicted.iter().map(Option::is_some).collect();
            assert_eq!(measured, [true, false, true, false, false, true]);
        }
    }

    #[test]
    fn noise_that_no_picture_can_have_is_no_number() {
        for objects in [&[0, 0, 16, 0, 16, 0][..], &[]] {
            let (rows, records) = noise_rows(objects);
            assert!(rows.is_empty() && records.is_empty(), "{rows:?}");
        }
    }

    #[test]
    fn a_split_without_pictures_has_no_numbers() {
        let source = Source::new(Box::new(greys(&[]).0), 0);
        let network = fovea_api::boxed(Threshold);
        let found = with_evaluator(network.as_ref(), &source, |evaluator| evaluator.run().unwrap());
        assert!(found.rows.is_empty() && found.records.is_empty(), "{found:?}");
    }

    #[test]
    fn subsets_leave_out_empty_ones() {
        let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let found = subsets(&[true, false, true, true], &[0, 0, 2, 2], &names);
        assert_eq!(found, [("a", 0.5, 2), ("c", 1.0, 2)]);
    }

    #[test]
    fn softmax_does_not_overflow() {
        assert!((softmax_at(&[1000.0, 1000.0], 1) - 0.5).abs() < 1e-6);
    }
}

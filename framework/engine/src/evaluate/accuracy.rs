//! Predictions and accuracies on pictures as they are.

use super::{Evaluation, Evaluator};
use crate::EngineError;
use crate::train::argmax;
use fovea_records::{MetricRow, PredictionRecord};

impl Evaluator<'_> {
    /// Accuracy on a split: overall, balanced, per class and per group.
    pub(super) fn accuracy(&self, split: &str, evaluation: &mut Evaluation) -> Result<(), EngineError> {
        let dataset = self.source.dataset();
        let count = dataset.len(split).unwrap_or(0);
        let metas: Vec<_> = (0..count).map(|i| self.source.meta(split, i)).collect();
        let labels: Vec<usize> = metas.iter().map(|m| m.label).collect();
        let groups: Option<Vec<usize>> = metas.iter().map(|m| m.group).collect();
        let (predicted, confidence) = self.predict(split, &labels)?;
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
            if let Some((group, worst, n)) = groups.iter().min_by(|a, b| a.1.total_cmp(&b.1)) {
                let row = MetricRow::new(split, "worst-group-accuracy", *worst, *n);
                evaluation.rows.push(row.subset(&format!("group {group}")));
            }
        }
        evaluation.records.push(PredictionRecord::Split {
            split: split.to_owned(),
            images: metas.into_iter().map(|m| m.id).collect(),
            labels,
            groups,
        });
        evaluation.records.push(PredictionRecord::Clean { split: split.to_owned(), predicted, confidence });
        Ok(())
    }

    /// Predicted classes and softmax probabilities of the true classes.
    ///
    /// # Errors
    /// When a picture cannot be read.
    pub fn predict(&self, split: &str, labels: &[usize]) -> Result<(Vec<usize>, Vec<f32>), EngineError> {
        let indices: Vec<usize> = (0..labels.len()).collect();
        let mut predicted = Vec::with_capacity(labels.len());
        let mut confidence = Vec::with_capacity(labels.len());
        for chunk in indices.chunks(self.config.evaluation.batch_size) {
            let images = self.inputs(split, chunk)?.into_iter().flat_map(|i| i.image).collect();
            for (row, &index) in self.logits(images).iter().zip(chunk) {
                predicted.push(argmax(row));
                confidence.push(softmax_at(row, labels[index]));
            }
            self.progress(split, predicted.len(), labels.len());
        }
        Ok((predicted, confidence))
    }
}

fn softmax_at(row: &[f32], class: usize) -> f32 {
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

//! Heatmaps of a split against its masks. The main type is `Explained`.

use super::Evaluation;
use super::saliency::{Alignment, alignment};
use crate::EngineError;
use fovea_api::{BoxExtractor, HeatmapView, Mask, Sample};
use fovea_records::{MetricRow, PredictionRecord};
use rayon::prelude::*;
use std::sync::Arc;

/// What heatmaps of the predicted classes say of the pictures of a split. Pictures without mask have no metrics; zero CAMs
/// are counted, not averaged in.
#[derive(Default)]
pub(super) struct Explained {
    boxes: Vec<Option<[f32; 4]>>,
    object_boxes: Vec<Option<[f32; 4]>>,
    box_iou: Vec<Option<f32>>,
    aligned: Vec<Option<Alignment>>,
    zero_cam: Vec<bool>,
}

impl Explained {
    /// Adds squashed pictures with their heatmaps, `[N, size, size]`.
    pub(super) fn add(
        &mut self,
        samples: &[Arc<Sample>],
        heatmaps: &[f32],
        size: usize,
        extractor: &dyn BoxExtractor,
    ) -> Result<(), EngineError> {
        let views: Vec<_> = heatmaps
            .chunks_exact(size * size)
            .map(|values| HeatmapView { height: size, width: size, values })
            .collect();
        let found = extractor.hard(&views)?;
        let measured = views.par_iter().zip(samples).map(|(view, sample)| {
            let mask = sample.mask.as_ref();
            let zero = view.values.iter().all(|v| *v <= 0.0);
            (zero, mask.and_then(Mask::tight_box), mask.and_then(|mask| alignment(view.values, mask)))
        });
        for ((zero, truth, aligned), found) in measured.collect::<Vec<_>>().into_iter().zip(found) {
            self.zero_cam.push(zero);
            self.box_iou.push(truth.filter(|_| !zero).map(|t| found.map_or(0.0, |f| f.iou(&t))));
            self.boxes.push(found.map(|f| f.to_array()));
            self.object_boxes.push(truth.map(|t| t.to_array()));
            self.aligned.push(aligned);
        }
        Ok(())
    }

    /// Adds the metrics and the per-picture outputs.
    pub(super) fn rows(self, split: &str, evaluation: &mut Evaluation) {
        let Self { boxes, object_boxes, box_iou, aligned, zero_cam } = self;
        if zero_cam.is_empty() {
            return;
        }
        let Evaluation { rows, records } = evaluation;
        let mut add = |metric: &str, values: Vec<f64>| {
            if !values.is_empty() {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                rows.push(MetricRow::new(split, metric, mean, values.len()));
            }
        };
        let each = |of: fn(&Alignment) -> f64| aligned.iter().flatten().map(of).collect::<Vec<f64>>();
        add("box-iou", box_iou.iter().flatten().map(|v| f64::from(*v)).collect());
        add("mask-iou", each(|a| a.mask_iou));
        add("energy-inside", each(|a| a.energy_inside));
        add("delta-density", each(|a| a.delta_density));
        add("average-precision", each(|a| a.average_precision));
        add("pointing-game", each(|a| f64::from(u8::from(a.pointing_hit))));
        let zeros = zero_cam.iter().filter(|z| **z).count();
        rows.push(MetricRow::new(split, "zero-cam", zeros as f64, zero_cam.len()));

        let column =
            |of: fn(&Alignment) -> f64| aligned.iter().map(|a| a.as_ref().map(|a| of(a) as f32)).collect();
        records.push(PredictionRecord::Explanations {
            split: split.to_owned(),
            boxes,
            object_boxes,
            box_iou,
            mask_iou: column(|a| a.mask_iou),
            energy_inside: column(|a| a.energy_inside),
            delta_density: column(|a| a.delta_density),
            average_precision: column(|a| a.average_precision),
            pointing_hit: aligned.iter().map(|a| a.as_ref().map(|a| a.pointing_hit)).collect(),
            zero_cam,
        });
    }
}

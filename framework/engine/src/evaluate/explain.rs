//! Heatmaps of a split against its masks.

use super::saliency::{Alignment, alignment};
use super::{Evaluation, Evaluator, Input};
use crate::EngineError;
use fovea_api::{HeatmapView, Mask};
use fovea_records::{MetricRow, PredictionRecord};
use rayon::prelude::*;

impl Evaluator<'_> {
    /// Explanation metrics of a split. Pictures without mask have none; zero CAMs are counted, not averaged in.
    pub(super) fn explanations(&self, split: &str, evaluation: &mut Evaluation) -> Result<(), EngineError> {
        let size = self.config.input.size;
        let count = self.source.dataset().len(split).unwrap_or(0);
        let indices: Vec<usize> = (0..count).collect();
        let (mut boxes, mut object_boxes, mut box_iou) = (Vec::new(), Vec::new(), Vec::new());
        let mut aligned: Vec<Option<Alignment>> = Vec::new();
        let mut zero_cam = Vec::new();
        for chunk in indices.chunks(self.config.evaluation.batch_size) {
            let inputs = self.inputs(split, chunk)?;
            let images = inputs.iter().flat_map(|i| i.image.iter().copied()).collect();
            let (_, heatmaps) = self.heatmaps(images);
            let maps: Vec<&[f32]> = heatmaps.chunks_exact(size * size).collect();
            let views: Vec<_> =
                maps.iter().map(|values| HeatmapView { height: size, width: size, values }).collect();
            let found = self.extractor.hard(&views)?;
            aligned.par_extend(maps.par_iter().zip(&inputs).map(|(map, input)| align(map, input)));
            for ((map, input), found) in maps.iter().zip(&inputs).zip(found) {
                let zero = map.iter().all(|v| *v <= 0.0);
                let truth = input.mask.as_ref().and_then(Mask::tight_box);
                zero_cam.push(zero);
                box_iou.push(truth.filter(|_| !zero).map(|t| found.map_or(0.0, |f| f.iou(&t))));
                boxes.push(found.map(|f| f.to_array()));
                object_boxes.push(truth.map(|t| t.to_array()));
            }
            self.progress(&format!("{split} heatmaps"), zero_cam.len(), count);
        }
        let mut add = |metric: &str, values: Vec<f64>| {
            if !values.is_empty() {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                evaluation.rows.push(MetricRow::new(split, metric, mean, values.len()));
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
        evaluation.rows.push(MetricRow::new(split, "zero-cam", zeros as f64, count));

        let column =
            |of: fn(&Alignment) -> f64| aligned.iter().map(|a| a.as_ref().map(|a| of(a) as f32)).collect();
        evaluation.records.push(PredictionRecord::Explanations {
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
        Ok(())
    }
}

fn align(map: &[f32], input: &Input) -> Option<Alignment> {
    input.mask.as_ref().and_then(|mask| alignment(map, mask))
}

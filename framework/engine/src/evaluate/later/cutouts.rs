//! Pictures without their background, and without their object: `Only-FG` and `No-FG` of Xiao et al., *Noise or
//! Signal: The Role of Image Backgrounds in Object Recognition*, 2021.

use crate::EngineError;
use crate::evaluate::{Evaluation, Evaluator, Input};
use crate::train::argmax;
use fovea_records::MetricRow;
use rayon::prelude::*;

/// The picture with one side of its mask black; `None` without a mask, or where that would be all of it or nothing.
fn cut(input: &Input, keep_object: bool) -> Option<Vec<f32>> {
    let mask = input.mask.as_ref()?;
    let plane = mask.pixels.len();
    let kept = |i: usize| (mask.pixels[i % plane] >= 128) == keep_object;
    let count = (0..plane).filter(|&i| kept(i)).count();
    if count == 0 || count == plane {
        return None;
    }
    Some(input.image.iter().enumerate().map(|(i, v)| if kept(i) { *v } else { 0.0 }).collect())
}

impl Evaluator<'_> {
    /// Accuracy on a split with nothing but the objects, and with everything but them. Pictures without a mask are left
    /// out and not counted.
    pub(super) fn cutouts(&self, split: &str, evaluation: &mut Evaluation) -> Result<(), EngineError> {
        let count = self.source.dataset().len(split).unwrap_or(0);
        let indices: Vec<usize> = (0..count).collect();
        let sides = [("accuracy-only-fg", true), ("accuracy-no-fg", false)];
        let mut found = [(0_usize, 0_usize); 2];
        let mut done = 0;
        self.batches(split, &indices, |batch| {
            let inputs = batch.inputs();
            for ((_, keep_object), (right, all)) in sides.iter().zip(&mut found) {
                let cut: Vec<(usize, Vec<f32>)> = batch
                    .indices
                    .par_iter()
                    .zip(&inputs)
                    .filter_map(|(&index, input)| Some((index, cut(input, *keep_object)?)))
                    .collect();
                if cut.is_empty() {
                    continue;
                }
                let images = cut.iter().flat_map(|(_, image)| image.iter().copied()).collect();
                for (row, (index, _)) in self.logits(images)?.iter().zip(&cut) {
                    *all += 1;
                    *right += usize::from(argmax(row) == self.source.meta(split, *index).label);
                }
            }
            done += batch.indices.len();
            self.progress(&format!("{split} cut out"), done, count);
            Ok(())
        })?;
        for ((metric, _), (right, all)) in sides.iter().zip(found) {
            if all > 0 {
                let value = right as f64 / all as f64;
                evaluation.rows.push(MetricRow::new(split, metric, value, all));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_api::Mask;

    #[test]
    fn one_side_becomes_black() {
        let mask = |pixels: &[u8]| Some(Mask { width: 2, height: 1, pixels: pixels.to_vec() });
        let input = Input { image: vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6], mask: mask(&[255, 0]) };
        assert_eq!(cut(&input, true).unwrap(), [0.1, 0.0, 0.3, 0.0, 0.5, 0.0]);
        assert_eq!(cut(&input, false).unwrap(), [0.0, 0.2, 0.0, 0.4, 0.0, 0.6]);
        assert_eq!(cut(&Input { mask: mask(&[0, 0]), ..input.clone() }, true), None);
        assert_eq!(cut(&Input { mask: None, ..input }, true), None);
    }
}

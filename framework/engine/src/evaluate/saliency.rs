//! How a heatmap agrees with a mask (method.md section 8; RIVAL10's saliency alignment). The main function is
//! [`alignment`].

use fovea_api::Mask;

/// Agreement of one heatmap with one mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// IoU of the heatmap above half its maximum with the mask.
    pub mask_iou: f64,
    /// `sum(g m) / sum(g)`.
    pub energy_inside: f64,
    /// `sum(g m) / sum(m) - sum(g (1 - m)) / sum(1 - m)`; a side without pixels counts 0.
    pub delta_density: f64,
    /// Average precision of the heatmap as a detector of the mask's pixels.
    pub average_precision: f64,
    /// Whether the maximum (the first in row-major order, where there are several) lies on the mask.
    pub pointing_hit: bool,
}

/// Agreement of `heatmap` with `mask`, both row-major and of the same size. Of the metrics only the density has the
/// heatmap's scale. `None` for a heatmap that is zero everywhere and for an empty mask.
#[must_use]
pub fn alignment(heatmap: &[f32], mask: &Mask) -> Option<Alignment> {
    let inside: Vec<bool> = mask.pixels.iter().map(|&v| v >= 128).collect();
    let total: f64 = heatmap.iter().copied().map(f64::from).sum();
    let on = inside.iter().filter(|m| **m).count();
    if total <= 0.0 || on == 0 {
        return None;
    }
    let off = inside.len() - on;
    let energy: f64 = heatmap.iter().zip(&inside).filter(|(_, m)| **m).map(|(g, _)| f64::from(*g)).sum();
    let half = 0.5 * heatmap.iter().copied().fold(0.0, f32::max);
    let (mut both, mut either) = (0_usize, 0_usize);
    let mut peak = 0;
    for (i, (&g, &m)) in heatmap.iter().zip(&inside).enumerate() {
        both += usize::from(m && g > half);
        either += usize::from(m || g > half);
        if g > heatmap[peak] {
            peak = i;
        }
    }
    let outside = if off == 0 { 0.0 } else { (total - energy) / off as f64 };
    Some(Alignment {
        mask_iou: both as f64 / either.max(1) as f64,
        energy_inside: energy / total,
        delta_density: energy / on as f64 - outside,
        average_precision: average_precision(heatmap, &inside),
        pointing_hit: inside[peak],
    })
}

/// Average precision, `sum_n (R_n - R_{n-1}) P_n` over distinct thresholds, as scikit-learn computes it.
#[must_use]
pub fn average_precision(scores: &[f32], positive: &[bool]) -> f64 {
    let mut order: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let positives = positive.iter().filter(|p| **p).count();
    if positives == 0 {
        return 0.0;
    }
    let (mut hits, mut seen, mut before, mut sum) = (0_usize, 0_usize, 0_usize, 0.0);
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        seen += tied.len();
        hits += tied.iter().filter(|t| t.1).count();
        sum += (hits - before) as f64 / positives as f64 * (hits as f64 / seen as f64);
        before = hits;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_with_ties() {
        // Threshold 0.9: P 1, R 1/2; threshold 0.5 (two tied, one positive): P 2/3, R 1.
        let ap = average_precision(&[0.9, 0.5, 0.5, 0.1], &[true, false, true, false]);
        assert!((ap - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn zero_heatmaps_and_empty_masks_have_no_alignment() {
        let mask = Mask { width: 2, height: 1, pixels: vec![255, 0] };
        assert_eq!(alignment(&[0.0, 0.0], &mask), None);
        assert_eq!(alignment(&[1.0, 0.0], &Mask { width: 2, height: 1, pixels: vec![0, 0] }), None);
        let all = alignment(&[1.0, 0.0], &mask).unwrap();
        assert_eq!(
            (all.energy_inside, all.delta_density, all.mask_iou, all.pointing_hit),
            (1.0, 1.0, 1.0, true)
        );
    }
}

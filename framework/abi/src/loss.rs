//! What pulls the heatmap towards the object. The main trait is [`Loss`].

use crate::call::{Fault, borrow, slice, slice_mut, with_plugin};
use crate::error::Error;
use crate::plugin::{Plugin, describe};
use crate::raw::{
    FOVEA_LOSS, FOVEA_SCALES_GRADIENTS, FOVEA_WANTS_BOXES, FOVEA_WANTS_HEATMAPS, FOVEA_WANTS_MASKS,
    FoveaError, FoveaExplanation, FoveaInstance, FoveaLoss, FoveaLossValue, FoveaPlugin, FoveaStatus,
    FoveaTensor,
};
use crate::values::BBox;
use crate::view::{Heatmap, View};

/// What a loss sees of a picture of `height` x `width` pixels.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    /// Height, pixels.
    pub height: usize,
    /// Width, pixels.
    pub width: usize,
    /// Predicted box, pixels; all zero without [`Loss::WANTS_BOXES`].
    pub predicted: BBox,
    /// Target box, pixels.
    pub target: BBox,
    /// Normalised heatmap; `None` without [`Loss::WANTS_HEATMAPS`].
    pub heatmap: Option<Heatmap<'a>>,
    /// Target mask in {0, 1}; `None` without [`Loss::WANTS_MASKS`], and where the localizer makes none.
    pub mask: Option<Heatmap<'a>>,
    /// By what to multiply the gradients with [`Loss::SCALES_GRADIENTS`]; otherwise 1.
    pub upstream: f32,
}

/// Where the gradient of a picture's loss goes; all zero at the call.
#[derive(Debug)]
pub struct Gradient<'a> {
    /// d loss / d predicted box; ignored without [`Loss::WANTS_BOXES`].
    pub predicted: &'a mut [f32; 4],
    /// d loss / d heatmap, row by row; empty without [`Loss::WANTS_HEATMAPS`].
    pub heatmap: &'a mut [f32],
}

/// A number per picture, and its gradient.
pub trait Loss: Plugin {
    /// Whether it looks at the boxes extracted from heatmaps.
    const WANTS_BOXES: bool = true;
    /// Whether it looks at heatmaps.
    const WANTS_HEATMAPS: bool = false;
    /// Whether it looks at target masks.
    const WANTS_MASKS: bool = false;
    /// Whether it multiplies its gradients by [`Explanation::upstream`] itself. For a loss whose gradients are to have
    /// the same last bit as those of an automatic differentiation, which multiplies first.
    const SCALES_GRADIENTS: bool = false;

    /// The loss of a picture, finite, and its gradient if it is wanted. Only called for pictures that have a target
    /// box and a heatmap that is not all zero.
    ///
    /// # Errors
    /// When there is none.
    fn evaluate(
        &mut self,
        explanation: &Explanation<'_>,
        gradient: Option<Gradient<'_>>,
    ) -> Result<f32, Error>;
}

/// Describes a loss.
#[must_use]
pub fn loss<P: Loss>() -> FoveaPlugin {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    let table = FoveaLoss {
        size: size_of::<FoveaLoss>(),
        flags: flag(P::WANTS_BOXES, FOVEA_WANTS_BOXES)
            | flag(P::WANTS_HEATMAPS, FOVEA_WANTS_HEATMAPS)
            | flag(P::WANTS_MASKS, FOVEA_WANTS_MASKS)
            | flag(P::SCALES_GRADIENTS, FOVEA_SCALES_GRADIENTS),
        reserved: 0,
        evaluate: Some(evaluate::<P>),
    };
    FoveaPlugin { loss: Box::leak(Box::new(table)), ..describe::<P>(FOVEA_LOSS) }
}

/// # Safety
/// As [`View::from_raw`]; null gives `None`.
unsafe fn planes<'a>(
    tensor: *const FoveaTensor,
    shape: [usize; 3],
    what: &str,
) -> Result<Option<View<'a, f32, 3>>, Fault> {
    if tensor.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let view = unsafe { View::from_raw(tensor, what)? };
    if view.shape() != shape {
        return Err(Fault::contract(format!(
            "the host's {what} have shape {:?}, not {shape:?}",
            view.shape()
        )));
    }
    Ok(Some(view))
}

/// # Safety
/// As [`View::from_raw`].
unsafe fn rows<'a>(tensor: *const FoveaTensor, n: usize, what: &str) -> Result<View<'a, f32, 2>, Fault> {
    // SAFETY: the caller's promise.
    let view = unsafe { View::<f32, 2>::from_raw(tensor, what)? };
    if view.shape() != [n, 4] {
        return Err(Fault::contract(format!(
            "the host's {what} have shape {:?}, not [{n}, 4]",
            view.shape()
        )));
    }
    Ok(view)
}

/// # Safety
/// As `evaluate` in `fovea_plugin.h`.
unsafe extern "C" fn evaluate<P: Loss>(
    instance: *mut FoveaInstance,
    explanation: *const FoveaExplanation,
    value: *const FoveaLossValue,
    error: *mut FoveaError,
) -> FoveaStatus {
    let call = |plugin: &mut P| {
        // SAFETY: the caller's promise, here and for all that these two point to.
        let (seen, out) = unsafe { (borrow(explanation, "explanation")?, borrow(value, "loss value")?) };
        let (n, height, width) = (seen.count, seen.height, seen.width);
        let pixels = height.saturating_mul(width);
        let boxes = if P::WANTS_BOXES {
            // SAFETY: as above.
            Some(unsafe { rows(seen.boxes, n, "predicted boxes")? })
        } else {
            None
        };
        // SAFETY: as above.
        let targets = unsafe { rows(seen.targets, n, "target boxes")? };
        // SAFETY: as above.
        let heatmaps = unsafe { planes(seen.heatmaps, [n, height, width], "heatmaps")? };
        if P::WANTS_HEATMAPS && heatmaps.is_none() {
            return Err(Fault::contract("the host gave no heatmaps"));
        }
        // SAFETY: as above.
        let masks = unsafe { planes(seen.masks, [n, height, width], "masks")? };
        // SAFETY: as above.
        let valid = unsafe { slice(seen.valid, n, "validity")? };
        let upstream = if seen.upstream.is_null() || !P::SCALES_GRADIENTS {
            None
        } else {
            // SAFETY: as above.
            Some(unsafe { slice(seen.upstream, n, "upstream gradients")? })
        };
        // SAFETY: as above.
        let values = unsafe { slice_mut(out.values, n, "values")? };
        let to_boxes = P::WANTS_BOXES && !out.boxes_gradient.is_null();
        let to_heatmaps = P::WANTS_HEATMAPS && !out.heatmaps_gradient.is_null();
        let sizes = [if to_boxes { n } else { 0 }, if to_heatmaps { n.saturating_mul(pixels) } else { 0 }];
        // SAFETY: as above; `[N, 4]` is N arrays.
        let (box_gradients, heatmap_gradients) = unsafe {
            (
                slice_mut(out.boxes_gradient.cast::<[f32; 4]>(), sizes[0], "gradient of boxes")?,
                slice_mut(out.heatmaps_gradient, sizes[1], "gradient of heatmaps")?,
            )
        };
        for item in (0..n).filter(|&item| valid[item] != 0) {
            let explanation = Explanation {
                height,
                width,
                predicted: boxes.map_or_else(BBox::default, |b| b.row(item).into()),
                target: targets.row(item).into(),
                heatmap: heatmaps.filter(|_| P::WANTS_HEATMAPS).map(|h| h.plane(item)),
                mask: masks.filter(|_| P::WANTS_MASKS).map(|m| m.plane(item)),
                upstream: upstream.map_or(1.0, |u| u[item]),
            };
            let mut unused = [0.0; 4];
            let heatmap = if to_heatmaps { item * pixels..(item + 1) * pixels } else { 0..0 };
            let gradient = (to_boxes || to_heatmaps).then(|| Gradient {
                predicted: box_gradients.get_mut(item).unwrap_or(&mut unused),
                heatmap: &mut heatmap_gradients[heatmap],
            });
            values[item] = plugin.evaluate(&explanation, gradient).map_err(|e| e.about(item))?;
        }
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_plugin(instance, error, call) }
}

//! From heatmap to box. The main trait is [`Extractor`].

use crate::call::{Fault, borrow, slice_mut, with_plugin};
use crate::error::Error;
use crate::plugin::{Plugin, describe};
use crate::raw::{
    FOVEA_EXTRACTOR, FoveaBoxes, FoveaError, FoveaExtractor, FoveaInstance, FoveaPlugin, FoveaStatus,
    FoveaTensor,
};
use crate::values::Extracted;
use crate::view::{Heatmap, View};

/// Turns a heatmap into a box.
pub trait Extractor: Plugin {
    /// Whether training goes through it: then [`vjp`](Self::vjp) is called, otherwise its boxes are constants.
    const DIFFERENTIABLE: bool = false;

    /// The box of a normalised heatmap; `None` where there is none (a heatmap that is all zero).
    ///
    /// # Errors
    /// When the heatmap cannot be processed.
    fn extract(&mut self, heatmap: &Heatmap<'_>) -> Result<Option<Extracted>, Error>;

    /// The vector-Jacobian product: writes d(sum of `box_gradient` * differentiable box) / d heatmap, row by row. The
    /// buffer is zero at the call. Only called for gradients that are not all zero.
    ///
    /// # Errors
    /// When there is no gradient.
    fn vjp(
        &mut self,
        heatmap: &Heatmap<'_>,
        box_gradient: [f32; 4],
        heatmap_gradient: &mut [f32],
    ) -> Result<(), Error> {
        let _ = (heatmap, box_gradient, heatmap_gradient);
        Err(Error::new(format!("extractor {} says that it is DIFFERENTIABLE, but has no vjp", Self::NAME)))
    }
}

/// Describes an extractor.
#[must_use]
pub fn extractor<P: Extractor>() -> FoveaPlugin {
    let table = FoveaExtractor {
        size: size_of::<FoveaExtractor>(),
        flags: 0,
        reserved: 0,
        extract: Some(extract::<P>),
        vjp: if P::DIFFERENTIABLE { Some(vjp::<P>) } else { None },
    };
    FoveaPlugin { extractor: Box::leak(Box::new(table)), ..describe::<P>(FOVEA_EXTRACTOR) }
}

/// # Safety
/// As `extract` in `fovea_plugin.h`.
unsafe extern "C" fn extract<P: Extractor>(
    instance: *mut FoveaInstance,
    heatmaps: *const FoveaTensor,
    boxes: *const FoveaBoxes,
    error: *mut FoveaError,
) -> FoveaStatus {
    let call = |plugin: &mut P| {
        // SAFETY: the caller's promise.
        let (heatmaps, boxes) =
            unsafe { (View::<f32, 3>::from_raw(heatmaps, "heatmaps")?, borrow(boxes, "boxes")?) };
        let [n, ..] = heatmaps.shape();
        // `[N, 4]` as N arrays: the alignment is the same.
        let (hard, differentiable) = (boxes.hard.cast::<[f32; 4]>(), boxes.differentiable.cast::<[f32; 4]>());
        // SAFETY: the caller's promise: three buffers of these sizes.
        let (hard, valid) =
            unsafe { (slice_mut(hard, n, "hard boxes")?, slice_mut(boxes.valid, n, "validity")?) };
        let mut differentiable = if differentiable.is_null() {
            None
        } else {
            // SAFETY: as above.
            Some(unsafe { slice_mut(differentiable, n, "differentiable boxes")? })
        };
        for item in 0..n {
            let found = plugin.extract(&heatmaps.plane(item)).map_err(|e| e.about(item))?;
            valid[item] = u8::from(found.is_some());
            if let Some(found) = found {
                hard[item] = found.hard.to_array();
                if let Some(differentiable) = &mut differentiable {
                    differentiable[item] = found.differentiable.to_array();
                }
            }
        }
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_plugin(instance, error, call) }
}

/// # Safety
/// As `vjp` in `fovea_plugin.h`.
unsafe extern "C" fn vjp<P: Extractor>(
    instance: *mut FoveaInstance,
    heatmaps: *const FoveaTensor,
    boxes_gradient: *const FoveaTensor,
    heatmaps_gradient: *mut f32,
    error: *mut FoveaError,
) -> FoveaStatus {
    let call = |plugin: &mut P| {
        // SAFETY: the caller's promise.
        let (heatmaps, upstream) = unsafe {
            (
                View::<f32, 3>::from_raw(heatmaps, "heatmaps")?,
                View::<f32, 2>::from_raw(boxes_gradient, "gradient of boxes")?,
            )
        };
        let [n, height, width] = heatmaps.shape();
        if upstream.shape() != [n, 4] {
            return Err(Fault::contract("the host's gradient of boxes is not [N, 4]"));
        }
        let pixels = height * width;
        // SAFETY: the caller's promise: a buffer of this size.
        let gradient =
            unsafe { slice_mut(heatmaps_gradient, n.saturating_mul(pixels), "gradient of heatmaps")? };
        if pixels == 0 {
            return Ok(());
        }
        for (item, gradient) in gradient.chunks_exact_mut(pixels).enumerate() {
            let upstream = upstream.row(item);
            if upstream != [0.0; 4] {
                plugin.vjp(&heatmaps.plane(item), upstream, gradient).map_err(|e| e.about(item))?;
            }
        }
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_plugin(instance, error, call) }
}

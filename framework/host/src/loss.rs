//! A loaded explanation loss. The main type is [`LoadedLoss`].

use crate::call::{Floats, Instance};
use crate::gradient::{can_go_through, host, linear, through};
use crate::library::LoadedPlugin;
use burn::tensor::{Tensor, TensorData};
use fovea_abi::raw::{
    FOVEA_SCALES_GRADIENTS, FOVEA_WANTS_BOXES, FOVEA_WANTS_HEATMAPS, FOVEA_WANTS_MASKS, FoveaExplanation,
    FoveaLoss, FoveaLossValue, FoveaTensor,
};
use fovea_api::{Explanation, ExplanationLoss, LossInputs, PluginError};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

/// An explanation loss of a library.
#[derive(Clone, Debug)]
pub(crate) struct LoadedLoss {
    instance: Arc<Instance>,
    functions: &'static FoveaLoss,
}

/// What the loss sees, on the host.
#[derive(Debug)]
struct Seen {
    /// N, height, width.
    shape: [usize; 3],
    boxes: Option<Vec<f32>>,
    targets: Vec<f32>,
    heatmaps: Option<Vec<f32>>,
    masks: Option<Vec<f32>>,
    valid: Vec<u8>,
}

/// The same, as the interface describes it.
pub(crate) struct Arrays {
    /// `[N, 4]`
    pub(crate) boxes: Option<FoveaTensor>,
    /// `[N, 4]`
    pub(crate) targets: FoveaTensor,
    /// `[N, H, W]`
    pub(crate) heatmaps: Option<FoveaTensor>,
    /// `[N, H, W]`
    pub(crate) masks: Option<FoveaTensor>,
}

impl Arrays {
    /// As long as all of them stay where they are. `shape` is N, height, width.
    pub(crate) fn explanation(
        &self,
        [count, height, width]: [usize; 3],
        valid: &[u8],
        upstream: Option<&[f32]>,
    ) -> FoveaExplanation {
        let raw = |array: &Option<FoveaTensor>| array.as_ref().map_or(ptr::null(), ptr::from_ref);
        FoveaExplanation {
            size: size_of::<FoveaExplanation>(),
            count,
            height,
            width,
            boxes: raw(&self.boxes),
            targets: &raw const self.targets,
            heatmaps: raw(&self.heatmaps),
            masks: raw(&self.masks),
            valid: valid.as_ptr(),
            upstream: upstream.map_or(ptr::null(), <[f32]>::as_ptr),
        }
    }
}

/// What it made of that.
struct Value {
    values: Vec<f32>,
    boxes: Vec<f32>,
    heatmaps: Vec<f32>,
}

impl LoadedLoss {
    pub(crate) fn new(
        plugin: &Arc<LoadedPlugin>,
        functions: &'static FoveaLoss,
        (config, base_dir): (&serde_json::Value, &Path),
    ) -> Result<Self, PluginError> {
        Ok(Self { instance: Arc::new(Instance::create(plugin, config, base_dir)?), functions })
    }

    fn wants(&self, flag: u32) -> bool {
        self.functions.flags & flag != 0
    }

    fn failed(&self, message: String) -> PluginError {
        PluginError::new(self.instance.plugin().title(), message)
    }

    fn evaluate(&self, seen: &Seen, gradients: bool, upstream: Option<&[f32]>) -> Result<Value, PluginError> {
        let [n, height, width] = seen.shape;
        let evaluate =
            self.functions.evaluate.ok_or_else(|| self.failed("it has no `evaluate`".to_owned()))?;
        let size = |wanted: bool, size: usize| if wanted && gradients { size } else { 0 };
        let mut value = Value {
            values: vec![0.0; n],
            boxes: vec![0.0; size(seen.boxes.is_some(), n * 4)],
            heatmaps: vec![0.0; size(seen.heatmaps.is_some(), n * height * width)],
        };
        let boxes = seen.boxes.as_deref().map(|boxes| Floats::new(boxes, &[n, 4]));
        let heatmaps = seen.heatmaps.as_deref().map(|heatmaps| Floats::new(heatmaps, &seen.shape));
        let masks = seen.masks.as_deref().map(|masks| Floats::new(masks, &seen.shape));
        let targets = Floats::new(&seen.targets, &[n, 4]);
        let outcome = self.instance.call("evaluate", format_args!("{n} pictures"), |instance, error| {
            let arrays = Arrays {
                boxes: boxes.as_ref().map(Floats::raw),
                targets: targets.raw(),
                heatmaps: heatmaps.as_ref().map(Floats::raw),
                masks: masks.as_ref().map(Floats::raw),
            };
            let explanation = arrays.explanation(seen.shape, &seen.valid, upstream);
            let buffer = |values: &mut Vec<f32>| {
                if values.is_empty() { ptr::null_mut() } else { values.as_mut_ptr() }
            };
            let out = FoveaLossValue {
                size: size_of::<FoveaLossValue>(),
                values: value.values.as_mut_ptr(),
                boxes_gradient: buffer(&mut value.boxes),
                heatmaps_gradient: buffer(&mut value.heatmaps),
            };
            // SAFETY: all arguments live for the call, the buffers have the sizes that the header says, and the instance
            // is locked.
            (unsafe { evaluate(instance, &raw const explanation, &raw const out, error) }, 0)
        });
        let name = |item: usize| Some(format!("picture {item} of {n}"));
        outcome.map_err(|failure| failure.of(self.instance.plugin(), name))?;
        for (what, values) in [
            ("the loss", &value.values),
            ("a gradient of boxes", &value.boxes),
            ("a gradient of heatmaps", &value.heatmaps),
        ] {
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                let item = place / (values.len() / n).max(1);
                return Err(self.failed(format!(
                    "picture {item} of {n}: `evaluate` wrote {} as {what}, and finite numbers are expected, also for \
                     pictures that are not valid",
                    values[place]
                )));
            }
        }
        Ok(value)
    }

    /// The value in the autodiff graph; the backward pass asks the plugin again, with what gradients are multiplied by.
    fn asked_again(&self, seen: Seen, values: Vec<f32>, inputs: Tensor<2>) -> Tensor<1> {
        let (this, [n, height, width]) = (self.clone(), seen.shape);
        let widths = [
            if seen.boxes.is_some() { 4 } else { 0 },
            if seen.heatmaps.is_some() { height * width } else { 0 },
        ];
        let vjp = Arc::new(move |upstream: &[f32]| {
            // Burn's backward pass has no way to return an error; the worker turns the panic into one.
            let value = this.evaluate(&seen, true, Some(upstream)).unwrap_or_else(|error| panic!("{error}"));
            let mut rows = Vec::with_capacity(n * (widths[0] + widths[1]));
            for item in 0..n {
                rows.extend_from_slice(&value.boxes[item * widths[0]..(item + 1) * widths[0]]);
                rows.extend_from_slice(&value.heatmaps[item * widths[1]..(item + 1) * widths[1]]);
            }
            rows
        });
        through(inputs, values, [n], vjp)
    }
}

impl ExplanationLoss for LoadedLoss {
    fn inputs(&self) -> LossInputs {
        if self.wants(FOVEA_WANTS_BOXES) { LossInputs::Boxes } else { LossInputs::Heatmaps }
    }

    fn wants_masks(&self) -> bool {
        self.wants(FOVEA_WANTS_MASKS)
    }

    fn loss(&self, explanation: &Explanation) -> Result<Tensor<1>, PluginError> {
        let shape = explanation.heatmaps.dims();
        let [n, height, width] = shape;
        let boxes = match (&explanation.boxes, self.wants(FOVEA_WANTS_BOXES)) {
            (Some(boxes), true) => Some(boxes.differentiable.clone()),
            (None, true) => return Err(self.failed("it wants boxes, and there are none".to_owned())),
            (_, false) => None,
        };
        let heatmaps = self.wants(FOVEA_WANTS_HEATMAPS).then(|| explanation.heatmaps.clone());
        let seen = Seen {
            shape,
            boxes: boxes.as_ref().map(host),
            targets: host(&explanation.targets),
            heatmaps: heatmaps.as_ref().map(host),
            masks: explanation.masks.as_ref().filter(|_| self.wants_masks()).map(host),
            valid: explanation.valid.iter().map(|&valid| u8::from(valid)).collect(),
        };
        let gradients = explanation.heatmaps.is_autodiff();
        let asks_again =
            gradients && self.wants(FOVEA_SCALES_GRADIENTS) && can_go_through(&explanation.heatmaps);
        let mut value = self.evaluate(&seen, gradients && !asks_again, None)?;
        for (item, &valid) in explanation.valid.iter().enumerate() {
            if !valid {
                value.values[item] = 0.0;
            }
        }
        if asks_again {
            let inputs = [boxes, heatmaps.map(|heatmaps| heatmaps.reshape([n, height * width]))];
            return Ok(self.asked_again(
                seen,
                value.values,
                Tensor::cat(inputs.into_iter().flatten().collect(), 1),
            ));
        }
        let mut loss =
            Tensor::<1>::from_data(TensorData::new(value.values, [n]), &explanation.heatmaps.device());
        if let Some(boxes) = boxes.filter(|_| gradients) {
            loss = linear(loss, &boxes, value.boxes);
        }
        if let Some(heatmaps) = heatmaps.filter(|_| gradients) {
            loss = linear(loss, &heatmaps, value.heatmaps);
        }
        Ok(loss)
    }
}

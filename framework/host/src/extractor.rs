//! A loaded box extractor. The main type is [`LoadedExtractor`].

use crate::call::{Floats, Instance};
use crate::gradient::{can_go_through, host, linear, through};
use crate::library::LoadedPlugin;
use burn::tensor::{Tensor, TensorData};
use fovea_abi::raw::{FoveaBoxes, FoveaExtractor};
use fovea_api::{BBox, BoxExtractor, Boxes, HeatmapView, PluginError};
use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

/// A box extractor of a library.
#[derive(Clone, Debug)]
pub(crate) struct LoadedExtractor {
    instance: Arc<Instance>,
    functions: &'static FoveaExtractor,
}

/// Boxes of N heatmaps on the host.
struct Rows {
    hard: Vec<f32>,
    differentiable: Vec<f32>,
    valid: Vec<bool>,
}

impl LoadedExtractor {
    pub(crate) fn new(
        plugin: &Arc<LoadedPlugin>,
        functions: &'static FoveaExtractor,
        (config, base_dir): (&serde_json::Value, &Path),
    ) -> Result<Self, PluginError> {
        Ok(Self { instance: Arc::new(Instance::create(plugin, config, base_dir)?), functions })
    }

    fn failed(&self, message: String) -> PluginError {
        PluginError::new(self.instance.plugin().title(), message)
    }

    fn boxes(
        &self,
        heatmaps: &[f32],
        shape: [usize; 3],
        differentiable: bool,
        about: fmt::Arguments<'_>,
    ) -> Result<Rows, PluginError> {
        let [n, height, width] = shape;
        let extract = self.functions.extract.ok_or_else(|| self.failed("it has no `extract`".to_owned()))?;
        let mut rows =
            Rows { hard: vec![0.0; n * 4], differentiable: vec![0.0; n * 4], valid: vec![false; n] };
        let mut valid = vec![0u8; n];
        let floats = Floats::new(heatmaps, &shape);
        let outcome = self.instance.call("extract", about, |instance, error| {
            let tensor = floats.raw();
            let soft = if differentiable { rows.differentiable.as_mut_ptr() } else { ptr::null_mut() };
            let boxes = FoveaBoxes {
                size: size_of::<FoveaBoxes>(),
                hard: rows.hard.as_mut_ptr(),
                differentiable: soft,
                valid: valid.as_mut_ptr(),
            };
            // SAFETY: all arguments live for the call, the buffers have the sizes that the header says, and the instance
            // is locked.
            (unsafe { extract(instance, &raw const tensor, &raw const boxes, error) }, 0)
        });
        let name = |item: usize| (n > 1).then(|| format!("heatmap {item} of {n}"));
        outcome.map_err(|failure| failure.of(self.instance.plugin(), name))?;
        for (item, valid) in valid.into_iter().enumerate() {
            let failed = |message: String| self.failed(format!("heatmap {item} of {n}: `extract` {message}"));
            let at = item * 4..item * 4 + 4;
            let soft = &rows.differentiable[at.clone()];
            if valid > 1 {
                return Err(failed(format!("wrote {valid} to `valid`, and 0 or 1 is expected")));
            }
            if let Some(value) = soft.iter().find(|value| !value.is_finite()) {
                return Err(failed(format!(
                    "gave the differentiable box {soft:?}, and {value} is not finite"
                )));
            }
            if valid == 0 {
                rows.hard[at].fill(0.0);
                continue;
            }
            let [x1, y1, x2, y2] = rows.hard[at].try_into().expect("a row has four numbers");
            let (w, h) = (width as f32, height as f32);
            if !(0.0 <= x1 && x1 < x2 && x2 <= w && 0.0 <= y1 && y1 < y2 && y2 <= h) {
                return Err(failed(format!(
                    "gave the box [{x1}, {y1}, {x2}, {y2}], and a box that is not empty is expected within the heatmap, \
                     [0, 0, {w}, {h}]"
                )));
            }
            rows.valid[item] = true;
        }
        Ok(rows)
    }

    /// d(sum of gradient * differentiable boxes) / d heatmaps.
    fn vjp(
        &self,
        heatmaps: &[f32],
        shape: [usize; 3],
        valid: &[bool],
        gradient: &[f32],
    ) -> Result<Vec<f32>, PluginError> {
        let [n, ..] = shape;
        let vjp = self.functions.vjp.ok_or_else(|| self.failed("it has no `vjp`".to_owned()))?;
        let masked: Vec<f32> =
            gradient.iter().enumerate().map(|(i, &g)| if valid[i / 4] { g } else { 0.0 }).collect();
        let (floats, gradients) = (Floats::new(heatmaps, &shape), Floats::new(&masked, &[n, 4]));
        let mut out = vec![0.0; heatmaps.len()];
        let outcome = self.instance.call("vjp", format_args!("{n} heatmaps"), |instance, error| {
            let (tensor, gradient) = (floats.raw(), gradients.raw());
            // SAFETY: all arguments live for the call, the buffer is as large as the heatmaps, and the instance is locked.
            let status =
                unsafe { vjp(instance, &raw const tensor, &raw const gradient, out.as_mut_ptr(), error) };
            (status, 0)
        });
        let name = |item: usize| Some(format!("heatmap {item} of {n}"));
        outcome.map_err(|failure| failure.of(self.instance.plugin(), name))?;
        let per_item = out.len() / n.max(1);
        if let Some(place) = out.iter().position(|value| !value.is_finite()) {
            let (item, value) = (place / per_item.max(1), out[place]);
            return Err(self.failed(format!(
                "heatmap {item} of {n}: `vjp` wrote {value}, and a finite gradient is expected"
            )));
        }
        Ok(out)
    }

    /// The rows in the autodiff graph.
    fn attach(&self, heatmaps: Tensor<3>, values: Vec<f32>, rows: &Rows) -> Result<Tensor<2>, PluginError> {
        let shape = heatmaps.dims();
        let [n, ..] = shape;
        let device = heatmaps.device();
        let constant = Tensor::<2>::from_data(TensorData::new(rows.differentiable.clone(), [n, 4]), &device);
        if self.functions.vjp.is_none() || !heatmaps.is_autodiff() {
            return Ok(constant);
        }
        if can_go_through(&heatmaps) {
            let (this, valid) = (self.clone(), rows.valid.clone());
            let vjp = Arc::new(move |gradient: &[f32]| {
                // Burn's backward pass has no way to return an error; the worker turns the panic into one.
                this.vjp(&values, shape, &valid, gradient).unwrap_or_else(|error| panic!("{error}"))
            });
            return Ok(through(heatmaps, rows.differentiable.clone(), [n, 4], vjp));
        }
        // Elsewhere the Jacobian has four rows a picture, each a call.
        let mut edges = Vec::with_capacity(4);
        for edge in 0..4 {
            let unit: Vec<f32> = (0..n * 4).map(|i| if i % 4 == edge { 1.0 } else { 0.0 }).collect();
            let jacobian = self.vjp(&values, shape, &rows.valid, &unit)?;
            let column = constant.clone().slice([0..n, edge..edge + 1]).reshape([n]);
            edges.push(linear(column, &heatmaps, jacobian));
        }
        Ok(Tensor::stack(edges, 1))
    }
}

impl BoxExtractor for LoadedExtractor {
    fn hard(&self, heatmaps: &[HeatmapView<'_>]) -> Result<Vec<Option<BBox>>, PluginError> {
        let count = heatmaps.len();
        // One at a time: they lie apart, and are not copied.
        let one = |(index, view): (usize, &HeatmapView<'_>)| {
            let about = format_args!("heatmap {index} of {count}");
            let rows =
                self.boxes(view.values, [1, view.height, view.width], false, about).map_err(|error| {
                    PluginError::new(
                        error.plugin,
                        error.message.replace("heatmap 0 of 1", &about.to_string()),
                    )
                })?;
            let edges: [f32; 4] = rows.hard[..4].try_into().expect("a row has four numbers");
            Ok(rows.valid[0].then(|| edges.into()))
        };
        heatmaps.iter().enumerate().map(one).collect()
    }

    fn extract(&self, heatmaps: Tensor<3>) -> Result<Boxes, PluginError> {
        let shape = heatmaps.dims();
        let n = shape[0];
        let values = host(&heatmaps);
        let rows = self.boxes(&values, shape, true, format_args!("{n} heatmaps"))?;
        let hard = Tensor::from_data(TensorData::new(rows.hard.clone(), [n, 4]), &heatmaps.device());
        let differentiable = self.attach(heatmaps, values, &rows)?;
        Ok(Boxes { hard, differentiable, valid: rows.valid })
    }
}

//! How fast heatmaps become boxes. The main type is [`ExtractBench`].

use super::{Items, Measurement, Unit, timed};
use crate::cam::HeatmapMaker;
use crate::objective::host_floats;
use crate::{EngineError, device};
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::{BuildContext, HeatmapView, Registry};
use fovea_plan::{DeviceRequest, Normalisation};
use serde_json::{Map, Value, json};

/// Pixels of the input for one of the activation map, as ResNets have it.
const STRIDE: usize = 32;

/// What is measured: boxes of heatmaps, on the host as evaluation has them, as tensors, and with the gradient.
#[derive(Clone, Debug)]
pub struct ExtractBench {
    /// Extractor by name.
    pub extractor: String,
    /// Its configuration, a JSON object.
    pub config: Value,
    /// Heatmaps at a time.
    pub batch: usize,
    /// Side of the heatmaps.
    pub size: usize,
    /// Timed repeats of each kind.
    pub repeats: usize,
    /// Device.
    pub device: DeviceRequest,
}

impl ExtractBench {
    /// Times the three ways in turn, on the same heatmaps, which those of `tests/peers/extract.py` equal.
    ///
    /// # Errors
    /// When the device or the extractor is not there.
    pub fn run(&self, registry: &Registry) -> Result<Vec<Measurement>, EngineError> {
        let open = device::open(self.device)?;
        let context =
            BuildContext { base_dir: ".".into(), device: open.device.clone(), registry: registry.clone() };
        let extractor = registry.build_extractor(&self.extractor, self.config.clone(), &context)?;
        let heatmaps = self.heatmaps(&open.device);
        let host = host_floats(&heatmaps);
        let size = self.size;
        let view = |values| HeatmapView { height: size, width: size, values };
        let views: Vec<HeatmapView<'_>> = host.chunks_exact(size * size).map(view).collect();
        let tracked = Tensor::<3>::from_data(heatmaps.to_data(), &open.device.clone().autodiff());

        let mut values = [const { Vec::new() }; 3];
        // The first round compiles kernels and fills caches.
        for round in 0..=self.repeats.max(1) {
            let took = [
                timed(|| Ok(extractor.hard(&views)?))?.0,
                timed(|| Ok(host_floats(&extractor.extract(heatmaps.clone())?.differentiable)))?.0,
                timed(|| {
                    let heatmaps = tracked.clone().require_grad();
                    let boxes = extractor.extract(heatmaps.clone())?;
                    let gradients = boxes.differentiable.sum().backward();
                    // A transfer, so that the time of a device that works in the background counts.
                    Ok(heatmaps.grad(&gradients).map(|gradient| host_floats(&gradient.max())))
                })?
                .0,
            ];
            for (values, took) in values.iter_mut().zip(took).filter(|_| round > 0) {
                values.push(took);
            }
        }
        let measurement = |(what, values): (&str, Vec<f64>)| Measurement {
            bench: "extract",
            what: what.to_owned(),
            settings: self.settings(),
            device: open.name.clone(),
            unit: Unit::Seconds,
            items: Some(Items { count: self.batch, of: "boxes" }),
            values,
        };
        Ok(["host", "tensor", "gradient"].into_iter().zip(values).map(measurement).collect())
    }

    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([
            ("extractor".to_owned(), json!(self.extractor)),
            ("config".to_owned(), self.config.clone()),
            ("batch".to_owned(), json!(self.batch)),
            ("size".to_owned(), json!(self.size)),
        ])
    }

    /// Activation maps with several peaks, upsampled and divided by their maxima as Grad-CAM's are: `[N, size, size]`.
    fn heatmaps(&self, device: &Device) -> Tensor<3> {
        let side = self.size.div_ceil(STRIDE);
        let cams: Vec<f32> = uniform(self.batch * side * side).map(|u| (2.0 * u - 0.7).max(0.0)).collect();
        let cams = Tensor::from_data(TensorData::new(cams, [self.batch, side, side]), device);
        let (from, to) = ((side, side), (self.size, self.size));
        HeatmapMaker::new(from, to, Normalisation::Max, device).heatmaps(cams)
    }
}

/// Numbers in 0..1 that Python draws alike: a linear congruential generator with Knuth's factor.
fn uniform(count: usize) -> impl Iterator<Item = f32> {
    let mut state = 1u64;
    (0..count).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / 16_777_216.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heatmaps_are_those_of_the_peer() {
        // tests/peers/extract.py prints the sum of its heatmaps as `checksum`.
        let bench = ExtractBench {
            extractor: "threshold".into(),
            config: json!({}),
            batch: 2,
            size: 64,
            repeats: 1,
            device: DeviceRequest::Cpu,
        };
        let found = host_floats(&bench.heatmaps(&Device::flex()));
        let sum: f64 = found.iter().map(|v| f64::from(*v)).sum();
        assert!((sum - CHECKSUM).abs() < 1e-2, "{sum}");
        let peak = found.iter().copied().fold(0.0, f32::max);
        assert!((peak - 1.0).abs() < 1e-6);
    }

    const CHECKSUM: f64 = 3954.9727;
}

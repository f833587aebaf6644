//! How fast a localizer is. The main type is [`LocalizeBench`].

use super::{Items, Measurement, Unit, timed};
use crate::{EngineError, device};
use fovea_api::{BuildContext, ImageView, Key, Registry, RgbImage};
use fovea_plan::DeviceRequest;
use rand::RngExt as _;
use serde_json::{Map, Value, json};

/// What is measured: from decoded pictures to boxes.
#[derive(Clone, Debug)]
pub struct LocalizeBench {
    /// Localizer by name.
    pub localizer: String,
    /// Its configuration, a JSON object.
    pub config: Value,
    /// Pictures a repeat.
    pub images: usize,
    /// Side of the pictures.
    pub size: usize,
    /// Timed repeats.
    pub repeats: usize,
    /// Device.
    pub device: DeviceRequest,
}

impl LocalizeBench {
    /// Localizes the same random pictures again and again.
    ///
    /// # Errors
    /// When the device or the localizer is not there.
    pub fn run(&self, registry: &Registry) -> Result<Measurement, EngineError> {
        let open = device::open(self.device)?;
        let context = BuildContext { base_dir: ".".into(), device: open.device, registry: registry.clone() };
        let localizer = registry.build_localizer(&self.localizer, self.config.clone(), &context)?;
        let mut rng = Key::new(0).purpose("bench").rng();
        let size = self.size;
        let mut picture = || RgbImage {
            width: size,
            height: size,
            pixels: (0..3 * size * size).map(|_| rng.random()).collect(),
        };
        let pictures: Vec<RgbImage> = (0..self.images.max(1)).map(|_| picture()).collect();
        let view = |(index, image)| ImageView { id: "random", split: "bench", index, image, mask: None };
        let views: Vec<ImageView<'_>> = pictures.iter().enumerate().map(view).collect();
        localizer.localize(&views[..views.len().min(4)])?;
        let mut values = Vec::new();
        for _ in 0..self.repeats.max(1) {
            values.push(timed(|| Ok(localizer.localize(&views)?))?.0);
        }
        Ok(Measurement {
            bench: "localize",
            what: self.localizer.clone(),
            settings: Map::from_iter([
                ("config".to_owned(), self.config.clone()),
                ("images".to_owned(), json!(pictures.len())),
                ("size".to_owned(), json!(size)),
            ]),
            device: open.name,
            unit: Unit::Seconds,
            items: Some(Items { count: pictures.len(), of: "pictures" }),
            values,
        })
    }
}

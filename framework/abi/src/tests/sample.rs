//! A library of plugins for the tests.

use crate::raw::{FoveaError, FoveaHost, FoveaLibrary, FoveaStatus};
use crate::{
    BBox, Context, Error, Explanation, Extracted, Extractor, Gradient, Heatmap, Image, Issue, Level,
    Localization, Localizer, Loss, Model, ModelRequest, NoConfig, Plugin, log,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;

/// What was logged.
pub(super) static LINES: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());

/// Configuration of [`Bright`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BrightConfig {
    /// Red above this is bright.
    threshold: u8,
    /// What to do wrong.
    fault: String,
}

impl Default for BrightConfig {
    fn default() -> Self {
        Self { threshold: 127, fault: String::new() }
    }
}

/// The tight box of red pixels.
pub(super) struct Bright(BrightConfig);

impl Plugin for Bright {
    const NAME: &'static str = "bright";
    const SUMMARY: &'static str = "Red pixels.";
    const VERSION: &'static str = "1.2.3";
    const PATHS: &'static [&'static str] = &["fault"];
    type Config = BrightConfig;

    fn check(config: &BrightConfig, base_dir: &Path) -> Vec<Issue> {
        if config.fault == "check" {
            panic!("check");
        }
        if config.threshold < 10 {
            return vec![
                Issue::at("threshold", format!("too low for {}", base_dir.display())).instead("127"),
                Issue::at("", "and more"),
            ];
        }
        Vec::new()
    }

    fn new(config: BrightConfig, context: &Context) -> Result<Self, Error> {
        if config.fault == "new" {
            std::fs::read(context.path("there/is/none"))?;
        }
        Ok(Self(config))
    }
}

impl Localizer for Bright {
    const BATCH: u32 = 8;
    const WANTS_MASKS: bool = true;

    fn locate(&mut self, image: &Image<'_>) -> Result<Option<Localization>, Error> {
        log(Level::Detail, format_args!("{} of {}", image.id(), image.split()));
        let mut bounds: Option<[usize; 4]> = None;
        for y in 0..image.height() {
            for x in 0..image.width() {
                if image.pixel(x, y)[0] > self.0.threshold {
                    let [x1, y1, x2, y2] = bounds.unwrap_or([x, y, x, y]);
                    bounds = Some([x1.min(x), y1.min(y), x2.max(x + 1), y2.max(y + 1)]);
                }
            }
        }
        let bbox = bounds.map(|b| BBox::from(b.map(|v| v as f32)));
        let mut found = bbox.map(Localization::certain);
        match self.0.fault.as_str() {
            "panic" => panic!("at {}", image.id()),
            "payload" => std::panic::panic_any(7),
            "error" if image.index() == 1 => return Err(Error::new("äöü".repeat(10))),
            "box" => found = Some(Localization::certain(BBox::new(0.0, 0.0, 1e9, 1.0))),
            "nan" => found = Some(Localization::certain(BBox::new(f32::NAN, 0.0, 1.0, 1.0))),
            "mask" => found = found.map(|f| Localization { mask: Some(vec![1; 3]), ..f }),
            "confidence" => found = found.map(|f| Localization { confidence: f32::NAN, ..f }),
            _ => {
                let copy = image.mask().map(|m| m.values().into_owned());
                found = found.map(|f| Localization { mask: copy, ..f });
            }
        }
        Ok(found)
    }

    fn locate_all(&mut self, images: &[Image<'_>]) -> Result<Vec<Option<Localization>>, Error> {
        if self.0.fault == "count" {
            return Ok(Vec::new());
        }
        let locate = |(item, image)| self.locate(image).map_err(|e: Error| e.about(item));
        images.iter().enumerate().map(locate).collect()
    }
}

impl Drop for Bright {
    fn drop(&mut self) {
        assert_ne!(self.0.fault, "drop", "a plugin that cannot even be dropped");
    }
}

/// The box from the sum of a heatmap, and its gradient.
pub(super) struct Sum;

impl Plugin for Sum {
    const NAME: &'static str = "sum";
    const SUMMARY: &'static str = "Sums.";
    const VERSION: &'static str = "1";
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Extractor for Sum {
    const DIFFERENTIABLE: bool = true;

    fn extract(&mut self, heatmap: &Heatmap<'_>) -> Result<Option<Extracted>, Error> {
        let sum: f32 = heatmap.values().iter().sum();
        let hard = BBox::new(0.0, 0.0, 1.0, 1.0);
        let differentiable = BBox::new(0.0, 0.0, sum, 2.0 * sum);
        Ok((sum > 0.0).then_some(Extracted { hard, differentiable }))
    }

    fn vjp(&mut self, _: &Heatmap<'_>, [_, _, x2, y2]: [f32; 4], out: &mut [f32]) -> Result<(), Error> {
        out.fill(x2 + 2.0 * y2);
        Ok(())
    }
}

/// A box of constants, without gradient.
pub(super) struct Fixed;

impl Plugin for Fixed {
    const NAME: &'static str = "fixed";
    const SUMMARY: &'static str = "Constants.";
    const VERSION: &'static str = "1";
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Extractor for Fixed {
    fn extract(&mut self, _: &Heatmap<'_>) -> Result<Option<Extracted>, Error> {
        Ok(Some(Extracted::same(BBox::new(0.0, 0.0, 1.0, 1.0))))
    }
}

/// Square of x2 plus the mean of the heatmap under the mask.
pub(super) struct Square;

impl Plugin for Square {
    const NAME: &'static str = "square";
    const SUMMARY: &'static str = "Squares.";
    const VERSION: &'static str = "1";
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Loss for Square {
    const WANTS_HEATMAPS: bool = true;
    const WANTS_MASKS: bool = true;
    const SCALES_GRADIENTS: bool = true;

    fn evaluate(&mut self, e: &Explanation<'_>, gradient: Option<Gradient<'_>>) -> Result<f32, Error> {
        let heatmap = e.heatmap.ok_or(std::fmt::Error)?;
        if let Some(gradient) = gradient {
            gradient.predicted[2] = 2.0 * e.predicted.x2 * e.upstream;
            gradient.heatmap.fill(e.upstream);
        }
        let masked = e.mask.map_or(0.0, |m| m.at(0, 0));
        Ok(e.predicted.x2 * e.predicted.x2 + heatmap.at(0, 0) + masked + e.target.x1)
    }
}

/// One layer.
pub(super) struct Linear;

impl Plugin for Linear {
    const NAME: &'static str = "linear";
    const SUMMARY: &'static str = "One layer.";
    const VERSION: &'static str = "1";
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Model for Linear {
    fn graph(&mut self, request: &ModelRequest) -> Result<Value, Error> {
        Ok(json!({"layers": [{"op": "linear", "units": request.classes}]}))
    }
}

crate::plugins! { localizer Bright, extractor Sum, extractor Fixed, loss Square, model Linear }

unsafe extern "C" {
    /// The exported symbol of the library above.
    fn fovea_plugin_entry(
        host: *const FoveaHost,
        library: *mut *const FoveaLibrary,
        error: *mut FoveaError,
    ) -> FoveaStatus;
}

/// Through the exported symbol, as a host does.
pub(super) unsafe fn entry(
    host: *const FoveaHost,
    library: *mut *const FoveaLibrary,
    error: *mut FoveaError,
) -> FoveaStatus {
    // SAFETY: the caller's promise.
    unsafe { fovea_plugin_entry(host, library, error) }
}

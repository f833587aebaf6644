//! @NAME@: a localizer for Fovea. It says where the object of a picture is.

use fovea_abi::{BBox, Context, Error, Image, Issue, Localization, Localizer, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What an experiment can set: `localizer = { name = "@NAME@", margin = 0.1 }`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Part of each side that is left out, 0 to 0.5.
    pub margin: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { margin: 0.25 }
    }
}

/// The localizer.
pub struct @TYPE@ {
    config: Config,
}

impl Plugin for @TYPE@ {
    const NAME: &'static str = "@NAME@";
    const SUMMARY: &'static str = "The middle of the picture.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = Config;

    fn check(config: &Config, _: &Path) -> Vec<Issue> {
        if (0.0..0.5).contains(&config.margin) {
            return Vec::new();
        }
        let message = format!(
            "the margin is 0 or more and less than 0.5, not {}",
            config.margin
        );
        vec![Issue::at("margin", message).instead("0.25")]
    }

    fn new(config: Config, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Localizer for @TYPE@ {
    fn locate(&mut self, image: &Image<'_>) -> Result<Option<Localization>, Error> {
        // `image.pixel(x, y)` is one pixel, `image.rgb()` all of them, row by row.
        let (w, h, m) = (
            image.width() as f32,
            image.height() as f32,
            self.config.margin,
        );
        if w * h == 0.0 {
            return Ok(None);
        }
        let bbox = BBox::new(w * m, h * m, w * (1.0 - m), h * (1.0 - m));
        Ok(Some(Localization::certain(bbox)))
    }
}

fovea_abi::plugins! { localizer @TYPE@ }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle() {
        let mut localizer = @TYPE@::new(Config::default(), &Context::default()).unwrap();
        let found = localizer
            .locate(&Image::new(&[0; 3 * 8 * 4], 8, 4))
            .unwrap()
            .unwrap();
        assert_eq!(found.bbox, BBox::new(2.0, 1.0, 6.0, 3.0));
    }
}

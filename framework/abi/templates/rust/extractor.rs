//! @NAME@: a box extractor for Fovea. It turns a heatmap into a box, and a gradient in the box into one in the heatmap.

use fovea_abi::{BBox, Context, Error, Extracted, Extractor, Heatmap, Issue, Plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What an experiment can set: `extractor = { name = "@NAME@", side = 0.3 }`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the box, as a part of the heatmap's.
    pub side: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { side: 0.5 }
    }
}

/// The extractor: a box of a fixed size around the centre of mass.
pub struct @TYPE@ {
    config: Config,
}

/// Mass of a heatmap and its centre.
struct Centre {
    mass: f64,
    x: f64,
    y: f64,
}

impl Centre {
    /// `None` for a heatmap without mass.
    fn of(heatmap: &Heatmap<'_>) -> Option<Self> {
        let (mut mass, mut x, mut y) = (0.0, 0.0, 0.0);
        for (i, value) in heatmap.values().iter().enumerate() {
            let value = f64::from(*value);
            mass += value;
            x += value * ((i % heatmap.width()) as f64 + 0.5);
            y += value * ((i / heatmap.width()) as f64 + 0.5);
        }
        (mass.is_finite() && mass > 1e-12).then(|| Self {
            mass,
            x: x / mass,
            y: y / mass,
        })
    }
}

impl Plugin for @TYPE@ {
    const NAME: &'static str = "@NAME@";
    const SUMMARY: &'static str = "A box of a fixed size around the centre of mass.";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = Config;

    fn check(config: &Config, _: &Path) -> Vec<Issue> {
        if config.side > 0.0 && config.side <= 1.0 {
            return Vec::new();
        }
        let message = format!(
            "the side is greater than 0 and at most 1, not {}",
            config.side
        );
        vec![Issue::at("side", message).instead("0.5")]
    }

    fn new(config: Config, _: &Context) -> Result<Self, Error> {
        Ok(Self { config })
    }
}

impl Extractor for @TYPE@ {
    /// Training goes through it; without a gradient leave this and `vjp` out.
    const DIFFERENTIABLE: bool = true;

    fn extract(&mut self, heatmap: &Heatmap<'_>) -> Result<Option<Extracted>, Error> {
        let Some(centre) = Centre::of(heatmap) else {
            return Ok(None);
        };
        let (width, height) = (heatmap.width() as f64, heatmap.height() as f64);
        let (dx, dy) = (
            width * self.config.side / 2.0,
            height * self.config.side / 2.0,
        );
        let edges = [centre.x - dx, centre.y - dy, centre.x + dx, centre.y + dy];
        let limits = [width, height, width, height];
        let differentiable = BBox::from(edges.map(|e| e as f32));
        let hard = BBox::from(std::array::from_fn(|i| {
            edges[i].clamp(0.0, limits[i]) as f32
        }));
        Ok(Some(Extracted {
            hard,
            differentiable,
        }))
    }

    fn vjp(
        &mut self,
        heatmap: &Heatmap<'_>,
        box_gradient: [f32; 4],
        out: &mut [f32],
    ) -> Result<(), Error> {
        let Some(centre) = Centre::of(heatmap) else {
            return Ok(());
        };
        let [x1, y1, x2, y2] = box_gradient.map(f64::from);
        for (i, out) in out.iter_mut().enumerate() {
            let (x, y) = (
                (i % heatmap.width()) as f64 + 0.5,
                (i / heatmap.width()) as f64 + 0.5,
            );
            // d centre.x / d value = (x - centre.x) / mass, and both edges move with the centre.
            *out = (((x1 + x2) * (x - centre.x) + (y1 + y2) * (y - centre.y)) / centre.mass) as f32;
        }
        Ok(())
    }
}

fovea_abi::plugins! { extractor @TYPE@ }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn around_a_pixel() {
        let mut extractor = @TYPE@::new(Config::default(), &Context::default()).unwrap();
        let mut values = [0.0; 16];
        assert_eq!(
            extractor.extract(&Heatmap::new(&values, 4, 4)).unwrap(),
            None
        );
        values[5] = 1.0;
        let found = extractor
            .extract(&Heatmap::new(&values, 4, 4))
            .unwrap()
            .unwrap();
        assert_eq!(found.hard, BBox::new(0.5, 0.5, 2.5, 2.5));
    }
}

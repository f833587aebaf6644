//! Plugins for Fovea in a shared library, and the C interface that they go through.
//!
//! A plugin is a type that implements [`Plugin`] and the trait of its kind: [`Localizer`], [`Extractor`], [`Loss`] or
//! [`Model`]. [`plugins!`] makes a library of one or more of them, in a crate with `crate-type = ["cdylib"]`:
//!
//! ```
//! use fovea_abi::{BBox, Context, Error, Image, Localization, Localizer, Plugin};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields, default)]
//! struct Config {
//!     /// Part of each side that is left out.
//!     margin: f32,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { margin: 0.25 }
//!     }
//! }
//!
//! struct Centre(Config);
//!
//! impl Plugin for Centre {
//!     const NAME: &'static str = "centre";
//!     const SUMMARY: &'static str = "The middle of the picture.";
//!     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
//!     type Config = Config;
//!
//!     fn new(config: Config, _: &Context) -> Result<Self, Error> {
//!         Ok(Self(config))
//!     }
//! }
//!
//! impl Localizer for Centre {
//!     fn locate(&mut self, image: &Image<'_>) -> Result<Option<Localization>, Error> {
//!         let (w, h, m) = (image.width() as f32, image.height() as f32, self.0.margin);
//!         Ok(Some(Localization::certain(BBox::new(w * m, h * m, w * (1.0 - m), h * (1.0 - m)))))
//!     }
//! }
//!
//! fovea_abi::plugins! { localizer Centre }
//! ```
//!
//! The code of a plugin is safe: the crate checks every pointer and size that it gets, and turns a panic into an error
//! with its message and its place, so that it costs the trial one attempt and no more. That takes unwinding, which is
//! what Cargo does by default; with `panic = "abort"` a panic ends the worker process, which costs the same attempt
//! but says less.
//!
//! [`raw`] is the interface itself, `include/fovea_plugin.h` the same for C and C++.

pub mod raw;

mod call;
mod error;
mod extractor;
mod host;
mod library;
mod localizer;
mod loss;
mod model;
mod panics;
mod plugin;
mod values;
mod view;

pub use error::{Error, Issue};
pub use extractor::Extractor;
pub use host::{Level, log};
pub use localizer::{Localization, Localizer};
pub use loss::{Explanation, Gradient, Loss};
pub use model::{Model, ModelRequest};
pub use plugin::{Context, NoConfig, Plugin};
pub use serde_json;
pub use values::{BBox, Extracted};
pub use view::{Heatmap, Image, Mask, Plane};

/// What [`plugins!`] expands to.
#[doc(hidden)]
pub mod export {
    pub use crate::extractor::extractor;
    pub use crate::library::{Library, entry};
    pub use crate::localizer::localizer;
    pub use crate::loss::loss;
    pub use crate::model::model;
    pub use crate::raw::FOVEA_EXTRACTOR as extractor_kind;
    pub use crate::raw::FOVEA_LOCALIZER as localizer_kind;
    pub use crate::raw::FOVEA_LOSS as loss_kind;
    pub use crate::raw::FOVEA_MODEL as model_kind;
}

/// Makes a library of plugins: `plugins! { localizer MyLocalizer, loss MyLoss }`. Once per crate.
///
/// Defines the exported symbol `fovea_plugin_entry` and the note that Fovea reads before it loads the library.
#[macro_export]
macro_rules! plugins {
    ($($kind:ident $plugin:ty),+ $(,)?) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".note.fovea")]
            static NOTE: $crate::raw::FoveaNote =
                $crate::raw::FoveaNote::new($($crate::plugins!(@kind $kind))|+);

            static LIBRARY: $crate::export::Library = $crate::export::Library::new();

            /// The one exported symbol.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn fovea_plugin_entry(
                host: *const $crate::raw::FoveaHost,
                library: *mut *const $crate::raw::FoveaLibrary,
                error: *mut $crate::raw::FoveaError,
            ) -> $crate::raw::FoveaStatus {
                // SAFETY: the host keeps to the rules of `fovea_plugin.h`, which are those of `entry`.
                unsafe {
                    $crate::export::entry(&LIBRARY, &[$($crate::export::$kind::<$plugin>),+], host, library, error)
                }
            }
        };
    };
    (@kind localizer) => { $crate::export::localizer_kind };
    (@kind extractor) => { $crate::export::extractor_kind };
    (@kind loss) => { $crate::export::loss_kind };
    (@kind model) => { $crate::export::model_kind };
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;

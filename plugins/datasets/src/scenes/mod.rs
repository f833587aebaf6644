//! Procedural pictures: one object over a textured background (method.md section 7). The main type is [`Scenes`].
//!
//! Ten object classes are figures that differ in outline alone: their colour, size, pose and shading are drawn
//! independently of the class. Ten background families are textures that differ in geometry alone. In a biased
//! split a class's own family stands behind it with probability `bias`, which makes the texture a shortcut; in
//! `test-unbiased` the family is independent of the class, which shows who took it.
//!
//! Every picture is a pure function of (seed, split, index), computed without transcendental functions, so that it
//! has the same bits on every CPU.

mod config;
mod render;
mod shape;
mod source;
mod texture;

pub use config::ScenesConfig;
pub use shape::Shape;
pub use source::Scenes;
pub(crate) use source::open;
pub use texture::Family;

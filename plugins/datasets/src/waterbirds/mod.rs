//! Waterbirds (Sagawa et al., ICLR 2020; method.md section 7). The main type is [`Waterbirds`].
//!
//! ```text
//! root/metadata.csv                    img_filename, y, split, place; other columns are not read
//! root/{img_filename}                  pictures
//! root/segmentations/{...}.png         soft masks, optional: CUB-200-2011's, by img_filename
//! ```
//!
//! Land birds stand mostly on land and water birds on water; the groups are the four combinations, and the metric is
//! the accuracy in the worst of them.

mod config;
mod masks;
mod scan;
mod source;
#[cfg(test)]
mod tests;

pub use config::WaterbirdsConfig;
pub use source::Waterbirds;

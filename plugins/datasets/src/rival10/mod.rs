//! RIVAL10 as it is distributed (Moayeri et al., CVPR 2022; method.md section 7). The main type is [`Rival10`].
//!
//! ```text
//! root/{train,test}/ordinary/{wnid}_{original}.JPEG              pictures; `original` repeats the wnid
//! root/{train,test}/ordinary/..._merged_mask.JPEG, ..._attr_*    companions, not read
//! root/{train,test}/entire_object_masks/{wnid}_{original}.JPEG   soft masks of whole objects, optional
//! root/meta/{wnid_to_class,label_mappings}.json                  from wnid to ImageNet class to class
//! ```
//!
//! There is no validation split; one is held out of `train`. [`write_rival10_demo`] writes a small tree of this layout.

mod config;
mod demo;
mod meta;
mod scan;
mod source;
#[cfg(test)]
mod tests;

pub use config::Rival10Config;
pub use demo::{Rival10Demo, write_rival10_demo};
pub use source::Rival10;

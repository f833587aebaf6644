//! Pictures in folders (method.md section 7). The main type is [`Folder`].
//!
//! ```text
//! root/train/{class}/name.jpg          pictures: .jpg, .jpeg, .png, in any case
//! root/train-masks/{class}/name.png    masks, optional: white on the object, black outside
//! root/val/..., root/test/...          optional splits; any other folder is a further test split
//! ```
//!
//! What pictures and masks may be: `decode`; how they are fingerprinted and delivered: `listing`.

mod config;
mod scan;
mod source;
#[cfg(test)]
mod tests;

pub use config::FolderConfig;
pub use source::Folder;

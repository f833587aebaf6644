//! Pictures in folders (method.md section 7). The main type is [`Folder`].
//!
//! ```text
//! root/train/{class}/name.jpg          pictures: .jpg, .jpeg, .png, in any case
//! root/train-masks/{class}/name.png    masks, optional: white on the object, black outside
//! root/val/..., root/test/...          optional splits; any other folder is a further test split
//! ```
//!
//! Picture modes are turned into 8-bit RGB: grey is repeated, 16 bits are rounded, alpha is dropped, CMYK is
//! converted. EXIF orientation is ignored, because masks follow the stored pixels.

mod config;
mod decode;
mod scan;
mod source;
#[cfg(test)]
mod tests;

pub use config::{BadImagePolicy, FolderConfig};
pub use decode::picture as decode_picture;
pub use scan::pictures_in;
pub use source::Folder;

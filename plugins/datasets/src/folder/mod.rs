//! Pictures in folders (method.md section 7). The main type is [`Folder`].
//!
//! ```text
//! root/train/{class}/name.jpg          pictures: .jpg, .jpeg, .png, in any case
//! root/train-masks/{class}/name.png    masks, optional: white on the object, black outside
//! root/val/..., root/test/...          optional splits; any other folder is a further test split
//! ```
//!
//! Other ways in which people lay them out are understood:
//!
//! | found | taken for |
//! |---|---|
//! | pictures in folders within those of a class | pictures of the class; their masks lie as deep |
//! | `valid`, `validation`, `dev`, where there is no `val` | `val` |
//! | `train_masks`, `train_mask`, `train-mask`, `masks_train`, `masks/train` | `train-masks`, unless that is there |
//! | `name.jpg`, `name_mask.png`, `name-mask.png`, `name_segmentation.png`, `name.jpg.png` among masks | mask of `name` |
//! | names that differ only in how accents are written (Unicode forms) | the same name |
//! | a folder without a class of `train` with pictures, `annotations`, `labels`, `__MACOSX`, `@eaDir` | nothing; it is named |
//! | masks of no picture, pictures in other formats, other files | nothing; they are counted, the first few named |
//! | `images` beside `masks` in `train`, masks among the pictures | a mistake |
//!
//! What pictures and masks may be: `decode`; how they are fingerprinted and delivered: `listing`.

mod config;
mod layout;
mod masks;
mod scan;
mod source;
#[cfg(test)]
mod tests;

pub use config::FolderConfig;
pub use source::Folder;

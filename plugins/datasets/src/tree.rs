//! What lies in a folder and in the folders within it. The main type is [`Tree`].

use crate::files::{Directory, extension, is_picture, relative, stem};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Folders that systems make for themselves.
const JUNK: [&str; 6] =
    ["__MACOSX", "@eaDir", "lost+found", "__pycache__", "$RECYCLE.BIN", "System Volume Information"];
/// Folders that belong to pictures and hold none, in lower case.
const ASIDE: [&str; 10] = [
    "annotation",
    "annotations",
    "labels",
    "mask",
    "masks",
    "segmentation",
    "segmentations",
    "segmentationclass",
    "segmentationobject",
    "thumbnails",
];
/// Endings of pictures in formats that are not read.
const FOREIGN: [&str; 14] =
    ["avif", "bmp", "gif", "heic", "jfif", "jp2", "jpe", "jxl", "pbm", "pgm", "ppm", "tif", "tiff", "webp"];

/// Whether a folder of this name was made by a system, not by who made the data set.
pub(crate) fn is_junk(name: &str) -> bool {
    JUNK.contains(&name)
}

/// Whether a folder of this name holds what belongs to pictures, such as their masks.
pub(crate) fn is_aside(name: &str) -> bool {
    ASIDE.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a file is a picture by its ending, of a format that is not read.
pub(crate) fn is_foreign(path: &Path) -> bool {
    let extension = extension(path);
    FOREIGN.contains(&extension.as_str())
}

/// Folders on the way to one, so that a link to one of them is not followed for ever.
#[derive(Clone, Default)]
pub(crate) struct Way(Vec<(u64, u64)>);

impl Way {
    /// The way into a folder; `None` if that is on the way already.
    pub(crate) fn enter(&self, folder: &Path) -> Result<Option<Self>, String> {
        let found =
            std::fs::metadata(folder).map_err(|e| format!("{} cannot be listed: {e}", folder.display()))?;
        let id = (found.dev(), found.ino());
        let is_new = !self.0.contains(&id);
        Ok(is_new.then(|| Self(self.0.iter().copied().chain([id]).collect())))
    }
}

/// The files of a folder and of those within it, those of a folder before those of its folders, each by name.
#[derive(Default)]
pub(crate) struct Tree {
    /// Pictures by their endings.
    pub(crate) pictures: Vec<Leaf>,
    /// Paths of pictures in other formats, from the folder.
    pub(crate) foreign: Vec<String>,
    /// Paths of other files, from the folder.
    pub(crate) others: Vec<String>,
    /// Folders that were not looked into, and why.
    pub(crate) left_out: Vec<String>,
}

/// A picture's file.
pub(crate) struct Leaf {
    pub(crate) path: PathBuf,
    /// Path from the folder that was listed, with forward slashes, without the ending.
    pub(crate) key: String,
    /// Whether it lies in a folder within.
    pub(crate) is_nested: bool,
}

impl Tree {
    /// Lists a folder, to which `way` leads.
    pub(crate) fn of(folder: &Path, way: &Way) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.add(folder, folder, way)?;
        Ok(tree)
    }

    fn add(&mut self, root: &Path, folder: &Path, way: &Way) -> Result<(), String> {
        let Some(way) = way.enter(folder)? else {
            self.left_out.push(format!("{} (a link to a folder that it lies in)", folder.display()));
            return Ok(());
        };
        let found = Directory::of(folder)?;
        for path in found.files.into_values() {
            let inner = relative(root, &path);
            if is_picture(&path) {
                let stem = stem(&path).unwrap_or_default();
                let key = inner.rsplit_once('/').map_or(stem.clone(), |(above, _)| format!("{above}/{stem}"));
                self.pictures.push(Leaf { path, key, is_nested: folder != root });
            } else if is_foreign(&path) {
                self.foreign.push(inner);
            } else {
                self.others.push(inner);
            }
        }
        for (name, path) in found.folders {
            if is_junk(&name) || is_aside(&name) {
                self.left_out.push(format!("{} (by its name, no pictures of the data set)", path.display()));
            } else {
                self.add(root, &path, &way)?;
            }
        }
        Ok(())
    }
}

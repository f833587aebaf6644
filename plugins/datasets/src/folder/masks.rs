//! The masks of a split, by the names of pictures. The main type is [`Masks`].

use crate::files::{Directory, count, extension, few, nfc, relative};
use crate::tree::{Leaf, Tree, Way};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What names of masks may have after the names of their pictures.
pub(super) const SUFFIXES: [&str; 7] =
    ["_mask", "-mask", "_masks", "_segmentation", "-segmentation", "_seg", "-seg"];

/// Files of masks by class, and by their path in it without the ending, all in composed form.
#[derive(Default)]
pub(super) struct Masks {
    folder: PathBuf,
    by_name: BTreeMap<(String, String), Vec<PathBuf>>,
    used: BTreeSet<PathBuf>,
    /// Files that cannot be masks, by their place or format.
    unfit: Vec<String>,
    left_out: Vec<String>,
}

impl Masks {
    /// Lists a folder of masks.
    pub(super) fn of(folder: &Path) -> Result<Self, String> {
        let mut masks = Self { folder: folder.to_owned(), ..Self::default() };
        let found = Directory::of(folder)?;
        masks.unfit.extend(found.files.into_keys());
        for (class, path) in found.folders {
            let tree = Tree::of(&path, &Way::default())?;
            let name = |file: String| format!("{class}/{file}");
            masks.unfit.extend(tree.foreign.into_iter().chain(tree.others).map(name));
            masks.left_out.extend(tree.left_out);
            for leaf in tree.pictures {
                masks.by_name.entry((nfc(&class), nfc(&leaf.key))).or_default().push(leaf.path);
            }
        }
        // PNG keeps what is drawn as it is.
        let rank = |path: &PathBuf| match (extension(path) == "png", path.extension()) {
            (true, Some(as_is)) if as_is == "png" => 0,
            (true, _) => 1,
            _ => 2,
        };
        masks.by_name.values_mut().for_each(|files| files.sort_by_key(rank));
        Ok(masks)
    }

    /// The mask of a picture: of its name, of its name with the ending, or of its name and a word for masks.
    pub(super) fn of_picture(&mut self, class: &str, picture: &Leaf) -> Option<PathBuf> {
        let key = nfc(&picture.key);
        let ending = picture.path.extension().unwrap_or_default().to_string_lossy();
        let names = [key.clone(), format!("{key}.{ending}")];
        let mut names = names.into_iter().chain(SUFFIXES.iter().map(|end| format!("{key}{end}")));
        let found = names.find_map(|name| self.by_name.get(&(class.to_owned(), name)))?.first()?.clone();
        self.used.insert(found.clone());
        Some(found)
    }

    /// What matched nothing.
    pub(super) fn warnings(self) -> Vec<String> {
        let Self { folder, by_name, used, unfit, left_out } = self;
        let unused: Vec<String> = by_name
            .into_values()
            .flatten()
            .filter(|path| !used.contains(path))
            .map(|path| relative(&folder, &path))
            .collect();
        let mut warnings = Vec::new();
        let at = folder.display();
        if !unused.is_empty() {
            warnings.push(format!(
                "{at} holds {} of no picture, or of one that has another: {}; a mask has its picture's class, folders within it, and name",
                count(unused.len(), "mask"),
                few(&unused)
            ));
        }
        if !unfit.is_empty() {
            warnings.push(format!(
                "{at} holds {} in no place or format of masks: {}; expected CLASS/NAME.png (or .jpg)",
                count(unfit.len(), "file"),
                few(&unfit)
            ));
        }
        warnings.extend(left_out.iter().map(|what| format!("ignored: {what}")));
        warnings
    }
}

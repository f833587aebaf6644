//! Files that a table names, and the masks that go with them. The main type is [`Files`].

use crate::files::{Directory, few, is_picture, nfc, relative};
use crate::tree::{Tree, Way};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Endings of masks, the documented one first.
const ENDINGS: [&str; 4] = ["png", "PNG", "jpg", "jpeg"];

/// Names in a folder by their composed form; empty where it cannot be listed.
type Names = BTreeMap<String, PathBuf>;

/// Finds files by names that may have their accents written in another way.
#[derive(Default)]
pub(super) struct Files(RefCell<BTreeMap<PathBuf, Names>>);

impl Files {
    /// The path of a name below a folder: as it is, or with accents as the file system has them.
    pub(super) fn find(&self, folder: &Path, name: &Path) -> PathBuf {
        let plain = folder.join(name);
        if name.to_str().is_none_or(str::is_ascii) || plain.symlink_metadata().is_ok() {
            return plain;
        }
        let mut at = folder.to_owned();
        for part in name {
            let next = at.join(part);
            let known = || self.names(&at).get(&nfc(&part.to_string_lossy())).cloned();
            at = if next.symlink_metadata().is_ok() { next } else { known().unwrap_or(next) };
        }
        at
    }

    fn names(&self, folder: &Path) -> Names {
        let mut folders = self.0.borrow_mut();
        let list = || {
            let Directory { files, folders } = Directory::of(folder).unwrap_or_default();
            files.into_iter().chain(folders).map(|(name, path)| (nfc(&name), path)).collect()
        };
        folders.entry(folder.to_owned()).or_insert_with(list).clone()
    }

    /// The mask of a picture.
    pub(super) fn mask(&self, folder: &Path, picture: &Path) -> Option<PathBuf> {
        let masks = ENDINGS.iter().map(|ending| self.find(folder, &picture.with_extension(ending)));
        masks.into_iter().find(|mask| mask.is_file())
    }
}

/// What is wrong with a name that a table gives a file.
pub(super) fn problem(name: &str) -> Option<String> {
    if name.contains(char::is_control) {
        return Some(format!("{name:?} has control characters"));
    }
    let is_inner = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    (name.is_empty() || !is_inner)
        .then(|| format!("`{name}` is not a path below the folder of metadata.csv, without `..`"))
}

/// Masks of no picture, as a sentence.
pub(super) fn unmatched(folder: &Path, used: &BTreeSet<&PathBuf>) -> Result<Option<String>, String> {
    let tree = Tree::of(folder, &Way::default())?;
    let found = tree.pictures.into_iter().map(|leaf| leaf.path);
    let unused: Vec<String> = found
        .filter(|path| is_picture(path) && !used.contains(path))
        .map(|path| relative(folder, &path))
        .collect();
    let count = crate::files::count(unused.len(), "mask");
    Ok((!unused.is_empty())
        .then(|| format!("{} holds {count} of no picture: {}", folder.display(), few(&unused))))
}

//! Lists the files of a folder data set without decoding them. The main function is [`scan`].

use crate::decode::MaskLevels;
use crate::files::{Directory, is_picture, list, relative, stem};
use crate::listing::{Entry, Listing, Split};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MASKS: &str = "-masks";

/// Lists `root`. The error says what was expected and what was found.
pub(super) fn scan(root: &Path) -> Result<Listing, String> {
    let folders = Directory::of(root)?.folders;
    let mut names: Vec<&String> = folders.keys().filter(|n| !n.ends_with(MASKS)).collect();
    names.sort_by_key(|n| (["train", "val", "test"].iter().position(|s| s == n).unwrap_or(3), n.as_str()));
    if names.first().is_none_or(|n| *n != "train") {
        return Err(format!(
            "{} has no folder `train`; expected train/CLASS/NAME.jpg or .png; it holds {}",
            root.display(),
            list(folders.keys(), "no folders")
        ));
    }
    let mut warnings = Vec::new();
    for name in folders.keys().filter_map(|n| n.strip_suffix(MASKS)) {
        if !folders.contains_key(name) {
            warnings.push(format!("{}{MASKS} has no split `{name}` beside it", root.join(name).display()));
        }
    }
    let classes: Vec<String> = Directory::of(&folders["train"])?.folders.into_keys().collect();
    let mut splits = Vec::new();
    for name in names {
        let masks = folders.get(&format!("{name}{MASKS}"));
        let found = split(root, name, masks.map(PathBuf::as_path), &classes, &mut warnings)?;
        if masks.is_some() {
            warnings.extend(found.without_masks());
        }
        splits.push(found);
    }
    Ok(Listing {
        root: root.to_owned(),
        classes,
        groups: Vec::new(),
        splits,
        mask_levels: MaskLevels::Binary,
        tables: Vec::new(),
        masks: None,
        warnings,
    })
}

/// Lists one split.
fn split(
    root: &Path,
    name: &str,
    masks: Option<&Path>,
    classes: &[String],
    warnings: &mut Vec<String>,
) -> Result<Split, String> {
    let path = root.join(name);
    let found = Directory::of(&path)?;
    if found.folders.is_empty() {
        return Err(format!(
            "{} has no class folders; expected CLASS/NAME.jpg or .png in it",
            path.display()
        ));
    }
    let loose = found.files.values().filter(|f| is_picture(f)).count();
    if loose > 0 {
        warnings.push(format!("{} holds {loose} pictures outside class folders; ignored", path.display()));
    }
    let mut entries = Vec::new();
    let mut unknown = 0;
    for (class, folder) in &found.folders {
        let Some(label) = classes.iter().position(|c| c == class) else {
            return Err(format!(
                "{} is not a class of the train split, whose classes are {}",
                folder.display(),
                list(classes.iter(), "none")
            ));
        };
        let masks = match masks.map(|m| m.join(class)) {
            Some(folder) if folder.is_dir() => Directory::of(&folder)?.by_stem(&["png"]),
            _ => BTreeMap::new(),
        };
        let before = entries.len();
        for picture in Directory::of(folder)?.files.into_values() {
            if !is_picture(&picture) {
                unknown += 1;
                continue;
            }
            let mask = stem(&picture).and_then(|s| masks.get(&s).cloned());
            entries.push(Entry { id: relative(root, &picture), label, group: None, picture, mask });
        }
        if entries.len() == before {
            return Err(format!(
                "{} holds no pictures (.jpg, .jpeg, .png); add some, or remove the folder",
                folder.display()
            ));
        }
    }
    if unknown > 0 {
        warnings.push(format!("{} holds {unknown} files that are no pictures; ignored", path.display()));
    }
    Ok(Split { name: name.to_owned(), entries })
}

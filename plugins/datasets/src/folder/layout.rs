//! Which folder of a data set is what. The main type is [`Folders`].

use crate::files::{Directory, count, few, is_picture, list, nfc};
use crate::tree::{Way, is_aside, is_junk};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names under which people keep the validation split `val`.
const VALIDATION: [&str; 4] = ["val", "valid", "validation", "dev"];
/// How names of folders of masks end, the documented one first; or how they begin.
const MASKS: [&str; 4] = ["-masks", "_masks", "-mask", "_mask"];
const MASKS_OF: [&str; 4] = ["masks-", "masks_", "mask-", "mask_"];
/// Names of a folder that holds one folder of masks for each split.
const ALL_MASKS: [&str; 4] = ["masks", "Masks", "mask", "Mask"];
const PICTURES: [&str; 6] = ["image", "images", "img", "imgs", "pictures", "photos"];

/// A split and where it lies.
pub(super) struct Place {
    /// Its name: that of its folder, but `val` for every validation split.
    pub(super) name: String,
    pub(super) pictures: PathBuf,
    pub(super) masks: Option<PathBuf>,
}

/// The folders of a data set.
pub(super) struct Folders {
    pub(super) classes: Vec<String>,
    /// `train` first, then `val`, `test`, and the others by name.
    pub(super) splits: Vec<Place>,
    /// What is left out, and why.
    pub(super) warnings: Vec<String>,
}

impl Folders {
    /// Looks at the folders in `root`, and at those in them.
    pub(super) fn of(root: &Path) -> Result<Self, String> {
        let found = Directory::of(root)?.folders;
        let Some(train) = found.get("train") else {
            return Err(format!(
                "{} has no folder `train`; expected train/CLASS/NAME.jpg or .png; it holds {}",
                root.display(),
                list(found.keys(), "no folders")
            ));
        };
        let classes = classes(train)?;
        let mut warnings = Vec::new();
        let mut masks = mask_folders(&found, &mut warnings)?;
        let mut splits = Vec::new();
        for (name, pictures) in &found {
            if ALL_MASKS.contains(&name.as_str()) || mask_of(name).is_some() {
                continue;
            }
            let known = name == "train" || name == "test" || VALIDATION.contains(&name.as_str());
            if let Some(why) = if known { None } else { no_split(name, pictures, &classes)? } {
                warnings.push(format!("{} is ignored: {why}", pictures.display()));
                continue;
            }
            let name = split_name(root, name, &found)?;
            splits.push(Place { name, pictures: pictures.clone(), masks: None });
        }
        for place in &mut splits {
            let folder = place.pictures.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            // `valid` has its masks in `valid-masks`, or else in `val-masks`.
            let mut own = masks.remove(&folder).unwrap_or_default();
            if folder != place.name {
                own.extend(masks.remove(&place.name).unwrap_or_default());
            }
            let mut own = own.into_iter();
            place.masks = own.next();
            let used = place.masks.as_deref().unwrap_or(root);
            warnings.extend(own.map(|other| {
                format!(
                    "{} is ignored: masks of `{}` are read from {}",
                    other.display(),
                    place.name,
                    used.display()
                )
            }));
        }
        for (split, folders) in masks {
            let no_split =
                |folder: &PathBuf| format!("{} has no split `{split}` beside it", folder.display());
            warnings.extend(folders.iter().map(no_split));
        }
        splits.sort_by_cached_key(|place| {
            let first = ["train", "val", "test"].iter().position(|s| *s == place.name).unwrap_or(3);
            (first, place.name.clone())
        });
        Ok(Self { classes, splits, warnings })
    }
}

/// The split whose masks a folder of this name holds.
fn mask_of(name: &str) -> Option<&str> {
    let ends = MASKS.iter().find_map(|end| name.strip_suffix(end));
    let begins = || MASKS_OF.iter().find_map(|begin| name.strip_prefix(begin));
    ends.or_else(begins).filter(|split| !split.is_empty())
}

/// Folders of masks by split, those with the documented name first.
fn mask_folders(
    found: &BTreeMap<String, PathBuf>,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, Vec<PathBuf>>, String> {
    let mut masks: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let rank = |name: &str| MASKS.iter().position(|end| name.ends_with(end)).unwrap_or(MASKS.len());
    let mut by_name: Vec<(&str, &str, &PathBuf)> =
        found.iter().filter_map(|(name, path)| Some((name.as_str(), mask_of(name)?, path))).collect();
    by_name.sort_by_key(|(name, ..)| rank(name));
    for (_, split, path) in by_name {
        masks.entry(split.to_owned()).or_default().push(path.clone());
    }
    for path in ALL_MASKS.iter().filter_map(|name| found.get(*name)) {
        let Directory { folders, files } = Directory::of(path)?;
        if !files.is_empty() {
            let (files, names) = (count(files.len(), "file"), few(&files.into_keys().collect::<Vec<_>>()));
            let at = path.display();
            warnings.push(format!(
                "{at} holds {files} in no folder of a split; ignored: {names}; expected train/CLASS/NAME.png"
            ));
        }
        for (split, path) in folders {
            if !is_junk(&split) {
                masks.entry(split).or_default().push(path);
            }
        }
    }
    Ok(masks)
}

/// What the split in a folder is called.
fn split_name(root: &Path, folder: &str, found: &BTreeMap<String, PathBuf>) -> Result<String, String> {
    if !VALIDATION.contains(&folder) || folder == "val" || found.contains_key("val") {
        return Ok(folder.to_owned());
    }
    match VALIDATION.iter().find(|name| **name != folder && found.contains_key(**name)) {
        None => Ok("val".to_owned()),
        Some(other) => Err(format!(
            "{} holds `{folder}` and `{other}`, and both would be the validation split; rename the one that it is to \
             `val`, then the other is a test split",
            root.display()
        )),
    }
}

/// Class names: the folders of `train`.
fn classes(train: &Path) -> Result<Vec<String>, String> {
    let found = Directory::of(train)?.folders;
    let mut classes: Vec<String> = Vec::new();
    for name in found.keys().filter(|name| !is_junk(name)) {
        let composed = nfc(name);
        if classes.contains(&composed) {
            return Err(format!(
                "{} holds two folders named `{composed}`, with its accents written in two ways; put their pictures \
                 together into one",
                train.display()
            ));
        }
        classes.push(composed);
    }
    let pictures = found.keys().find(|name| PICTURES.contains(&name.to_ascii_lowercase().as_str()));
    if let (Some(pictures), Some(aside)) = (pictures, found.keys().find(|name| is_aside(name))) {
        return Err(format!(
            "{} holds `{pictures}` and `{aside}`, and its folders are taken for classes; expected train/CLASS/NAME.jpg, \
             and masks in train-masks/CLASS/NAME.png",
            train.display()
        ));
    }
    Ok(classes)
}

/// Why a folder of a name that says nothing is no test split; `None` if it is one.
fn no_split(name: &str, folder: &Path, classes: &[String]) -> Result<Option<String>, String> {
    if is_junk(name) {
        return Ok(Some("a system made it".to_owned()));
    }
    if name.split(['-', '_', '.', ' ']).any(is_aside) {
        return Ok(Some("by its name, it holds no split".to_owned()));
    }
    let inner = Directory::of(folder)?.folders;
    let mut of_classes = inner.iter().filter(|(name, _)| classes.contains(&nfc(name))).map(|(_, path)| path);
    Ok(if of_classes.clone().next().is_none() {
        let known = list(classes.iter(), "none");
        Some(format!(
            "it has no folder named as a class of the train split ({known}), so it is no test split"
        ))
    } else if of_classes.any(|class| holds_pictures(class, &Way::default())) {
        None
    } else {
        Some("its folders hold no pictures (.jpg, .jpeg, .png), so it is no test split".to_owned())
    })
}

/// Whether a picture lies in a folder or below it.
fn holds_pictures(folder: &Path, way: &Way) -> bool {
    let (found, way) = match (Directory::of(folder), way.enter(folder)) {
        (Ok(found), Ok(Some(way))) => (found, way),
        (_, Ok(None)) => return false,
        // Whoever lists it as a split says what is wrong.
        _ => return true,
    };
    found.files.values().any(|file| is_picture(file))
        || found.folders.values().any(|inner| holds_pictures(inner, &way))
}

//! Lists RIVAL10's files without decoding them. The main function is [`scan`].

use super::meta::{CLASSES, Meta};
use crate::decode::MaskLevels;
use crate::files::{Directory, count, few, is_picture, list, relative, stem};
use crate::listing::{Entry, Listing, Split};
use fovea_api::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) const PICTURES: &str = "ordinary";
pub(super) const MASKS: &str = "entire_object_masks";
/// Ends of the names of files that lie beside a picture: masks of its attributes, and the attributes.
pub(super) const COMPANIONS: [&str; 3] = ["_merged_mask.jpeg", "_attr_labels.npy", "_attr_dict.pkl"];

/// Lists `root`. The error says what was expected and what was found.
pub(super) fn scan(root: &Path, val_fraction: f64, val_seed: u64) -> Result<Listing, String> {
    let found = Directory::of(root)?.folders;
    if let Some(missing) = ["train", "test", "meta"].iter().find(|name| !found.contains_key(**name)) {
        return Err(format!(
            "{} has no folder `{missing}`; expected train/{PICTURES}, test/{PICTURES} and meta; it holds {}",
            root.display(),
            list(found.keys(), "no folders")
        ));
    }
    let (meta, mut warnings) = (Meta::read(root)?, Vec::new());
    let (train, val) = hold_out(pictures(root, "train", &meta, &mut warnings)?, val_fraction, val_seed);
    let test = pictures(root, "test", &meta, &mut warnings)?;
    let splits: Vec<Split> = [("train", train), ("val", val), ("test", test)]
        .into_iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(name, entries)| Split { name: name.to_owned(), entries })
        .collect();
    warnings.extend(splits.iter().filter_map(Split::without_masks));
    Ok(Listing {
        root: root.to_owned(),
        classes: CLASSES.map(str::to_owned).to_vec(),
        groups: Vec::new(),
        splits,
        mask_levels: MaskLevels::Soft,
        tables: meta.files,
        masks: None,
        warnings,
    })
}

/// Lists one folder of pictures.
fn pictures(root: &Path, name: &str, meta: &Meta, warnings: &mut Vec<String>) -> Result<Vec<Entry>, String> {
    let split = root.join(name);
    let found = Directory::of(&split)?.folders;
    let folder = found.get(PICTURES).ok_or_else(|| {
        let holds = list(found.keys(), "no folders");
        format!("{} has no folder `{PICTURES}`, where the pictures are; it holds {holds}", split.display())
    })?;
    let mut masks = match found.get(MASKS) {
        Some(folder) => masks(folder)?,
        None => BTreeMap::new(),
    };
    let (mut entries, mut unknown) = (Vec::new(), Vec::new());
    let Directory { files, folders } = Directory::of(folder)?;
    let mut used = BTreeSet::new();
    for (name, picture) in files {
        if is_companion(&name) {
            continue;
        }
        if !is_picture(&picture) {
            unknown.push(name);
            continue;
        }
        let label = meta.label(&name).map_err(|message| format!("{}: {message}", picture.display()))?;
        let stem = stem(&picture).unwrap_or_default();
        let mask = masks.get(&stem).cloned();
        used.insert(stem);
        entries.push(Entry { id: relative(root, &picture), label, group: None, picture, mask });
    }
    if entries.is_empty() {
        return Err(format!("{} holds no pictures; expected WNID_NAME.JPEG in it", folder.display()));
    }
    let at = folder.display();
    if !unknown.is_empty() {
        let (files, names) = (count(unknown.len(), "file"), few(&unknown));
        warnings.push(format!("{at} holds {files} neither picture nor companion of one; ignored: {names}"));
    }
    if !folders.is_empty() {
        let (folders, names) =
            (count(folders.len(), "folder"), few(&folders.into_keys().collect::<Vec<_>>()));
        warnings.push(format!("{at} holds {folders}; not looked into: {names}"));
    }
    masks.retain(|stem, _| !used.contains(stem));
    let unmatched: Vec<String> = masks.into_values().map(|path| relative(root, &path)).collect();
    if !unmatched.is_empty() {
        let (count, names) = (count(unmatched.len(), "mask"), few(&unmatched));
        warnings.push(format!("{} holds {count} of no picture: {names}", split.join(MASKS).display()));
    }
    Ok(entries)
}

/// The files of masks by the stems of their names.
fn masks(folder: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let files = Directory::of(folder)?.files.into_iter();
    let masks = files.filter(|(name, path)| is_picture(path) && !is_companion(name));
    Ok(masks.filter_map(|(_, path)| Some((stem(&path)?, path))).collect())
}

fn is_companion(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    COMPANIONS.iter().any(|end| lower.ends_with(end))
}

/// Splits a fraction of each class off, at random. Whether a picture is held out depends on the names of its class
/// and on the seed, not on where they lie or in which order they were found.
fn hold_out(entries: Vec<Entry>, fraction: f64, seed: u64) -> (Vec<Entry>, Vec<Entry>) {
    let key = Key::new(seed).purpose("rival10 val");
    let mut held = BTreeSet::new();
    for label in 0..CLASSES.len() {
        let own = entries.iter().filter(|e| e.label == label);
        let mut drawn: Vec<(u64, &str)> = own
            .map(|e| (key.purpose(stem(&e.picture).as_deref().unwrap_or(&e.id)).seed(), e.id.as_str()))
            .collect();
        drawn.sort_unstable();
        // A class of one picture stays in training.
        let count = ((fraction * drawn.len() as f64).round() as usize).min(drawn.len().saturating_sub(1));
        held.extend(drawn[..count].iter().map(|(_, id)| (*id).to_owned()));
    }
    entries.into_iter().partition(|e| !held.contains(&e.id))
}

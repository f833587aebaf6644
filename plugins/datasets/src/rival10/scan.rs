//! Lists RIVAL10's files without decoding them. The main function is [`scan`].

use super::meta::{CLASSES, Meta};
use crate::decode::MaskLevels;
use crate::files::{Directory, is_picture, list, relative, stem};
use crate::listing::{Entry, Listing, Split};
use fovea_api::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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
    let masks = match found.get(MASKS) {
        Some(folder) => Directory::of(folder)?.by_stem(&["jpeg", "jpg", "png"]),
        None => BTreeMap::new(),
    };
    let (mut entries, mut unknown) = (Vec::new(), 0);
    for (name, picture) in Directory::of(folder)?.files {
        let lower = name.to_ascii_lowercase();
        if COMPANIONS.iter().any(|end| lower.ends_with(end)) {
            continue;
        }
        if !is_picture(&picture) {
            unknown += 1;
            continue;
        }
        let label = meta.label(&name).map_err(|message| format!("{}: {message}", picture.display()))?;
        let mask = stem(&picture).and_then(|s| masks.get(&s).cloned());
        entries.push(Entry { id: relative(root, &picture), label, group: None, picture, mask });
    }
    if entries.is_empty() {
        return Err(format!("{} holds no pictures; expected WNID_NAME.JPEG in it", folder.display()));
    }
    if unknown > 0 {
        warnings.push(format!(
            "{} holds {unknown} files that are neither pictures nor their companions; ignored",
            folder.display()
        ));
    }
    Ok(entries)
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

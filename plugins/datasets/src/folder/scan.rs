//! Lists the files of a folder data set without decoding them. The main type is [`Listing`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// A picture and where its mask is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Path relative to the split's folder, with forward slashes.
    pub(super) id: String,
    pub(super) label: usize,
    pub(super) picture: PathBuf,
    pub(super) mask: Option<PathBuf>,
}

/// A split as listed.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) name: String,
    pub(super) entries: Vec<Entry>,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) classes: Vec<String>,
    pub(super) splits: Vec<Split>,
    pub(super) warnings: Vec<String>,
}

const MASKS: &str = "-masks";
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

impl Listing {
    /// Lists `root`. The error says what was expected and what was found.
    pub(super) fn of(root: &Path) -> Result<Self, String> {
        let folders = directory(root)?.folders;
        let mut names: Vec<&String> = folders.keys().filter(|n| !n.ends_with(MASKS)).collect();
        names
            .sort_by_key(|n| (["train", "val", "test"].iter().position(|s| s == n).unwrap_or(3), n.as_str()));
        if names.first().is_none_or(|n| *n != "train") {
            return Err(format!(
                "{} has no folder `train`; expected train/CLASS/NAME.jpg or .png; it holds {}",
                root.display(),
                list(folders.keys())
            ));
        }
        let mut warnings = Vec::new();
        for name in folders.keys().filter_map(|n| n.strip_suffix(MASKS)) {
            if !folders.contains_key(name) {
                warnings
                    .push(format!("{}{MASKS} has no split `{name}` beside it", root.join(name).display()));
            }
        }
        let classes: Vec<String> = directory(&folders["train"])?.folders.into_keys().collect();
        let mut splits = Vec::new();
        for name in names {
            let masks = folders.get(&format!("{name}{MASKS}"));
            let entries = split(&folders[name], masks.map(PathBuf::as_path), &classes, &mut warnings)?;
            splits.push(Split { name: name.clone(), entries });
        }
        Ok(Self { classes, splits, warnings })
    }
}

/// Lists one split.
fn split(
    path: &Path,
    masks: Option<&Path>,
    classes: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<Entry>, String> {
    let found = directory(path)?;
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
                list(classes.iter())
            ));
        };
        let masks = match masks.map(|m| m.join(class)) {
            Some(folder) if folder.is_dir() => masks_by_stem(&folder)?,
            _ => BTreeMap::new(),
        };
        let (before, files) = (entries.len(), directory(folder)?.files);
        for (name, picture) in files {
            if !is_picture(&picture) {
                unknown += 1;
                continue;
            }
            let mask = stem(&picture).and_then(|s| masks.get(&s).cloned());
            entries.push(Entry { id: format!("{class}/{name}"), label, picture, mask });
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
    let bare = entries.iter().filter(|e| e.mask.is_none()).count();
    if masks.is_some() && bare > 0 {
        let of = entries.len();
        warnings.push(format!("{bare} of {of} pictures in {} have no mask", path.display()));
    }
    Ok(entries)
}

/// Masks of a class by the stem of their names.
fn masks_by_stem(folder: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let files = directory(folder)?.files.into_values();
    Ok(files.filter(|f| extension(f) == "png").filter_map(|f| Some((stem(&f)?, f))).collect())
}

/// Picture files directly in a folder, sorted by name; hidden ones are left out.
///
/// # Errors
/// When the folder cannot be listed.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    Ok(directory(folder)?.files.into_values().filter(|file| is_picture(file)).collect())
}

/// What a folder holds, sorted by name; hidden things are left out.
#[derive(Default)]
struct Directory {
    folders: BTreeMap<String, PathBuf>,
    files: BTreeMap<String, PathBuf>,
}

fn directory(path: &Path) -> Result<Directory, String> {
    let read = || -> io::Result<Directory> {
        let mut found = Directory::default();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::other(format!("the name {} is not UTF-8", PathBuf::from(name).display()))
            })?;
            if name.starts_with('.') {
                continue;
            }
            // Follows links, so that a data set may be assembled from them; a dangling link counts as a file, and
            // fails as a picture.
            let at = entry.path();
            if at.is_dir() {
                found.folders.insert(name, at)
            } else {
                found.files.insert(name, at)
            };
        }
        Ok(found)
    };
    read().map_err(|e| format!("{} cannot be listed: {e}", path.display()))
}

fn extension(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
}

fn is_picture(path: &Path) -> bool {
    PICTURES.contains(&extension(path).as_str())
}

fn stem(path: &Path) -> Option<String> {
    path.file_stem().and_then(OsStr::to_str).map(str::to_owned)
}

/// Names for a message, at most a dozen.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    if count == 0 {
        return "no folders".to_owned();
    }
    let shown: Vec<String> = names.take(12).map(|n| format!("`{n}`")).collect();
    let more = if count > 12 { format!(" and {} more", count - 12) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

//! What lies in folders. The main type is [`Directory`].

use crate::tree;
use fovea_api::ConfigIssue;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization as _;

const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// What a folder holds, sorted by name; hidden things are left out, AppleDouble files (`._name.jpg`) among them.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) folders: BTreeMap<String, PathBuf>,
    pub(crate) files: BTreeMap<String, PathBuf>,
}

impl Directory {
    /// Lists a folder.
    pub(crate) fn of(path: &Path) -> Result<Self, String> {
        Self::read(path).map_err(|e| format!("{} cannot be listed: {e}", path.display()))
    }

    fn read(path: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // Follows links, so that a data set may be assembled from them; a dangling link counts as a file, and
            // fails as a picture.
            let (at, kind) = (entry.path(), entry.file_type()?);
            let is_folder = kind.is_dir() || kind.is_symlink() && at.is_dir();
            let problem = match name.to_str() {
                None => "is not UTF-8",
                Some(name) if name.contains(char::is_control) => "has control characters",
                Some(name) => {
                    let place = if is_folder { &mut found.folders } else { &mut found.files };
                    place.insert(name.to_owned(), at);
                    continue;
                }
            };
            // Anything else is no picture under any name, such as the `Icon\r` of macOS.
            if is_folder || is_picture(&at) {
                return Err(io::Error::other(format!("the name {name:?} {problem}; rename or remove it")));
            }
        }
        Ok(found)
    }
}

/// Picture files directly in a folder, sorted by name; hidden ones are left out.
///
/// # Errors
/// When the folder cannot be listed.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    Ok(Directory::of(folder)?.files.into_values().filter(|file| is_picture(file)).collect())
}

/// Sentences about what lies beside the pictures of a folder and is not read: pictures in other formats and in folders
/// within it, but for the folder `own`.
///
/// # Errors
/// When the folder cannot be listed.
pub fn beside_pictures(folder: &Path, own: &Path) -> Result<Vec<String>, String> {
    let Directory { folders, files } = Directory::of(folder)?;
    let foreign: Vec<String> =
        files.into_iter().filter(|(_, path)| tree::is_foreign(path)).map(|(name, _)| name).collect();
    let is_own =
        |path: &Path| path.canonicalize().is_ok_and(|path| own.canonicalize().is_ok_and(|own| own == path));
    let holds_pictures = |path: &Path| pictures_in(path).is_ok_and(|found| !found.is_empty());
    let within: Vec<String> = folders
        .into_iter()
        .filter(|(_, path)| !is_own(path) && holds_pictures(path))
        .map(|(name, _)| name)
        .collect();
    let at = folder.display();
    let mut said = Vec::new();
    if !foreign.is_empty() {
        let (pictures, names) = (count(foreign.len(), "picture"), few(&foreign));
        said.push(format!(
            "{at} holds {pictures} in formats that are not read: {names}; convert to JPEG or PNG"
        ));
    }
    if !within.is_empty() {
        let (folders, names) = (count(within.len(), "folder"), few(&within));
        said.push(format!("{at} holds {folders} with pictures, not looked into: {names}"));
    }
    Ok(said)
}

/// Most that a file may have: of these kinds, none that is whole has more.
const LARGEST: u64 = 1 << 30;

/// What a file holds. Anything else that a path may lead to is not opened: a pipe would be waited for, for ever.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    regular(path)?;
    std::fs::read(path)
}

/// Makes sure that a path leads to a file of a size that one can read.
pub(crate) fn regular(path: &Path) -> io::Result<Metadata> {
    let found = std::fs::metadata(path)?;
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() && found.len() <= LARGEST => return Ok(found),
        () if kind.is_file() => return Err(io::Error::other(format!("it has {} bytes", found.len()))),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::other(format!("it is {what}, not a file")))
}

/// A configured path; a relative one starts at `base_dir`.
pub(crate) fn absolute(base_dir: &Path, path: &Path) -> PathBuf {
    let path = base_dir.join(path);
    std::path::absolute(&path).unwrap_or(path)
}

/// What is wrong with a path that must be a folder; `expected` completes "expected ...".
pub(crate) fn folder_issue(key: &str, path: &Path, expected: &str) -> Option<ConfigIssue> {
    let problem = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return None,
        Ok(_) => "is not a folder".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist".to_owned(),
        Err(error) => format!("cannot be opened: {error}"),
    };
    Some(ConfigIssue::at(key, format!("{} {problem}; expected {expected}", path.display())))
}

/// A path below `root`, with forward slashes.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.iter().map(OsStr::to_string_lossy).collect::<Vec<_>>().join("/")
}

pub(crate) fn extension(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
}

pub(crate) fn is_picture(path: &Path) -> bool {
    PICTURES.contains(&extension(path).as_str())
}

pub(crate) fn stem(path: &Path) -> Option<String> {
    path.file_stem().and_then(OsStr::to_str).map(str::to_owned)
}

/// A name in Unicode's composed form. macOS writes an accent apart from its letter, others do not.
pub(crate) fn nfc(name: &str) -> String {
    name.nfc().collect()
}

/// A count with its noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The first few of many, for a message.
pub(crate) fn few<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(AsRef::as_ref).collect();
    let more = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Names for a message, at most a dozen.
pub(crate) fn list<'a>(names: impl ExactSizeIterator<Item = &'a String>, none: &str) -> String {
    let count = names.len();
    if count == 0 {
        return none.to_owned();
    }
    let shown: Vec<String> = names.take(12).map(|n| format!("`{n}`")).collect();
    let more = if count > 12 { format!(" and {} more", count - 12) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

//! What a bundle holds. The main function is [`unpack`].
//!
//! Bundles come from elsewhere, so nothing in one is believed: a path that leads out of the folder, a link, a file that the
//! manifest does not list, lists twice or lists with other contents ends it. Neither is it let to fill the disk or the
//! memory: what the manifest lists is counted before anything is written, and files go to the disk in pieces.

use crate::AuditError;
use crate::bundle::{FORMAT, MANIFEST, Manifest, Packed};
use crate::error::io;
use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read, Write as _};
use std::path::{Component, Path, PathBuf};

/// Bytes that a manifest may have: those of some 400,000 files.
const LARGEST_MANIFEST: u64 = 64 << 20;
/// Bytes that a file other than weights may have: readers take records whole.
const LARGEST_RECORD: u64 = 512 << 20;
/// Bytes that the path of a file may have.
const LONGEST_PATH: u64 = 1024;
/// Folders that a file may lie in.
const DEEPEST: usize = 16;
/// Bytes in hand at a time.
const PIECE: usize = 1 << 18;

/// What a bundle may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together, unpacked.
    pub bytes: u64,
    /// Files.
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 30, files: 400_000 }
    }
}

/// Unpacks a bundle below `into`, which is made, and gives back its manifest and the run directory. What was unpacked of a
/// bundle that is refused is for the caller to remove.
///
/// # Errors
/// When it is no bundle, is not what its manifest says, or is larger than `limits`.
pub fn unpack(bundle: &Path, into: &Path, limits: Limits) -> Result<(Manifest, PathBuf), AuditError> {
    let refuse = |message: String| AuditError::Archive { path: bundle.to_owned(), message };
    let file = File::open(bundle).map_err(io("read", bundle))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let no_bundle = |e: std::io::Error| refuse(format!("this is no bundle, which is a .tar.gz: {e}"));
    let mut known: Option<(Manifest, PathBuf)> = None;
    let mut seen = BTreeSet::new();
    let mut long: Option<PathBuf> = None;
    // Raw: the crate would take the long names and extensions of an archive into memory, however large they are.
    for entry in archive.entries().map_err(no_bundle)?.raw(true) {
        let mut entry = entry.map_err(no_bundle)?;
        if entry.header().entry_type() == tar::EntryType::GNULongName && long.is_none() {
            long = Some(long_name(&mut entry).map_err(refuse)?);
            continue;
        }
        let path = match long.take() {
            Some(path) => path,
            None => entry.path().map_err(no_bundle)?.into_owned(),
        };
        let shown = path.display().to_string();
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(refuse(format!(
                "`{shown}` is no plain file; it is not unpacked, and neither is the rest"
            )));
        }
        let (folder, within) = split(&path).ok_or_else(|| {
            refuse(format!(
                "`{shown}` leads out of the bundle's folder; it is not unpacked, and neither is the rest"
            ))
        })?;
        let Some((manifest, root)) = &known else {
            if within != MANIFEST {
                return Err(refuse(format!(
                    "it does not begin with {MANIFEST}: it was not made by `fovea bundle`"
                )));
            }
            let manifest = manifest(&mut entry).map_err(refuse)?;
            within_limits(&manifest, limits).map_err(refuse)?;
            known = Some((manifest, into.join(folder)));
            continue;
        };
        let Some(packed) = manifest.files.get(&within) else {
            return Err(refuse(format!("`{within}` is not listed in {MANIFEST}: it was added later")));
        };
        if root.file_name() != Some(folder.as_os_str()) || !seen.insert(within.clone()) {
            return Err(refuse(format!("`{shown}` is there twice")));
        }
        let target = root.join(&within);
        let parent = target.parent().unwrap_or(root);
        fs::create_dir_all(parent).map_err(io("create", parent))?;
        let mut file = File::create_new(&target).map_err(io("write", target.clone()))?;
        if !copy(&mut entry, &mut file, packed).map_err(no_bundle)? {
            return Err(refuse(format!(
                "`{within}` is not the file that was packed: its hash is not the one in {MANIFEST}"
            )));
        }
    }
    let (manifest, root) = known.ok_or_else(|| refuse("it is empty".to_owned()))?;
    match manifest.files.keys().find(|path| !seen.contains(*path)) {
        Some(gone) => Err(refuse(format!("`{gone}` is missing, and {MANIFEST} lists it"))),
        None => Ok((manifest, root)),
    }
}

/// The path of the next entry, which is too long for a header.
fn long_name(entry: &mut impl Read) -> Result<PathBuf, String> {
    let mut name = Vec::new();
    entry.take(LONGEST_PATH + 1).read_to_end(&mut name).map_err(|e| e.to_string())?;
    while name.last() == Some(&0) {
        name.pop();
    }
    if name.len() as u64 > LONGEST_PATH {
        return Err(format!("a file's path is longer than {LONGEST_PATH} bytes"));
    }
    String::from_utf8(name).map(PathBuf::from).map_err(|_| "a file's path is not UTF-8".to_owned())
}

/// Refuses a bundle that lists more than it may.
fn within_limits(manifest: &Manifest, limits: Limits) -> Result<(), String> {
    let files = manifest.files.len();
    if files > limits.files {
        return Err(format!("it lists {files} files, and at most {} are unpacked", limits.files));
    }
    let mut bytes = 0_u64;
    for (path, packed) in &manifest.files {
        bytes = bytes.saturating_add(packed.bytes);
        if packed.bytes > LARGEST_RECORD && !path.ends_with(".safetensors") {
            return Err(format!(
                "`{path}` would have {} MB, and a file other than weights may have {}",
                packed.bytes >> 20,
                LARGEST_RECORD >> 20
            ));
        }
        if path.len() as u64 > LONGEST_PATH || path.split('/').count() > DEEPEST {
            let start: String = path.chars().take(60).collect();
            return Err(format!(
                "the path `{start}...` is too long or too deep: {LONGEST_PATH} bytes and {DEEPEST} names are the most"
            ));
        }
    }
    if bytes > limits.bytes {
        return Err(format!(
            "unpacked it takes {:.1} GB, and {:.1} GB are allowed; if you trust that, --max-unpacked allows more",
            bytes as f64 / 1e9,
            limits.bytes as f64 / 1e9
        ));
    }
    Ok(())
}

/// Writes a file piece by piece; whether it is the one that was packed.
fn copy(entry: &mut impl Read, file: &mut File, packed: &Packed) -> std::io::Result<bool> {
    let mut hash = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut entry = entry.take(packed.bytes.saturating_add(1));
    let mut bytes = 0;
    loop {
        match entry.read(&mut piece)? {
            0 => break,
            count => {
                bytes += count as u64;
                hash.update(&piece[..count]);
                file.write_all(&piece[..count])?;
            }
        }
    }
    Ok(bytes == packed.bytes && hash.finalize().to_hex().as_str() == packed.blake3)
}

/// The folder of an entry, and its path below it with `/`; none for a path that could lead anywhere else.
fn split(path: &Path) -> Option<(PathBuf, String)> {
    let mut parts = Vec::new();
    for component in path.components() {
        let Component::Normal(part) = component else { return None };
        parts.push(part.to_str()?);
    }
    let (folder, rest) = parts.split_first()?;
    (!rest.is_empty()).then(|| (PathBuf::from(folder), rest.join("/")))
}

fn manifest(entry: &mut impl Read) -> Result<Manifest, String> {
    let mut bytes = Vec::new();
    entry.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > LARGEST_MANIFEST {
        return Err(format!("{MANIFEST} is larger than {} MB", LARGEST_MANIFEST >> 20));
    }
    let form: Form = serde_json::from_slice(&bytes).map_err(|e| format!("{MANIFEST} is none: {e}"))?;
    if form.format != FORMAT {
        let found = form.format;
        return Err(format!(
            "its form is {found}, and this fovea reads {FORMAT}: use the version that packed it"
        ));
    }
    serde_json::from_slice(&bytes).map_err(|e| format!("{MANIFEST} is none: {e}"))
}

/// As much of a manifest as every version has.
#[derive(serde::Deserialize)]
struct Form {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::collections::BTreeMap;

    /// A bundle with these entries after a manifest that lists them.
    fn bundle(path: &Path, entries: &[(&str, &[u8])], change: impl Fn(&mut Manifest)) {
        let packed =
            |b: &[u8]| Packed { bytes: b.len() as u64, blake3: blake3::hash(b).to_hex().to_string() };
        let files: BTreeMap<String, Packed> = entries
            .iter()
            .map(|(name, b)| ((*name).trim_start_matches("x/").to_owned(), packed(b)))
            .collect();
        let mut manifest = Manifest {
            format: FORMAT,
            fovea: "0".into(),
            name: "x".into(),
            files,
            left_out: BTreeSet::new(),
        };
        change(&mut manifest);
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            // As whoever means harm would write it: the crate itself refuses such names.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_entry_type(if name.ends_with("link") {
                tar::EntryType::Symlink
            } else {
                tar::EntryType::Regular
            });
            header.set_cksum();
            archive.append(&header, bytes).unwrap();
        };
        add("x/MANIFEST.json", &serde_json::to_vec(&manifest).unwrap());
        entries.iter().for_each(|(name, bytes)| add(name, bytes));
        fs::write(path, archive.into_inner().unwrap().finish().unwrap()).unwrap();
    }

    fn refused(entries: &[(&str, &[u8])], change: impl Fn(&mut Manifest)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.tar.gz");
        bundle(&path, entries, change);
        let error = unpack(&path, &dir.path().join("a/out"), Limits::default()).unwrap_err().to_string();
        assert!(!dir.path().join("a/evil").exists() && !dir.path().join("evil").exists());
        error
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["../evil", "x/../../evil", "/evil", "x/a/../../../evil"] {
            let error = refused(&[(path, b"x")], |_| {});
            assert!(error.contains("leads out of"), "{path}: {error}");
        }
        assert!(refused(&[("x/link", b"")], |_| {}).contains("no plain file"));
    }

    #[test]
    fn files_that_are_not_as_listed_are_refused() {
        let files: &[(&str, &[u8])] = &[("x/a", b"1"), ("x/b", b"2")];
        let change = |m: &mut Manifest| m.files.get_mut("b").unwrap().blake3 = "0".repeat(64);
        assert!(refused(files, change).contains("`b` is not the file that was packed"));
        assert!(refused(files, |m| drop(m.files.remove("b"))).contains("`b` is not listed"));
        let more =
            |m: &mut Manifest| drop(m.files.insert("c".into(), Packed { bytes: 0, blake3: String::new() }));
        assert!(refused(files, more).contains("`c` is missing"));
        assert!(refused(&[("x/a", b"1"), ("x/a", b"1")], |_| {}).contains("twice"));
        assert!(refused(files, |m| m.format = 9).contains("its form is 9"));
    }

    #[test]
    fn what_is_no_archive_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.tar.gz");
        fs::write(&path, "hello").unwrap();
        assert!(
            unpack(&path, dir.path(), Limits::default())
                .unwrap_err()
                .to_string()
                .contains("this is no bundle")
        );
    }

    #[test]
    fn what_is_too_large_is_refused_before_a_byte_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.tar.gz");
        let refused = |entries: &[(&str, &[u8])], limits: Limits, change: &dyn Fn(&mut Manifest)| {
            bundle(&path, entries, change);
            let error = unpack(&path, &dir.path().join("out"), limits).unwrap_err().to_string();
            assert!(!dir.path().join("out").exists(), "{error}");
            error
        };
        let files: &[(&str, &[u8])] = &[("x/a", b"123"), ("x/b", b"45")];
        let small = Limits { bytes: 4, ..Limits::default() };
        assert!(refused(files, small, &|_| {}).contains("--max-unpacked"));
        let few = Limits { files: 1, ..Limits::default() };
        assert!(refused(files, few, &|_| {}).contains("lists 2 files"));
        let claimed = |m: &mut Manifest| m.files.get_mut("a").unwrap().bytes = LARGEST_RECORD + 1;
        assert!(refused(files, Limits::default(), &claimed).contains("`a` would have 512 MB"));
        let huge = |m: &mut Manifest| m.files.values_mut().for_each(|f| f.bytes = u64::MAX);
        refused(files, Limits { bytes: u64::MAX - 1, ..Limits::default() }, &huge);
        let deep = format!("x/{}a", "d/".repeat(DEEPEST));
        assert!(refused(&[(&deep, b"1")], Limits::default(), &|_| {}).contains("too deep"));
    }

    #[test]
    fn long_names_are_read_and_endless_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.tar.gz");
        let build = |name: &str| {
            let packed = Packed { bytes: 1, blake3: blake3::hash(b"1").to_hex().to_string() };
            let files = BTreeMap::from([(name.to_owned(), packed)]);
            let (fovea, left_out) = ("0".to_owned(), BTreeSet::new());
            let manifest = Manifest { format: FORMAT, fovea, name: "x".into(), files, left_out };
            let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
            let entries = [(MANIFEST, serde_json::to_vec(&manifest).unwrap()), (name, b"1".to_vec())];
            for (name, bytes) in entries {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, format!("x/{name}"), bytes.as_slice()).unwrap();
            }
            fs::write(&path, archive.into_inner().unwrap().finish().unwrap()).unwrap();
        };
        let long = "n".repeat(200);
        build(&long);
        let (_, root) = unpack(&path, &dir.path().join("out"), Limits::default()).unwrap();
        assert_eq!(fs::read(root.join(long)).unwrap(), b"1");
        // A gigabyte of name is some kilobytes of archive.
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(8 << 20);
        header.set_cksum();
        archive.append(&header, std::io::repeat(b'n').take(8 << 20)).unwrap();
        fs::write(&path, archive.into_inner().unwrap().finish().unwrap()).unwrap();
        let error = unpack(&path, &dir.path().join("none"), Limits::default()).unwrap_err().to_string();
        assert!(error.contains("longer than 1024 bytes"), "{error}");
    }
}

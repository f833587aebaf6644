//! What a bundle holds. The main function is [`unpack`].
//!
//! Bundles come from elsewhere, so nothing in one is believed: a path that leads out of the folder, a link, a file that the
//! manifest does not list, lists twice or lists with other contents ends it.

use crate::AuditError;
use crate::bundle::{FORMAT, MANIFEST, Manifest};
use crate::error::io;
use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Bytes that a manifest may have.
const LARGEST_MANIFEST: u64 = 1 << 28;

/// Unpacks a bundle below `into`, which is made, and gives back its manifest and the run directory.
///
/// # Errors
/// When it is no bundle, or is not what its manifest says.
pub fn unpack(bundle: &Path, into: &Path) -> Result<(Manifest, PathBuf), AuditError> {
    let refuse = |message: String| AuditError::Archive { path: bundle.to_owned(), message };
    let file = File::open(bundle).map_err(io("read", bundle))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let no_bundle = |e: std::io::Error| refuse(format!("this is no bundle, which is a .tar.gz: {e}"));
    let mut known: Option<(Manifest, PathBuf)> = None;
    let mut seen = BTreeSet::new();
    for entry in archive.entries().map_err(no_bundle)? {
        let mut entry = entry.map_err(no_bundle)?;
        let path = entry.path().map_err(no_bundle)?.into_owned();
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
            known = Some((manifest, into.join(folder)));
            continue;
        };
        let Some(packed) = manifest.files.get(&within) else {
            return Err(refuse(format!("`{within}` is not listed in {MANIFEST}: it was added later")));
        };
        if root.file_name() != Some(folder.as_os_str()) || !seen.insert(within.clone()) {
            return Err(refuse(format!("`{shown}` is there twice")));
        }
        let mut bytes = Vec::new();
        entry.by_ref().take(packed.bytes + 1).read_to_end(&mut bytes).map_err(no_bundle)?;
        if bytes.len() as u64 != packed.bytes || blake3::hash(&bytes).to_hex().as_str() != packed.blake3 {
            return Err(refuse(format!(
                "`{within}` is not the file that was packed: its hash is not the one in {MANIFEST}"
            )));
        }
        let target = root.join(&within);
        let parent = target.parent().unwrap_or(root);
        fs::create_dir_all(parent).map_err(io("create", parent))?;
        fs::write(&target, bytes).map_err(io("write", target.clone()))?;
    }
    let (manifest, root) = known.ok_or_else(|| refuse("it is empty".to_owned()))?;
    match manifest.files.keys().find(|path| !seen.contains(*path)) {
        Some(gone) => Err(refuse(format!("`{gone}` is missing, and {MANIFEST} lists it"))),
        None => Ok((manifest, root)),
    }
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
    entry.take(LARGEST_MANIFEST).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
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
    use crate::bundle::Packed;
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
        let error = unpack(&path, &dir.path().join("a/out")).unwrap_err().to_string();
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
        assert!(unpack(&path, dir.path()).unwrap_err().to_string().contains("this is no bundle"));
    }
}

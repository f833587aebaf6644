//! Hashes of files' contents, remembered between runs. The main function is [`of_contents`].
//!
//! Every plan fingerprints its data, and RIVAL10 has 3 GB. A file whose length, modification time and inode are those
//! of last time is not read again, as in git's index. Like git, the cache knows nothing of files that were modified
//! within the two seconds before they were hashed: a second write within the clock's grain would go unnoticed.
//!
//! One cache file per data set's root, in `$FOVEA_CACHE_HOME/hashes`, else `$XDG_CACHE_HOME/fovea/hashes`, else
//! `~/.cache/fovea/hashes`. It may be deleted at any time; one that is damaged or cannot be written costs time only.

use crate::files;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a file must have been left alone before its hash is remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// A file's content.
pub(crate) struct Content {
    /// BLAKE3 of it.
    pub(crate) hash: blake3::Hash,
    /// What is wrong with it.
    pub(crate) problem: Option<String>,
}

/// What is wrong with a file, by its path and content.
pub(crate) type Glance<'a> = &'a (dyn Fn(&Path, &[u8]) -> Option<String> + Sync);

/// The contents of each file, in order; the files belong to the data set at `root`. What `glance` finds wrong is not
/// remembered, so that it is found again.
pub(crate) fn of_contents(root: &Path, files: &[&Path], glance: Glance<'_>) -> Vec<io::Result<Content>> {
    Cache::open(folder(|name| std::env::var_os(name)), root).contents(files, glance)
}

/// Where caches lie, from the environment.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = path("FOVEA_CACHE_HOME")
        .or_else(|| path("XDG_CACHE_HOME").map(|p| p.join("fovea")))
        .or_else(|| path("HOME").map(|p| p.join(".cache/fovea")))?;
    Some(home.join("hashes"))
}

/// What tells a file from its other versions without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    len: u64,
    /// Modification time since 1970: seconds, nanoseconds.
    modified: (i64, i64),
    inode: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    hash: String,
    /// Whether it was looked at, too. Fovea did not always do so, and once (`sound`) not as closely.
    #[serde(default)]
    whole: bool,
}

/// The hashes that are known for one root.
struct Cache {
    file: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
}

impl Cache {
    fn open(folder: Option<PathBuf>, root: &Path) -> Self {
        let name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
        let file = folder.map(|folder| folder.join(&name[..32]));
        let known = file.as_deref().and_then(read).unwrap_or_default();
        Self { file, known }
    }

    fn contents(mut self, files: &[&Path], glance: Glance<'_>) -> Vec<io::Result<Content>> {
        let found: Vec<_> = files.par_iter().map(|path| self.content(path, glance)).collect();
        let mut learnt = false;
        for (path, found) in files.iter().zip(&found) {
            if let Ok((Content { hash, problem: None }, Some(stamp))) = found {
                let known = Known { stamp: *stamp, hash: hash.to_hex().to_string(), whole: true };
                self.known.insert(path.to_path_buf(), known);
                learnt = true;
            }
        }
        if learnt {
            self.write();
        }
        found.into_iter().map(|found| found.map(|(content, _)| content)).collect()
    }

    /// The content of a file, with its stamp if it was read now and is to be remembered.
    fn content(&self, path: &Path, glance: Glance<'_>) -> io::Result<(Content, Option<Stamp>)> {
        let found = files::regular(path)?;
        let stamp =
            Stamp { len: found.len(), modified: (found.mtime(), found.mtime_nsec()), inode: found.ino() };
        let known = self.known.get(path).filter(|known| known.stamp == stamp && known.whole);
        if let Some(hash) = known.and_then(|known| blake3::Hash::from_hex(&known.hash).ok()) {
            return Ok((Content { hash, problem: None }, None));
        }
        let age = SystemTime::now().duration_since(found.modified()?).unwrap_or_default();
        let bytes = std::fs::read(path)?;
        let content = Content { hash: blake3::hash(&bytes), problem: glance(path, &bytes) };
        Ok((content, (age >= SETTLED).then_some(stamp)))
    }

    /// A checksum, a newline and the table as JSON. Failing is no harm: the next plan hashes again.
    fn write(&self) {
        if let (Some(file), Ok(table)) = (&self.file, serde_json::to_vec(&self.known)) {
            let text = [blake3::hash(&table).to_hex().as_bytes(), b"\n", &table].concat();
            drop(replace(file, &text));
        }
    }
}

/// Writes a file so that it appears whole or not at all.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(&partial, text)?;
    std::fs::rename(&partial, file)
}

/// The table of a cache file; `None` if there is none or it is damaged.
fn read(file: &Path) -> Option<BTreeMap<PathBuf, Known>> {
    let bytes = std::fs::read(file).ok()?;
    let (checksum, table) = bytes.split_at_checked(64)?;
    let table = table.strip_prefix(b"\n")?;
    (blake3::hash(table).to_hex().as_bytes() == checksum).then(|| serde_json::from_slice(table).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use tempfile::TempDir;

    /// Writes a file with a modification time so many seconds ago.
    fn put(path: &Path, contents: &str, modified: SystemTime) {
        fs::write(path, contents).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    struct Fixture {
        dir: TempDir,
        file: PathBuf,
        old: SystemTime,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            let (file, old) = (dir.path().join("a.jpg"), SystemTime::now() - Duration::from_secs(60));
            put(&file, "one", old);
            Self { dir, file, old }
        }

        fn cache(&self) -> PathBuf {
            self.dir.path().join("cache")
        }

        fn hash(&self) -> blake3::Hash {
            let cache = Cache::open(Some(self.cache()), self.dir.path());
            cache.contents(&[&self.file], &|_, _| None).remove(0).unwrap().hash
        }
    }

    #[test]
    fn what_looks_the_same_is_not_read_again() {
        let fixture = Fixture::new();
        assert_eq!(fixture.hash(), blake3::hash(b"one"));
        // The content differs, but length, time and inode do not: the answer comes from the cache.
        put(&fixture.file, "two", fixture.old);
        assert_eq!(fixture.hash(), blake3::hash(b"one"));
        put(&fixture.file, "two", fixture.old + Duration::from_nanos(1_000_000));
        assert_eq!(fixture.hash(), blake3::hash(b"two"));
        put(&fixture.file, "three", fixture.old + Duration::from_nanos(1_000_000));
        assert_eq!(fixture.hash(), blake3::hash(b"three"));
        // A file that takes the place of another has another inode.
        let other = fixture.dir.path().join("b.jpg");
        put(&other, "3.000", fixture.old + Duration::from_nanos(1_000_000));
        fs::rename(other, &fixture.file).unwrap();
        assert_eq!(fixture.hash(), blake3::hash(b"3.000"));
    }

    #[test]
    fn what_is_wrong_is_found_again_and_what_was_never_looked_at_is_looked_at() {
        let fixture = Fixture::new();
        let problem = |word: &'static str| {
            let cache = Cache::open(Some(fixture.cache()), fixture.dir.path());
            let glance = |_: &Path, bytes: &[u8]| (bytes == b"one").then(|| word.to_owned());
            cache.contents(&[&fixture.file], &glance).remove(0).unwrap().problem
        };
        assert_eq!(problem("first").as_deref(), Some("first"));
        assert_eq!(problem("second").as_deref(), Some("second"));
        fixture.hash();
        assert_eq!(problem("third"), None, "it is remembered as sound");
        // As Fovea wrote it before it looked at files.
        let cache = fs::read_dir(fixture.cache()).unwrap().next().unwrap().unwrap().path();
        let table = fs::read_to_string(&cache).unwrap()[65..].replace(",\"whole\":true", "");
        assert!(!table.contains("whole"), "{table}");
        fs::write(&cache, format!("{}\n{table}", blake3::hash(table.as_bytes()).to_hex())).unwrap();
        assert_eq!(problem("fourth").as_deref(), Some("fourth"));
    }

    #[test]
    fn what_was_just_modified_is_not_remembered() {
        let fixture = Fixture::new();
        for (content, ahead) in [("one", 0), ("two", 0), ("six", 3600), ("ten", 3600)] {
            put(&fixture.file, content, SystemTime::now() + Duration::from_secs(ahead));
            assert_eq!(fixture.hash(), blake3::hash(content.as_bytes()));
        }
        assert!(!fixture.cache().exists());
    }

    #[test]
    fn a_damaged_cache_is_ignored_and_replaced() {
        let fixture = Fixture::new();
        fixture.hash();
        let cache = fs::read_dir(fixture.cache()).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read_to_string(&cache).unwrap();
        let forged = whole.replace(&blake3::hash(b"one").to_hex()[..], &blake3::hash(b"two").to_hex());
        assert_ne!(forged, whole);
        for damaged in ["", "x", &whole[..whole.len() - 1], &forged] {
            fs::write(&cache, damaged).unwrap();
            assert_eq!(fixture.hash(), blake3::hash(b"one"));
            assert_eq!(fs::read_to_string(&cache).unwrap(), whole);
        }
    }

    #[test]
    fn without_a_place_for_the_cache_everything_is_read() {
        let fixture = Fixture::new();
        fs::write(fixture.cache(), "a file where the folder should be").unwrap();
        assert_eq!(fixture.hash(), blake3::hash(b"one"));
        let files = [&fixture.file, Path::new("/nowhere")];
        let found = Cache::open(None, fixture.dir.path()).contents(&files, &|_, _| None);
        assert_eq!(found[0].as_ref().unwrap().hash, blake3::hash(b"one"));
        assert!(found[1].is_err());
    }

    #[test]
    fn the_environment_says_where() {
        let of = |set: &[(&str, &str)]| {
            folder(|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
        };
        let (home, xdg, own) = (("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("FOVEA_CACHE_HOME", "/f"));
        assert_eq!(of(&[home, xdg, own]).unwrap(), Path::new("/f/hashes"));
        assert_eq!(of(&[home, xdg]).unwrap(), Path::new("/x/fovea/hashes"));
        assert_eq!(of(&[home, ("XDG_CACHE_HOME", "")]).unwrap(), Path::new("/h/.cache/fovea/hashes"));
        assert_eq!(of(&[]), None);
    }
}

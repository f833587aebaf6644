//! Decoded pictures of a data set on disk, for all workers and runs. The main type is [`Packs`].
//!
//! Decoding a photograph takes milliseconds, reading its pixels a tenth of that, and where memory is free the kernel keeps
//! what was read for all processes. So the first to open a data set of files decodes all of it into the cache, in files of
//! some hundred pictures each; workers that open it at the same time share the work, a file each. A file that is damaged
//! is written again. The folder can be deleted at any time.

use super::shard::{Shard, ShardWriter, length};
use fovea_api::{DatasetSource, Sample};
use fovea_plan::PluginConfig;
use fovea_records::remove;
use fovea_records::store::FileLock;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Version of the folder, which counts how files are decoded, too; what the files hold has one of its own. 2: masks are
/// read by index, by alpha, and as 0 and 1.
const VERSION: u32 = 2;
/// Pictures a file.
const SHARD: usize = 512;
/// Pictures that are decoded at a time, so that a file never is in memory as a whole.
const CHUNK: usize = 32;
/// Pictures that are decoded to see how large all of them are.
const PROBED: usize = 32;

/// The decoded pictures of a data set.
#[derive(Debug)]
pub struct Packs {
    /// Of each split the number of its first picture, over all splits.
    first: BTreeMap<String, usize>,
    shards: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    shard: Option<Shard>,
    /// Found damaged after it was opened.
    given_up: AtomicBool,
}

/// What came of looking for the decoded pictures.
#[derive(Debug, Default)]
pub struct Found {
    /// They; `None` where the data set is none of files, too large, or nothing can be written.
    pub packs: Option<Packs>,
    /// Sentences that the user should see.
    pub warnings: Vec<String>,
}

impl Packs {
    /// The decoded pictures of a data set, made if they are not there, unless they take more than `limit` bytes. `meanwhile`
    /// is called now and then, and may end it by a panic.
    ///
    /// A file that holds a picture that cannot be decoded is left out: whoever needs that picture will find out.
    #[must_use]
    pub fn open(
        dataset: &dyn DatasetSource,
        identity: &PluginConfig,
        (cache_dir, limit): (&Path, u64),
        meanwhile: &dyn Fn(),
    ) -> Found {
        let all: Vec<(&str, usize)> =
            dataset.splits().iter().flat_map(|s| (0..s.len).map(|i| (s.name.as_str(), i))).collect();
        if limit == 0 || all.is_empty() || !dataset.decodes_files() || identity.fingerprint.is_empty() {
            return Found::default();
        }
        let folder = cache_dir.join("pictures").join(name(dataset, identity));
        let mut warnings = Vec::new();
        let mut parts: Vec<Option<Shard>> = Vec::new();
        let path = |number: usize| folder.join(format!("{number:04}.pack"));
        for (number, own) in all.chunks(SHARD).enumerate() {
            parts.push(Shard::open(&path(number), own.len()).unwrap_or_else(|problem| {
                let path = path(number);
                warnings.push(format!("{}: {problem}; it is written again", path.display()));
                None
            }));
        }
        if parts.iter().any(Option::is_none) {
            let bytes = estimate(dataset, &all);
            if bytes > limit {
                tracing::info!(bytes, limit, "decoded pictures are too large for run.disk_cache");
                return Found { packs: None, warnings };
            }
            tracing::info!(bytes, pictures = all.len(), folder = %folder.display(), "pictures are decoded");
            if let Err(error) = fill(dataset, &all, &path, &mut parts, meanwhile) {
                let folder = folder.display();
                warnings.push(format!("decoded pictures cannot be kept in {folder}: {error}"));
            }
        }
        let mut first = BTreeMap::new();
        let mut before = 0;
        for split in dataset.splits() {
            first.insert(split.name.clone(), before);
            before += split.len;
        }
        let part = |(number, shard)| Part { path: path(number), shard, given_up: AtomicBool::new(false) };
        let shards = parts.into_iter().enumerate().map(part).collect();
        Found { packs: Some(Self { first, shards }), warnings }
    }

    /// Removes what the cache has of a data set whose files are no longer what `identity` says.
    pub fn forget(dataset: &dyn DatasetSource, identity: &PluginConfig, cache_dir: &Path) {
        let folder = cache_dir.join("pictures").join(name(dataset, identity));
        if let Err(error) = remove::whole(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "decoded pictures of changed files stay");
        }
    }

    /// A picture, where it is there and whole.
    #[must_use]
    pub fn sample(&self, split: &str, index: usize) -> Option<Sample> {
        let number = self.first.get(split)? + index;
        let part = self.shards.get(number / SHARD)?;
        if part.given_up.load(Ordering::Relaxed) {
            return None;
        }
        let read = part.shard.as_ref()?.sample(number % SHARD);
        read.inspect_err(|problem| {
            part.given_up.store(true, Ordering::Relaxed);
            // Whoever opens the data set next writes it again.
            let removed = std::fs::remove_file(&part.path);
            tracing::warn!(path = %part.path.display(), %problem, ?removed, "decoded pictures are damaged");
        })
        .ok()
    }
}

/// What the folder of a data set is called: the same for the same pictures in the same order, wherever they are.
fn name(dataset: &dyn DatasetSource, identity: &PluginConfig) -> String {
    let mut config = identity.config.clone();
    if let Some(config) = config.as_object_mut() {
        identity.paths.iter().for_each(|path| drop(config.remove(path)));
    }
    let splits: Vec<_> = dataset.splits().iter().map(|s| (&s.name, s.len)).collect();
    let text = serde_json::json!([VERSION, SHARD, identity.name, config, identity.fingerprint, splits]);
    blake3::hash(text.to_string().as_bytes()).to_hex()[..32].to_owned()
}

/// Bytes that all pictures take on disk, judged by some of them.
fn estimate(dataset: &dyn DatasetSource, all: &[(&str, usize)]) -> u64 {
    let count = PROBED.min(all.len());
    let some = (0..count).into_par_iter().map(|i| all[i * all.len() / count]);
    let sizes: Vec<u64> =
        some.filter_map(|(split, index)| Some(length(&dataset.load(split, index).ok()?))).collect();
    sizes.iter().sum::<u64>() * all.len() as u64 / sizes.len().max(1) as u64
}

/// Writes the files that are missing. Those that another process is writing are left to it until all others are there.
fn fill(
    dataset: &dyn DatasetSource,
    all: &[(&str, usize)],
    path: &dyn Fn(usize) -> PathBuf,
    parts: &mut [Option<Shard>],
    meanwhile: &dyn Fn(),
) -> io::Result<()> {
    let lock = |number: usize| path(number).with_extension("lock");
    let mut left: Vec<usize> = (0..parts.len()).filter(|n| parts[*n].is_none()).collect();
    for patient in [false, true] {
        let mut busy = Vec::new();
        for number in left {
            let held = match patient {
                true => FileLock::acquire(&lock(number)).map(Some),
                false => FileLock::try_acquire(&lock(number)),
            };
            let Some(_held) = held.map_err(io::Error::other)? else {
                busy.push(number);
                continue;
            };
            let own = &all[number * SHARD..((number + 1) * SHARD).min(all.len())];
            // Another process may have written it since.
            let there = Shard::open(&path(number), own.len()).unwrap_or_default();
            parts[number] = match there {
                Some(shard) => Some(shard),
                None => {
                    write(dataset, own, &path(number), meanwhile)?;
                    Shard::open(&path(number), own.len()).unwrap_or_default()
                }
            };
        }
        left = busy;
    }
    Ok(())
}

/// Writes a file, unless one of its pictures cannot be decoded.
fn write(
    dataset: &dyn DatasetSource,
    own: &[(&str, usize)],
    path: &Path,
    meanwhile: &dyn Fn(),
) -> io::Result<()> {
    remove_halves(path);
    let mut writer = ShardWriter::create(path)?;
    for chunk in own.chunks(CHUNK) {
        meanwhile();
        let decoded = chunk.par_iter().map(|(split, index)| dataset.load(split, *index));
        match decoded.collect::<Result<Vec<Sample>, _>>() {
            Ok(decoded) => decoded.iter().try_for_each(|sample| writer.push(sample))?,
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "decoded pictures are not kept");
                return Ok(());
            }
        }
    }
    writer.finish()
}

/// Removes what processes that were killed left half written of a file; its lock is held.
fn remove_halves(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let start = format!(".{name}.");
    let there = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in there.into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&start) {
            // One that stays takes room until `fovea gc` removes the folder.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[path = "packs_tests.rs"]
mod tests;

//! Opens, verifies and reads a folder data set. The main type is [`Folder`].

use super::scan::{Entry, Listing, Split};
use super::{BadImagePolicy, FolderConfig, decode};
use fovea_api::registry::{BuildContext, DatasetPlugin, Plugin};
use fovea_api::{ConfigIssue, DataError, DatasetSource, PluginError, Sample, SampleMeta, SplitInfo};
use rayon::prelude::*;
use std::path::Path;

/// The plugin `folder`.
#[derive(Clone, Copy, Debug)]
pub struct Folder;

impl Plugin for Folder {
    const NAME: &'static str = "folder";
    const PATHS: &'static [&'static str] = &["root"];
    const SUMMARY: &'static str = "Pictures in root/SPLIT/CLASS/, masks in root/SPLIT-masks/CLASS/.";
    type Config = FolderConfig;

    fn check(config: &FolderConfig, base_dir: &Path) -> Vec<ConfigIssue> {
        config.issues(base_dir)
    }

    fn fingerprint(config: &FolderConfig, base_dir: &Path) -> Result<String, ConfigIssue> {
        let root = config.root(base_dir);
        let listing = Listing::of(&root).map_err(|message| ConfigIssue::at("root", message))?;
        fingerprint(&root, &listing).map_err(|error| ConfigIssue::at("root", error.to_string()))
    }
}

impl DatasetPlugin for Folder {
    fn build(config: FolderConfig, context: &BuildContext) -> Result<Box<dyn DatasetSource>, PluginError> {
        let failed = |message: String| PluginError::new("dataset folder", message);
        if let Some(issue) = config.issues(&context.base_dir).into_iter().next() {
            return Err(failed(issue.message));
        }
        let root = config.root(&context.base_dir);
        let mut listing = Listing::of(&root).map_err(failed)?;
        if config.on_bad_image == BadImagePolicy::Skip {
            leave_out_bad(&root, &mut listing).map_err(failed)?;
        }
        Ok(Box::new(Source::new(listing)))
    }
}

/// BLAKE3 over the paths of all pictures and masks, relative to the root and sorted, with the hashes of their
/// contents. Where the root lies makes no difference.
fn fingerprint(root: &Path, listing: &Listing) -> Result<String, DataError> {
    let mut files: Vec<(String, &Path)> = listing
        .splits
        .iter()
        .flat_map(|split| &split.entries)
        .flat_map(|entry| std::iter::once(&entry.picture).chain(&entry.mask))
        .map(|path| {
            let relative = path.strip_prefix(root).unwrap_or(path);
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            (parts.join("/"), path.as_path())
        })
        .collect();
    files.sort_unstable();
    // Two pictures of one stem (a.jpg, a.png) share a mask.
    files.dedup();
    let hashes: Vec<blake3::Hash> = files
        .par_iter()
        .map(|(_, path)| {
            let bytes = std::fs::read(path).map_err(|error| DataError {
                path: path.to_path_buf(),
                message: format!("cannot be read: {error}"),
            })?;
            Ok(blake3::hash(&bytes))
        })
        .collect::<Result<_, _>>()?;
    let mut hasher = blake3::Hasher::new();
    for ((name, _), hash) in files.iter().zip(hashes) {
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(hash.as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Decodes everything, and turns what fails into warnings.
fn leave_out_bad(root: &Path, listing: &mut Listing) -> Result<(), String> {
    for split in &mut listing.splits {
        let verdicts: Vec<Option<DataError>> = split.entries.par_iter().map(|e| read(e).err()).collect();
        let total = split.entries.len();
        let errors: Vec<&DataError> = verdicts.iter().flatten().collect();
        if errors.is_empty() {
            continue;
        }
        listing.warnings.push(format!(
            "{} of {total} pictures of `{}` were skipped (on_bad_image = \"skip\")",
            errors.len(),
            split.name
        ));
        listing.warnings.extend(errors.iter().map(|error| format!("skipped {error}")));
        let mut verdict = verdicts.iter();
        split.entries.retain(|_| verdict.next().is_some_and(Option::is_none));
        let name = &split.name;
        if split.entries.is_empty() {
            return Err(format!("no picture of {} can be decoded", root.join(name).display()));
        }
        if name == "train" {
            for (label, class) in listing.classes.iter().enumerate() {
                if split.entries.iter().all(|e| e.label != label) {
                    let folder = root.join(name).join(class);
                    return Err(format!("no picture of {} can be decoded", folder.display()));
                }
            }
        }
    }
    Ok(())
}

/// Decodes a picture and its mask.
fn read(entry: &Entry) -> Result<Sample, DataError> {
    let image = decode::picture(&entry.picture)?;
    let mask = match &entry.mask {
        Some(path) => Some(decode::mask(path, &entry.picture, &image)?),
        None => None,
    };
    Ok(Sample { image, mask })
}

struct Source {
    infos: Vec<SplitInfo>,
    classes: Vec<String>,
    splits: Vec<Split>,
    warnings: Vec<String>,
}

impl Source {
    fn new(listing: Listing) -> Self {
        let Listing { classes, splits, warnings } = listing;
        let infos = splits.iter().map(|s| SplitInfo { name: s.name.clone(), len: s.entries.len() }).collect();
        Self { infos, classes, splits, warnings }
    }

    fn entry(&self, split: &str, index: usize) -> &Entry {
        let split = self.splits.iter().find(|s| s.name == split).expect("callers name a split that exists");
        &split.entries[index]
    }
}

impl DatasetSource for Source {
    fn splits(&self) -> &[SplitInfo] {
        &self.infos
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn meta(&self, split: &str, index: usize) -> SampleMeta {
        let entry = self.entry(split, index);
        SampleMeta { id: format!("{split}/{}", entry.id), label: entry.label, group: None }
    }

    fn load(&self, split: &str, index: usize) -> Result<Sample, DataError> {
        read(self.entry(split, index))
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

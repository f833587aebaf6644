//! A data set of files, listed without decoding them. The main type is [`Listing`].
//!
//! A plugin turns its layout into a listing; what follows, from fingerprint to decoded pictures, is the same for all.

use crate::decode::{self, MaskLevels};
use crate::files;
use crate::hashes::{self, Content};
use fovea_api::{
    BuildContext, ConfigIssue, DataError, DatasetSource, Plugin, PluginError, Sample, SampleMeta, SplitInfo,
};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Bad files that are named where a data set is refused.
const BAD_SHOWN: usize = 3;
const ADVICE: &str =
    "mend or remove what is named (`fovea data check` names all), or set on_bad_image = \"skip\"";

/// What to do about a picture or mask that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadImagePolicy {
    /// Stop when it is needed, with an error that names it.
    #[default]
    Error,
    /// Decode everything when the data set is opened, and leave out, count and list what fails.
    Skip,
}

/// A plugin whose pictures are files: its layout is its own, everything behind that is shared.
pub(crate) trait Layout: Plugin {
    /// Finds the files. The error says what was expected and what was found.
    fn list(config: &Self::Config, base_dir: &Path) -> Result<Listing, String>;

    /// What the configuration says about pictures that cannot be decoded.
    fn on_bad_image(config: &Self::Config) -> BadImagePolicy;
}

/// [`Plugin::fingerprint`] of a layout.
pub(crate) fn fingerprint<L: Layout>(config: &L::Config, base_dir: &Path) -> Result<String, ConfigIssue> {
    let listing = L::list(config, base_dir).map_err(|message| ConfigIssue::at("root", message))?;
    let hash = listing.fingerprint(L::on_bad_image(config));
    hash.map_err(|error| ConfigIssue::at("root", error))
}

/// `DatasetPlugin::build` of a layout.
pub(crate) fn build<L: Layout>(
    config: &L::Config,
    context: &BuildContext,
) -> Result<Box<dyn DatasetSource>, PluginError> {
    let failed = |message: String| PluginError::new(format!("dataset {}", L::NAME), message);
    if let Some(issue) = L::check(config, &context.base_dir).into_iter().next() {
        return Err(failed(issue.message));
    }
    L::list(config, &context.base_dir).and_then(|l| l.open(L::on_bad_image(config))).map_err(failed)
}

/// A picture and where its mask is.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Path relative to the data set's root, with forward slashes.
    pub(crate) id: String,
    pub(crate) label: usize,
    pub(crate) group: Option<usize>,
    pub(crate) picture: PathBuf,
    pub(crate) mask: Option<PathBuf>,
}

/// A split as listed.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) name: String,
    pub(crate) entries: Vec<Entry>,
}

impl Split {
    /// A sentence about pictures without mask, where there are any.
    pub(crate) fn without_masks(&self) -> Option<String> {
        let bare = self.entries.iter().filter(|e| e.mask.is_none()).count();
        let (of, name) = (self.entries.len(), &self.name);
        (bare > 0).then(|| format!("{bare} of {of} pictures of `{name}` have no mask"))
    }
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) root: PathBuf,
    pub(crate) classes: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) splits: Vec<Split>,
    pub(crate) mask_levels: MaskLevels,
    /// Files that say what the pictures are; they count for the fingerprint.
    pub(crate) tables: Vec<PathBuf>,
    /// Folder of the masks and what the fingerprint calls it, where it may lie anywhere.
    pub(crate) masks: Option<(PathBuf, &'static str)>,
    pub(crate) warnings: Vec<String>,
}

impl Listing {
    /// Opens what is listed, without what cannot be decoded if the policy is to skip that.
    fn open(mut self, policy: BadImagePolicy) -> Result<Box<dyn DatasetSource>, String> {
        if policy == BadImagePolicy::Skip {
            self.leave_out_bad()?;
        }
        let split = |s: &Split| SplitInfo { name: s.name.clone(), len: s.entries.len() };
        Ok(Box::new(Source { infos: self.splits.iter().map(split).collect(), listing: self }))
    }

    /// BLAKE3 over the names of all files, sorted, with the hashes of their contents. Where the root lies makes no
    /// difference. A file that cannot be read, or can be seen to be broken, is an error, unless it is to be skipped.
    fn fingerprint(&self, policy: BadImagePolicy) -> Result<String, String> {
        let entries = self.splits.iter().flat_map(|split| &split.entries);
        let paths = entries.flat_map(|e| std::iter::once(&e.picture).chain(&e.mask)).chain(&self.tables);
        let mut files: Vec<(String, &Path)> = paths.map(|p| (self.name_of(p), p.as_path())).collect();
        files.sort_unstable();
        // Two pictures of one stem (a.jpg, a.png) share a mask.
        files.dedup();
        let paths: Vec<&Path> = files.iter().map(|(_, path)| *path).collect();
        let glance = |path: &Path, bytes: &[u8]| {
            let is_table = self.tables.iter().any(|table| table == path);
            if is_table { None } else { decode::glance(bytes).err() }
        };
        let (mut hasher, mut bad) = (blake3::Hasher::new(), Vec::new());
        for ((name, path), found) in files.iter().zip(hashes::of_contents(&self.root, &paths, &glance)) {
            let hash = match found {
                Ok(Content { hash, problem }) => {
                    bad.extend(problem.map(|problem| format!("{}: {problem}", path.display())));
                    *hash.as_bytes()
                }
                Err(error) => {
                    bad.push(decode::unreadable(path, &error).to_string());
                    [0; 32]
                }
            };
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes()).update(&hash);
        }
        if policy == BadImagePolicy::Skip || bad.is_empty() {
            return Ok(hasher.finalize().to_hex().to_string());
        }
        let shown = bad[..bad.len().min(BAD_SHOWN)].join("; ");
        Err(match bad.len() - bad.len().min(BAD_SHOWN) {
            0 => format!("{shown}; {ADVICE}"),
            more => format!("{shown}; and {more} more; {ADVICE}"),
        })
    }

    /// What the fingerprint calls a file.
    fn name_of(&self, path: &Path) -> String {
        match &self.masks {
            Some((folder, name)) if path.starts_with(folder) => {
                format!("{name}/{}", files::relative(folder, path))
            }
            _ => files::relative(&self.root, path),
        }
    }

    /// Decodes everything, and turns what fails into warnings.
    fn leave_out_bad(&mut self) -> Result<(), String> {
        let (levels, root) = (self.mask_levels, self.root.display());
        for Split { name, entries } in &mut self.splits {
            let total = entries.len();
            let read = std::mem::take(entries).into_par_iter().map(|e| (e.read(levels).err(), e));
            let mut bad: Vec<(usize, DataError)> = Vec::new();
            for (error, entry) in read.collect::<Vec<_>>() {
                match error {
                    None => entries.push(entry),
                    Some(error) => bad.push((entry.label, error)),
                }
            }
            if bad.is_empty() {
                continue;
            }
            let count = bad.len();
            self.warnings.push(format!(
                "{count} of {total} pictures of `{name}` were skipped (on_bad_image = \"skip\")"
            ));
            self.warnings.extend(bad.iter().map(|(_, error)| format!("skipped {error}")));
            if entries.is_empty() {
                return Err(format!("no picture of {name} in {root} can be decoded"));
            }
            if name == "train"
                && let Some((label, _)) = bad.iter().find(|(l, _)| entries.iter().all(|e| e.label != *l))
            {
                let class = &self.classes[*label];
                return Err(format!("no picture of {name}/{class} in {root} can be decoded"));
            }
        }
        Ok(())
    }
}

impl Entry {
    /// Decodes the picture and its mask.
    fn read(&self, levels: MaskLevels) -> Result<Sample, DataError> {
        let image = decode::picture(&self.picture)?;
        let mask = match &self.mask {
            Some(path) => Some(decode::mask(path, levels, &self.picture, &image)?),
            None => None,
        };
        Ok(Sample { image, mask })
    }
}

struct Source {
    infos: Vec<SplitInfo>,
    listing: Listing,
}

impl Source {
    fn entry(&self, split: &str, index: usize) -> &Entry {
        let mut splits = self.listing.splits.iter();
        let split = splits.find(|s| s.name == split).expect("callers name a split that exists");
        &split.entries[index]
    }
}

impl DatasetSource for Source {
    fn splits(&self) -> &[SplitInfo] {
        &self.infos
    }

    fn classes(&self) -> &[String] {
        &self.listing.classes
    }

    fn groups(&self) -> &[String] {
        &self.listing.groups
    }

    fn meta(&self, split: &str, index: usize) -> SampleMeta {
        let Entry { id, label, group, .. } = self.entry(split, index);
        SampleMeta { id: id.clone(), label: *label, group: *group }
    }

    fn load(&self, split: &str, index: usize) -> Result<Sample, DataError> {
        self.entry(split, index).read(self.listing.mask_levels)
    }

    fn mask_reading(&self, split: &str, index: usize) -> Option<String> {
        let mask = self.entry(split, index).mask.as_deref()?;
        decode::mask_reading(mask, self.listing.mask_levels).map(str::to_owned)
    }

    fn decodes_files(&self) -> bool {
        true
    }

    fn warnings(&self) -> Vec<String> {
        self.listing.warnings.clone()
    }
}

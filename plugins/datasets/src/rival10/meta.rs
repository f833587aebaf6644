//! From a picture's wnid to its class. The main type is [`Meta`].

use crate::files;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The classes; their positions are the class indices.
pub(super) const CLASSES: [&str; 10] =
    ["truck", "car", "plane", "ship", "cat", "dog", "equine", "deer", "frog", "bird"];
/// ImageNet's class by wnid: `{"n03796401": "moving van", ...}`.
pub(super) const WNID_TO_CLASS: &str = "meta/wnid_to_class.json";
/// RIVAL10's class and its index by ImageNet's class: `{"moving van": ["truck", 0], ...}`.
pub(super) const LABEL_MAPPINGS: &str = "meta/label_mappings.json";

/// The two tables in `meta`.
pub(super) struct Meta {
    names: BTreeMap<String, String>,
    labels: BTreeMap<String, (String, usize)>,
    /// The files that were read.
    pub(super) files: Vec<PathBuf>,
}

impl Meta {
    /// Reads both tables.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let (names, mappings) = (root.join(WNID_TO_CLASS), root.join(LABEL_MAPPINGS));
        let labels: BTreeMap<String, (String, usize)> =
            table(&mappings, r#"{"moving van": ["truck", 0], ...}"#)?;
        if let Some((name, (class, index))) =
            labels.iter().find(|(_, (class, index))| CLASSES.get(*index) != Some(&class.as_str()))
        {
            return Err(format!(
                "{}: `{name}` is [\"{class}\", {index}]; the classes from 0 are {}",
                mappings.display(),
                CLASSES.join(", ")
            ));
        }
        let wnids = table(&names, r#"{"n03796401": "moving van", ...}"#)?;
        Ok(Self { names: wnids, labels, files: vec![names, mappings] })
    }

    /// The class index of a picture, by its name.
    pub(super) fn label(&self, picture: &str) -> Result<usize, String> {
        let Some((wnid, _)) = picture.split_once('_') else {
            return Err("expected WNID_NAME.JPEG, for example n03796401_n03796401_42.JPEG".to_owned());
        };
        let name = self.names.get(wnid).ok_or_else(|| {
            format!("`{wnid}`, the part of the name before the first `_`, is not in {WNID_TO_CLASS}")
        })?;
        let (_, index) = self.labels.get(name).ok_or_else(|| {
            let count = self.labels.len();
            format!("{wnid} is `{name}`, which is none of the {count} ImageNet classes in {LABEL_MAPPINGS}")
        })?;
        Ok(*index)
    }
}

fn table<T: DeserializeOwned>(path: &Path, example: &str) -> Result<T, String> {
    let bytes = files::read(path)
        .map_err(|e| format!("{} cannot be read: {e}; expected {example}", path.display()))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| format!("{} cannot be used: {e}; expected {example}", path.display()))
}

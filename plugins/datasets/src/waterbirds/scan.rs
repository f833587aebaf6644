//! Lists what `metadata.csv` names, without decoding it. The main function is [`scan`].

use super::masks::{Files, problem, unmatched};
use crate::decode::MaskLevels;
use crate::files::{self, list};
use crate::listing::{Entry, Listing, Split};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const CLASSES: [&str; 2] = ["landbird", "waterbird"];
/// By `2 * y + place`.
const GROUPS: [&str; 4] =
    ["landbird on land", "landbird on water", "waterbird on land", "waterbird on water"];
/// By the number in column `split`.
const SPLITS: [&str; 3] = ["train", "val", "test"];

/// Where the columns are that are read.
struct Columns {
    file: usize,
    label: usize,
    split: usize,
    place: usize,
}

/// Lists `root`. The error says what was expected and what was found.
pub(super) fn scan(root: &Path, masks: Option<PathBuf>) -> Result<Listing, String> {
    let table = root.join("metadata.csv");
    let at = |message: String| format!("{}: {message}", table.display());
    let text = files::read(&table)
        .map_err(|e| at(format!("cannot be read: {e}; expected a table of the pictures")))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_slice());
    let columns = reader.headers().map_err(|e| at(e.to_string())).and_then(|h| Columns::of(h).map_err(at))?;
    let mut splits = SPLITS.map(|name| Split { name: name.to_owned(), entries: Vec::new() });
    let (mut seen, found) = (BTreeSet::new(), Files::default());
    for row in reader.records() {
        let row = row.map_err(|e| at(e.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let (split, entry) = columns
            .entry(&row, root, masks.as_deref(), &found)
            .map_err(|message| at(format!("line {line}: {message}")))?;
        if !seen.insert(entry.id.clone()) {
            return Err(at(format!("line {line}: `{}` is listed a second time", entry.id)));
        }
        splits[split].entries.push(entry);
    }
    if splits[0].entries.is_empty() {
        return Err(at("it lists no training pictures (split 0)".to_owned()));
    }
    let splits: Vec<Split> = splits.into_iter().filter(|s| !s.entries.is_empty()).collect();
    let mut warnings = Vec::new();
    if let Some(folder) = &masks {
        warnings.extend(splits.iter().filter_map(Split::without_masks));
        let used = splits.iter().flat_map(|split| &split.entries).filter_map(|e| e.mask.as_ref()).collect();
        warnings.extend(unmatched(folder, &used)?);
    }
    Ok(Listing {
        warnings,
        root: root.to_owned(),
        classes: CLASSES.map(str::to_owned).to_vec(),
        groups: GROUPS.map(str::to_owned).to_vec(),
        splits,
        mask_levels: MaskLevels::Soft,
        tables: vec![table],
        masks: masks.map(|folder| (folder, "segmentations")),
    })
}

impl Columns {
    fn of(headers: &csv::StringRecord) -> Result<Self, String> {
        let column = |name: &str| {
            headers.iter().position(|h| h == name).ok_or_else(|| {
                let found: Vec<String> = headers.iter().map(str::to_owned).collect();
                format!("there is no column `{name}`; there are {}", list(found.iter(), "none"))
            })
        };
        Ok(Self {
            file: column("img_filename")?,
            label: column("y")?,
            split: column("split")?,
            place: column("place")?,
        })
    }

    /// The picture of a row, and its split.
    fn entry(
        &self,
        row: &csv::StringRecord,
        root: &Path,
        masks: Option<&Path>,
        files: &Files,
    ) -> Result<(usize, Entry), String> {
        let number = |column: usize, name: &str, count: usize| {
            let text = &row[column];
            let known = text.parse().ok().filter(|n| *n < count);
            known.ok_or_else(|| format!("{name} is `{text}`; expected a number from 0 to {}", count - 1))
        };
        let (label, place) = (number(self.label, "y", 2)?, number(self.place, "place", 2)?);
        let (split, id) = (number(self.split, "split", 3)?, row[self.file].to_owned());
        if let Some(problem) = problem(&id) {
            return Err(format!("img_filename: {problem}"));
        }
        let mask = masks.and_then(|folder| files.mask(folder, Path::new(&id)));
        let (picture, group) = (files.find(root, Path::new(&id)), Some(2 * label + place));
        Ok((split, Entry { id, label, group, picture, mask }))
    }
}

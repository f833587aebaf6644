//! Lists the files of a folder data set without decoding them. The main function is [`scan`].

use super::layout::{Folders, Place};
use super::masks::{Masks, SUFFIXES};
use crate::decode::MaskLevels;
use crate::files::{Directory, count, few, is_picture, list, nfc, relative};
use crate::listing::{Entry, Listing, Split};
use crate::tree::{Leaf, Tree, Way, is_junk};
use std::collections::BTreeSet;
use std::path::Path;

/// Lists `root`. The error says what was expected and what was found.
pub(super) fn scan(root: &Path) -> Result<Listing, String> {
    let Folders { classes, splits: places, mut warnings } = Folders::of(root)?;
    let mut splits = Vec::new();
    for place in places {
        let mut masks = place.masks.as_deref().map(Masks::of).transpose()?;
        let found = split(root, &place, masks.as_mut(), &classes, &mut warnings)?;
        if let Some(masks) = masks {
            warnings.extend(found.without_masks());
            warnings.extend(masks.warnings());
        }
        splits.push(found);
    }
    Ok(Listing {
        root: root.to_owned(),
        classes,
        groups: Vec::new(),
        splits,
        mask_levels: MaskLevels::Binary,
        tables: Vec::new(),
        masks: None,
        warnings,
    })
}

/// What is said of a split once.
#[derive(Default)]
struct Oddities {
    foreign: Vec<String>,
    others: Vec<String>,
    left_out: Vec<String>,
    nested: Vec<String>,
    doubles: Vec<String>,
    twins: Vec<String>,
}

/// Lists one split.
fn split(
    root: &Path,
    place: &Place,
    mut masks: Option<&mut Masks>,
    classes: &[String],
    warnings: &mut Vec<String>,
) -> Result<Split, String> {
    let path = &place.pictures;
    let found = Directory::of(path)?;
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
    let way = Way::default().enter(root)?.unwrap_or_default().enter(path)?;
    let way = way.ok_or_else(|| format!("{} is a link to the folder that it lies in", path.display()))?;
    let (mut entries, mut odd) = (Vec::new(), Oddities::default());
    for (class, folder) in &found.folders {
        if is_junk(class) {
            odd.left_out.push(format!("{} (a system made it)", folder.display()));
            continue;
        }
        let class = nfc(class);
        let Some(label) = classes.iter().position(|c| *c == class) else {
            return Err(format!(
                "{} is not a class of the train split, whose classes are {}",
                folder.display(),
                list(classes.iter(), "none")
            ));
        };
        let tree = Tree::of(folder, &way)?;
        if tree.pictures.is_empty() {
            return Err(format!(
                "{} holds no pictures (.jpg, .jpeg, .png); add some, or remove the folder",
                folder.display()
            ));
        }
        odd.look_at(&class, folder, &tree)?;
        for leaf in tree.pictures {
            let mask = masks.as_mut().and_then(|masks| masks.of_picture(&class, &leaf));
            entries.push(Entry {
                id: relative(root, &leaf.path),
                label,
                group: None,
                picture: leaf.path,
                mask,
            });
        }
    }
    warnings.extend(odd.sentences(path, entries.len()));
    Ok(Split { name: place.name.clone(), entries })
}

impl Oddities {
    /// Notes what is odd about a class. The error is about masks in the place of pictures.
    fn look_at(&mut self, class: &str, folder: &Path, tree: &Tree) -> Result<(), String> {
        let inner = |file: &String| format!("{class}/{file}");
        self.foreign.extend(tree.foreign.iter().map(inner));
        self.others.extend(tree.others.iter().map(inner));
        self.left_out.extend(tree.left_out.iter().cloned());
        let name = |leaf: &Leaf| format!("{class}/{}", relative(folder, &leaf.path));
        self.nested.extend(tree.pictures.iter().filter(|leaf| leaf.is_nested).map(name));
        let mut keys = BTreeSet::new();
        for leaf in &tree.pictures {
            if !keys.insert(nfc(&leaf.key)) {
                self.doubles.push(name(leaf));
            }
        }
        let is_twin = |leaf: &&Leaf| {
            let key = nfc(&leaf.key);
            SUFFIXES.iter().filter_map(|end| key.strip_suffix(end)).any(|base| keys.contains(base))
        };
        let twins: Vec<String> = tree.pictures.iter().filter(is_twin).map(name).collect();
        if twins.len() > (tree.pictures.len() - twins.len()) / 2 {
            return Err(format!(
                "{} holds masks among its pictures: {}; move masks to {}-masks/{class}/",
                folder.display(),
                few(&twins),
                folder.parent().unwrap_or(folder).display()
            ));
        }
        self.twins.extend(twins);
        Ok(())
    }

    fn sentences(self, split: &Path, pictures: usize) -> Vec<String> {
        let Self { foreign, others, left_out, nested, doubles, twins } = self;
        let mut said = Vec::new();
        let mut say = |names: &[String], sentence: &dyn Fn(usize, String) -> String| {
            if !names.is_empty() {
                said.push(format!("{} {}", split.display(), sentence(names.len(), few(names))));
            }
        };
        say(&others, &|n, names| {
            format!("holds {} other than pictures (.jpg, .jpeg, .png); ignored: {names}", count(n, "file"))
        });
        say(&foreign, &|n, names| {
            let pictures = count(n, "picture");
            format!("holds {pictures} in formats that are not read; ignored: {names}; convert to JPEG or PNG")
        });
        say(&nested, &|n, names| {
            format!("has {n} of its {pictures} pictures in folders within those of their classes: {names}")
        });
        say(&doubles, &|n, names| {
            let pictures = count(n, "picture");
            format!(
                "holds {pictures} named as another but for the ending; each counts, with the same mask: {names}"
            )
        });
        say(&twins, &|n, names| {
            format!(
                "holds {} named like masks of others; each counts as a picture: {names}",
                count(n, "picture")
            )
        });
        said.extend(left_out.iter().map(|what| format!("ignored: {what}")));
        said
    }
}

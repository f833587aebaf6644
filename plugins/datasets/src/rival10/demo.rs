//! A small tree in RIVAL10's layout, without RIVAL10. The main function is [`write_rival10_demo`].

use super::meta::{CLASSES, LABEL_MAPPINGS, WNID_TO_CLASS};
use super::scan::{MASKS, PICTURES};
use crate::files;
use crate::scenes::{self, ScenesConfig};
use fovea_api::{DataError, DatasetSource, Sample};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, RgbImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rival10Demo {
    /// Pictures in `train`.
    pub train: usize,
    /// Pictures in `test`.
    pub test: usize,
    /// Side of the square pictures, pixels (16 to 1024).
    pub size: usize,
}

/// RIVAL10's ImageNet classes with their wnids, two for each class.
const IMAGENET: [[(&str, &str); 2]; 10] = [
    [("n03796401", "moving van"), ("n04467665", "semi")],
    [("n02814533", "waggon"), ("n03100240", "convertible")],
    [("n02690373", "airliner"), ("n04552348", "military plane")],
    [("n03673027", "ocean liner"), ("n03095699", "container vessel")],
    [("n02123394", "Persian cat"), ("n02124075", "Egyptian cat")],
    [("n02099712", "Labrador retriever"), ("n02099601", "golden retriever")],
    [("n02389026", "sorrel"), ("n02391049", "zebra")],
    [("n02423022", "gazelle"), ("n02422699", "Aepyceros melampus")],
    [("n01644900", "Ascaphus trui"), ("n01644373", "tree-frog")],
    [("n01531178", "Carduelis carduelis"), ("n01532829", "Carpodacus mexicanus")],
];

/// One picture in so many is grey, and one in so many has no mask, as happens in ImageNet and in RIVAL10.
const GREY: usize = 17;
const BARE: usize = 23;

/// What the tree was made from; it comes last, so a tree that has it is complete.
const MARKER: &str = "meta/demo.json";

impl Rival10Demo {
    /// Number of pictures of a split that have no mask.
    #[must_use]
    pub fn without_mask(count: usize) -> usize {
        (0..count).filter(|i| is_bare(*i)).count()
    }
}

fn is_grey(index: usize) -> bool {
    index % GREY == 3
}

fn is_bare(index: usize) -> bool {
    index % BARE == 5
}

/// Writes procedural pictures (those of the data set `scenes`) as if they were RIVAL10: JPEG pictures, a few of them
/// grey, soft JPEG masks, a few of them missing, the files that lie beside the pictures, and `meta`.
///
/// The tree is a function of `demo` alone and appears whole or not at all. If it is there already, nothing is done.
///
/// # Errors
/// When `demo` makes no data set, when something else is at `root`, or when files cannot be written.
pub fn write_rival10_demo(root: &Path, demo: Rival10Demo) -> Result<(), DataError> {
    let Rival10Demo { train, test, size } = demo;
    let config = ScenesConfig { size, train, test, ..scenery() };
    if let Some(issue) = config.issues().into_iter().next() {
        return Err(failed(root, issue));
    }
    if test == 0 {
        return Err(failed(root, "test: at least one test picture is needed"));
    }
    if is_there(root, demo)? {
        return Ok(());
    }
    let name = root.file_name().ok_or_else(|| failed(root, "is no place for a new folder"))?;
    let partial = root.with_file_name(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
    // Left by a killed process of the same id.
    drop(fs::remove_dir_all(&partial));
    let written = write(&partial, &scenes::open(config), demo).and_then(|()| {
        fs::rename(&partial, root)
            .or_else(|e| if is_there(root, demo)? { Ok(()) } else { Err(failed(root, e)) })
    });
    // Gone if it was renamed; else what failed is what the user wants to hear about.
    drop(fs::remove_dir_all(&partial));
    written
}

/// Objects that are easy to see, over backgrounds that give the class away eight times in ten.
fn scenery() -> ScenesConfig {
    ScenesConfig {
        bias: 0.8,
        object_scale: [0.5, 0.8],
        contrast: 1.0,
        clutter: 1,
        noise: 0.02,
        ..ScenesConfig::default()
    }
}

/// Whether the tree has been written before; an error if something else has.
fn is_there(root: &Path, demo: Rival10Demo) -> Result<bool, DataError> {
    let empty = |root: &Path| fs::read_dir(root).map(|mut entries| entries.next().is_none());
    match empty(root) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(failed(root, e)),
        Ok(true) => return Ok(false),
        Ok(false) => {}
    }
    let marker = files::read(&root.join(MARKER)).ok();
    match marker.and_then(|text| serde_json::from_slice::<Rival10Demo>(&text).ok()) {
        Some(found) if found == demo => Ok(true),
        Some(Rival10Demo { train, test, size }) => Err(failed(
            root,
            format!(
                "holds another demo (train {train}, test {test}, size {size}); remove it, or choose another folder"
            ),
        )),
        None => Err(failed(root, "exists and is no demo; choose another folder")),
    }
}

fn write(root: &Path, scenes: &impl DatasetSource, demo: Rival10Demo) -> Result<(), DataError> {
    for (split, count, first) in [("train", demo.train, 1000), ("test", demo.test, 50_000)] {
        let (pictures, masks) = (root.join(split).join(PICTURES), root.join(split).join(MASKS));
        for folder in [&pictures, &masks] {
            fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
        }
        (0..count).into_par_iter().try_for_each(|index| {
            let label = scenes.meta(split, index).label;
            let (wnid, _) = IMAGENET[label][index / CLASSES.len() % 2];
            let stem = format!("{wnid}_{wnid}_{}", first + index);
            let (picture, mask) = images(scenes.load(split, index)?);
            let jpeg = format!("{stem}.JPEG");
            save(&pictures.join(&jpeg), &if is_grey(index) { picture.to_luma8().into() } else { picture })?;
            if !is_bare(index) {
                save(&masks.join(&jpeg), &mask)?;
            }
            save(&pictures.join(format!("{stem}_merged_mask.JPEG")), &mask)?;
            put(&pictures.join(format!("{stem}_attr_labels.npy")), b"\x93NUMPY")?;
            put(&pictures.join(format!("{stem}_attr_dict.pkl")), b"\x80\x04}\x94.")
        })?;
    }
    fs::create_dir(root.join("meta")).map_err(|e| failed(root, e))?;
    let (mut wnids, mut labels) = (Map::new(), Map::new());
    for (label, names) in IMAGENET.iter().enumerate() {
        for (wnid, name) in names {
            wnids.insert((*wnid).to_owned(), json!(name));
            labels.insert((*name).to_owned(), json!([CLASSES[label], label]));
        }
    }
    put(&root.join(WNID_TO_CLASS), Value::from(wnids).to_string().as_bytes())?;
    put(&root.join(LABEL_MAPPINGS), Value::from(labels).to_string().as_bytes())?;
    put(&root.join(MARKER), json!(demo).to_string().as_bytes())
}

/// The picture and its mask with soft edges.
fn images(sample: Sample) -> (DynamicImage, DynamicImage) {
    let (width, height) = (sample.image.width as u32, sample.image.height as u32);
    let whole = "a scene's buffer has the size that it says";
    let picture = RgbImage::from_raw(width, height, sample.image.pixels).expect(whole);
    let mask = sample.mask.map_or_else(Vec::new, |m| m.pixels);
    let mask = DynamicImage::from(GrayImage::from_raw(width, height, mask).expect(whole));
    (picture.into(), mask.filter3x3(&[1.0 / 9.0; 9]))
}

fn save(path: &Path, image: &DynamicImage) -> Result<(), DataError> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    image.write_with_encoder(encoder).map_err(|e| failed(path, e))?;
    put(path, &bytes)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    fs::write(path, bytes).map_err(|e| failed(path, e))
}

fn failed(path: &Path, why: impl std::fmt::Display) -> DataError {
    DataError { path: path.to_owned(), message: why.to_string() }
}

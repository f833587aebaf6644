//! Small trees in RIVAL10's layout.

use super::*;
use crate::BadImagePolicy;
use fovea_api::registry::{BuildContext, DatasetPlugin as _, Plugin as _};
use fovea_api::{DatasetSource, PluginError, Registry};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const DEMO: Rival10Demo = Rival10Demo { train: 100, test: 20, size: 32 };
const FIRST: &str = "train/ordinary/n03796401_n03796401_1000.JPEG";
const FIRST_MASK: &str = "train/entire_object_masks/n03796401_n03796401_1000.JPEG";

fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    write_rival10_demo(dir.path(), DEMO).unwrap();
    dir
}

fn config(root: &Path) -> Rival10Config {
    Rival10Config {
        root: root.to_owned(),
        val_fraction: 0.1,
        val_seed: 0,
        on_bad_image: BadImagePolicy::Error,
    }
}

fn open(config: Rival10Config) -> Result<Box<dyn DatasetSource>, PluginError> {
    let context = BuildContext {
        base_dir: PathBuf::from("/nowhere"),
        device: Default::default(),
        registry: Registry::new(),
    };
    Rival10::build(config, &context)
}

fn refusal(root: &Path) -> String {
    open(config(root)).map(|_| ()).unwrap_err().to_string()
}

fn print(root: &Path) -> String {
    Rival10::fingerprint(&config(root), Path::new("/nowhere")).unwrap()
}

fn splits(source: &dyn DatasetSource) -> Vec<(&str, usize)> {
    source.splits().iter().map(|s| (s.name.as_str(), s.len)).collect()
}

fn ids(source: &dyn DatasetSource, split: &str) -> Vec<String> {
    (0..source.len(split).unwrap()).map(|i| source.meta(split, i).id).collect()
}

/// The position of a picture in `train` or `val`, wherever it was put.
fn find(source: &dyn DatasetSource, id: &str) -> (&'static str, usize) {
    let place = |split| ids(source, split).iter().position(|i| i == id).map(|index| (split, index));
    place("train").or_else(|| place("val")).unwrap()
}

fn error_of(source: &dyn DatasetSource, id: &str) -> String {
    let (split, index) = find(source, id);
    source.load(split, index).unwrap_err().to_string()
}

#[test]
fn the_layout_is_read() {
    let dir = tree();
    let source = open(config(dir.path())).unwrap();
    assert_eq!(splits(source.as_ref()), [("train", 90), ("val", 10), ("test", 20)]);
    assert_eq!(source.classes().join(" "), "truck car plane ship cat dog equine deer frog bird");
    let (split, index) = find(source.as_ref(), FIRST);
    assert_eq!(source.meta(split, index).label, 0);
    assert_eq!(source.meta(split, index).group, None);
    let zebra = ids(source.as_ref(), "test").iter().position(|id| id.contains("/n02391049_")).unwrap();
    assert_eq!(source.meta("test", zebra).label, 6);

    let mut masks = 0;
    for (split, count) in splits(source.as_ref()) {
        for index in 0..count {
            let sample = source.load(split, index).unwrap();
            assert_eq!((sample.image.width, sample.image.height), (32, 32));
            if let Some(mask) = sample.mask {
                assert!(mask.pixels.iter().all(|v| [0, 255].contains(v)));
                assert!(mask.tight_box().unwrap().area() > 100.0);
                masks += 1;
            }
        }
    }
    let bare = Rival10Demo::without_mask(100) + Rival10Demo::without_mask(20);
    assert_eq!((bare, masks), (6, 120 - bare));
    let warnings = source.warnings();
    assert!(warnings.iter().all(|w| w.ends_with("have no mask")), "companions are known: {warnings:?}");
    assert!(warnings.contains(&"1 of 20 pictures of `test` have no mask".to_owned()), "{warnings:?}");
}

#[test]
fn unknown_files_are_counted_and_masks_may_be_missing_altogether() {
    let dir = tree();
    fs::write(dir.path().join("test/ordinary/notes.txt"), "x").unwrap();
    fs::write(dir.path().join("test/ordinary/.DS_Store"), "x").unwrap();
    fs::remove_dir_all(dir.path().join("train/entire_object_masks")).unwrap();
    let warnings = open(config(dir.path())).unwrap().warnings().join("\n");
    assert!(
        warnings
            .contains("test/ordinary holds 1 file neither picture nor companion of one; ignored: notes.txt"),
        "{warnings}"
    );
    assert!(warnings.contains("90 of 90 pictures of `train` have no mask"), "{warnings}");
}

#[test]
fn validation_is_stratified_and_fixed_by_names_and_seed() {
    let dir = tree();
    let of = |fraction, seed| {
        let config = Rival10Config { val_fraction: fraction, val_seed: seed, ..config(dir.path()) };
        let source = open(config).unwrap();
        (ids(source.as_ref(), "train"), if fraction > 0.0 { ids(source.as_ref(), "val") } else { Vec::new() })
    };
    let (train, val) = of(0.3, 0);
    assert_eq!((train.len(), val.len()), (70, 30));
    let source = open(Rival10Config { val_fraction: 0.3, ..config(dir.path()) }).unwrap();
    let labels: Vec<usize> = (0..30).map(|i| source.meta("val", i).label).collect();
    assert!((0..10).all(|class| labels.iter().filter(|l| **l == class).count() == 3), "{labels:?}");
    let all: BTreeSet<&String> = train.iter().chain(&val).collect();
    assert_eq!(all.len(), 100);
    assert_eq!(of(0.3, 0).1, val);
    assert_ne!(of(0.3, 1).1, val);
    assert!(
        of(0.1, 0).1.iter().all(|id| val.contains(id)),
        "a smaller fraction holds out a part of a larger"
    );
    assert_eq!(of(0.0, 0).0.len(), 100);
    // Pinned: trials that were run must find the same pictures again.
    assert_eq!(of(0.1, 0).1[0], "train/ordinary/n01531178_n01531178_1049.JPEG");
}

#[test]
fn every_kind_of_jpeg_is_read() {
    let dir = tree();
    let root = dir.path();
    let grey = GrayImage::from_fn(40, 30, |x, _| Luma([if x < 20 { 90 } else { 160 }]));
    RgbImage::from_pixel(40, 30, Rgb([1, 2, 3]))
        .save_with_format(root.join(FIRST), image::ImageFormat::Jpeg)
        .unwrap();
    grey.save_with_format(root.join(FIRST_MASK), image::ImageFormat::Jpeg).unwrap();
    let ink = "train/ordinary/n03796401_n03796401_ink.JPEG";
    fs::write(root.join(ink), include_bytes!("../fixtures/cmyk.jpg")).unwrap();
    let source = open(config(root)).unwrap();
    let load = |id| {
        let (split, index) = find(source.as_ref(), id);
        source.load(split, index).unwrap()
    };
    assert_eq!(load(FIRST).mask.unwrap().tight_box().unwrap().to_array(), [20.0, 0.0, 40.0, 30.0]);
    let pixels = load(ink).image.pixels;
    assert!(pixels.iter().zip([220u8, 40, 20]).all(|(a, b)| a.abs_diff(b) < 12), "{:?}", &pixels[..3]);
    // Nothing of these reaches one half: empty, not wrong.
    for level in [0, 3, 100] {
        GrayImage::from_pixel(40, 30, Luma([level]))
            .save_with_format(root.join(FIRST_MASK), image::ImageFormat::Jpeg)
            .unwrap();
        assert_eq!(load(FIRST).mask.unwrap().tight_box(), None);
    }
}

#[test]
fn bad_files_are_named_or_skipped() {
    let dir = tree();
    let root = dir.path();
    let whole = fs::read(root.join(FIRST)).unwrap();
    fs::write(root.join(FIRST), &whole[..whole.len() - 20]).unwrap();
    let mask = "train/entire_object_masks/n02814533_n02814533_1001.JPEG";
    GrayImage::new(8, 9).save_with_format(root.join(mask), image::ImageFormat::Jpeg).unwrap();
    let source = open(config(root)).unwrap();
    assert!(error_of(source.as_ref(), FIRST).contains("truncated"));
    let message = error_of(source.as_ref(), "train/ordinary/n02814533_n02814533_1001.JPEG");
    for part in [mask, "train/ordinary/n02814533_n02814533_1001.JPEG", "8 x 9", "32 x 32"] {
        assert!(message.contains(part), "{message}");
    }
    let skip = Rival10Config { on_bad_image: BadImagePolicy::Skip, ..config(root) };
    let source = open(skip).unwrap();
    assert_eq!(source.len("train").unwrap() + source.len("val").unwrap(), 98);
    let warnings = source.warnings().join("\n");
    assert!(warnings.contains(FIRST) && warnings.contains(mask), "{warnings}");
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    let dir = tree();
    let root = dir.path();
    let check = |said: &[&str]| {
        let message = refusal(root);
        assert!(said.iter().all(|s| message.contains(s)), "{said:?} in {message}");
    };
    let stranger = root.join("test/ordinary/n00000001_1.JPEG");
    fs::copy(root.join(FIRST), &stranger).unwrap();
    check(&["test/ordinary/n00000001_1.JPEG", "`n00000001`", "meta/wnid_to_class.json"]);
    fs::rename(&stranger, root.join("test/ordinary/truck.JPEG")).unwrap();
    check(&["truck.JPEG", "WNID_NAME.JPEG"]);
    fs::remove_file(root.join("test/ordinary/truck.JPEG")).unwrap();

    let (wnids, labels) = (root.join("meta/wnid_to_class.json"), root.join("meta/label_mappings.json"));
    let text = fs::read_to_string(&labels).unwrap();
    fs::write(&labels, text.replace("\"zebra\"", "\"tench\"")).unwrap();
    check(&["n02391049 is `zebra`", "meta/label_mappings.json"]);
    fs::write(&labels, text.replace("[\"frog\",8]", "[\"frog\",7]")).unwrap();
    check(&["label_mappings.json", "[\"frog\", 7]", "truck, car"]);
    fs::write(&labels, "[1, 2").unwrap();
    check(&["label_mappings.json cannot be used", "{\"moving van\": [\"truck\", 0], ...}"]);
    fs::write(&labels, text).unwrap();
    fs::remove_file(wnids).unwrap();
    check(&["wnid_to_class.json cannot be read", "{\"n03796401\": \"moving van\", ...}"]);

    fs::rename(root.join("test/ordinary"), root.join("test/pictures")).unwrap();
    fs::rename(root.join("meta"), root.join("metadata")).unwrap();
    check(&["has no folder `meta`", "`metadata`, `test`, `train`"]);
    write_rival10_demo(&root.join("other"), DEMO).unwrap();
    fs::rename(root.join("other/meta"), root.join("meta")).unwrap();
    check(&["/test has no folder `ordinary`", "`pictures`"]);
    let gone = root.join("gone");
    assert!(refusal(&gone).contains("gone does not exist; expected the folder that holds `train`"));
    let odd = Rival10Config { val_fraction: 1.0, ..config(&gone) };
    let keys: Vec<_> =
        Rival10::check(&odd, Path::new("/")).into_iter().map(|issue| issue.path.join(".")).collect();
    assert_eq!(keys, ["root", "val_fraction"]);
}

#[test]
fn the_folder_above_will_do() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("RIVAL10");
    write_rival10_demo(&inner, DEMO).unwrap();
    let (above, below) = (open(config(dir.path())).unwrap(), open(config(&inner)).unwrap());
    assert_eq!(ids(above.as_ref(), "train"), ids(below.as_ref(), "train"));
    assert_eq!(print(dir.path()), print(&inner));
}

#[test]
fn the_fingerprint_follows_pictures_masks_and_tables() {
    let (one, two) = (tree(), tree());
    let first = print(one.path());
    assert_eq!(first, print(two.path()), "the demo is a function of its numbers");
    fs::write(one.path().join("train/ordinary/n03796401_n03796401_1000_attr_dict.pkl"), "other").unwrap();
    assert_eq!(first, print(one.path()));
    fs::remove_file(one.path().join(FIRST_MASK)).unwrap();
    let without = print(one.path());
    assert_ne!(first, without);
    let table = two.path().join("meta/wnid_to_class.json");
    fs::write(&table, fs::read_to_string(&table).unwrap() + "\n").unwrap();
    assert!(![first, without].contains(&print(two.path())));
}

#[test]
fn a_demo_is_written_once_and_never_over_something_else() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("demo");
    write_rival10_demo(&root, DEMO).unwrap();
    let written = fs::metadata(root.join(FIRST)).unwrap().modified().unwrap();
    write_rival10_demo(&root, DEMO).unwrap();
    assert_eq!(fs::metadata(root.join(FIRST)).unwrap().modified().unwrap(), written);
    let refused = |root: &Path, demo| write_rival10_demo(root, demo).unwrap_err().to_string();
    assert!(refused(&root, Rival10Demo { test: 30, ..DEMO }).contains("train 100, test 20, size 32"));
    assert!(refused(&dir.path().join("tiny"), Rival10Demo { size: 4, ..DEMO }).contains("16..=1024"));
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/photo.jpg"), "x").unwrap();
    assert!(refused(&dir.path().join("mine"), DEMO).contains("choose another folder"));
    assert!(refused(&dir.path().join("mine/photo.jpg/demo"), DEMO).contains("photo.jpg"));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing unfinished stays behind: {left:?}");
}

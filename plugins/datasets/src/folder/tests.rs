//! Folders of pictures that each test builds for itself.

use super::*;
use crate::BadImagePolicy;
use fovea_api::registry::{BuildContext, DatasetPlugin as _, Plugin as _};
use fovea_api::{DatasetSource, PluginError, Registry};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A solid picture with a white square for a mask.
fn solid(colour: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(16, 12, Rgb(colour))
}

fn square() -> GrayImage {
    GrayImage::from_fn(16, 12, |x, y| {
        Luma([if (4..9).contains(&x) && (2..7).contains(&y) { 200 } else { 20 }])
    })
}

fn put(root: &Path, path: &str, image: impl Into<DynamicImage>) -> PathBuf {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let format = image::ImageFormat::from_path(&path).unwrap();
    image.into().save_with_format(&path, format).unwrap();
    path
}

/// Two classes, two splits and one more, some masks.
fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    put(root, "train/cat/b.png", solid([10, 20, 30]));
    put(root, "train/cat/a.JPEG", solid([200, 100, 50]));
    put(root, "train/dog/c.jpg", solid([90, 90, 90]));
    put(root, "train-masks/cat/a.png", square());
    put(root, "test/dog/d.png", solid([1, 2, 3]));
    put(root, "sketches/cat/e.png", solid([1, 2, 3]));
    put(root, "val/cat/f.png", solid([1, 2, 3]));
    fs::write(root.join("README.txt"), "notes").unwrap();
    fs::write(root.join("train/cat/Thumbs.db"), "x").unwrap();
    dir
}

fn config(root: &Path, skip: bool) -> FolderConfig {
    let on_bad_image = if skip { BadImagePolicy::Skip } else { BadImagePolicy::Error };
    FolderConfig { root: root.to_owned(), on_bad_image }
}

fn open(root: &Path, skip: bool) -> Result<Box<dyn DatasetSource>, PluginError> {
    let context = BuildContext {
        base_dir: PathBuf::from("/nowhere"),
        device: Default::default(),
        registry: Registry::new(),
    };
    Folder::build(config(root, skip), &context)
}

fn refusal(root: &Path) -> String {
    open(root, false).map(|_| ()).unwrap_err().to_string()
}

fn print(root: &Path) -> String {
    Folder::fingerprint(&config(root, false), Path::new("/nowhere")).unwrap()
}

#[test]
fn a_tree_is_listed_in_order() {
    let dir = tree();
    let source = open(dir.path(), false).unwrap();
    let splits: Vec<String> = source.splits().iter().map(|s| format!("{} {}", s.name, s.len)).collect();
    assert_eq!(splits, ["train 3", "val 1", "test 1", "sketches 1"]);
    assert_eq!(source.classes(), ["cat", "dog"]);
    let ids: Vec<String> = (0..3).map(|i| source.meta("train", i).id).collect();
    assert_eq!(ids, ["train/cat/a.JPEG", "train/cat/b.png", "train/dog/c.jpg"]);
    assert_eq!(source.meta("test", 0).label, 1);
    let sample = source.load("train", 0).unwrap();
    let mask = sample.mask.unwrap();
    assert_eq!(mask.tight_box().unwrap().to_array(), [4.0, 2.0, 9.0, 7.0]);
    assert!(mask.pixels.iter().all(|v| [0, 255].contains(v)));
    assert!(sample.image.pixels[0].abs_diff(200) < 8);
    assert_eq!(source.load("train", 1).unwrap().mask, None);
    let warnings = source.warnings().join("\n");
    assert!(
        warnings
            .contains("train holds 1 file other than pictures (.jpg, .jpeg, .png); ignored: cat/Thumbs.db"),
        "{warnings}"
    );
    assert!(warnings.contains("2 of 3 pictures"), "{warnings}");
}

#[test]
fn a_relative_root_starts_at_the_experiment() {
    let dir = tree();
    let (base, name) = (dir.path().parent().unwrap(), dir.path().file_name().unwrap());
    let config = config(Path::new(name), false);
    assert!(Folder::check(&config, base).is_empty());
    let issues = Folder::check(&config, &dir.path().join("train"));
    let looked_at = dir.path().join("train").join(name);
    assert!(issues[0].message.contains(&looked_at.display().to_string()), "{issues:?}");
    assert_eq!(issues[0].path, ["root"]);
}

#[test]
fn what_is_missing_is_named_with_what_is_there() {
    let dir = tree();
    let gone = dir.path().join("gone");
    assert!(refusal(&gone).contains("gone does not exist"), "{}", refusal(&gone));
    assert!(refusal(&dir.path().join("README.txt")).contains("is not a folder"));

    fs::create_dir(dir.path().join("test/bird")).unwrap();
    let message = refusal(dir.path());
    assert!(message.contains("test/bird is not a class") && message.contains("`cat`, `dog`"), "{message}");
    fs::remove_dir(dir.path().join("test/bird")).unwrap();

    fs::create_dir(dir.path().join("train/empty")).unwrap();
    let message = refusal(dir.path());
    assert!(message.contains("train/empty holds no pictures"), "{message}");
    fs::remove_dir(dir.path().join("train/empty")).unwrap();

    fs::rename(dir.path().join("train"), dir.path().join("training")).unwrap();
    let message = refusal(dir.path());
    assert!(message.contains("no folder `train`") && message.contains("`training`"), "{message}");
}

#[test]
fn bad_files_are_named_or_skipped() {
    let dir = tree();
    let root = dir.path();
    let whole = fs::read(root.join("train/cat/a.JPEG")).unwrap();
    fs::write(root.join("train/cat/empty.jpg"), []).unwrap();
    fs::write(root.join("train/cat/half.jpg"), &whole[..whole.len() - 20]).unwrap();
    fs::write(root.join("train/cat/text.jpg"), "no picture").unwrap();
    let png = fs::read(root.join("train/cat/b.png")).unwrap();
    fs::write(root.join("train/cat/torn.png"), &png[..png.len() - 20]).unwrap();
    put(root, "train/cat/wide.png", solid([5, 5, 5]));
    put(root, "train-masks/cat/wide.png", GrayImage::new(8, 8));
    put(root, "train/cat/faint.png", solid([5, 5, 5]));
    put(root, "train-masks/cat/faint.png", GrayImage::from_pixel(16, 12, Luma([9])));

    let source = open(root, false).unwrap();
    let message = |name: &str| {
        let index = (0..9).find(|&i| source.meta("train", i).id.ends_with(name)).unwrap();
        let message = source.load("train", index).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
        message
    };
    assert!(message("empty.jpg").contains("0 bytes"));
    assert!(message("half.jpg").contains("truncated"));
    assert!(message("text.jpg").contains("neither JPEG nor PNG"));
    assert!(message("torn.png").contains("cannot be decoded"));
    let wide = message("wide.png");
    assert!(wide.contains("train-masks/cat/wide.png") && wide.contains("train/cat/wide.png"), "{wide}");
    assert!(wide.contains("8 x 8") && wide.contains("16 x 12"), "{wide}");
    assert!(message("faint.png").contains("brightest pixel is 9"));

    let message = Folder::fingerprint(&config(root, false), Path::new("/")).unwrap_err().message;
    for said in
        ["empty.jpg: the file is empty", "half.jpg: the JPEG is truncated", "text.jpg", "1 more", "skip"]
    {
        assert!(message.contains(said), "what can be seen is known before training: {message}");
    }
    Folder::fingerprint(&config(root, true), Path::new("/")).unwrap();
    let source = open(root, true).unwrap();
    assert_eq!(source.len("train"), Some(3));
    assert!((0..3).all(|i| source.load("train", i).is_ok()));
    let warnings = source.warnings().join("\n");
    assert!(warnings.contains("6 of 9 pictures of `train` were skipped"), "{warnings}");
    for name in ["empty.jpg", "half.jpg", "text.jpg", "torn.png", "wide.png", "faint.png"] {
        assert!(warnings.contains(name), "{name} in {warnings}");
    }
}

#[test]
fn skipping_a_whole_class_is_an_error() {
    let dir = tree();
    fs::write(dir.path().join("train/dog/c.jpg"), []).unwrap();
    let message = open(dir.path(), true).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("no picture of") && message.contains("train/dog"), "{message}");
}

#[test]
fn the_fingerprint_follows_content_and_not_location() {
    let (one, two) = (tree(), tree());
    let first = print(one.path());
    assert_eq!(first, print(two.path()));
    put(two.path(), "train/cat/b.png", solid([10, 20, 31]));
    let changed = print(two.path());
    assert_ne!(first, changed);
    put(two.path(), "train/cat/b.png", solid([10, 20, 30]));
    assert_eq!(first, print(two.path()));
    fs::rename(two.path().join("train/cat/b.png"), two.path().join("train/dog/b.png")).unwrap();
    assert_ne!(first, print(two.path()));
    // A mask counts, an unrelated file does not.
    fs::write(one.path().join("README.txt"), "other notes").unwrap();
    assert_eq!(first, print(one.path()));
    put(one.path(), "train-masks/dog/c.png", square());
    assert_ne!(first, print(one.path()));
}

#[test]
fn every_mode_becomes_rgb() {
    let dir = tree();
    let root = dir.path();
    put(root, "modes/cat/alpha.png", RgbaImage::from_pixel(3, 2, Rgba([9, 8, 7, 0])));
    put(
        root,
        "modes/cat/deep.png",
        DynamicImage::ImageRgb16(DynamicImage::from(solid([1, 2, 3])).into_rgb16()),
    );
    put(root, "modes/cat/grey.jpg", GrayImage::from_pixel(3, 2, Luma([77])));
    put(root, "modes/cat/grey.png", GrayImage::from_pixel(3, 2, Luma([77])));
    fs::write(root.join("modes/cat/ink.jpg"), include_bytes!("../fixtures/cmyk.jpg")).unwrap();
    // A PNG under a JPEG's name, as in ImageNet.
    fs::copy(root.join("modes/cat/grey.png"), root.join("modes/cat/liar.jpg")).unwrap();
    let source = open(root, false).unwrap();
    let first = |index| -> Vec<u8> { source.load("modes", index).unwrap().image.pixels[..3].to_vec() };
    assert_eq!(first(0), [9, 8, 7]);
    assert_eq!(first(1), [1, 2, 3]);
    assert_eq!(first(2), [77, 77, 77]);
    assert_eq!(first(3), [77, 77, 77]);
    let ink = first(4);
    assert!(ink.iter().zip([220u8, 40, 20]).all(|(a, b)| a.abs_diff(b) < 12), "{ink:?}");
    assert_eq!(first(5), [77, 77, 77]);
}

//! Folders as people have them: what is found under which name, and what is said of the rest.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fovea_api::registry::{BuildContext, DatasetPlugin, Plugin};
use fovea_api::{DatasetSource, Registry};
use fovea_datasets::{
    BadImagePolicy, Folder, FolderConfig, Rival10, Rival10Config, Rival10Demo, Waterbirds, WaterbirdsConfig,
    beside_pictures, write_rival10_demo,
};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// A picture, or a mask whose upper left pixel is white.
fn put(root: &Path, path: impl AsRef<Path>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let is_mask = path.to_string_lossy().to_lowercase().contains("mask");
    let image = if is_mask {
        GrayImage::from_fn(8, 8, |x, y| Luma([if x < 3 && y < 3 { 255 } else { 0 }])).into()
    } else {
        image::DynamicImage::from(RgbImage::from_pixel(8, 8, Rgb([9, 8, 7])))
    };
    image.save_with_format(&path, image::ImageFormat::Png).unwrap();
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn tree(paths: &[&str]) -> TempDir {
    let dir = TempDir::new().unwrap();
    paths.iter().for_each(|path| put(dir.path(), path));
    dir
}

fn context() -> BuildContext {
    BuildContext {
        base_dir: PathBuf::from("/nowhere"),
        device: Default::default(),
        registry: Registry::new(),
    }
}

fn config(root: &Path) -> FolderConfig {
    FolderConfig { root: root.to_owned(), on_bad_image: BadImagePolicy::Error }
}

fn open(root: &Path) -> Box<dyn DatasetSource> {
    Folder::build(config(root), &context()).map_err(|e| e.to_string()).unwrap()
}

fn refused(root: &Path, said: &[&str]) {
    let message = Folder::build(config(root), &context()).map(|_| ()).unwrap_err().to_string();
    assert!(said.iter().all(|s| message.contains(s)), "{said:?} in {message}");
}

/// Splits with what is in them: a star for what has a mask.
fn splits(source: &dyn DatasetSource) -> Vec<String> {
    let picture = |split: &str, index| {
        let star = if source.load(split, index).unwrap().mask.is_some() { "*" } else { "" };
        format!("{}{star}", source.meta(split, index).id)
    };
    let pictures = |split: &str, len| (0..len).map(|i| picture(split, i)).collect::<Vec<_>>().join(" ");
    source.splits().iter().map(|s| format!("{}: {}", s.name, pictures(&s.name, s.len))).collect()
}

fn warned(source: &dyn DatasetSource, said: &[&str]) {
    let warnings = source.warnings().join("\n");
    assert!(said.iter().all(|s| warnings.contains(s)), "{said:?} in {warnings}");
}

#[test]
fn pictures_in_folders_of_a_class_are_found() {
    let dir = tree(&["train/cat/z.png", "train/cat/big/a.png", "train/cat/big/old/b.png", "train/dog/c.png"]);
    put(dir.path(), "train-masks/cat/big/a.png");
    put(dir.path(), "train/cat/masks/z.png");
    let source = open(dir.path());
    let found = "train: train/cat/z.png train/cat/big/a.png* train/cat/big/old/b.png train/dog/c.png";
    assert_eq!(splits(source.as_ref()), [found]);
    assert_eq!(source.meta("train", 2).label, 0);
    warned(
        source.as_ref(),
        &["2 of its 4 pictures in folders within", "cat/big/a.png", "cat/masks (by its name"],
    );
    let before = Folder::fingerprint(&config(dir.path()), Path::new("/")).unwrap();
    put(dir.path(), "train/cat/big/new.png");
    assert_ne!(before, Folder::fingerprint(&config(dir.path()), Path::new("/")).unwrap());
}

#[test]
fn every_name_of_masks_is_known() {
    for masks in [
        "train-masks",
        "train_masks",
        "train_mask",
        "masks_train",
        "mask-train",
        "masks/train",
        "Masks/train",
    ] {
        let mask = format!("{masks}/cat/a.png");
        let source = open(tree(&["train/cat/a.png", &mask]).path());
        assert_eq!(source.splits().len(), 1, "{masks}");
        assert_eq!(source.warnings(), [] as [String; 0], "{masks}");
    }
    let dir =
        tree(&["train/cat/a.png", "train-masks/cat/a.png", "masks/train/cat/a.png", "test_masks/cat/a.png"]);
    let source = open(dir.path());
    assert_eq!(splits(source.as_ref()), ["train: train/cat/a.png*"]);
    put(dir.path(), "masks/a.png");
    warned(open(dir.path()).as_ref(), &["masks holds 1 file in no folder of a split; ignored: a.png"]);
    warned(source.as_ref(), &["masks/train is ignored", "are read from", "test_masks has no split `test`"]);
}

#[test]
fn every_name_of_validation_is_val() {
    for name in ["val", "valid", "validation", "dev"] {
        for masks in [name, "val"] {
            let (picture, mask) = (format!("{name}/cat/b.png"), format!("{masks}-masks/cat/b.png"));
            let source = open(tree(&["train/cat/a.png", &picture, &mask]).path());
            assert_eq!(source.splits()[1].name, "val", "{name}");
            assert_eq!(source.meta("val", 0).id, picture);
            assert_eq!(source.warnings(), [] as [String; 0], "{name} with masks in {masks}-masks");
        }
    }
    let dir = tree(&["train/cat/a.png", "valid/cat/b.png", "dev/cat/c.png"]);
    refused(dir.path(), &["`dev`", "`valid`", "validation split"]);
    // As it was before the other names were known.
    put(dir.path(), "val/cat/d.png");
    let names: Vec<String> = open(dir.path()).splits().iter().map(|s| s.name.clone()).collect();
    assert_eq!(names, ["train", "val", "dev", "valid"]);
}

#[test]
fn a_folder_that_is_no_split_becomes_none() {
    let dir = tree(&["train/cat/a.png", "train/dog/b.png", "sketches/dog/c.png", "annotations/cat/a.png"]);
    let root = dir.path();
    put(root, "__MACOSX/cat/a.png");
    put(root, "train/__MACOSX/a.png");
    put(root, "extra/d.png");
    put(root, "labels/train/cat/a.png");
    put(root, "test.segmentations/cat/a.png");
    put(root, "test-masked/cat/d.png");
    write(root, "__MACOSX/train/cat/._a.png", "x");
    write(root, "train/cat/._a.png", "x");
    write(root, "train/cat/.DS_Store", "x");
    write(root, "notes/cat/a.txt", "x");
    let source = open(root);
    assert_eq!(source.classes(), ["cat", "dog"]);
    assert_eq!(
        splits(source.as_ref()),
        [
            "train: train/cat/a.png train/dog/b.png",
            "sketches: sketches/dog/c.png",
            "test-masked: test-masked/cat/d.png"
        ]
    );
    warned(
        source.as_ref(),
        &[
            "__MACOSX is ignored: a system made it",
            "train/__MACOSX (a system made it)",
            "annotations is ignored: by its name",
            "labels is ignored: by its name",
            "test.segmentations is ignored: by its name",
            "extra is ignored: it has no folder named as a class of the train split (`cat`, `dog`)",
            "notes is ignored: its folders hold no pictures",
        ],
    );
    refused(
        tree(&["train/images/a.png", "train/masks/a.png"]).path(),
        &["`images` and `masks`", "taken for classes", "train-masks/CLASS/NAME.png"],
    );
}

#[test]
fn masks_are_found_under_other_names_or_named() {
    let names = ["a.png", "b.PNG", "c.jpg", "d_mask.png", "e-mask.png", "f_segmentation.png", "g.JPG.png"];
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    for name in ["a", "b", "c", "d", "e", "f", "h"] {
        put(root, format!("train/cat/{name}.png"));
    }
    put(root, "train/cat/g.JPG");
    names.iter().for_each(|name| put(root, format!("train-masks/cat/{name}")));
    let source = open(root);
    assert_eq!(source.splits()[0].len, 8);
    warned(source.as_ref(), &["1 of 8 pictures of `train` have no mask"]);
    assert!(!source.warnings().join("\n").contains("of no picture"), "{:?}", source.warnings());

    put(root, "train-masks/cat/a.jpg");
    put(root, "train-masks/cat/lost.png");
    put(root, "train-masks/bird/b.png");
    put(root, "train-masks/h.png");
    write(root, "train-masks/cat/h.bmp", "x");
    let source = open(root);
    warned(source.as_ref(), &["3 masks of no picture", "bird/b.png, cat/a.jpg, cat/lost.png"]);
    warned(source.as_ref(), &["2 files in no place or format of masks: h.png, cat/h.bmp", "CLASS/NAME.png"]);
}

#[test]
fn masks_among_pictures_are_refused() {
    let dir = tree(&["train/cat/a.png", "train/cat/a_mask.png", "train/cat/b.png", "train/cat/b_mask.png"]);
    refused(dir.path(), &["train/cat holds masks", "a_mask.png, cat/b_mask.png", "train-masks/cat/"]);
    ["c", "d", "e", "f"].iter().for_each(|name| put(dir.path(), format!("train/cat/{name}.png")));
    let source = open(dir.path());
    assert_eq!(source.splits()[0].len, 8);
    warned(source.as_ref(), &["2 pictures named like masks of others"]);
}

#[test]
fn accents_may_be_written_in_two_ways() {
    let (composed, apart) = ("caf\u{e9}", "cafe\u{301}");
    let dir = tree(&[
        &format!("train/{apart}/{apart}.png"),
        &format!("test/{composed}/b.png"),
        &format!("train-masks/{composed}/{composed}.png"),
    ]);
    let source = open(dir.path());
    assert_eq!(source.classes(), [composed]);
    assert_eq!(
        splits(source.as_ref()),
        [format!("train: train/{apart}/{apart}.png*"), format!("test: test/{composed}/b.png")]
    );
    put(dir.path(), format!("train/{composed}/c.png"));
    refused(dir.path(), &["two folders named `caf\u{e9}`", "accents"]);

    let dir = tree(&[&format!("{apart}/a.png"), &format!("segmentations/{composed}/a.mask.png")]);
    fs::rename(
        dir.path().join(format!("segmentations/{composed}/a.mask.png")),
        dir.path().join(format!("segmentations/{composed}/a.png")),
    )
    .unwrap();
    write(dir.path(), "metadata.csv", &format!("img_filename,y,split,place\n{composed}/a.png,0,0,0\n"));
    let source = birds(dir.path()).unwrap();
    assert!(source.load("train", 0).unwrap().mask.is_some());
    assert_eq!(source.meta("train", 0).id, format!("{composed}/a.png"));
}

fn birds(root: &Path) -> Result<Box<dyn DatasetSource>, String> {
    let config = WaterbirdsConfig { root: root.to_owned(), masks: None, on_bad_image: BadImagePolicy::Error };
    Waterbirds::build(config, &context()).map_err(|e| e.to_string())
}

#[test]
fn names_that_cannot_be_shown_are_named_with_escapes() {
    let dir = tree(&["train/cat/a.png"]);
    put(dir.path(), Path::new("train/cat").join(OsStr::from_bytes(b"b\xe9.png")));
    refused(dir.path(), &[r#""b\xE9.png" is not UTF-8"#, "train/cat"]);
    // As macOS leaves them: no pictures, whatever they are called.
    let dir = tree(&["train/cat/a.png"]);
    write(dir.path(), "train/cat/Icon\r", "x");
    fs::write(dir.path().join(OsStr::from_bytes(b"notes\xe9")), "x").unwrap();
    assert_eq!(open(dir.path()).warnings(), [] as [String; 0]);
    let dir = tree(&["train/cat/a.png", "train/cat/b\u{1b}[2J.png"]);
    refused(dir.path(), &[r#""b\u{1b}[2J.png" has control characters"#, "rename"]);
    write(dir.path(), "metadata.csv", "img_filename,y,split,place\n\"a\u{1b}.png\",0,0,0\n");
    let message = birds(dir.path()).map(|_| ()).unwrap_err();
    assert!(message.contains("line 2") && message.contains(r#""a\u{1b}.png""#), "{message}");
    for outside in ["/etc/passwd", "../a.png"] {
        write(dir.path(), "metadata.csv", &format!("img_filename,y,split,place\n{outside},0,0,0\n"));
        let message = birds(dir.path()).map(|_| ()).unwrap_err();
        assert!(message.contains("line 2") && message.contains(outside), "{message}");
    }
}

#[test]
fn what_is_no_picture_is_counted_and_named() {
    let dir = tree(&["train/cat/a.png", "train/cat/b.PNG", "train/cat/a.jpeg"]);
    write(dir.path(), "train/cat/Thumbs.db", "x");
    write(dir.path(), "train/cat/c.webp", "x");
    let source = open(dir.path());
    assert_eq!(source.splits()[0].len, 3);
    warned(
        source.as_ref(),
        &[
            "1 file other than pictures (.jpg, .jpeg, .png); ignored: cat/Thumbs.db",
            "1 picture in formats that are not read; ignored: cat/c.webp",
            "1 picture named as another but for the ending; each counts, with the same mask: cat/a.png",
        ],
    );
}

#[test]
fn links_are_followed_and_circles_left() {
    let (dir, apart) = (tree(&["train/cat/a.png"]), tree(&["more/b.png"]));
    symlink(apart.path().join("more"), dir.path().join("train/dog")).unwrap();
    symlink(dir.path().join("train"), dir.path().join("train/cat/round")).unwrap();
    symlink("self", dir.path().join("train/cat/self")).unwrap();
    let source = open(dir.path());
    assert_eq!(splits(source.as_ref()), ["train: train/cat/a.png train/dog/b.png"]);
    warned(source.as_ref(), &["train/cat/round (a link to a folder that it lies in)", "cat/self"]);
}

#[test]
fn what_lies_beside_pictures_is_said() {
    let dir = tree(&["a.png", "more/b.png", "out/a.png", "empty/mine/a.png"]);
    write(dir.path(), "c.webp", "x");
    let said = beside_pictures(dir.path(), &dir.path().join("out")).unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].ends_with("holds 1 picture in formats that are not read: c.webp; convert to JPEG or PNG")
    );
    assert!(said[1].ends_with("holds 1 folder with pictures, not looked into: more"), "{said:?}");
    fs::remove_dir_all(dir.path().join("more")).unwrap();
    fs::remove_file(dir.path().join("c.webp")).unwrap();
    assert_eq!(beside_pictures(dir.path(), &dir.path().join("out")), Ok(Vec::new()));
}

/// What comes of it within a time; a pipe that is opened is waited for longer.
fn in_time<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(what()));
    receive.recv_timeout(Duration::from_secs(20)).expect("nothing is waited for")
}

fn pipe(path: &Path) {
    drop(fs::remove_file(path));
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_and_devices_are_never_opened() {
    let dir = tree(&["train/cat/a.png", "train/cat/b.png", "train-masks/cat/b.png"]);
    let root = dir.path().to_owned();
    pipe(&root.join("train/cat/a.png"));
    pipe(&root.join("train-masks/cat/b.png"));
    let (pictures, print) = in_time(move || {
        let source = open(&root);
        let pictures = [0, 1].map(|i| source.load("train", i).unwrap_err().to_string());
        (pictures, Folder::fingerprint(&config(&root), Path::new("/")).unwrap_err().to_string())
    });
    assert!(
        pictures[0].ends_with("train/cat/a.png: cannot be read: it is a pipe, not a file"),
        "{pictures:?}"
    );
    assert!(pictures[1].contains("train-masks/cat/b.png: cannot be read: it is a pipe"), "{pictures:?}");
    assert!(print.contains("it is a pipe"), "{print}");

    let root = dir.path().to_owned();
    pipe(&root.join("metadata.csv"));
    let message = in_time(move || birds(&root).map(|_| ()).unwrap_err());
    assert!(message.contains("metadata.csv: cannot be read: it is a pipe"), "{message}");

    let demo = dir.path().join("demo");
    write_rival10_demo(&demo, Rival10Demo { train: 20, test: 10, size: 16 }).unwrap();
    let mapping = demo.join("meta/wnid_to_class.json");
    fs::remove_file(&mapping).unwrap();
    symlink("/dev/zero", &mapping).unwrap();
    let message = in_time(move || rivals(&demo).map(|_| ()).unwrap_err());
    assert!(message.contains("wnid_to_class.json cannot be read: it is a device"), "{message}");
}

fn rivals(root: &Path) -> Result<Box<dyn DatasetSource>, String> {
    let config = Rival10Config {
        root: root.to_owned(),
        val_fraction: 0.0,
        val_seed: 0,
        on_bad_image: BadImagePolicy::Error,
    };
    Rival10::build(config, &context()).map_err(|e| e.to_string())
}

#[test]
fn rival10_and_waterbirds_name_what_matches_nothing() {
    let dir = TempDir::new().unwrap();
    write_rival10_demo(dir.path(), Rival10Demo { train: 20, test: 10, size: 16 }).unwrap();
    put(dir.path(), "test/entire_object_masks/n1_lost.JPEG");
    put(dir.path(), "test/ordinary/more/n1_a.JPEG");
    warned(
        rivals(dir.path()).unwrap().as_ref(),
        &[
            "test/entire_object_masks holds 1 mask of no picture: test/entire_object_masks/n1_lost.JPEG",
            "test/ordinary holds 1 folder; not looked into: more",
        ],
    );
    let dir = tree(&["a/b.png", "segmentations/a/masked.png"]);
    write(dir.path(), "metadata.csv", "img_filename,y,split,place\na/b.png,0,0,0\n");
    let source = birds(dir.path()).unwrap();
    warned(
        source.as_ref(),
        &["1 of 1 pictures of `train` have no mask", "1 mask of no picture: a/masked.png"],
    );
    fs::rename(dir.path().join("segmentations/a/masked.png"), dir.path().join("segmentations/a/b.PNG"))
        .unwrap();
    let source = birds(dir.path()).unwrap();
    assert!(source.warnings().is_empty() && source.load("train", 0).unwrap().mask.is_some());
}

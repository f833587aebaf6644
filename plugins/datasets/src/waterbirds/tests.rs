//! Small trees in the layout of Waterbirds.

use super::*;
use crate::BadImagePolicy;
use fovea_api::registry::{BuildContext, DatasetPlugin as _, Plugin as _};
use fovea_api::{DatasetSource, PluginError, Registry};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Columns in an order of their own, two that are not read, a name that must be quoted.
const TABLE: &str = "img_id,place,split,y,img_filename,place_filename
1,0,0,0,001.Tern/a.jpg,/f/forest.jpg
2,1,0,0,001.Tern/b.jpg,/o/ocean.jpg
3,0,0,1,\"002.Gull, Ring-billed/c.jpg\",/f/forest.jpg
4,1,0,1,\"002.Gull, Ring-billed/d.jpg\",/o/ocean.jpg
5,0,1,0,001.Tern/e.jpg,/f/forest.jpg
6,1,2,1,001.Tern/f.jpg,/o/ocean.jpg
";

fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("metadata.csv"), TABLE).unwrap();
    for name in ["001.Tern/a", "001.Tern/b", "001.Tern/e", "001.Tern/f"] {
        picture(dir.path(), name);
    }
    picture(dir.path(), "002.Gull, Ring-billed/c");
    picture(dir.path(), "002.Gull, Ring-billed/d");
    dir
}

fn picture(root: &Path, name: &str) {
    let path = root.join(name).with_extension("jpg");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(20, 10, Rgb([90, 80, 70])).save(path).unwrap();
}

/// A mask whose grey levels are those of five annotators: the left half has three of them, the right half two.
fn mask(folder: &Path, name: &str) {
    let path = folder.join(name).with_extension("png");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_fn(20, 10, |x, _| Luma([if x < 10 { 153 } else { 102 }])).save(path).unwrap();
}

fn config(root: &Path) -> WaterbirdsConfig {
    WaterbirdsConfig { root: root.to_owned(), masks: None, on_bad_image: BadImagePolicy::Error }
}

fn open(config: WaterbirdsConfig) -> Result<Box<dyn DatasetSource>, PluginError> {
    let context = BuildContext {
        base_dir: PathBuf::from("/nowhere"),
        device: Default::default(),
        registry: Registry::new(),
    };
    Waterbirds::build(config, &context)
}

fn print(config: &WaterbirdsConfig) -> String {
    Waterbirds::fingerprint(config, Path::new("/nowhere")).unwrap()
}

#[test]
fn the_table_is_read() {
    let dir = tree();
    let source = open(config(dir.path())).unwrap();
    let splits: Vec<String> = source.splits().iter().map(|s| format!("{} {}", s.name, s.len)).collect();
    assert_eq!(splits, ["train 4", "val 1", "test 1"]);
    assert_eq!(source.classes(), ["landbird", "waterbird"]);
    assert_eq!(source.groups()[2], "waterbird on land");
    let metas: Vec<_> = (0..4).map(|i| source.meta("train", i)).collect();
    assert_eq!(metas.iter().map(|m| m.label).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert_eq!(metas.iter().map(|m| m.group.unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(metas[2].id, "002.Gull, Ring-billed/c.jpg");
    assert_eq!(source.meta("test", 0).group, Some(3));
    assert_eq!(source.load("train", 2).unwrap().mask, None);
    assert!(source.warnings().is_empty(), "without segmentations no mask is missed: {:?}", source.warnings());
}

#[test]
fn masks_are_cub_s_segmentations_wherever_they_are() {
    let (dir, apart) = (tree(), TempDir::new().unwrap());
    let bare = print(&config(dir.path()));
    mask(&dir.path().join("segmentations"), "001.Tern/a");
    mask(apart.path(), "001.Tern/a");
    let elsewhere = WaterbirdsConfig { masks: Some(apart.path().to_owned()), ..config(dir.path()) };
    for config in [config(dir.path()), elsewhere.clone()] {
        let source = open(config).unwrap();
        let found = source.load("train", 0).unwrap().mask.unwrap();
        assert_eq!(found.tight_box().unwrap().to_array(), [0.0, 0.0, 10.0, 10.0]);
        assert_eq!(source.load("train", 1).unwrap().mask, None);
        assert_eq!(source.warnings()[0], "3 of 4 pictures of `train` have no mask");
    }
    assert_eq!(print(&config(dir.path())), print(&elsewhere), "their contents count, not their place");
    assert_ne!(print(&elsewhere), bare);
    let missing = WaterbirdsConfig { masks: Some("gone".into()), ..config(dir.path()) };
    let issues = Waterbirds::check(&missing, Path::new("/nowhere"));
    assert_eq!(
        issues[0].to_string(),
        "masks: /nowhere/gone does not exist; expected the folder of the segmentations"
    );
}

#[test]
fn mistakes_in_the_table_are_named_with_their_line() {
    let dir = tree();
    let table = dir.path().join("metadata.csv");
    let check = |text: &str, said: &[&str]| {
        fs::write(&table, text).unwrap();
        let message = open(config(dir.path())).map(|_| ()).unwrap_err().to_string();
        assert!(said.iter().chain(&["metadata.csv"]).all(|s| message.contains(s)), "{said:?} in {message}");
    };
    check(&TABLE.replace("place,", "position,"), &["no column `place`", "`position`"]);
    check(&TABLE.replace("3,0,0,1", "3,0,0,2"), &["line 4", "y is `2`", "from 0 to 1"]);
    check(&TABLE.replace("5,0,1,0", "5,0,val,0"), &["line 6", "split is `val`", "from 0 to 2"]);
    check(&TABLE.replace("Tern/b", "Tern/a"), &["line 3", "`001.Tern/a.jpg`", "second time"]);
    check(&TABLE.replace("2,1,0,0,", "2,1,0,"), &["line: 3"]);
    check("img_filename,y,split,place\n", &["no training pictures"]);
    check("", &["no column `img_filename`"]);
    fs::remove_file(&table).unwrap();
    let message = open(config(dir.path())).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("metadata.csv: cannot be read"), "{message}");
}

#[test]
fn a_picture_that_is_not_there_is_named_or_skipped() {
    let dir = tree();
    fs::remove_file(dir.path().join("001.Tern/b.jpg")).unwrap();
    let strict = config(dir.path());
    let message = open(strict.clone()).unwrap().load("train", 1).unwrap_err().to_string();
    assert!(message.contains("001.Tern/b.jpg: cannot be read"), "{message}");
    let message = Waterbirds::fingerprint(&strict, Path::new("/")).unwrap_err().to_string();
    assert!(message.contains("001.Tern/b.jpg: cannot be read"), "{message}");
    let skip = WaterbirdsConfig { on_bad_image: BadImagePolicy::Skip, ..strict };
    let source = open(skip.clone()).unwrap();
    assert_eq!(source.len("train"), Some(3));
    assert!(source.warnings().join("\n").contains("skipped") && !print(&skip).is_empty());
}

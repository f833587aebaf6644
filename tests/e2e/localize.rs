//! `fovea localize` against LOST's own boxes, its cache, and what it says of bad input; and the paper's experiments.

use crate::harness::{SMALL, Workspace, png};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The pictures of DINO's cases as PNG files.
fn write_pictures(workspace: &Workspace) {
    let bytes = std::fs::read(golden("dino_cases.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, view) in file.iter().filter(|(name, _)| name.starts_with("image_")) {
        let [_, height, width] = view.shape().try_into().unwrap();
        let plane = height * width;
        let pixels = (0..3 * plane).map(|p| view.data()[p % 3 * plane + p / 3]).collect();
        let image = image::RgbImage::from_raw(width as u32, height as u32, pixels).unwrap();
        let mut png = std::io::Cursor::new(Vec::new());
        image.write_to(&mut png, image::ImageFormat::Png).unwrap();
        workspace.write(&format!("pictures/{name}.png"), png.into_inner());
    }
}

fn records(workspace: &Workspace) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(workspace.path().join("out/boxes.json")).unwrap()).unwrap()
}

#[test]
fn boxes_are_those_of_the_official_lost() {
    let workspace = Workspace::new();
    write_pictures(&workspace);
    let weights = format!("weights={}", golden("dino_vit.pth").display());
    let args = ["localize", "--set", &weights, "--set", "heads=3", "--images", "pictures", "--out", "out"];
    let expected: Vec<Value> =
        serde_json::from_slice(&std::fs::read(golden("dino_boxes.json")).unwrap()).unwrap();
    // The second time from the cache.
    for overlay in [None, Some("--overlay")] {
        let ran = workspace.fovea(&args.into_iter().chain(overlay).collect::<Vec<_>>()).ok();
        assert!(ran.stdout.contains("4 boxes in 4 pictures"), "{}", ran.stdout);
        let found = records(&workspace);
        assert_eq!(found.len(), expected.len());
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found["image"], format!("image_{i}.png"));
            assert_eq!((&found["box"], &found["seed"]), (&expected["box"], &expected["seed"]));
            assert_eq!((&found["width"], &found["height"]), (&expected["w"], &expected["h"]));
            assert_eq!(found["confidence"], 1.0);
        }
    }
    let overlay = image::open(workspace.path().join("out/image_2.png.png")).unwrap();
    assert_eq!((overlay.width(), overlay.height()), (300, 194), "a picture of 150 x 97 is enlarged");
}

#[test]
fn bad_input_costs_no_finished_work() {
    let workspace = Workspace::new();
    workspace.write("pictures/a.png", png(90));
    workspace.write("pictures/b.png", "no picture");
    workspace.write("pictures/c.png", png(7));
    let lost = |more: &[&str]| {
        let mut args = vec!["localize", "--images", "pictures", "--out", "out"];
        args.extend(more);
        workspace.fovea(&args)
    };
    lost(&["--set", "features=patch-stats"]).fails(3, &["pictures/b.png", "neither JPEG nor PNG", "1 of 3"]);
    let names: Vec<Value> = records(&workspace).into_iter().map(|r| r["image"].clone()).collect();
    assert_eq!(names, ["a.png", "c.png"]);
    lost(&[]).fails(2, &["weights: missing", "patch-stats"]);
    lost(&["--set", "weights=gone.pth"]).fails(2, &["there is no file", "gone.pth"]);
    lost(&["--localizer", "lots"]).fails(2, &["did you mean `lost`"]);
    let resnet = format!("weights={}", golden("resnet_basic.pth").display());
    lost(&["--set", &resnet])
        .fails(2, &["resnet_basic.pth", "weights of another network", "there is no `cls_token`"]);
    workspace
        .fovea(&["localize", "--images", "nowhere", "--out", "out", "--set", "features=patch-stats"])
        .fails(3, &["nowhere"]);
}

#[test]
fn a_sweep_localizes_once_and_says_how_well() {
    let workspace = Workspace::new();
    let axes = "[localizer]\nname = \"lost\"\nfeatures = \"patch-stats\"\npatch = 4\n[axes]\nloss = [\"iou\", \"ria\", \"energy\"]\n";
    workspace.write("small.toml", format!("{SMALL}{axes}"));
    workspace.fovea(&["run", "small.toml", "run.workers=3"]).ok();
    let boxes = std::fs::read_dir(workspace.path().join("runs/.cache/boxes")).unwrap();
    let files: Vec<PathBuf> = boxes.map(|entry| entry.unwrap().path()).collect();
    let by_picture: Vec<&PathBuf> =
        files.iter().filter(|f| f.extension().is_some_and(|e| e == "jsonl")).collect();
    assert_eq!(by_picture.len(), 1, "{files:?}");
    assert_eq!(std::fs::read_to_string(by_picture[0]).unwrap().lines().count(), 64, "each picture once");
    let store = workspace.run("small");
    for trial in store.read_plan().unwrap().trials {
        let rows = store.read_metrics(&trial.id).unwrap();
        assert!(rows.iter().any(|row| row.metric == "cor-loc" && row.split == "train" && row.count == 64));
    }
}

/// The whole of the paper's first table in little: RIVAL10's layout, LOST's boxes, three networks, two losses.
#[test]
fn the_papers_table_runs_from_data_to_report() {
    let workspace = Workspace::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/paper/table1.toml");
    let ran = workspace.fovea(&["run", file.to_str().unwrap(), "--smoke"]).ok();
    for variant in ["model=vgg16, loss=ria", "model=resnet50, loss=ria", "model=resnet18, loss=none"] {
        assert!(ran.stdout.contains(variant), "{}", ran.stdout);
    }
    let page = workspace.run("paper-table1-smoke").report_dir().join("index.html");
    assert!(std::fs::read_to_string(page).unwrap().contains("Smoke run"));
}

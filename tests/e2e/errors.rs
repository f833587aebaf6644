//! Bad input: every message says what, where, and what to do, and nothing panics.

use crate::harness::{SMALL, Workspace, folder};
use std::fs;

#[test]
fn several_mistakes_are_told_at_once_with_their_places() {
    let workspace = Workspace::new();
    let text = SMALL.replace("epochs = 3", "epohcs = 3").replace("batch_size = 16", "batch_size = \"many\"");
    workspace.write("bad.toml", text.replace("resnet-tiny", "resnet-tinny"));
    let ran = workspace.fovea(&["run", "bad.toml"]);
    let ran = ran.fails(
        2,
        &["bad.toml:", "epohcs", "did you mean `epochs`", "batch_size", "resnet-tinny", "resnet-tiny"],
    );
    assert!(ran.stderr.contains("bad.toml:20:1"), "the typo is at line 20, column 1:\n{}", ran.stderr);
    assert!(!workspace.path().join("runs").exists());
}

#[test]
fn a_typo_in_an_override_is_told() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml", "training.epohcs=1"]).fails(2, &["training.epohcs", "epochs"]);
}

#[test]
fn an_empty_grid_is_refused() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nseed = []\n"));
    workspace.fovea(&["run", "small.toml"]).fails(2, &["seed", "small.toml:"]);
}

#[test]
fn a_missing_experiment_and_a_missing_run_are_told() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "smal.toml"]).fails(2, &["smal.toml"]);
    workspace.fovea(&["report", "runs/nothing"]).fails(3, &["runs/nothing", "plan.json"]);
}

#[test]
fn cuda_without_cuda_names_the_way_out() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml", "device=cuda:0"]).fails(4, &["cuda:0", "device=cpu"]);
    workspace.fovea(&["run", "small.toml", "device=gpu"]).fails(2, &["gpu"]);
}

#[test]
fn a_missing_data_directory_is_told_with_its_path() {
    let workspace = Workspace::new();
    folder(&workspace);
    fs::remove_dir_all(workspace.path().join("data")).unwrap();
    let path = workspace.path().join("data");
    workspace.fovea(&["run", "folder.toml"]).fails(2, &[path.to_str().unwrap()]);
}

#[test]
fn a_zero_byte_picture_is_told_before_training_or_is_skipped_when_asked() {
    let workspace = Workspace::new();
    folder(&workspace);
    workspace.write("data/train/cat/broken.png", "");
    let ran = workspace.fovea(&["run", "folder.toml", "loss=none"]);
    ran.fails(2, &["data/train/cat/broken.png", "0 bytes", "on_bad_image = \"skip\""]);
    assert!(!workspace.path().join("runs").exists(), "nothing is trained");
    let ran = workspace.fovea(&["run", "folder.toml", "loss=none", "dataset.on_bad_image=skip"]).ok();
    assert!(ran.stderr.contains("broken.png"), "what is skipped is listed: {}", ran.stderr);
}

#[test]
fn pictures_without_masks_train_and_have_no_rfs() {
    let workspace = Workspace::new();
    folder(&workspace);
    workspace.fovea(&["run", "folder.toml", "loss=ria", "localizer=full-image"]).ok();
    let store = workspace.run("folder");
    let trial = store.read_plan().unwrap().trials[0].id.clone();
    let metrics = store.read_metrics(&trial).unwrap();
    assert!(metrics.iter().any(|m| m.metric == "accuracy" && m.split == "test"));
    assert!(metrics.iter().all(|m| m.metric != "rfs" && m.metric != "box-iou"), "no mask, no RFS");
}

#[test]
fn an_unwritable_run_directory_is_told() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.write("file", "not a folder");
    workspace.fovea(&["run", "small.toml", "run.dir=file/run"]).fails(3, &["file/run"]);
}

#[test]
fn a_second_run_on_the_same_directory_is_refused() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let store = workspace.run("small");
    let _lock = store.lock().unwrap();
    let pid = std::process::id().to_string();
    workspace.fovea(&["run", "small.toml"]).fails(3, &["in use by another fovea run", &pid]);
}

#[test]
fn a_diverging_trial_is_marked_and_the_others_go_on() {
    let workspace = Workspace::new();
    workspace.write(
        "small.toml",
        format!("{SMALL}\n[axes]\n\"training.optimizer.learning_rate\" = [1e-3, 1e30]\n"),
    );
    let ran = workspace.fovea(&["run", "small.toml", "loss=none", "training.optimizer.name=sgd"]);
    let ran = ran.fails(1, &["DIVERGED"]);
    assert!(ran.stdout.contains("diverged"), "the table counts it: {}", ran.stdout);
    let again = workspace.fovea(&["run", "small.toml", "loss=none", "training.optimizer.name=sgd"]);
    assert_eq!(again.code, 1);
    assert!(again.stdout.contains("done"), "a diverged trial is not run again: {}", again.stdout);
}

//! What can be known before training is said before training: nothing is begun, nothing is left behind.

use crate::harness::{Ran, SMALL, Workspace, png};
use std::process::Command;

/// The experiment cannot be run or planned: exit code 2, these words, and no run directory.
#[track_caller]
fn refused(workspace: &Workspace, overrides: &[&str], said: &[&str]) {
    workspace.write("small.toml", SMALL);
    for command in ["run", "plan"] {
        let args = [&[command, "small.toml"], overrides].concat();
        workspace.fovea(&args).fails(2, said);
        assert!(!workspace.path().join("runs/small").exists(), "{overrides:?}");
    }
}

#[test]
fn a_split_that_is_not_there_is_missed_before_training() {
    let workspace = Workspace::new();
    let has = "it has train, test, test-unbiased";
    let asks = r#"evaluation.splits=["test", "tset"]"#;
    refused(&workspace, &[asks], &["evaluation.splits: data set `scenes` has no split `tset`", has]);
    refused(
        &workspace,
        &["evaluation.noise_split=val"],
        &["evaluation.noise_split: ", "no split `val`", has],
    );
    let nothing = "dataset: data set `scenes` has no test split, so there is nothing to measure";
    refused(&workspace, &["dataset.test=0"], &["small.toml:5:2", nothing]);
}

#[test]
fn a_network_too_deep_for_its_input_is_told_where_the_size_is_given() {
    let workspace = Workspace::new();
    let model = "model={name=\"vgg-tiny\"}";
    let deep = "4 stages leave nothing of a picture of 8x8";
    refused(&workspace, &[model, "input.size=8"], &["command line: input.size=8: input.size: ", deep]);
    // One value of an axis is to blame, the other is not.
    refused(&workspace, &[model, "input.size=32,8"], &["input.size=32,8: input.size: ", deep]);
    let graph = r#"{"layers": [
        {"op": "conv", "out": 4, "kernel": 3}, {"op": "max-pool", "kernel": 64}, {"op": "global-avg-pool"},
        {"op": "linear", "out": "classes"}
    ]}"#;
    workspace.write("net.json", graph);
    let said = [
        "small.toml:12:8: input.size: its graph is no network for pictures of 32x32",
        "layers[1] (max-pool): its kernel of 64x64 is larger than its input of 32x32",
    ];
    refused(&workspace, &["model={name=\"graph\",file=\"net.json\"}"], &said);
}

#[test]
fn memory_that_no_machine_has_is_refused_and_not_asked_for() {
    let workspace = Workspace::new();
    let large =
        ["a step of training of resnet-tiny on 16 pictures of 4000000x4000000 needs at least", "of memory"];
    refused(&workspace, &["input.size=4000000"], &[&large[..], &["= input.size has to be below "]].concat());
    let batch = ["input.size=16384", "training.batch_size=60000", "dataset.train=60000"];
    let said = [
        "training.batch_size=60000: training.batch_size: a step of training of resnet-tiny on 60000 pictures of",
        "= training.batch_size has to be below ",
    ];
    refused(&workspace, &batch, &said);
    let evaluation = ["input.size=1024", "evaluation.batch_size=900000", "dataset.test=900000"];
    refused(
        &workspace,
        &evaluation,
        &["evaluation.batch_size: a pass of evaluation of resnet-tiny on 900000"],
    );
    let weights = "model.widths=[10000000,10000000,10000000,10000000]";
    refused(&workspace, &[weights], &["needs at least", "its weights alone are more than that"]);
    let endless = ["input.size=4611686018427387904"];
    refused(&workspace, &endless, &["input.size: ", "needs at least"]);
}

#[test]
fn the_limit_of_the_process_counts_as_memory() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 4194304; exec \"$0\" plan small.toml input.size=4096"]);
    command.arg(env!("CARGO_BIN_EXE_fovea")).current_dir(workspace.path());
    let said = ["16 pictures of 4096x4096 needs at least ", "this machine has 4.3 GB of memory"];
    Ran::of(command.output().unwrap()).fails(2, &said);
}

#[test]
fn commands_without_an_experiment_refuse_what_no_memory_holds_too() {
    let workspace = Workspace::new();
    let said = ["--size: a step of training of resnet18 on 2 pictures of", "--size has to be below"];
    workspace.fovea(&["bench", "step", "--size", "4000000", "--batch", "2"]).fails(2, &said);
    let deep = "4 stages leave nothing of a picture of 8x8";
    workspace.fovea(&["bench", "step", "--model", "vgg-tiny", "--size", "8"]).fails(2, &[deep]);
    workspace.write("small.toml", SMALL);
    let quick =
        ["training.epochs=1", "training.warmup_epochs=0", "evaluation.gallery=0", "evaluation.gaussian=[]"];
    workspace.fovea(&[&["run", "small.toml", "--quiet"], &quick[..]].concat()).ok();
    let weights =
        std::fs::read_dir(workspace.path().join("runs/small/trials")).unwrap().next().unwrap().unwrap();
    let weights = weights.path().join("checkpoint/model.safetensors");
    workspace.write("pictures/a.png", png(9));
    let set = ["--set", "stem_width=4", "--set", "widths=[4,4,8,8]"];
    let args =
        ["explain", "--model", "resnet-tiny", "--weights", weights.to_str().unwrap(), "--images", "pictures"];
    let rest = ["--out", "out", "--size", "4000000"];
    let said = ["--size: a forward pass of resnet-tiny on 1 picture of", "--size has to be below"];
    workspace.fovea(&[&args[..], &set, &rest].concat()).fails(2, &said);
}

//! `fovea export`: trained weights as others read them.

use crate::harness::{SMALL, Workspace, png};

#[test]
fn both_formats_give_the_trained_network_back() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml", "training.epochs=1", "training.warmup_epochs=0"]).ok();
    let id = workspace.run("small").read_plan().unwrap().trials[0].id.to_string();
    workspace.fovea(&["export", &format!("runs/small/{id}"), "--format", "pytorch-keys"]).ok();
    let run = [
        "export",
        &id[..5],
        "--run",
        "runs/small",
        "--format",
        "safetensors",
        "--out",
        "files/w.safetensors",
    ];
    workspace.fovea(&run).ok();

    workspace.write("photos/a.png", png(120));
    let explain = |source: &[&str]| {
        let mut args = vec!["explain", "--images", "photos", "--out", "out"];
        args.extend(source);
        workspace.fovea(&args).ok();
        std::fs::read_to_string(workspace.path().join("out/explain.json")).unwrap()
    };
    let trained = explain(&["--trial", "runs/small"]);
    let settings =
        ["--set", "stem_width=4", "--set", "widths=[4,4,8,8]", "--size", "32", "--model", "resnet-tiny"];
    for file in [format!("{id}.pth"), "files/w.safetensors".to_owned()] {
        let mut source = settings.to_vec();
        source.extend(["--weights", &file]);
        assert_eq!(explain(&source), trained, "{file}");
    }
}

#[test]
fn trials_that_cannot_be_exported_are_told() {
    let workspace = Workspace::new();
    let short = format!("{SMALL}\n[axes]\n\"training.optimizer.learning_rate\" = [1e-3, 1e30]\n");
    workspace.write("small.toml", short);
    let args = ["run", "small.toml", "loss=none", "training.optimizer.name=sgd", "training.epochs=1"];
    workspace.fovea(&[&args[..], &["training.warmup_epochs=0"]].concat()).fails(1, &["DIVERGED"]);
    let trials = workspace.run("small").read_plan().unwrap().trials;
    let export = |trial: &str| workspace.fovea(&["export", trial, "--format", "safetensors"]);
    let (good, diverged) = (trials[0].id.to_string(), trials[1].id.to_string());
    export(&format!("runs/small/{diverged}")).fails(3, &[&diverged, "no trained weights"]);
    export("runs/small").fails(2, &["2 trials, name one", &good, &diverged, "seed 0"]);
    export("runs/small/zz").fails(2, &["no trial's id begins with `zz`", &good]);
    export("runs/smal/zz").fails(3, &["runs/smal is no run directory"]);
    export(&good).fails(3, &["no run directory", "RUN/TRIAL"]);
    std::fs::remove_file(workspace.path().join("runs/small/trials").join(&good).join("DONE.json")).unwrap();
    export(&format!("runs/small/{}", &good[..6])).fails(3, &["is not finished", "`fovea run`"]);
}

//! What must be equal, bit for bit, and what must not.

use crate::harness::{SMALL, Workspace, bits, weights};

#[test]
fn the_same_trial_twice_gives_the_same_bits() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml", "run.dir=runs/a"]).ok();
    workspace.fovea(&["run", "small.toml", "run.dir=runs/b"]).ok();
    let [a, b] = ["a", "b"].map(|run| bits(&workspace.run(run), "small", 0));
    assert!(a.len() > 4, "{a:?}");
    assert_eq!(a, b);
}

#[test]
fn a_forked_trial_has_the_bits_of_one_trained_alone() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"iou\", \"ria\"]\n"));
    workspace.fovea(&["run", "small.toml", "run.dir=runs/forked"]).ok();
    workspace.fovea(&["run", "small.toml", "run.dir=runs/alone", "loss=ria"]).ok();
    let alone = workspace.run("alone");
    assert!(!alone.root().join("stages").exists(), "a trial of its own shares nothing");
    assert!(workspace.run("forked").root().join("stages").exists());
    let variant = alone.read_plan().unwrap().trials[0].variant.clone();
    assert_eq!(bits(&workspace.run("forked"), "loss=ria", 0), bits(&alone, &variant, 0));
}

#[test]
fn without_a_gradient_the_loss_trains_as_the_baseline_does_and_with_one_it_does_not() {
    let workspace = Workspace::new();
    let axes = "\n[axes]\nloss = [\"none\", \"ria\"]\n\"extractor.gradient\" = [\"none\", \"straight-through\", \"soft\"]\n";
    workspace.write("small.toml", format!("{SMALL}{axes}"));
    workspace.fovea(&["run", "small.toml"]).ok();
    let store = workspace.run("small");
    let of = |loss: &str, gradient: &str| weights(&store, &format!("loss={loss}, gradient={gradient}"), 0);
    let baseline = of("none", "none");
    assert_eq!(of("none", "straight-through"), baseline);
    assert_eq!(of("ria", "none"), baseline, "a constant box has no gradient");
    assert_ne!(of("ria", "straight-through"), baseline);
    assert_ne!(of("ria", "soft"), of("ria", "straight-through"));
}

#[test]
fn the_number_of_loader_threads_changes_nothing() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"ria\"\n"));
    workspace.fovea(&["run", "small.toml", "run.dir=runs/one", "run.threads=1"]).ok();
    workspace.fovea(&["run", "small.toml", "run.dir=runs/six", "run.threads=6"]).ok();
    assert_eq!(bits(&workspace.run("one"), "small", 0), bits(&workspace.run("six"), "small", 0));
}

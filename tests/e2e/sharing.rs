//! Trials that share a warm-up, and the same ones trained alone.

use crate::harness::{SMALL, Workspace, bits, results};

#[test]
fn without_sharing_ids_and_results_are_the_same_bits() {
    let workspace = Workspace::new();
    let axes = "\n[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]\n";
    workspace.write("small.toml", format!("{SMALL}{axes}"));
    let listed = workspace.fovea(&["plan", "small.toml"]).ok().stdout;
    // Two stages of 1 epoch and four trials of 2 more; or four of 3.
    assert!(
        listed.contains("training in all: 10 epochs; without sharing 12, 1.20 times as many"),
        "{listed}"
    );

    let shared = workspace.fovea(&["run", "small.toml", "run.dir=runs/shared"]).ok();
    assert!(shared.stderr.contains("10 epochs to train"), "{}", shared.stderr);
    let alone = workspace.fovea(&["run", "small.toml", "run.dir=runs/alone", "--no-sharing"]).ok();
    assert!(alone.stderr.contains("12 epochs to train"), "{}", alone.stderr);
    assert!(!alone.stderr.contains("warm-up") && !alone.stderr.contains("(stage)"), "{}", alone.stderr);
    let stores = ["shared", "alone"].map(|run| workspace.run(run));
    assert!(!stores[1].root().join("stages").exists());
    let [shared, alone] = stores.each_ref().map(results);
    assert_eq!(shared.keys().collect::<Vec<_>>(), alone.keys().collect::<Vec<_>>());
    for (file, bytes) in &shared {
        assert!(alone[file] == *bytes, "{file} differs");
    }
    for (variant, seed) in [("loss=none", 0), ("loss=none", 1), ("loss=ria", 0), ("loss=ria", 1)] {
        assert_eq!(bits(&stores[0], variant, seed), bits(&stores[1], variant, seed));
    }

    // One goes on where the other stopped: a stage that is there is not used, and nothing is done twice.
    let part = ["run", "small.toml", "run.dir=runs/both"];
    workspace.fovea(&[&part[..], &["--only", "loss=none"]].concat()).ok();
    let rest = workspace.fovea(&[&part[..], &["--no-sharing"]].concat()).ok();
    assert!(rest.stderr.contains("4 trials, 2 done before, 6 epochs to train"), "{}", rest.stderr);
    assert!(!rest.stderr.contains("(stage)"), "{}", rest.stderr);
    assert!(results(&workspace.run("both")) == shared);
}

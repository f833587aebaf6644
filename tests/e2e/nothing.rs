//! Numbers over nothing: training without targets, training that ends in NaN.

use crate::harness::{SMALL, Workspace, folder, png};
use fovea_records::{TrialEvent, TrialOutcome};
use std::fs;

/// A mask of 8x8 for a picture of [`folder`]: all object or none.
fn mask(workspace: &Workspace, split: &str, name: &str, value: u8) {
    workspace.write(&format!("data/{split}-masks/{name}.png"), png(value));
}

#[test]
fn a_loss_without_any_target_fails_before_training_and_others_go_on() {
    let workspace = Workspace::new();
    folder(&workspace);
    let args = ["run", "folder.toml", "loss=none,ria,energy"];
    let said = [
        "2 of 3 trials failed",
        "loss `ria` asks for target boxes, and localizer `ground-truth` finds none in any of the 4 training pictures",
        "0 of them have a mask with an object in it",
        "fovea data check",
    ];
    workspace.fovea(&args).fails(1, &said);
    let run = workspace.run("folder");
    let plan = run.read_plan().unwrap();
    for trial in &plan.trials {
        let done = run.done(&trial.id).unwrap();
        assert_eq!(done.is_some(), trial.variant == "loss=none", "{}", trial.variant);
        let trained = run.read_events(&trial.id).unwrap();
        assert!(done.is_some() || !trained.iter().any(|event| matches!(event, TrialEvent::Epoch(_))));
    }
    let table = fs::read_to_string(run.root().join("tables/summary.csv")).unwrap();
    let column = table.lines().next().unwrap().split(',').position(|name| name == "mean").unwrap();
    for line in table.lines().skip(1) {
        let measured = line.split(',').nth(column).is_some_and(|mean| !mean.is_empty());
        assert_eq!(measured, line.starts_with("loss=none"), "{line}");
    }
    // Masks that are all empty are as good as none.
    for name in ["cat/0", "cat/1", "dog/0", "dog/1"] {
        mask(&workspace, "train", name, 0);
    }
    workspace.fovea(&["run", "folder.toml", "loss=ria", "run.dir=runs/empty"]).fails(1, &said[1..]);
}

#[test]
fn few_targets_are_warned_of_on_the_terminal_in_the_record_and_in_the_report() {
    let workspace = Workspace::new();
    folder(&workspace);
    for (name, value) in [("cat/0", 255), ("cat/1", 0), ("dog/0", 0)] {
        mask(&workspace, "train", name, value);
    }
    let ran = workspace.fovea(&["run", "folder.toml", "loss=none,energy"]).ok();
    let warning = "localizer `ground-truth` finds a box in 1 of 4 training pictures only";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    let run = workspace.run("folder");
    let energy = run.read_plan().unwrap().trials[1].id.clone();
    let events = run.read_events(&energy).unwrap();
    assert!(
        events.iter().any(|e| matches!(e, TrialEvent::Warning { message } if message.starts_with(warning)))
    );
    let page = fs::read_to_string(run.report_dir().join("index.html")).unwrap();
    assert!(page.contains("finds a box in 1 of 4 training pictures only"));
    // The share stands beside the numbers: one picture of four.
    for text in ["explained", "25.0"] {
        assert!(ran.stdout.contains(text) && page.contains(text), "{text:?} is not in:\n{}", ran.stdout);
    }
}

#[test]
fn weights_that_the_last_step_spoils_are_no_result() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let one_step = ["training.epochs=1", "training.warmup_epochs=0", "training.batch_size=64"];
    let spoilt = ["training.optimizer.name=sgd", "training.optimizer.learning_rate=1e38"];
    let args = [&["run", "small.toml"][..], &one_step, &spoilt].concat();
    let ran = workspace.fovea(&args).fails(1, &["DIVERGED", "logits of the network are NaN"]);
    assert!(!ran.stderr.contains("FAILED"), "{}", ran.stderr);
    let run = workspace.run("small");
    let id = run.read_plan().unwrap().trials[0].id.clone();
    let done = run.done(&id).unwrap().unwrap();
    assert!(matches!(done.ended, TrialOutcome::Diverged { .. }), "{done:?}");
    assert_eq!(run.read_metrics(&id).unwrap(), []);
    for command in
        [&["ls", "runs/small"][..], &["show", &format!("runs/small/{id}")], &["report", "runs/small"]]
    {
        workspace.fovea(command).ok();
    }
    workspace.fovea(&["verify", "runs/small", "--no-rerun"]).ok();
    // The same again finds it there.
    workspace.fovea(&args).fails(1, &[]);
}

#[test]
fn an_epoch_in_which_nothing_is_explained_is_told_once() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    // Every crop loses a part of a box that is the whole picture, and with it all of the box.
    let lost = ["localizer=full-image", "augmentation.min_box_kept=1", "augmentation.crop_scale=[0.5,0.6]"];
    let ran = workspace.fovea(&[&["run", "small.toml", "loss=energy"][..], &lost].concat()).ok();
    let warning = "in epoch 2 none of 64 training pictures had an explanation loss";
    assert_eq!(ran.stderr.matches("had an explanation loss").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    let run = workspace.run("small");
    let events = run.read_events(&run.read_plan().unwrap().trials[0].id).unwrap();
    let told = |e: &TrialEvent| matches!(e, TrialEvent::Warning { message } if message.starts_with(warning));
    assert_eq!(events.iter().filter(|event| told(event)).count(), 1);
    let page = fs::read_to_string(run.report_dir().join("index.html")).unwrap();
    assert!(page.contains(warning));
}

//! Knowing before running, and what is kept of runs: `plan`, `ls`, `show`, `gc`.

use crate::harness::{SMALL, Workspace, folder};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

const AXES: &str = "\n[axes]\nloss = [\"none\", \"ria\"]\n";

fn json(workspace: &Workspace, args: &[&str]) -> Value {
    serde_json::from_str(&workspace.fovea(args).ok().stdout).unwrap()
}

/// Every file below a folder and when it was written.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, SystemTime> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), path.metadata().unwrap().modified().unwrap());
        }
    }
    found
}

#[test]
fn a_plan_says_why_and_how_long_and_writes_nothing() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}{AXES}"));
    let before = files(workspace.path());
    let fresh = workspace.fovea(&["plan", "small.toml"]).ok().stdout;
    for words in ["2 to run", "1 epoch with 1 other", "time: unknown for 2 trials", "--probe measures"] {
        assert!(fresh.contains(words), "{words:?} is not in:\n{fresh}");
    }
    let probed = workspace.fovea(&["plan", "small.toml", "--probe"]).ok().stdout;
    for words in ["measured: resnet-tiny batch 16 size 32", "time: about ", "from steps measured just now"] {
        assert!(probed.contains(words), "{words:?} is not in:\n{probed}");
    }
    let named = |files: BTreeMap<String, SystemTime>| -> Vec<String> {
        files.into_keys().filter(|name| !name.contains("/remembered/")).collect()
    };
    assert_eq!(named(files(workspace.path())), named(before));

    workspace.fovea(&["run", "small.toml"]).ok();
    let done = workspace.fovea(&["plan", "small.toml"]).ok().stdout;
    assert!(done.contains("0 to run") && !done.contains("time: "), "{done}");

    let before = files(&workspace.path().join("runs"));
    let changed = workspace.fovea(&["plan", "small.toml", "training.epochs=4"]).ok().stdout;
    for words in
        ["stale: all 2 trials", "training.epochs 3 -> 4", "2 to run", "earlier trials of the same model"]
    {
        assert!(changed.contains(words), "{words:?} is not in:\n{changed}");
    }
    let plan = json(
        &workspace,
        &["plan", "small.toml", "training.epochs=4", "axes.loss=[\"none\",\"iou\"]", "--json"],
    );
    let trials = plan["trials"].as_array().unwrap();
    assert_eq!(trials[0]["status"], "stale");
    assert_eq!(trials[0]["changes"][0]["text"], "training.epochs 3 -> 4");
    assert_eq!(trials[0]["changes"][0]["from"], 3);
    assert_eq!(trials[1]["status"], "new");
    assert_eq!(trials[1]["shares_with"][0], trials[0]["id"]);
    assert_eq!(trials[1]["estimate"]["basis"], "same-work");
    let total = &plan["estimate"];
    assert!(
        total["low"].as_f64() <= total["seconds"].as_f64()
            && total["seconds"].as_f64() <= total["high"].as_f64()
    );
    assert_eq!(files(&workspace.path().join("runs")), before, "a plan writes nothing");
}

#[test]
fn a_failed_trial_says_what_and_when_and_changed_data_are_named() {
    let workspace = Workspace::new();
    folder(&workspace);
    let args =
        ["run", "folder.toml", "training.epochs=1", "training.warmup_epochs=0", "training.batch_size=2"];
    workspace.fovea(&args).ok();
    let mut plan = args;
    plan[0] = "plan";
    workspace.write("data/train/cat/0.png", crate::harness::png(17));
    let changed = workspace.fovea(&plan).ok().stdout;
    assert!(changed.contains("dataset contents changed (folder)"), "{changed}");

    let store = workspace.run("folder");
    let id = store.read_plan().unwrap().trials[0].id.clone();
    let entry = format!(
        "{{\"entry\":\"trial-started\",\"time\":1.0,\"trial\":\"{id}\",\"attempt\":1}}\n\
         {{\"entry\":\"trial-finished\",\"time\":2.0,\"trial\":\"{id}\",\"outcome\":{{\"outcome\":\"failed\",\"message\":\"out of luck\"}},\"seconds\":1.0}}\n"
    );
    let journal = store.root().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text + &entry).unwrap();
    std::fs::remove_file(store.trial_dir(&id).join("DONE.json")).unwrap();
    workspace.write("data/train/cat/0.png", crate::harness::png(200));
    let failed = workspace.fovea(&plan).ok().stdout;
    assert!(
        failed.contains("failed: ") && failed.contains("out of luck") && failed.contains("days ago"),
        "{failed}"
    );
}

#[test]
fn runs_and_trials_are_listed_and_shown() {
    let workspace = Workspace::new();
    workspace.fovea(&["ls"]).fails(3, &["runs is no folder", "fovea run"]);
    workspace.write("small.toml", format!("question = \"Does it work?\"\n{SMALL}{AXES}"));
    let run = ["run", "small.toml", "training.epochs=2", "axes.loss=[\"ria\"]"];
    let mut command = workspace.command(&run);
    command.env("FOVEA_TRAINING__ALPHA", "2.0");
    assert!(command.output().unwrap().status.success());
    let listed = workspace.fovea(&["ls"]).ok().stdout;
    for words in ["last activity", "small", "1/1", "just now", "Does it work?", "B  "] {
        assert!(listed.contains(words), "{words:?} is not in:\n{listed}");
    }
    let trials = workspace.fovea(&["ls", "runs/small"]).ok().stdout;
    assert!(trials.contains("accuracy test") && trials.contains(" %") && trials.contains("done"), "{trials}");
    let rows = json(&workspace, &["ls", "runs/small", "--json"]);
    let id = rows["trials"][0]["id"].as_str().unwrap().to_owned();
    assert!(rows["trials"][0]["accuracy"]["test"].is_f64(), "{rows}");

    let shown = workspace.fovea(&["show", &format!("runs/small/{}", &id[..6])]).ok().stdout;
    let from = |key: &str| {
        let line = shown.lines().find(|line| line.trim_start().starts_with(&format!("{key} ")));
        line.unwrap_or_else(|| panic!("{key} is not in:\n{shown}")).rsplit("  ").next().unwrap().to_owned()
    };
    assert_eq!(from("training.epochs"), "command line: training.epochs=2");
    assert_eq!(from("training.batch_size"), "small.toml:23");
    assert_eq!(from("training.alpha"), "environment FOVEA_TRAINING__ALPHA");
    assert_eq!(from("training.beta"), "default");
    assert_eq!(from("loss.name"), "axis loss, command line: axes.loss=[\"ria\"]");
    for words in ["status      done", "attempts    1", "checkpoint/model.safetensors", "accuracy"] {
        assert!(shown.contains(words), "{words:?} is not in:\n{shown}");
    }
    workspace.fovea(&["show", "runs/small/zzz"]).fails(2, &["no trial's id begins with `zzz`"]);
}

#[test]
fn only_what_nobody_needs_is_deleted() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}{AXES}"));
    workspace.fovea(&["run", "small.toml", "training.epochs=2"]).ok();
    workspace.write("runs/small/trials/.plan.json.1.tmp", "half");
    workspace.write("runs/small/reruns/verify-1/trials/a/trace.jsonl", "");
    let store = workspace.run("small");
    let gone = store.read_plan().unwrap().trials[0].id.clone();
    let before = files(store.root());
    let shown = workspace.fovea(&["gc"]).ok().stdout;
    for words in ["shared warm-ups", "left half written", "what reruns", "nothing was deleted, --yes does it"]
    {
        assert!(shown.contains(words), "{words:?} is not in:\n{shown}");
    }
    assert_eq!(files(store.root()), before);

    let lock = store.lock().unwrap();
    let locked = workspace.fovea(&["gc", "runs/small", "--yes"]).ok();
    assert!(
        locked.stderr.contains("left alone") && locked.stdout.contains("nothing to delete"),
        "{}",
        locked.stderr
    );
    assert!(files(store.root()).len() == before.len());
    drop(lock);

    let deleted = workspace.fovea(&["gc", "--yes"]).ok().stdout;
    assert!(deleted.contains("deleted 3 items"), "{deleted}");
    assert!(std::fs::read_dir(store.root().join("stages")).unwrap().next().is_none());
    assert!(workspace.fovea(&["plan", "small.toml", "training.epochs=2"]).ok().stdout.contains("0 to run"));

    workspace.fovea(&["run", "small.toml", "training.epochs=3"]).ok();
    assert!(store.trial_dir(&gone).exists());
    workspace.fovea(&["gc", "runs/small", "--yes"]).ok();
    assert!(store.trial_dir(&gone).exists(), "results go only when they are asked for");
    workspace.fovea(&["gc", "runs/small", "--trials", "--yes"]).ok();
    assert!(!store.trial_dir(&gone).exists());
    assert!(workspace.fovea(&["plan", "small.toml", "training.epochs=3"]).ok().stdout.contains("0 to run"));
    let boxes = |days: &str| {
        json(&workspace, &["gc", "--cache-days", days, "--json"])["found"].as_array().unwrap().len()
    };
    assert_eq!((boxes("1"), boxes("0") > 0), (0, true));
}

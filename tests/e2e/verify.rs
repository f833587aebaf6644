//! `fovea verify`, `rerun`, `diff` and `bundle`: whether a result can be had again, and whether a record is what was written.

use crate::harness::{Ran, SMALL, Workspace, folder, png};
use fovea_records::{Done, Finding, RunStore, Verdict, store, trace};
use std::fs;
use std::path::Path;

/// Runs two variants of the small experiment; their warm-up is shared.
fn trained(workspace: &Workspace) -> RunStore {
    let text = SMALL.replace("epochs = 3", "epochs = 2");
    workspace.write("small.toml", format!("{text}\n[axes]\nloss = [\"none\", \"ria\"]\n"));
    workspace.fovea(&["run", "small.toml", "-q", "run.threads=1"]).ok();
    workspace.run("small")
}

/// Changes a file of a trial, and mends its hash in `DONE.json` if that is asked for.
fn edit(run: &RunStore, variant: &str, file: &str, mend: bool, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let id = &run.read_plan().unwrap().trials.iter().find(|t| t.variant == variant).unwrap().id.clone();
    let path = run.trial_dir(id).join(file);
    let before = fs::read(&path).unwrap();
    let after = change(before.clone());
    assert_ne!(before, after, "{file} was not changed");
    fs::write(&path, &after).unwrap();
    if mend {
        let mut done: Done = run.done(id).unwrap().unwrap();
        done.artefacts.insert(file.to_owned(), blake3::hash(&after).to_hex().to_string());
        store::write_json(&run.trial_dir(id).join("DONE.json"), &done).unwrap();
    }
}

fn replace(from: &'static str, to: &'static str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |bytes| String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes()
}

fn copy(from: &Path, to: &Path) -> RunStore {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
    RunStore::new(to)
}

fn verdicts(ran: &Ran) -> Vec<Verdict> {
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    serde_json::from_value(json["verdicts"].clone()).unwrap()
}

#[test]
fn a_run_that_was_moved_is_bit_exact_without_its_experiment_and_on_more_threads() {
    let workspace = Workspace::new();
    let run = trained(&workspace);
    fs::remove_file(workspace.path().join("small.toml")).unwrap();
    fs::rename(run.root(), workspace.path().join("moved")).unwrap();
    let moved = RunStore::new(workspace.path().join("moved"));
    let before = moved.digest().unwrap();
    let ran = workspace.fovea(&["verify", "moved"]).ok();
    assert!(ran.stdout.contains("2 records checked, sound"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n2 bit-exact\nreport: moved/report/index.html\n"), "{}", ran.stdout);
    let recorded = moved.read_verdicts().unwrap();
    assert_eq!(recorded.len(), 2);
    assert!(
        recorded.values().all(|v| v.finding == Finding::BitExact && v.changes.is_empty()),
        "{recorded:?}"
    );
    assert_ne!(moved.digest().unwrap(), before, "the report is made again");
    assert!(!moved.root().join("reruns").exists(), "nothing differs, so nothing is kept");

    let ran = workspace.fovea(&["verify", "moved", "--sample", "1", "--threads", "2", "--json"]).ok();
    let found = verdicts(&ran);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].finding, Finding::BitExact, "{found:?}");
    assert_eq!(found[0].changes[0].what, "threads");
    assert_eq!((found[0].changes[0].recorded.as_str(), found[0].changes[0].now.as_str()), ("1", "2"));
    assert!(found[0].reasons[0].contains("recorded 1, now 2"), "{found:?}");
}

#[test]
fn records_that_were_changed_are_found_and_named() {
    let workspace = Workspace::new();
    let run = trained(&workspace);
    let accuracy = |bytes: Vec<u8>| {
        // The last row of the accuracy on all test pictures, whatever it is.
        let text = String::from_utf8(bytes).unwrap();
        let at = text.rfind("\"metric\":\"accuracy\",\"value\":").unwrap();
        (text[..at].to_owned() + &text[at..].replacen("\"value\":0.", "\"value\":0.9", 1)).into_bytes()
    };
    let predicted = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let at = text.find("\"record\":\"clean\"").unwrap();
        let all_nines = |list: &str| list.split(',').map(|_| "9").collect::<Vec<_>>().join(",");
        let start = at + text[at..].find("\"predicted\":[").unwrap() + "\"predicted\":[".len();
        let end = start + text[start..].find(']').unwrap();
        format!("{}{}{}", &text[..start], all_nines(&text[start..end]), &text[end..]).into_bytes()
    };
    let flip_last = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let check = |name: &str, damage: &dyn Fn(&RunStore), said: &[&str]| {
        let root = workspace.path().join(name);
        damage(&copy(run.root(), &root));
        let ran = workspace.fovea(&["verify", name, "--no-rerun"]);
        assert_eq!(ran.code, 6, "{name}\n{}\n{}", ran.stdout, ran.stderr);
        let text = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in said.iter().chain(&["1 tampered with, 1 sound"]) {
            assert!(text.contains(said), "{name}: {said:?} is not in:\n{text}");
        }
        let recorded = RunStore::new(&root).read_verdicts().unwrap();
        assert_eq!(recorded.len(), 1, "{name}: a record that is only looked at is no verdict");
        assert!(recorded.values().all(|verdict| verdict.finding == Finding::Tampered));
    };
    let unmended = "is not the file that was written: its hash is not the one in DONE.json";
    let of = |file: &str| format!("{file} {unmended}");
    check(
        "predictions",
        &|r| edit(r, "loss=ria", "predictions.jsonl", false, predicted),
        &[&of("predictions.jsonl")],
    );
    check(
        "metrics",
        &|r| edit(r, "loss=ria", "metrics.jsonl", true, accuracy),
        &["metrics.jsonl contradicts predictions.jsonl: accuracy on test", "contradicts events.jsonl"],
    );
    check(
        "mended",
        &|r| edit(r, "loss=ria", "predictions.jsonl", true, predicted),
        &["metrics.jsonl contradicts predictions.jsonl"],
    );
    check(
        "weights",
        &|r| edit(r, "loss=ria", "checkpoint/model.safetensors", true, flip_last),
        &["checkpoint/model.safetensors does not hold the weights that training ended with"],
    );
    check(
        "done",
        &|r| edit(r, "loss=ria", "DONE.json", false, replace("{", "")),
        &["DONE.json", "not a valid DONE marker"],
    );
    check(
        "gone",
        &|r| {
            let trial = r.trial_dir(&r.read_plan().unwrap().trials[0].id);
            fs::remove_file(trial.join("gallery/000.png")).unwrap();
        },
        &["gallery/000.png is missing"],
    );
    check(
        "plan",
        &|r| {
            let path = r.root().join("plan.json");
            let text = fs::read_to_string(&path).unwrap();
            let changed = text.replacen("\"batch_size\": 16", "\"batch_size\": 32", 1);
            assert_ne!(text, changed);
            fs::write(path, changed).unwrap();
        },
        &[
            "plan.json does not hold the configuration that the trial is named by",
            "contradicts trial.toml (left): training.batch_size 16 -> 32",
        ],
    );
}

#[test]
fn what_no_record_tells_a_rerun_does() {
    let workspace = Workspace::new();
    let run = trained(&workspace);
    // A trace that was changed together with its hash: step 6 is in the explanation epoch.
    let plan = run.read_plan().unwrap();
    let lines = run.read_trace(&plan.trials[1].id).unwrap();
    let at = |line: &trace::TraceLine| matches!(line, trace::TraceLine::Step { step: 6, .. });
    let line = serde_json::to_string(lines.iter().find(|line| at(line)).unwrap()).unwrap();
    let (start, end) = line.split_once("\"cross_entropy\":").unwrap();
    let wrong = format!("{start}\"cross_entropy\":9{end}");
    edit(&run, "loss=ria", "trace.jsonl", true, |bytes| {
        String::from_utf8(bytes).unwrap().replacen(&line, &wrong, 1).into_bytes()
    });
    let ran = workspace.fovea(&["verify", "runs/small", "--json"]).ok();
    let found = verdicts(&ran);
    let of = |at: usize| found.iter().find(|v| v.trial == plan.trials[at].id).unwrap();
    assert_eq!(of(0).finding, Finding::BitExact);
    assert_eq!(of(1).finding, Finding::WithinTolerance, "its metrics are right: {found:?}");
    let departure = of(1).departure.as_ref().unwrap();
    assert_eq!(
        (departure.step, departure.what.as_str(), &departure.tensor),
        (Some(6), "cross-entropy", &None)
    );
    assert!(of(1).reasons.iter().any(|reason| reason.contains("equal trials have equal bits")), "{found:?}");
    let kept = run.root().join("reruns/verify-1/trials");
    assert_eq!(fs::read_dir(kept).unwrap().count(), 1, "only what differs is kept");
}

#[test]
fn a_rerun_leaves_the_run_as_it_is_and_says_what_came_of_it() {
    let workspace = Workspace::new();
    let run = trained(&workspace);
    let id = run.read_plan().unwrap().trials[1].id.clone();
    let before = store::hash_tree(run.root()).unwrap();
    let ran = workspace.fovea(&["rerun", "runs/small", "--trial", &id.as_str()[..6], "--out", "again"]).ok();
    assert!(ran.stdout.contains("bit-exact") && ran.stdout.contains("again/trials/"), "{}", ran.stdout);
    assert_eq!(store::hash_tree(run.root()).unwrap(), before);
    let again = RunStore::new(workspace.path().join("again"));
    let done = |of: &RunStore| of.done(&id).unwrap().unwrap().artefacts;
    for file in ["trace.jsonl", "checkpoint/model.safetensors", "predictions.jsonl", "metrics.jsonl"] {
        assert_eq!(done(&again)[file], done(&run)[file], "{file}");
    }
    workspace
        .fovea(&["rerun", &format!("runs/small/{id}"), "--out", "again"])
        .fails(2, &["holds a run already"]);
    let trial = format!("runs/small/{id}");
    workspace.fovea(&["rerun", &trial, "--device", "cuda:7"]).fails(3, &["cuda:7", "--device takes another"]);
}

#[test]
fn data_that_are_gone_moved_or_changed_are_named_before_training() {
    let workspace = Workspace::new();
    folder(&workspace);
    workspace.fovea(&["run", "folder.toml", "-q"]).ok();
    let run = workspace.run("folder");
    let moved = workspace.path().join("elsewhere");
    fs::rename(workspace.path().join("data"), &moved).unwrap();
    let ran = workspace.fovea(&["verify", "runs/folder"]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("The dataset folder cannot be used"), "{}", ran.stdout);
    let path = format!("dataset.root={}", moved.display());
    let ran = workspace.fovea(&["verify", "runs/folder", "--path", &path]).ok();
    assert!(ran.stdout.contains("1 bit-exact"), "{}", ran.stdout);

    workspace.write("elsewhere/train/cat/0.png", png(90));
    let ran = workspace.fovea(&["verify", "runs/folder", "--path", &path]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("Data set folder is not what the trial was trained with"), "{}", ran.stdout);
    let known = run.read_verdicts().unwrap();
    assert!(known.values().all(|v| v.finding == Finding::BitExact), "what was found stays: {known:?}");
    let ran = workspace.fovea(&["verify", "runs/folder", "--path", &path, "--anyway", "--json"]);
    let found = verdicts(&ran);
    let departure = found[0].departure.as_ref().unwrap();
    assert_eq!((departure.step, departure.what.as_str()), (Some(1), "batch"));
    assert!(found[0].reasons[1].starts_with("Data set folder: recorded"), "{found:?}");
}

#[test]
fn a_bundle_holds_what_a_check_needs() {
    let workspace = Workspace::new();
    let run = trained(&workspace);
    let ran = workspace.fovea(&["bundle", "runs/small", "--out", "a.tar.gz"]).ok();
    assert!(ran.stdout.contains("weights of 2 trials left out"), "{}", ran.stdout);
    workspace.fovea(&["bundle", "runs/small", "--out", "b.tar.gz"]).ok();
    // The README names the file, so two names make two bundles; one name makes one.
    let bytes = fs::read(workspace.path().join("a.tar.gz")).unwrap();
    workspace.fovea(&["bundle", "runs/small", "--out", "a.tar.gz"]).ok();
    assert_eq!(fs::read(workspace.path().join("a.tar.gz")).unwrap(), bytes);
    let other = Workspace::new();
    other.write("a.tar.gz", &bytes);
    let ran = other.fovea(&["verify", "a.tar.gz", "--sample", "1", "--out", "verdicts.jsonl"]).ok();
    assert!(ran.stdout.contains("1 bit-exact, 1 sound and not drawn"), "{}", ran.stdout);
    assert_eq!(fs::read(other.path().join("a.tar.gz")).unwrap(), bytes);
    let written = fs::read_to_string(other.path().join("verdicts.jsonl")).unwrap();
    assert_eq!(written.lines().count(), 1);

    edit(&run, "loss=ria", "events.jsonl", false, |mut bytes| {
        bytes.push(b'\n');
        bytes
    });
    workspace.fovea(&["bundle", "runs/small", "--weights", "--out", "c.tar.gz"]).ok();
    let ran = workspace.fovea(&["verify", "c.tar.gz", "--no-rerun"]);
    assert_eq!(ran.code, 6, "{}", ran.stdout);
    assert!(ran.stdout.contains("events.jsonl is not the file that was written"), "{}", ran.stdout);
    let mut torn = bytes;
    torn.truncate(torn.len() / 2);
    other.write("torn.tar.gz", torn);
    other.fovea(&["verify", "torn.tar.gz"]).fails(3, &["torn.tar.gz: this is no bundle"]);
}

#[test]
fn two_trials_and_two_runs_are_compared() {
    let workspace = Workspace::new();
    let run = trained(&workspace);
    workspace
        .fovea(&["run", "small.toml", "-q", "run.threads=1", "training.batch_size=32", "run.dir=runs/other"])
        .ok();
    let plan = run.read_plan().unwrap();
    let [a, b] = [0, 1].map(|at| format!("runs/small/{}", plan.trials[at].id));
    let text = workspace.fovea(&["diff", &a, &b]).ok().stdout;
    assert!(text.contains("loss none -> ria"), "{text}");
    // The warm-up is one epoch of four steps; from then on one of the two has target boxes.
    assert!(text.contains("first difference at step 5, batch"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&workspace.fovea(&["diff", &a, &a, "--json"]).ok().stdout).unwrap();
    assert_eq!(json["config"], serde_json::json!([]));
    assert_eq!(json["departure"], serde_json::Value::Null);
    assert!(json["agreement"].as_array().unwrap().iter().all(|of| of["differ"] == 0 && of["pictures"] != 0));

    let text = workspace.fovea(&["diff", "runs/small", "runs/other"]).ok().stdout;
    assert!(text.contains("2 in both (0 by id, 2 by variant and seed), 0 in A only, 0 in B only"), "{text}");
    assert!(text.contains("training.batch_size 16 -> 32"), "{text}");
    assert!(text.contains("accuracy on test"), "{text}");
    workspace.fovea(&["diff", "runs/small", &a]).fails(2, &["name two runs, or two trials"]);
}

#[test]
fn trials_that_are_not_done_are_counted() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"ria\"]\n"));
    workspace.fovea(&["run", "small.toml", "-q", "--only", "loss=none", "training.epochs=1"]).ok();
    let ran = workspace.fovea(&["verify", "runs/small", "--no-rerun"]).ok();
    assert!(ran.stdout.contains("\n1 sound, 1 new\n"), "{}", ran.stdout);
    assert!(workspace.run("small").read_verdicts().unwrap().is_empty());
    workspace.fovea(&["verify", "runs"]).fails(3, &["runs is no run directory", "fovea bundle"]);
    workspace.fovea(&["verify", "runs/small", "--tolerance", "nan"]).fails(2, &["--tolerance"]);
}

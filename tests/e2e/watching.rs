//! Watching a run: from another shell while it goes on, and afterwards.

use crate::harness::{SMALL, Workspace, wait_for};
use std::fs;
use std::process::{Command, Stdio};

/// Process ids of the children of a process.
fn children(parent: u32) -> Vec<String> {
    let is_child = |pid: &String| {
        // `pid (name) state parent ...`; the name may hold anything.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    };
    let pids = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    pids.filter(is_child).collect()
}

#[test]
fn a_run_is_watched_from_another_shell_and_a_crash_leaves_its_log() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"ria\"\n"));
    let args = ["run", "small.toml", "training.epochs=120", "--tensorboard"];
    let mut child = workspace.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let store = workspace.run("small");
    let trials = store.root().join("trials");
    let dir = wait_for("the trial", || fs::read_dir(&trials).ok()?.next()?.ok().map(|d| d.path()));
    let holds = |file: &str, text: &str| fs::read_to_string(dir.join(file)).is_ok_and(|t| t.contains(text));
    wait_for("a checkpoint", || holds("events.jsonl", r#""event":"epoch""#).then_some(()));
    wait_for("training", || holds("progress.json", "training").then_some(()));

    let status = workspace.fovea(&["status", "runs/small"]).ok().stdout;
    assert!(status.contains(&format!("1 running; fovea run (pid {})", child.id())), "{status}");
    assert!(status.contains("/120") && status.contains(" ago"), "{status}");

    let workers = children(child.id());
    assert!(Command::new("kill").arg("-9").arg(&workers[0]).status().unwrap().success());
    let followed = workspace.fovea(&["logs", "-f", dir.to_str().unwrap()]).ok().stdout;
    assert!(child.wait().unwrap().success(), "the second attempt goes well");

    let logs = workspace.fovea(&["logs", "runs/small"]).ok().stdout;
    for text in ["attempt 1", "FAILED: the worker process died", "attempt 2", "(checkpoint)", "finished: "] {
        assert!(logs.contains(text), "{text:?} is not in:\n{logs}");
    }
    assert!(followed.contains("attempt 2") && followed.contains("epoch 120/120"), "{followed}");
    let first = workspace.fovea(&["logs", "runs/small", "--attempt", "1"]).ok().stdout;
    assert!(first.contains("FAILED") && !first.contains("finished"), "{first}");
    let status = workspace.fovea(&["status", "--watch", "runs/small"]).ok().stdout;
    assert!(status.starts_with("small: 1/1 done; no fovea run at work"), "{status}");

    assert!(!dir.join("progress.json").exists());
    let curves: Vec<u64> = fs::read_dir(dir.join("tensorboard"))
        .unwrap()
        .map(|f| f.unwrap().metadata().unwrap().len())
        .collect();
    assert!(curves.len() == 2 && curves.iter().all(|bytes| *bytes > 40), "a file an attempt: {curves:?}");
    let trial = &store.read_plan().unwrap().trials[0].id;
    let artefacts = store.done(trial).unwrap().unwrap().artefacts;
    let watched = |name: &&String| ["progress", "worker", "tensorboard"].iter().any(|w| name.starts_with(w));
    assert_eq!(artefacts.keys().find(watched), None, "what is for watching is no result");
}

#[test]
fn a_quiet_run_says_nothing_but_its_end_and_a_verbose_one_everything() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let quiet = workspace.fovea(&["run", "-q", "small.toml", "training.epochs=1"]).ok();
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("report: "), "{}", quiet.stdout);
    let verbose = workspace.fovea(&["-vv", "run", "small.toml", "training.epochs=2"]).ok().stderr;
    for text in ["plan loaded", "worker started", "worker 0 | ", "checkpoint saved", "evaluated part="] {
        assert!(verbose.contains(text), "{text:?} is not in:\n{verbose}");
    }
    let mut chosen = workspace.command(&["run", "small.toml", "run.dir=runs/other"]);
    let chosen = chosen.env("FOVEA_LOG", "fovea_engine=debug").output().unwrap();
    let stderr = String::from_utf8(chosen.stderr).unwrap();
    assert!(chosen.status.success() && !stderr.contains("checkpoint saved"), "{stderr}");
    let logs = workspace.fovea(&["logs", "runs/other"]).ok().stdout;
    assert!(logs.contains("stderr | ") && logs.contains("checkpoint saved"), "{logs}");
    let mut wrong = workspace.command(&["plugins"]);
    let wrong = wrong.env("FOVEA_LOG", "fovea=loud").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("write TARGET=LEVEL"));
}

//! As many workers on a device as its memory has room for. The tests bring an `nvidia-smi` of their own.

use crate::harness::{SMALL, Workspace};
use fovea_records::{JournalEntry, RunStore};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// Every worker of the run that asks has $NEED MiB of 10000.
const NVIDIA_SMI: &str = r#"#!/bin/sh
echo "$@" >> asked
case "$*" in
*memory.total*) echo 10000 ;;
*) for thread in /proc/$PPID/task/*; do
    for pid in $(cat "$thread/children"); do
        [ "$pid" = $$ ] || echo "$pid, $NEED"
    done
done ;;
esac
"#;

/// The most trials that were in progress at a time, and how many were when the first ended.
fn together(store: &RunStore) -> (usize, usize) {
    let (mut running, mut most, mut first) = (0, 0, None);
    for entry in store.read_journal().unwrap() {
        match entry {
            JournalEntry::TrialStarted { .. } => running += 1,
            JournalEntry::TrialFinished { .. } => {
                first.get_or_insert(running);
                running -= 1;
            }
            _ => {}
        }
        most = most.max(running);
    }
    (most, first.unwrap())
}

#[test]
fn a_device_has_as_many_workers_as_the_first_ones_memory_allows() {
    let workspace = Workspace::new();
    let script = workspace.write("bin/nvidia-smi", NVIDIA_SMI);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", script.parent().unwrap().display(), std::env::var("PATH").unwrap());
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nseed = [0, 1, 2, 3]\n"));
    let run = |name: &str, need: &str, epochs: &str, only: &str| {
        let (dir, epochs) = (format!("run.dir=runs/{name}"), format!("training.epochs={epochs}"));
        let args = [
            "run",
            "small.toml",
            "--jobs",
            "3",
            "device=auto",
            "run.per_device=auto",
            &dir,
            &epochs,
            "--only",
            only,
        ];
        let mut command = workspace.command(&args);
        command.env("PATH", &path).env("NEED", need).env("CUDA_VISIBLE_DEVICES", "5");
        crate::harness::Ran::of(command.output().unwrap()).ok().stderr
    };

    let said = run("three", "3000", "120", "seed");
    assert!(said.contains("auto: 3 workers at a time: each needs 3000 MiB of 10000"), "{said}");
    let asked = fs::read_to_string(workspace.path().join("asked")).unwrap();
    assert!(asked.lines().all(|line| line.starts_with("-i 5 --query-")), "{asked}");
    assert_eq!(together(&workspace.run("three")), (3, 3));
    assert_eq!(asked.lines().filter(|line| line.contains("--query-gpu=name,driver_version")).count(), 1);

    let said = run("one", "4600", "4", "seed");
    assert_eq!(together(&workspace.run("one")), (1, 1), "{said}");

    // Nobody tells what the worker needs.
    let said = run("unknown", "[N/A]", "240", "seed 0");
    assert!(said.contains("stays at one worker: nvidia-smi does not list the worker"), "{said}");
    assert_eq!(together(&workspace.run("unknown")), (1, 1));
}

#[test]
fn the_number_of_workers_on_a_device_is_a_number_or_auto() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    for (wrong, said) in [("many", "auto"), ("-1", "auto"), ("0", "must be at least 1, found 0")] {
        workspace
            .fovea(&["plan", "small.toml", &format!("run.per_device={wrong}")])
            .fails(2, &["run.per_device", said]);
    }
    workspace.fovea(&["plan", "small.toml", "run.per_device=auto"]).ok();
}

//! No process outlives its run, however the run ends.

use crate::harness::{SMALL, Workspace, processes, signal, wait_for};
use rustix::process::Signal;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SWEEP: &str = "\n[run]\nworkers = 2\nthreads = 1\n[axes]\nloss = [\"none\", \"ria\"]\n";

/// How long a worker may outlive its run. The kernel ends it at once; the machine may be busy.
const BOUND: Duration = Duration::from_secs(5);

/// A run whose two workers train for long.
fn start(workspace: &Workspace) -> Child {
    workspace.write("small.toml", format!("{SMALL}{SWEEP}"));
    let args = ["run", "small.toml", "training.epochs=5000", "training.warmup_epochs=0"];
    workspace.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn two_workers_train(workspace: &Workspace, run: &Child) -> Vec<u32> {
    wait_for("two workers that train", || {
        let trials = std::fs::read_dir(workspace.run("small").root().join("trials")).ok()?;
        let trained = trials.flatten().filter(|t| t.path().join("checkpoint").exists()).count();
        let workers: Vec<u32> = processes(workspace).into_iter().filter(|pid| *pid != run.id()).collect();
        (trained == 2 && workers.len() == 2).then_some(workers)
    })
}

/// Fails unless everything that this workspace started ends soon.
#[track_caller]
fn all_end(workspace: &Workspace, how: &str) {
    let since = Instant::now();
    while !processes(workspace).is_empty() {
        let left = processes(workspace);
        assert!(since.elapsed() < BOUND, "{how}: {left:?} outlived their run for {BOUND:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn workers_die_with_a_run_that_is_killed_or_ended_at_once() {
    let workspace = Workspace::new();
    for how in ["killed", "killed with a worker that is stopped", "ctrl-c twice", "terminated"] {
        let mut run = start(&workspace);
        let workers = two_workers_train(&workspace, &run);
        match how {
            "killed" => run.kill().unwrap(),
            "ctrl-c twice" => {
                // Neither can finish its step, so that the first Ctrl-C is not enough.
                workers.iter().for_each(|pid| signal(*pid, Signal::STOP));
                signal(run.id(), Signal::INT);
                std::thread::sleep(Duration::from_millis(300));
                assert!(run.try_wait().unwrap().is_none(), "it waits for its workers");
                signal(run.id(), Signal::INT);
            }
            "terminated" => signal(run.id(), Signal::TERM),
            _ => {
                signal(workers[0], Signal::STOP);
                run.kill().unwrap();
            }
        }
        run.wait().unwrap();
        all_end(&workspace, how);
        std::fs::remove_dir_all(workspace.run("small").root()).unwrap();
    }
}

#[test]
fn no_worker_survives_that_is_born_while_its_run_dies() {
    let workspace = Workspace::new();
    let mut run = start(&workspace);
    let started = Instant::now();
    wait_for("a worker", || (processes(&workspace).len() > 1).then_some(()));
    let born = started.elapsed();
    run.kill().unwrap();
    run.wait().unwrap();
    all_end(&workspace, "at the birth of a worker");
    for moment in 0..40 {
        let mut run = start(&workspace);
        // From a little before the first worker's birth, as it was timed, to some time after it.
        std::thread::sleep(born.mul_f64(0.5 + f64::from(moment) * 0.02));
        run.kill().unwrap();
        run.wait().unwrap();
        all_end(&workspace, &format!("killed after {moment}"));
    }
}

#[test]
fn a_worker_whose_parent_is_gone_before_it_looks_does_not_begin() {
    let workspace = Workspace::new();
    let mut gone = workspace.command(&["--version"]).stdout(Stdio::null()).spawn().unwrap();
    gone.wait().unwrap();
    let args = ["worker", "--parent", &gone.id().to_string()];
    let mut worker = workspace.command(&args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let open = worker.stdin.take(); // It does not end because of its input.
    let ended = worker.wait_with_output().unwrap();
    drop(open);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && said.contains("the run that started this worker is gone"), "{said}");
}

//! Signals, crashes, timeouts, and parts of a plan.

use crate::harness::{Ran, SMALL, Workspace, bits, wait_for};
use fovea_records::{JournalEntry, RunStore};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::time::Duration;

fn start(workspace: &Workspace, args: &[&str]) -> Child {
    workspace.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The process id of a run's worker other than `known`, if there is one.
fn worker_of(run: &Child, known: Option<u32>) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{}/task", run.id())).ok()?;
    // A run asks git about its source, too.
    let is_worker = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|word| word == b"worker")
    };
    threads.flatten().find_map(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).ok()?;
        children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .find(|pid| Some(*pid) != known && is_worker(pid))
    })
}

/// Names of the checkpoints of the run's trials.
fn checkpoints(store: &RunStore) -> Vec<String> {
    let trials = fs::read_dir(store.root().join("trials")).into_iter().flatten().flatten();
    let folders = trials.flat_map(|t| fs::read_dir(t.path().join("checkpoint")).into_iter().flatten());
    folders.flatten().map(|f| f.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_run_stopped_by_ctrl_c_goes_on_in_the_middle_of_an_epoch_with_the_same_bits() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"ria\"\n"));
    let long = ["training.epochs=8", "training.batch_size=2", "dataset.train=256"];
    let args = |dir| [&["run", "small.toml", dir][..], &long].concat();
    workspace.fovea(&args("run.dir=runs/whole")).ok();

    let cut = workspace.run("cut");
    let mut within_an_epoch = false;
    for signal_kind in [Signal::INT, Signal::TERM, Signal::USR1, Signal::HUP] {
        let before = checkpoints(&cut);
        let run = start(&workspace, &args("run.dir=runs/cut"));
        wait_for("another checkpoint", || {
            let now = checkpoints(&cut);
            now.iter().any(|name| !name.starts_with('.') && !before.contains(name)).then_some(())
        });
        std::thread::sleep(Duration::from_millis(30));
        signal(run.id(), signal_kind);
        let ran = Ran::of(run.wait_with_output().unwrap());
        ran.fails(5, &["stopping", "interrupted and saved", "the same command goes on"]);
        within_an_epoch |= checkpoints(&cut).iter().any(|name| name.contains("-step-"));
    }
    assert!(within_an_epoch, "none of the signals came within an epoch: {:?}", checkpoints(&cut));
    let plan =
        workspace.fovea(&[&["plan", "small.toml", "run.dir=runs/cut"][..], &long].concat()).ok().stdout;
    assert!(plan.contains("interrupted"), "{plan}");
    workspace.fovea(&args("run.dir=runs/cut")).ok();
    assert_eq!(bits(&cut, "small", 0), bits(&workspace.run("whole"), "small", 0));
    let lines = cut.read_provenance(&cut.read_plan().unwrap().trials[0].id).unwrap();
    assert!(lines.iter().any(|line| line.from_step > 0), "it went on within an epoch");
}

#[test]
fn a_second_ctrl_c_ends_the_run_at_once() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let run = start(&workspace, &["run", "small.toml", "training.epochs=500"]);
    let worker = wait_for("a worker", || worker_of(&run, None));
    wait_for("a checkpoint", || checkpoints(&workspace.run("small")).pop());
    signal(worker, Signal::STOP); // It cannot finish its step.
    signal(run.id(), Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    signal(run.id(), Signal::INT);
    Ran::of(run.wait_with_output().unwrap()).fails(5, &["ended at once"]);
    wait_for("the worker's end", || (!fs::exists(format!("/proc/{worker}")).unwrap()).then_some(()));
}

#[test]
fn a_killed_worker_is_tried_again() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let run = start(&workspace, &["run", "small.toml", "training.epochs=30", "run.retry_delay=0.5"]);
    signal(wait_for("a worker", || worker_of(&run, None)), Signal::KILL);
    let ran = Ran::of(run.wait_with_output().unwrap()).ok();
    for said in ["CRASHED", "again in 0.5 s", "(attempt 2)", "crashed and tried again: small"] {
        assert!(ran.stderr.contains(said), "{said:?} is not in:\n{}", ran.stderr);
    }
    let journal = workspace.run("small").read_journal().unwrap();
    let crashed = |entry: &JournalEntry| match entry {
        JournalEntry::TaskCrashed { attempt: 1, retry_in: Some(0.5), time, .. } => Some(*time),
        _ => None,
    };
    let again = |entry: &JournalEntry| match entry {
        JournalEntry::TrialStarted { attempt: 2, time, .. } => Some(*time),
        _ => None,
    };
    let (crashed, again) =
        (journal.iter().find_map(crashed).unwrap(), journal.iter().find_map(again).unwrap());
    assert!(again - crashed >= 0.49, "{crashed} {again}");
}

#[test]
fn a_program_that_is_replaced_in_the_middle_of_a_sweep_goes_on_as_it_was() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let (program, mark) = (workspace.path().join("fovea"), workspace.path().join("mark"));
    fs::copy(env!("CARGO_BIN_EXE_fovea"), &program).unwrap();
    let hash = blake3::hash(&fs::read(&program).unwrap()).to_hex().to_string();
    let mut command = workspace.command(&[]);
    let settings: Vec<_> =
        command.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    command = std::process::Command::new(&program);
    for (name, value) in settings.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    command.args(["run", "small.toml", "training.epochs=30", "run.retry_delay=0.0"]);
    command.current_dir(workspace.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().unwrap();
    let worker = wait_for("a worker", || worker_of(&run, None));
    let script = workspace.write("other", format!("#!/bin/sh\ntouch {}\n", mark.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&script, &program).unwrap();
    signal(worker, Signal::KILL);
    let ran = Ran::of(run.wait_with_output().unwrap()).ok();
    assert!(ran.stderr.contains("(attempt 2)"), "{}", ran.stderr);
    assert!(!mark.exists(), "the other program was started");
    let store = workspace.run("small");
    let lines = store.read_provenance(&store.read_plan().unwrap().trials[0].id).unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.program.blake3 == hash));
}

#[test]
fn fail_fast_stops_at_the_first_failure_and_else_the_others_go_on() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"ria\"]\n"));
    let args = ["run", "small.toml", "training.warmup_epochs=0", "run.retry_delay=0.0"];
    let run = start(&workspace, &[&args[..], &["--fail-fast"]].concat());
    let first = wait_for("a worker", || worker_of(&run, None));
    signal(first, Signal::KILL);
    signal(wait_for("a second worker", || worker_of(&run, Some(first))), Signal::KILL);
    let said = ["tried 2 times", "1 of 2 trials failed and 1 were not run to the end"];
    Ran::of(run.wait_with_output().unwrap()).fails(1, &said);

    let run = start(&workspace, &[&args[..], &["run.retries=0"]].concat());
    signal(wait_for("a worker", || worker_of(&run, None)), Signal::KILL);
    Ran::of(run.wait_with_output().unwrap()).fails(1, &["1 of 2 trials failed;"]);
    let listed = workspace.fovea(&["plan", "small.toml", "training.warmup_epochs=0"]).ok().stdout;
    assert!(listed.contains("1 to run"), "{listed}");
}

#[test]
fn what_takes_too_long_or_is_silent_is_ended() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let args = ["run", "small.toml", "training.epochs=5000", "run.retries=0"];
    workspace
        .fovea(&[&args[..], &["run.timeout=0.05"]].concat())
        .fails(1, &["longer than run.timeout allows (0.05 min)"]);

    // A worker that is stopped before it trains would stop its parent, too, which waits until it has begun.
    let before = checkpoints(&workspace.run("small"));
    let run = start(&workspace, &[&args[..], &["run.stall_timeout=0.1"]].concat());
    let worker = wait_for("a worker", || worker_of(&run, None));
    wait_for("a new checkpoint", || {
        checkpoints(&workspace.run("small")).pop().filter(|c| !before.contains(c))
    });
    signal(worker, Signal::STOP);
    Ran::of(run.wait_with_output().unwrap()).fails(1, &["longer than run.stall_timeout allows (0.1 min)"]);
}

#[test]
fn a_hopeless_trial_is_pruned_until_the_rule_is_gone() {
    let workspace = Workspace::new();
    let rates = "[axes]\n\"training.optimizer.learning_rate\" = [0.02, 0.05, 1e-9]\n";
    let rule = "[run.prune]\nasha = { metric = \"loss\", reduction = 3, min_epochs = 2 }\n";
    workspace.write("small.toml", format!("{SMALL}\n{rule}{rates}"));
    let long =
        ["training.epochs=8", "training.warmup_epochs=0", "training.batch_size=2", "dataset.train=256"];
    let fovea = |args: &[&str]| workspace.fovea(&[args, &long, &["loss=none"]].concat());
    let ran = fovea(&["run", "small.toml", "--jobs", "1"]).ok();
    assert!(
        ran.stderr.contains("after 2 epochs was 3rd of 3; the best one goes on  [3/3]"),
        "{}",
        ran.stderr
    );
    let store = workspace.run("small");
    let trials = store.read_plan().unwrap().trials;
    let done = || trials.iter().map(|t| store.done(&t.id).unwrap().is_some()).collect::<Vec<_>>();
    assert_eq!(done(), [true, true, false]);
    let page = fs::read_to_string(store.root().join("report/index.html")).unwrap();
    assert!(page.contains("was 3rd of 3"), "the Status section says why");
    for text in
        [fovea(&["plan", "small.toml"]).ok().stdout, workspace.fovea(&["ls", "runs/small"]).ok().stdout, page]
    {
        assert!(text.contains("pruned"), "{text}");
    }
    let status = workspace.fovea(&["status", "runs/small"]).ok().stdout;
    assert!(status.contains("2/3 done, 1 pruned;"), "{status}");

    let begun = || store.read_journal().unwrap().len();
    let before = begun();
    let again = fovea(&["run", "small.toml"]).ok();
    assert!(again.stdout.contains("all 3 trials are done or pruned (1)"), "{}", again.stdout);
    assert_eq!(begun(), before);

    let listed = fovea(&["plan", "small.toml", "~run.prune"]).ok().stdout;
    assert!(listed.contains("interrupted") && listed.contains("1 to run"), "{listed}");
    let rest = fovea(&["run", "small.toml", "~run.prune"]).ok();
    assert!(rest.stderr.contains("3 trials, 2 done before"), "{}", rest.stderr);
    assert_eq!(done(), [true, true, true]);

    for (wrong, said) in [
        ("run.prune.asha.reduction=1", "must be at least 2, found 1"),
        ("run.prune.asha.min_epochs=0", "must be at least 1, found 0"),
        ("run.prune.asha.metric=accurcy", "accuracy"),
    ] {
        fovea(&["plan", "small.toml", wrong]).fails(2, &[said]);
    }
}

#[test]
fn parts_of_a_plan_are_run_first_seeds_first() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]\n"));
    let short = ["training.epochs=2", "dataset.train=32", "dataset.test=10"];
    let fovea = |args: &[&str]| workspace.fovea(&[&["run", "small.toml"][..], args, &short].concat());
    fovea(&["--only", "iou"]).fails(2, &["no trial matches --only `iou`", "loss=none; loss=ria"]);
    fovea(&["--shard", "3/2"]).fails(2, &["expected M/N"]);

    let one = fovea(&["--only", "ria", "--only", "loss=no*"]).ok();
    assert!(one.stderr.contains("4 trials, 0 done before"), "{}", one.stderr);
    let store = workspace.run("small");
    let plan = store.read_plan().unwrap();
    let started = |entry: &JournalEntry| match entry {
        JournalEntry::TrialStarted { trial, .. } => {
            plan.trials.iter().find(|t| t.id == *trial).map(|t| t.seed)
        }
        _ => None,
    };
    let seeds: Vec<u64> = store.read_journal().unwrap().iter().filter_map(started).collect();
    assert_eq!(seeds, [0, 0, 1, 1]);

    let part = fovea(&["run.dir=runs/part", "--only", "seed 1", "--jobs", "2"]).ok();
    let page = fs::read_to_string(workspace.run("part").root().join("report/index.html")).unwrap();
    assert!(page.contains("pending"), "the report covers all trials of the plan");
    assert!(part.stderr.contains("2 trials"), "{}", part.stderr);
    let shards = ["1/2", "2/2"].map(|shard| {
        let args = [&["run", "small.toml", "run.dir=runs/part", "--shard", shard][..], &short].concat();
        start(&workspace, &args)
    });
    for shard in shards {
        Ran::of(shard.wait_with_output().unwrap()).ok();
    }
    let rest = fovea(&["run.dir=runs/part"]).ok();
    assert!(rest.stdout.contains("all 4 trials are done"), "{}", rest.stdout);
}

#[test]
fn ctrl_z_stops_the_workers_too_and_costs_no_trial_its_time() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"none\"\n"));
    let long = ["training.epochs=20", "training.batch_size=2", "dataset.train=256", "run.stall_timeout=0.1"];
    let run = start(&workspace, &[&["run", "small.toml"][..], &long].concat());
    let worker = wait_for("a worker", || worker_of(&run, None));
    wait_for("a checkpoint", || (!checkpoints(&workspace.run("small")).is_empty()).then_some(()));
    let state = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    };
    signal(run.id(), Signal::TSTP);
    wait_for("run and worker to stop", || {
        [run.id(), worker].iter().all(|pid| state(*pid) == Some('T')).then_some(())
    });
    // Longer than the time that a worker may be silent.
    std::thread::sleep(Duration::from_secs(8));
    signal(run.id(), Signal::CONT);
    wait_for("the worker to wake", || (state(worker) != Some('T')).then_some(()));
    let ran = Ran::of(run.wait_with_output().unwrap()).ok();
    assert!(!ran.stderr.contains("stall_timeout"), "{}", ran.stderr);
}

#[test]
fn a_worker_killed_by_somebody_else_says_that_it_may_have_been_memory() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"none\"\n"));
    let long = ["training.epochs=20", "training.batch_size=2", "dataset.train=256", "run.retries=0"];
    let run = start(&workspace, &[&["run", "small.toml"][..], &long].concat());
    let worker = wait_for("a worker", || worker_of(&run, None));
    wait_for("a checkpoint", || (!checkpoints(&workspace.run("small")).is_empty()).then_some(()));
    signal(worker, Signal::KILL);
    let ran = Ran::of(run.wait_with_output().unwrap());
    ran.fails(1, &["signal: 9 (SIGKILL)", "memory", "smaller training.batch_size"]);
}

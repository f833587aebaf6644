//! Killed in the middle, and run again.

use crate::harness::{SMALL, Workspace, bits};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Whether a trial below `run` has the checkpoint of an epoch.
fn has_checkpoint(run: &Path) -> bool {
    let Ok(trials) = std::fs::read_dir(run.join("trials")) else { return false };
    trials.flatten().any(|t| t.path().join("checkpoint/epoch-00002/progress.json").exists())
}

#[test]
fn a_run_killed_in_the_middle_ends_with_the_bits_of_one_that_was_not() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"ria\"\n"));
    let epochs = "training.epochs=12";
    workspace.fovea(&["run", "small.toml", epochs, "run.dir=runs/whole"]).ok();

    let args = ["run", "small.toml", epochs, "run.dir=runs/killed"];
    let mut child = workspace.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let killed = workspace.run("killed");
    let deadline = Instant::now() + Duration::from_secs(120);
    while !has_checkpoint(killed.root()) {
        assert!(Instant::now() < deadline, "no checkpoint appeared");
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap(); // SIGKILL: nobody tidies up, and the worker dies with its parent.
    child.wait().unwrap();
    let trial = killed.read_plan().unwrap().trials[0].id.clone();
    assert_eq!(killed.done(&trial).unwrap(), None, "it was killed before it was done");

    let plan = workspace.fovea(&["plan", "small.toml", epochs, "run.dir=runs/killed"]).ok().stdout;
    assert!(plan.contains("interrupted"), "{plan}");
    let again = workspace.fovea(&args).ok();
    assert!(again.stderr.contains("(checkpoint)"), "it must go on, not begin again: {}", again.stderr);
    let whole = bits(&workspace.run("whole"), "small", 0);
    assert!(whole.contains_key("trace.jsonl"));
    assert_eq!(bits(&killed, "small", 0), whole);
    let from: Vec<usize> =
        killed.read_provenance(&trial).unwrap().iter().map(|line| line.from_epoch).collect();
    assert!(from.len() == 2 && from[0] == 0 && from[1] >= 2, "both processes are recorded: {from:?}");
}

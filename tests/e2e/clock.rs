//! Clocks that jump: nothing is decided by the time that a record says.

use crate::harness::{SMALL, Workspace, results};
use std::fs::{self, File};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn times_that_cannot_be_change_no_result_and_no_command_minds() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"ria\"]\n"));
    let args = ["run", "small.toml", "run.dir=runs/jumps"];
    workspace.fovea(&["run", "small.toml", "run.dir=runs/whole"]).ok();
    workspace.fovea(&[&args[..], &["--only", "loss=none"]].concat()).ok();
    let run = workspace.run("jumps");
    // The clock was set to 1970, to the end of time and to before the beginning of it.
    let journal = run.root().join("journal.jsonl");
    let mut times = [0.0, 4e9, -5.0, 1e300].into_iter().cycle();
    let moved = |line: &str| {
        let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["time"] = times.next().into();
        format!("{entry}\n")
    };
    let text: String = fs::read_to_string(&journal).unwrap().lines().map(moved).collect();
    assert!(text.lines().count() >= 4);
    fs::write(&journal, text).unwrap();
    let ahead = SystemTime::now() + Duration::from_secs(100 * 365 * 86_400);
    for (file, time) in [("plan.json", ahead), ("journal.jsonl", UNIX_EPOCH)] {
        File::options().append(true).open(run.root().join(file)).unwrap().set_modified(time).unwrap();
    }
    let looks = [
        &["status", "runs/jumps"][..],
        &["ls", "runs/jumps"],
        &["ls", "runs"],
        &["plan", "small.toml", "run.dir=runs/jumps"],
        &["report", "runs/jumps"],
        &["gc", "runs", "--cache-days", "18446744073709551615"],
    ];
    for look in looks {
        let looked = workspace.fovea(look).ok();
        let is_below_zero = |word: &str| {
            word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let below = looked.stdout.split_whitespace().find(|word| is_below_zero(word));
        assert_eq!(below, None, "a time below zero: {look:?}\n{}", looked.stdout);
    }
    let ran = workspace.fovea(&args).ok();
    assert!(ran.stdout.contains("1 done before") || ran.stderr.contains("1 done before"), "{}", ran.stderr);
    assert_eq!(results(&run), results(&workspace.run("whole")));
    workspace.fovea(&["verify", "runs/jumps", "--no-rerun"]).ok();
}

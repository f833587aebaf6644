//! Files that are not what was written any more: bits flipped, lines torn, folders half removed.

use crate::harness::{SMALL, Workspace, bits, wait_for};
use fovea_records::RunStore;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Checkpoints in the folder of a trial or stage, the newest first.
fn checkpoints(task_dir: &Path) -> Vec<PathBuf> {
    fovea_records::checkpoint::saved(task_dir).into_iter().map(|saved| saved.path).collect()
}

/// Begins a run and kills it, and with it its worker, once its trial has this checkpoint. Gives back the trial's folder.
fn kill_at(workspace: &Workspace, args: &[&str], run: &RunStore, checkpoint: &str) -> PathBuf {
    let mut child = workspace.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let dir = wait_for("the checkpoint", || {
        let trials = fs::read_dir(run.root().join("trials")).into_iter().flatten().flatten();
        let mut dirs = trials.map(|trial| trial.path());
        dirs.find(|dir| dir.join("checkpoint").join(checkpoint).join("progress.json").exists())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    dir
}

/// What is done to a file.
type Damage = fn(&Path);

/// Flips the lowest bit of a byte in the middle.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

const LONG: &str = "training.epochs=60";

#[test]
fn a_damaged_checkpoint_is_told_and_costs_what_came_after_the_one_before() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"ria\"\n"));
    workspace.fovea(&["run", "small.toml", LONG, "run.dir=runs/whole"]).ok();
    let whole = bits(&workspace.run("whole"), "small", 0);
    let damages: [(&str, Damage); 3] = [("model.bpk", flip), ("optimizer.bpk", flip), ("progress.json", cut)];
    for (file, damage) in damages {
        let dir = format!("run.dir=runs/{file}");
        let (args, run) = (["run", "small.toml", LONG, &dir], workspace.run(file));
        let trial = kill_at(&workspace, &args, &run, "epoch-00004");
        let saved = checkpoints(&trial);
        assert!(saved.len() >= 2, "the one before is kept: {saved:?}");
        damage(&saved[0].join(file));
        let again = workspace.fovea(&args).ok();
        let named = saved[0].join(file).strip_prefix(run.root()).unwrap().display().to_string();
        for said in ["a checkpoint is damaged", &named, "(checkpoint)"] {
            assert!(again.stderr.contains(said), "{said:?} is not in:\n{}", again.stderr);
        }
        assert_eq!(bits(&run, "small", 0), whole, "{file}");
        let id = run.read_plan().unwrap().trials[0].id.clone();
        let warned = run.read_events(&id).unwrap();
        assert!(warned.iter().any(|event| format!("{event:?}").contains("a checkpoint is damaged")));
        assert!(checkpoints(&trial).is_empty(), "a trial that is done needs none");
    }
}

#[test]
fn where_no_checkpoint_is_sound_training_begins_again() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[loss]\nname = \"ria\"\n"));
    workspace.fovea(&["run", "small.toml", LONG, "run.dir=runs/whole"]).ok();
    let (args, run) = (["run", "small.toml", LONG, "run.dir=runs/cut"], workspace.run("cut"));
    let trial = kill_at(&workspace, &args, &run, "epoch-00004");
    checkpoints(&trial).iter().for_each(|saved| cut(&saved.join("model.bpk")));
    let again = workspace.fovea(&args).ok();
    assert_eq!(again.stderr.matches("a checkpoint is damaged").count(), 2, "{}", again.stderr);
    assert_eq!(bits(&run, "small", 0), bits(&workspace.run("whole"), "small", 0));
    workspace.fovea(&["verify", "runs/cut", "--no-rerun"]).ok();
}

#[test]
fn a_damaged_warm_up_is_trained_again_once_for_all_that_share_it() {
    let workspace = Workspace::new();
    let grid = format!("{SMALL}\n[axes]\nloss = [\"none\", \"iou\", \"ria\"]\n");
    workspace.write("small.toml", grid);
    workspace.fovea(&["run", "small.toml", "run.dir=runs/whole"]).ok();
    let args = ["run", "small.toml", "run.dir=runs/flipped"];
    workspace.fovea(&[&args[..], &["--only", "loss=none"]].concat()).ok();
    let run = workspace.run("flipped");
    let stage = fs::read_dir(run.root().join("stages")).unwrap().next().unwrap().unwrap().path();
    flip(&checkpoints(&stage)[0].join("model.bpk"));
    let again = workspace.fovea(&args).ok();
    assert_eq!(again.stderr.matches("a checkpoint is damaged").count(), 1, "{}", again.stderr);
    for variant in ["loss=none", "loss=iou", "loss=ria"] {
        assert_eq!(bits(&run, variant, 0), bits(&workspace.run("whole"), variant, 0), "{variant}");
    }
}

#[test]
fn a_checkpoint_that_is_left_beside_a_finished_trial_is_no_result() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml"]).ok();
    let run = workspace.run("small");
    let dir = run.trial_dir(&run.read_plan().unwrap().trials[0].id);
    // As after a kill between DONE.json and the end of the removal.
    for left in ["checkpoint/epoch-00003", "checkpoint/.epoch-00002.17-0.tmp"] {
        fs::create_dir_all(dir.join(left)).unwrap();
        fs::write(dir.join(left).join("model.bpk"), "x").unwrap();
        fs::write(dir.join(left).join("progress.json"), "{}").unwrap();
    }
    let again = workspace.fovea(&["run", "small.toml"]).ok();
    assert!(!again.stderr.contains("(checkpoint)"), "{}", again.stderr);
    workspace.fovea(&["verify", "runs/small", "--no-rerun"]).ok();
    workspace.fovea(&["gc", "runs/small", "--yes"]).ok();
    let left: Vec<_> =
        fs::read_dir(dir.join("checkpoint")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["model.safetensors"]);
    workspace.fovea(&["verify", "runs/small", "--no-rerun"]).ok();
}

#[test]
fn what_a_killed_run_did_not_live_to_remove_goes_with_the_next() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml"]).ok();
    let run = workspace.run("small");
    let dir = run.trial_dir(&run.read_plan().unwrap().trials[0].id);
    // As after a kill between DONE.json and the end: the journal does not tell of one.
    let journal = run.root().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text[..=text.trim_end().rfind('\n').unwrap()]).unwrap();
    let (saved, stage) = (dir.join("checkpoint/epoch-00003"), run.root().join("stages/0123456789abcdef"));
    [&saved, &stage].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    for left in [&saved, &dir, &stage] {
        fs::write(left.join("progress.json"), "{}").unwrap();
    }
    workspace.fovea(&["run", "small.toml"]).ok();
    assert!(!saved.exists() && !dir.join("progress.json").exists() && !stage.join("progress.json").exists());
    // As where the disk refused to remove it and the run ended well.
    fs::write(&journal, &text).unwrap();
    let removed = dir.join("checkpoint/.epoch-00002.17-0.tmp");
    [&saved, &removed].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    fs::write(saved.join("progress.json"), "{}").unwrap();
    workspace.fovea(&["run", "small.toml"]).ok();
    assert!(!saved.exists() && !removed.exists());
    workspace.fovea(&["verify", "runs/small", "--no-rerun"]).ok();
}

/// A run of three variants, done, and their folders.
fn three(workspace: &Workspace) -> (RunStore, [PathBuf; 3]) {
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"iou\", \"ria\"]\n"));
    workspace.fovea(&["run", "small.toml"]).ok();
    let run = workspace.run("small");
    let trials = run.read_plan().unwrap().trials;
    let dirs = [0, 1, 2].map(|i| run.trial_dir(&trials[i].id));
    (run, dirs)
}

#[test]
fn records_that_were_changed_make_no_table_and_their_trial_runs_again() {
    let workspace = Workspace::new();
    let (run, [none, iou, ria]) = three(&workspace);
    let before = bits(&run, "loss=iou", 0);
    let table = fs::read_to_string(run.tables_dir().join("summary.csv")).unwrap();
    // A number that is another, a marker that is cut, a record that is gone.
    let metrics = fs::read_to_string(none.join("metrics.jsonl")).unwrap();
    fs::write(none.join("metrics.jsonl"), metrics.replacen("0.", "0.9", 1)).unwrap();
    cut(&iou.join("DONE.json"));
    fs::remove_file(ria.join("predictions.jsonl")).unwrap();
    for command in [
        &["report", "runs/small"][..],
        &["status", "runs/small"],
        &["ls", "runs/small"],
        &["ls"],
        &["plan", "small.toml"],
        &["show", &format!("runs/small/{}", iou.file_name().unwrap().display())],
        &["gc", "runs/small"],
    ] {
        workspace.fovea(command).ok();
    }
    let page = fs::read_to_string(run.report_dir().join("index.html")).unwrap();
    for said in
        ["metrics.jsonl is not what was written", "predictions.jsonl is gone", "not a valid DONE marker"]
    {
        assert!(page.contains(said), "{said}");
    }
    let damaged = fs::read_to_string(run.tables_dir().join("summary.csv")).unwrap();
    assert!(
        damaged.lines().skip(1).all(|line| line.contains(",0,0,1,")),
        "no numbers, one failed: {damaged}"
    );

    let again = workspace.fovea(&["run", "small.toml"]).ok();
    assert_eq!(again.stderr.matches("is damaged and is trained again").count(), 3, "{}", again.stderr);
    assert_eq!(bits(&run, "loss=iou", 0), before);
    assert_eq!(fs::read_to_string(run.tables_dir().join("summary.csv")).unwrap(), table);
    // What was found is kept until somebody clears it away.
    let kept: Vec<_> = fs::read_dir(run.root().join("damaged")).unwrap().collect();
    assert_eq!(kept.len(), 3);
    let gc = workspace.fovea(&["gc", "runs/small", "--yes"]).ok();
    assert!(gc.stdout.contains("trials that were found damaged"), "{}", gc.stdout);
    assert_eq!(fs::read_dir(run.root().join("damaged")).unwrap().count(), 0);
    workspace.fovea(&["verify", "runs/small", "--no-rerun"]).ok();
}

#[test]
fn what_could_not_be_read_once_is_told_and_read_again() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let sound = workspace.fovea(&["run", "small.toml", "loss=none,ria"]).ok().stdout;
    let run = workspace.run("small");
    let id = run.read_plan().unwrap().trials[1].id.clone();
    let (events, elsewhere) = (run.trial_dir(&id).join("events.jsonl"), workspace.path().join("elsewhere"));
    // As a disk that does not read for a moment.
    fs::rename(&events, &elsewhere).unwrap();
    fs::create_dir(&events).unwrap();
    let report = workspace.fovea(&["report", "runs/small"]).ok();
    assert!(
        report.stderr.contains("warning: ") && report.stderr.contains("events.jsonl"),
        "{}",
        report.stderr
    );
    fs::remove_dir(&events).unwrap();
    fs::rename(&elsewhere, &events).unwrap();
    let again = workspace.fovea(&["run", "small.toml", "loss=none,ria"]).ok().stdout;
    let table = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("none ") || line.starts_with("ria "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(table(&again), table(&sound));
    assert_eq!(table(&again).len(), 2, "{again}");
}

#[test]
fn a_byte_that_is_no_text_costs_its_line_and_not_the_run() {
    let workspace = Workspace::new();
    let (run, [none, ..]) = three(&workspace);
    let journal = run.root().join("journal.jsonl");
    let mut bytes = fs::read(&journal).unwrap();
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 20;
    bytes[line] = 0xff;
    fs::write(&journal, bytes).unwrap();
    let named = "journal.jsonl:2: not a valid journal entry";
    let status = workspace.fovea(&["status", "runs/small"]).ok().stdout;
    assert!(status.contains(named), "{status}");
    for command in [&["ls", "runs/small"][..], &["report", "runs/small"], &["plan", "small.toml"]] {
        workspace.fovea(command).ok();
    }
    assert!(fs::read_to_string(run.report_dir().join("index.html")).unwrap().contains(named));
    let more = workspace.fovea(&["run", "small.toml", "loss=none,iou,ria,energy"]).ok();
    assert!(more.stderr.contains(named), "{}", more.stderr);
    assert_eq!(more.stderr.matches("done in").count(), 1, "what is done stays done: {}", more.stderr);
    // Events are read in the same way, and their trial is damaged, since they are a record.
    let events = none.join("events.jsonl");
    let mut bytes = fs::read(&events).unwrap();
    bytes[30] = 0xff;
    fs::write(&events, bytes).unwrap();
    let logs = workspace.fovea(&["logs", &none.display().to_string()]).ok().stdout;
    assert!(logs.contains("events.jsonl:1: not a valid event"), "{logs}");
    workspace.fovea(&["verify", "runs/small", "--no-rerun"]).fails(6, &[]);
}

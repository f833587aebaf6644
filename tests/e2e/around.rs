//! What changes around a run, and what others bring: folders that are no run's, links, data that change, bundles with
//! libraries, libraries that change the processor's settings.

use crate::harness::{Ran, SMALL, Workspace, bits, folder, png, wait_for};
use crate::plugins::compile;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

/// Names and contents of what lies in a folder, but for folders.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .filter(|path| path.is_file())
        .map(|p| (p.display().to_string(), fs::read(p).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn a_folder_that_is_no_run_of_fovea_stays_as_it_is() {
    let workspace = Workspace::new();
    let file = workspace.write("small.toml", SMALL);
    workspace.write("own/plan.json", "{\"mine\": true}");
    workspace.write("own/report/index.html", "mine");
    let own = workspace.path().join("own");
    let before = (contents(workspace.path()), contents(&own));
    let run = |dir: &str| workspace.fovea(&["run", "small.toml", &format!("run.dir={dir}")]);
    run(".").fails(3, &["cannot write .:", "no run of Fovea", "run.dir=DIR"]);
    run("own").fails(3, &["`plan.json`", "no run of Fovea"]);
    run("small.toml").fails(3, &["it is a file"]);
    workspace
        .fovea(&["run", "small.toml", "run.cache=small.toml"])
        .fails(3, &["small.toml", "a folder is to be"]);
    workspace.fovea(&["gc", "own", "--yes"]);
    workspace.fovea(&["report", "own"]).fails(3, &["plan.json"]);
    assert_eq!((contents(workspace.path()), contents(&own)), before);
    assert_eq!(fs::read(own.join("report/index.html")).unwrap(), b"mine");

    let short =
        ["training.epochs=1", "training.warmup_epochs=0", "dataset.train=16", "evaluation.gaussian=[]"];
    let again = [&["run", "small.toml", "-q"][..], &short].concat();
    workspace.fovea(&again).ok();
    workspace.fovea(&again).ok();
    workspace.write("else/report/index.html", "mine");
    workspace.fovea(&["report", "runs/small", "--out", "else"]).fails(2, &["else/report is there", "--out"]);
    assert_eq!(fs::read(workspace.path().join("else/report/index.html")).unwrap(), b"mine");
    symlink(&file, workspace.path().join("link.csv")).unwrap();
    symlink(&file, workspace.path().join("link.tar.gz")).unwrap();
    workspace.fovea(&["table", "runs/small", "--out", "link.csv"]).fails(2, &["it is a link", "is printed"]);
    workspace
        .fovea(&["table", "runs/small", "--out", "/dev/stdout"])
        .fails(2, &["it is a link", "is printed"]);
    workspace.fovea(&["bundle", "runs/small", "--out", "link.tar.gz"]).fails(3, &["it is a link"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), SMALL);
    assert!(fs::symlink_metadata(workspace.path().join("link.csv")).unwrap().is_symlink());
}

#[test]
fn data_that_change_in_the_middle_of_a_trial_fail_it_and_leave_nothing_behind() {
    let workspace = Workspace::new();
    folder(&workspace);
    let args = |dir: &'static str, cache: &'static str| {
        ["run", "folder.toml", "training.epochs=150", "evaluation.gaussian=[]", dir, cache]
    };
    workspace.fovea(&args("run.dir=runs/whole", "run.cache=a")).ok();
    let cut = workspace.run("cut");
    let run = workspace
        .command(&args("run.dir=runs/cut", "run.cache=b"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let trials = cut.root().join("trials");
    let checkpoint = wait_for("a checkpoint", || {
        let trial = fs::read_dir(&trials).ok()?.flatten().next()?.path().join("checkpoint");
        fs::read_dir(&trial).ok()?.next().map(|_| trial)
    });
    let picture = workspace.path().join("data/train/cat/0.png");
    let was = fs::read(&picture).unwrap();
    fs::write(&picture, png(90)).unwrap();
    let ran = Ran::of(run.wait_with_output().unwrap());
    ran.fails(1, &["files of data set folder are no longer", "train/cat/0.png`", "plans anew"]);
    assert!(!checkpoint.exists(), "what was trained on other data is not resumed");
    let id = &cut.read_plan().unwrap().trials[0].id;
    assert!(cut.done(id).unwrap().is_none());

    // With the data as they are now it is another trial, with those of before the same one.
    workspace.fovea(&args("run.dir=runs/new", "run.cache=b")).ok();
    assert_ne!(workspace.run("new").read_plan().unwrap().trials[0].id, *id);
    fs::write(&picture, was).unwrap();
    workspace.fovea(&args("run.dir=runs/cut", "run.cache=b")).ok();
    assert_eq!(bits(&cut, "folder", 0), bits(&workspace.run("whole"), "folder", 0));
}

#[test]
fn a_library_that_a_bundle_names_is_loaded_only_when_the_user_names_it() {
    let workspace = Workspace::new();
    let mark = workspace.path().join("loaded");
    let flag = format!("-DMARK=\"{}\"", mark.display());
    let library = compile(&workspace, "broken", &[&flag], "plugins/broken.so");
    let axes = "\n[localizer]\nname = \"broken\"\n[loss]\nname = \"ria\"\n[plugins]\npaths = [\"plugins\"]\n";
    workspace.write("small.toml", format!("{SMALL}{axes}"));
    workspace
        .fovea(&[
            "run",
            "small.toml",
            "-q",
            "training.epochs=1",
            "training.warmup_epochs=0",
            "dataset.train=16",
        ])
        .ok();
    workspace.fovea(&["bundle", "runs/small", "--out", "b.tar.gz"]).ok();
    let unmarked = |args: &[&str]| {
        let _ = fs::remove_file(&mark);
        let ran = workspace.fovea(args);
        assert!(!mark.exists(), "{args:?} loaded it");
        ran
    };
    unmarked(&["verify", "b.tar.gz", "--no-rerun"]).ok();
    let ran = unmarked(&["verify", "b.tar.gz"]);
    for words in ["broken.so", "loading runs its code", "--plugin-path"] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    assert_eq!(ran.code, 3);
    let unpacked =
        Command::new("tar").args(["xzf", "b.tar.gz"]).current_dir(workspace.path()).status().unwrap();
    assert!(unpacked.success());
    let id = workspace.run("small").read_plan().unwrap().trials[0].id.to_string();
    unmarked(&["rerun", &format!("small/{id}")]).fails(3, &["loading runs its code", "--plugin-path"]);
    unmarked(&["diff", &format!("small/{id}"), &format!("runs/small/{id}")]);
    let path = library.display().to_string();
    workspace.fovea(&["verify", "b.tar.gz", "--plugin-path", &path]).ok();
    assert!(mark.exists());
    workspace.fovea(&["verify", "runs/small"]).ok();
}

#[test]
fn a_library_that_changes_how_floats_are_computed_changes_nothing_beside_it() {
    let workspace = Workspace::new();
    compile(&workspace, "broken", &[], "good/broken.so");
    compile(&workspace, "broken", &["-DWRONG_FLOATS"], "bad/broken.so");
    let axes = |what: &str, path: &str| {
        format!(
            "{SMALL}\n[localizer]\nname = \"broken\"\nwhat = \"{what}\"\n[loss]\nname = \"ria\"\n[plugins]\npaths = \
             [\"{path}\"]\n"
        )
    };
    workspace.write("good.toml", axes("nothing", "good"));
    workspace.write("upward.toml", axes("upward", "good"));
    workspace.write("loaded.toml", axes("nothing", "bad"));
    let run = |name: &str| {
        let (file, dir) = (format!("{name}.toml"), format!("run.dir=runs/{name}"));
        let cache = format!("run.cache=cache-{name}");
        workspace.fovea(&["run", &file, &dir, &cache, "dataset.train=32", "training.epochs=2"]).ok().stderr
    };
    let told = "rounding floats in another way";
    assert!(!run("good").contains(told));
    if cfg!(target_arch = "x86_64") {
        for (name, function) in [("upward", "`localize`"), ("loaded", "in its constructors")] {
            let stderr = run(name);
            assert!(stderr.contains(told) && stderr.contains(function), "{stderr}");
            assert_eq!(bits(&workspace.run(name), "small", 0), bits(&workspace.run("good"), "small", 0));
        }
    }
}

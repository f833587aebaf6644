//! Decoded pictures in memory and on disk: they save time and change no bit.

use crate::harness::{SMALL, Workspace, bits};
use std::fs;
use std::path::PathBuf;

/// The files of decoded pictures.
fn packs(workspace: &Workspace) -> Vec<PathBuf> {
    let folders = fs::read_dir(workspace.path().join("runs/.cache/pictures")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "pack")).collect()
}

#[test]
fn decoded_pictures_are_shared_and_change_nothing() {
    let workspace = Workspace::new();
    workspace.fovea(&["data", "demo", "demo", "--train", "60", "--test", "20", "--size", "48"]).ok();
    let (head, rest) = SMALL.split_once("[dataset]").unwrap();
    let rest = rest.split_once("[input]").unwrap().1;
    let table = "[dataset]\nname = \"rival10\"\nroot = \"demo\"\n";
    workspace.write("demo.toml", format!("{head}{table}[input]{rest}\n[axes]\nloss = [\"none\", \"ria\"]\n"));
    let run = |name: &str, changes: &[&str]| {
        let dir = format!("run.dir=runs/{name}");
        let ran = workspace.fovea(&[&["run", "demo.toml", &dir], changes].concat()).ok();
        let store = workspace.run(name);
        (["loss=none", "loss=ria"].map(|variant| bits(&store, variant, 0)), ran.stderr)
    };
    let (plain, _) = run("plain", &["run.disk_cache=0", "run.memory_cache=0"]);
    assert_eq!(packs(&workspace), [] as [PathBuf; 0]);
    let (memory, _) = run("memory", &["run.disk_cache=0", "run.memory_cache=100KiB"]);
    assert_eq!(memory, plain);
    let (small, _) = run("small", &["run.disk_cache=100KiB"]);
    assert!(packs(&workspace).is_empty() && small == plain, "80 pictures of 7 KB do not fit");

    let (packed, _) = run("packed", &["run.workers=2"]);
    let files = packs(&workspace);
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(packed, plain);
    let whole = fs::read(&files[0]).unwrap();
    // 80 pictures of 48 x 48 x 3, most with a bit a pixel for the mask.
    assert!((552_960..700_000).contains(&whole.len()), "{}", whole.len());

    let store = workspace.run("packed");
    let trial = &store.read_plan().unwrap().trials[0];
    let events = fs::read_to_string(store.trial_dir(&trial.id).join("events.jsonl")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let waited: Vec<f64> = events.filter_map(|event| event["waited"].as_f64()).collect();
    assert!(waited.len() >= 2 && waited.iter().all(|seconds| *seconds > 0.0), "{waited:?}");

    fs::write(&files[0], &whole[..1000]).unwrap();
    let (mended, said) = run("mended", &[]);
    assert!(said.contains("cut short; it is written again"), "{said}");
    assert_eq!(mended, plain);
    assert!(fs::read(&files[0]).unwrap() == whole);
    let (again, said) = run("again", &[]);
    assert!(again == plain && !said.contains("written again"), "{said}");
}

#[test]
fn sizes_of_caches_are_checked() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    let ran = workspace.fovea(&["plan", "small.toml", "run.memory_cache=4", "run.disk_cache=much"]);
    ran.fails(2, &["run.memory_cache", "run.disk_cache", "a size such as \"4GiB\", 0 for none, or \"auto\""]);
    workspace.fovea(&["plan", "small.toml", "run.memory_cache=512MiB", "run.disk_cache=0"]).ok();
}

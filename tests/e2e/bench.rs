//! `fovea bench`: every benchmark prints what it measured, for reading and as JSON.

use crate::harness::{Workspace, png};
use serde_json::Value;

/// Runs a benchmark twice as long as needed to have a median, and gives back what it measured.
fn measured(workspace: &Workspace, args: &[&str]) -> Vec<Value> {
    let args = [&["bench"], args, &["--repeats", "2", "--json"]].concat();
    let ran = workspace.fovea(&args).ok();
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks what every measurement has, and gives back what was measured.
fn names(found: &[Value]) -> Vec<&str> {
    let name = |one: &Value| {
        let values: Vec<f64> = serde_json::from_value(one["values"].clone()).unwrap();
        let [low, median, high] = [&one["quartiles"][0], &one["median"], &one["quartiles"][1]];
        let [low, median, high] = [low, median, high].map(|value| value.as_f64().unwrap());
        // Processor time is counted in hundredths of a second, of which a share may be none.
        assert!(low > 0.0 || one["unit"] == "share", "{one}");
        assert!(values.len() >= 2 && low <= median && median <= high, "{one}");
        for key in ["cpu", "device", "version", "compiler", "system", "unit"] {
            assert!(one[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {one}");
        }
        assert!(one["cores"].as_u64().unwrap() > 0 && one["settings"].is_object(), "{one}");
    };
    found.iter().for_each(name);
    found.iter().map(|one| one["what"].as_str().unwrap()).collect()
}

#[test]
fn parts_of_a_trial_are_measured() {
    let workspace = Workspace::new();
    let found = measured(
        &workspace,
        &[
            "step",
            "--model",
            "resnet-tiny",
            "--set",
            "stem_width=4",
            "--set",
            "widths=[4,4,8,8]",
            "--batch",
            "4",
            "--size",
            "32",
            "--loss",
            "ria",
            "--loss",
            "energy",
            "--threads",
            "1",
        ],
    );
    assert_eq!(names(&found), ["none", "ria", "energy"]);
    assert_eq!((&found[0]["threads"], &found[0]["device"]), (&1.into(), &"cpu (1 thread)".into()));
    assert_eq!(found[0]["settings"]["config"]["stem_width"], 4);
    let rate = found[0]["per_second"].as_f64().unwrap() * found[0]["median"].as_f64().unwrap();
    assert!((rate - 4.0).abs() < 1e-9, "four pictures a step: {rate}");

    let found = measured(&workspace, &["extract", "--batch", "2", "--size", "32"]);
    assert_eq!(names(&found), ["host", "tensor", "gradient"]);
    let found =
        measured(&workspace, &["localize", "--set", "features=patch-stats", "--images", "2", "--size", "32"]);
    assert_eq!(names(&found), ["lost"]);
    let model = ["--model", "resnet-tiny", "--set", "stem_width=4", "--set", "widths=[4,4,8,8]"];
    let small = ["--size", "32", "--images", "3", "--levels", "2", "--draws", "2"];
    let found = measured(&workspace, &[&["eval"][..], &model, &small].concat());
    assert_eq!(names(&found), ["evaluation"]);
    let items = &found[0]["items"];
    assert_eq!(
        items["count"],
        3 * (1 + 2 * 2 * 2),
        "one pass for accuracy and heatmaps, two regions of two draws of two levels"
    );
}

#[test]
fn pictures_on_disk_are_measured() {
    let workspace = Workspace::new();
    let drawn = ["data", "--pictures", "6", "--picture-size", "32", "--size", "32"];
    let found = measured(&workspace, &drawn);
    assert_eq!(names(&found), ["first epoch", "later epochs"]);
    assert_eq!(found[0]["items"]["count"], 6);
    assert_eq!(found[1]["values"].as_array().unwrap().len(), 4, "two for each repeat");

    workspace.write("pictures/a.png", png(3));
    workspace.write("data/train/cat/a.png", png(90));
    workspace.write("data/train/cat/b.png", png(91));
    let found = measured(&workspace, &["data", "--images", "pictures", "--later", "0", "--workers", "3"]);
    assert_eq!(names(&found), ["first epoch"]);
    let of_folder = ["data", "--dataset", "folder", "--set", "root=data", "--size", "8"];
    let found = measured(&workspace, &of_folder);
    assert_eq!(
        (&found[0]["items"]["count"], &found[0]["settings"]["dataset"]),
        (&2.into(), &"folder".into())
    );
}

#[test]
fn a_sweep_and_the_start_are_measured() {
    let workspace = Workspace::new();
    let tiny =
        ["seed=0", "dataset.train=32", "dataset.test=4", "model.widths=[4,4,8,8]", "training.epochs=3"];
    let found = measured(&workspace, &[&["sweep"][..], &tiny].concat());
    let names = names(&found);
    let expected = [
        "wall-clock, without report",
        "worker start to ready",
        "worker start to first step",
        "no worker at work",
        "of this, before the first task",
        "of this, planning",
        "between two tasks",
        "orchestrator's share of wall-clock",
    ];
    assert_eq!(names[..8], expected);
    let median =
        |what: &str| found[names.iter().position(|n| *n == what).unwrap()]["median"].as_f64().unwrap();
    assert_eq!(found[0]["items"]["count"], 3, "one warm-up that two trials share");
    assert!(median("worker start to ready") < median("worker start to first step"));
    assert!(median("of this, planning") < median("of this, before the first task"));
    assert!(median("of this, before the first task") < median("no worker at work"));
    assert!(median("no worker at work") < median("wall-clock, without report"));
    let share = median("orchestrator's share of wall-clock");
    assert!(share > 0.0 && share < 1.0, "{share}");
    assert_eq!(
        std::fs::read_dir(workspace.path()).unwrap().count(),
        0,
        "the run was in a directory of its own"
    );

    let found = measured(&workspace, &["startup", "--threads", "1"]);
    let names = self::names(&found);
    assert_eq!(names, ["fovea --version", "worker start to ready", "worker start to first step"]);
}

#[test]
fn text_is_for_reading_and_mistakes_are_told() {
    let workspace = Workspace::new();
    let ran = workspace.fovea(&["bench", "extract", "--batch", "2", "--size", "32", "--repeats", "3"]).ok();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("extract extractor=threshold batch=2 size=32, "), "{}", ran.stdout);
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with("  host ") && lines[1].ends_with("boxes a second, 3 times"), "{}", lines[1]);

    workspace.fovea(&["bench", "step", "--batch", "0"]).fails(2, &["--batch"]);
    workspace.fovea(&["bench", "step", "--loss", "rai"]).fails(2, &["no such loss; known: ciou, "]);
    std::fs::create_dir(workspace.path().join("empty")).unwrap();
    workspace.fovea(&["bench", "data", "--images", "empty"]).fails(3, &["empty holds no .jpg"]);
    workspace.fovea(&["bench", "data", "--images", "gone"]).fails(3, &["gone"]);
    workspace.fovea(&["bench", "sweep", "training.epohcs=1"]).fails(2, &["epohcs", "epochs"]);
}

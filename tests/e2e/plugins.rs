//! Plugins in shared libraries: found, listed, used, and survived.

use crate::harness::{SMALL, Workspace, png, wait_for};
use fovea_records::{RunStore, TrialOutcome};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Compiles `tests/fixtures/plugins/SOURCE.c` to a file of the workspace, which appears whole.
pub(crate) fn compile(workspace: &Workspace, source: &str, flags: &[&str], to: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (out, partial) = (workspace.path().join(to), workspace.path().join("partial"));
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1"])
        .arg("-I")
        .arg(root.join("framework/abi/include"))
        .args(flags)
        .arg(root.join("tests/fixtures/plugins").join(format!("{source}.c")))
        .arg("-o")
        .arg(&partial)
        .status()
        .unwrap();
    assert!(cc.success());
    std::fs::rename(partial, &out).unwrap();
    out
}

/// How each trial ended, by variant.
fn ends(store: &RunStore) -> Vec<(String, Option<TrialOutcome>)> {
    let plan = store.read_plan().unwrap();
    let end = |trial: &fovea_records::PlannedTrial| store.done(&trial.id).unwrap().map(|done| done.ended);
    plan.trials.iter().map(|trial| (trial.variant.clone(), end(trial))).collect()
}

#[test]
fn a_plugin_that_crashes_or_hangs_costs_its_trial_only() {
    let workspace = Workspace::new();
    compile(&workspace, "good", &[], "plugins/good.so");
    compile(&workspace, "wild", &[], "plugins/wild.so");
    let axes = r#"
[plugins]
paths = ["plugins"]
timeout = 2.0

[run]
retries = 0

[axes]
localizer = [
    { name = "wild", what = "segfault", label = "segfault" },
    { name = "wild", what = "hang", label = "hang" },
    { name = "wild", what = "overflow", label = "overflow" },
    { name = "wild", what = "nan", label = "nan" },
    "green-box",
    "ground-truth",
]
"#;
    workspace.write("wild.toml", format!("{SMALL}{axes}"));
    let short = ["run", "wild.toml", "training.epochs=2", "dataset.train=32", "dataset.test=10"];
    let ran = workspace.fovea(&short).fails(
        1,
        &[
            "localizer wild (wild.so) in `localize` of picture 0 of train",
            "crashed (SIGSEGV, a wild memory access); the worker process died of it",
            "has not returned for 2 s (plugins.timeout); the worker process died of it (exit status: 124)",
            "localizer wild (wild.so): picture 0 of train (`",
            "`localize` gave the box [NaN, 0, 32, 32], and a box that is not empty is expected within the picture",
            "4 of 6 trials failed",
        ],
    );
    assert_eq!(
        ran.stderr.matches("a wild memory access").count(),
        4,
        "both, as it happens and in the end: {}",
        ran.stderr
    );
    let store = workspace.run("small");
    let done: Vec<String> =
        ends(&store).into_iter().filter(|(_, end)| end.is_some()).map(|(v, _)| v).collect();
    assert_eq!(done, ["localizer=green-box", "localizer=ground-truth"]);
}

#[test]
fn a_sweep_with_a_plugin_of_every_kind() {
    let workspace = Workspace::new();
    compile(&workspace, "good", &[], "here/good.so");
    let axes = r#"
[plugins]
paths = ["good.so"]

[axes]
loss = ["distance", "energy-c"]
"#;
    // The path starts at the experiment's folder, not at the current one.
    workspace.write("here/c.toml", format!("{SMALL}{axes}"));
    let short = ["training.epochs=2", "dataset.train=32", "dataset.test=10", "localizer=green-box"];
    let all =
        [&["run", "here/c.toml", "extractor=mean-box", "~model", "model=small-graph"], &short[..]].concat();
    workspace.fovea(&all).ok();
    let store = workspace.run("small");
    for (variant, end) in ends(&store) {
        assert_eq!(end, Some(TrialOutcome::Done), "{variant}");
    }
    let plan = store.read_plan().unwrap();
    let losses = store.read_metrics(&plan.trials[0].id).unwrap();
    assert!(
        losses.iter().any(|row| row.split == "train" && row.metric == "explanation-loss" && row.value > 0.0)
    );

    // Built again, with another result: its trials are stale, and the reason says so.
    compile(&workspace, "good", &["-O2"], "here/good.so");
    let listed = [&["plan"], &all[1..]].concat();
    let listed = workspace.fovea(&listed).ok().stdout;
    assert!(listed.contains("2 to run"), "{listed}");
    for what in
        ["model small-graph", "localizer green-box", "extractor mean-box", "loss distance", "loss energy-c"]
    {
        let text = format!("plugin {what} was built again: v1.2.0 (");
        assert!(listed.contains(&text), "{text:?} is not in:\n{listed}");
    }
}

#[test]
fn a_library_that_changes_in_the_middle_of_a_sweep_is_refused() {
    let workspace = Workspace::new();
    compile(&workspace, "good", &[], "good.so");
    // Ready before the sweep begins, so that it is there before the first trial ends.
    compile(&workspace, "good", &["-O2"], "next.so");
    let axes = "\n[plugins]\npaths = [\"good.so\"]\n[axes]\nlocalizer = [\"ground-truth\", \"green-box\"]\n";
    workspace.write("c.toml", format!("{SMALL}{axes}"));
    let mut run = workspace.command(&["run", "c.toml", "training.epochs=4", "training.warmup_epochs=0"]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let store = workspace.run("small");
    wait_for("a trial", || (store.read_journal().ok()?.len() >= 2).then_some(()));
    std::fs::rename(workspace.path().join("next.so"), workspace.path().join("good.so")).unwrap();
    let output = run.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("the file changed after the run was planned (BLAKE3 "), "{stderr}");
    assert!(!stderr.contains("tried again"), "there is no use in trying again: {stderr}");
    // The trial that does not use it was not harmed, and the next run plans with the new file.
    workspace.fovea(&["run", "c.toml", "training.epochs=4", "training.warmup_epochs=0"]).ok();
}

#[test]
fn libraries_that_cannot_be_used_are_refused_before_anything_runs() {
    let workspace = Workspace::new();
    let file = |paths: &str| format!("{SMALL}\n[plugins]\npaths = [{paths}]\ntimeout = 1.0\n");
    for (flag, expected) in [
        (
            "-DWRONG_CONSTRUCTOR",
            "died (signal: 11 (SIGSEGV) (core dumped)); it said: wild.so in its constructors, while it was loaded, crashed",
        ),
        (
            "-DWRONG_HANG",
            "loading it did not end within 1 s, so a constructor or its `fovea_plugin_entry` hangs",
        ),
        ("-DWRONG_REFUSES", "its `fovea_plugin_entry` failed: no licence"),
        ("-DWRONG_ABI", "built for version 2.0 of the plugin interface"),
    ] {
        compile(&workspace, "wild", &[flag], "wild.so");
        workspace.write("x.toml", file("\"wild.so\""));
        let ran = workspace.fovea(&["plan", "x.toml"]);
        let said = ran.stderr.replace(" (core dumped)", "");
        assert_eq!(ran.code, 2, "{said}");
        assert!(said.contains(&expected.replace(" (core dumped)", "")), "{flag}: {said}");
    }
    workspace.write("empty.so", "");
    workspace.write("x.toml", file("\"empty.so\""));
    workspace.fovea(&["plan", "x.toml"]).fails(2, &["empty.so: the file is empty"]);
    workspace.write("x.toml", file("\"nowhere\""));
    workspace
        .fovea(&["config", "x.toml"])
        .fails(2, &["x.toml:30:10: plugins.paths.0: `nowhere`: No such file"]);
    workspace.write("x.toml", format!("{SMALL}\n[plugins]\npath = []\n"));
    workspace
        .fovea(&["plan", "x.toml"])
        .fails(2, &["x.toml:30:1: plugins.path: unknown key", "did you mean `paths`"]);
    workspace.write("x.toml", format!("{SMALL}\n[plugins]\ntimeout = -1\n"));
    workspace.fovea(&["plan", "x.toml"]).fails(2, &["plugins.timeout: must not be negative"]);
}

#[test]
fn plugins_are_found_and_listed_wherever_they_come_from() {
    let workspace = Workspace::new();
    let good = compile(&workspace, "good", &[], "elsewhere/good.so");
    compile(&workspace, "wild", &["-DNAME=\"untamed\""], "data-home/fovea/plugins/mine.so");
    workspace.write("data-home/fovea/plugins/broken.so", "no library");
    let mut list = workspace.command(&["plugin", "list", "--json"]);
    let listed = list.env("FOVEA_PLUGIN_PATH", good.parent().unwrap()).output().unwrap();
    let stderr = String::from_utf8(listed.stderr).unwrap();
    assert!(stderr.contains("broken.so: it is no ELF file"), "{stderr}");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let find = |name: &str| listed["plugins"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap();
    let hash = blake3::hash(&std::fs::read(&good).unwrap()).to_hex().to_string();
    let green = find("green-box");
    assert_eq!((&green["kind"], &green["version"]), (&"localizer".into(), &"1.2.0".into()));
    assert_eq!(green["blake3"], hash);
    assert!(green["origin"].as_str().unwrap().ends_with("elsewhere/good.so"));
    assert_eq!(find("lost")["origin"], "built in");
    assert!(find("untamed")["origin"].as_str().unwrap().ends_with("mine.so"));

    let shown = workspace.fovea(&["plugin", "show", "green-box", "--plugin-path", "elsewhere"]).ok().stdout;
    for text in
        ["localizer green-box: The box of what is green.\nversion 1.2.0, ", &hash, "margin", "Moves x1."]
    {
        assert!(shown.contains(text), "{text:?} is not in:\n{shown}");
    }
    workspace.fovea(&["plugin", "show", "grren-box"]).fails(2, &["there is no plugin `grren-box`"]);
    let text = workspace.fovea(&["plugins"]).ok().stdout;
    assert!(text.contains("resnet18") && text.contains("untamed"), "{text}");

    // Pictures that are on disk, through a loaded localizer.
    workspace.write("pictures/a.png", png(200));
    let localize = [
        "localize",
        "--plugin-path",
        "elsewhere/good.so",
        "--localizer",
        "green-box",
        "--images",
        "pictures",
    ];
    workspace.fovea(&[&localize[..], &["--out", "out"]].concat()).ok();
    let boxes = std::fs::read_to_string(workspace.path().join("out/boxes.json")).unwrap();
    let boxes: serde_json::Value = serde_json::from_str(&boxes).unwrap();
    assert_eq!(boxes[0]["box"], serde_json::json!([0.0, 0.0, 8.0, 8.0]));
    let schema = workspace.fovea(&["schema", "--plugin-path", "elsewhere"]).ok().stdout;
    assert!(schema.contains("green-box") && schema.contains("Moves x1."));

    compile(&workspace, "wild", &["-DNAME=\"lost\""], "taken.so");
    workspace.fovea(&["plugin", "list", "--plugin-path", "taken.so"]).fails(
        2,
        &[
            "localizer lost: the name is taken by two plugins (built in; ",
            "taken.so): rename one or leave it out",
        ],
    );
}

//! How an experiment says what to run: ranges, rules, overrides; and how to look at what it says.

use crate::harness::{SMALL, Workspace};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const AXES: &str = r#"
[axes]
loss = ["none", "ria"]
"training.beta" = { range = [0.1, 0.3], step = 0.1 }

[[exclude]]
where = { loss = "none", beta = [0.2, 0.3] }
reason = "beta weighs nothing without a loss"

[[include]]
loss = "iou"
"training.beta" = 0.3
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}{AXES}"));
    workspace
}

/// The identities that `fovea plan` lists.
fn ids(workspace: &Workspace, args: &[&str]) -> Vec<String> {
    let planned = json(workspace, args);
    let trials = planned["trials"].as_array().unwrap().iter();
    trials.map(|trial| trial["id"].as_str().unwrap().to_owned()).collect()
}

/// What `fovea plan --json` says.
fn json(workspace: &Workspace, args: &[&str]) -> Value {
    serde_json::from_str(&workspace.fovea(&[args, &["--json"]].concat()).ok().stdout).unwrap()
}

#[test]
fn ranges_rules_and_included_points_are_planned() {
    let workspace = workspace();
    let listed = workspace.fovea(&["plan", "small.toml", "--excluded"]).ok().stdout;
    for words in [
        "5 trials",
        "loss=ria, beta=0.3",
        "loss=iou, beta=0.3",
        "2 excluded by small.toml:34:1: beta weighs nothing without a loss\n  loss=none, beta=0.2, seed 0\n",
    ] {
        assert!(listed.contains(words), "{words:?} is not in:\n{listed}");
    }
    let brief = workspace.fovea(&["plan", "small.toml"]).ok().stdout;
    assert!(brief.contains("2 excluded by ") && !brief.contains("loss=none, beta=0.2"), "{brief}");
    let excluded = &json(&workspace, &["plan", "small.toml"])["excluded"];
    assert_eq!(excluded.as_array().map(Vec::len), Some(2));
    assert_eq!(excluded[0]["variant"], "loss=none, beta=0.2");
    assert_eq!(excluded[0]["seed"], 0);
    assert_eq!(excluded[0]["reason"], "beta weighs nothing without a loss");
    assert_eq!(excluded[0]["rule"], "small.toml:34:1");
    let by_hand = AXES.replace("{ range = [0.1, 0.3], step = 0.1 }", "[0.1, 0.2, 0.3]");
    workspace.write("hand.toml", format!("{SMALL}{by_hand}"));
    assert_eq!(ids(&workspace, &["plan", "small.toml"]), ids(&workspace, &["plan", "hand.toml"]));
    let large = ["plan", "small.toml", "axes.seed={ range = [1, 100000], step = 1 }", "~exclude"];
    workspace.fovea(&large).fails(2, &["the grid has 600001 points", "seed (100000)"]);
    workspace.fovea(&["plan", "small.toml", "seed=range(1000000000)"]).fails(2, &["1000000000 values"]);
}

#[test]
fn overrides_have_hydras_grammar() {
    let workspace = workspace();
    let listed = |args: &[&str]| {
        let args: Vec<&str> = ["plan", "small.toml"].iter().chain(args).copied().collect();
        workspace.fovea(&args).ok().stdout
    };
    assert!(listed(&["~include", "~exclude", "loss=none,ria,iou", "training.beta=1"]).contains("3 trials"));
    assert!(listed(&["seed=range(0,4,2)", "loss=choice(ria)", "~training.beta"]).contains("2 trials"));
    assert!(
        listed(&["evaluation.gaussian=[60,120]", "+training.alpha=2", "++training.beta=1"])
            .contains("trials")
    );
    let fails =
        |argument: &str, said: &[&str]| _ = workspace.fovea(&["plan", "small.toml", argument]).fails(2, said);
    fails(
        "+training.epochs=2",
        &["`training.epochs` is there already: small.toml:20:1", "++training.epochs"],
    );
    fails("~training.epohcs", &["did you mean `training.epochs`?"]);
    fails("loss=choise(none,ria)", &["unknown function `choise`", "did you mean `choice`?"]);
    fails("evaluation.gaussian=60,120", &["write evaluation.gaussian=[60,120]"]);
    fails("training.epohcs=1,2", &["did you mean `epochs`?"]);
}

#[test]
fn the_effective_experiment_plans_the_same_trials() {
    let workspace = workspace();
    for (index, overrides) in [
        &[][..],
        &["training.epochs=5", "loss=ria,iou"],
        &["seed=range(2)", "~include", "dataset.bias=0.5"],
        &["axes.training.beta=[0.2]"],
        &["~axes"],
    ]
    .iter()
    .enumerate()
    {
        let with = |command: &'static str| [&[command, "small.toml"], *overrides].concat();
        let effective = workspace.fovea(&with("config")).ok().stdout;
        let name = format!("effective-{index}.toml");
        workspace.write(&name, &effective);
        let planned = ids(&workspace, &with("plan"));
        assert_eq!(ids(&workspace, &["plan", &name]), planned, "{overrides:?}\n{effective}");
    }
}

#[test]
fn origins_say_where_values_come_from() {
    let workspace = workspace();
    let args = ["config", "small.toml", "--origins", "training.epochs=5", "seed=1,2"];
    let shown = workspace.command(&args).env("FOVEA_TRAINING__ALPHA", "2").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    for (start, origin) in [
        ("epochs =", "# command line: training.epochs=5"),
        ("alpha =", "# environment FOVEA_TRAINING__ALPHA"),
        ("stem_width =", "# small.toml:16"),
        ("momentum =", "# default"),
        ("loss =", "# small.toml:30"),
        ("seed = [1, 2]", "# command line: seed=1,2"),
    ] {
        assert!(line(start).ends_with(origin), "{start} {origin}\n{shown}");
    }
}

#[test]
fn an_experiment_extends_another_and_its_run_needs_only_itself() {
    let workspace = workspace();
    let child = "extends = \"../small.toml\"\n[training]\nepochs = 1\n[axes]\nloss = [\"none\"]\n\"training.beta\" = [0.5]\n";
    workspace.write("more/child.toml", format!("{child}[evaluation]\ngallery = 0\n"));
    workspace.fovea(&["run", "more/child.toml", "~include", "~exclude"]).ok();
    let ran = workspace.run("child").read_plan().unwrap();
    assert_eq!((ran.trials.len(), ran.trials[0].variant.as_str()), (1, "loss=none, beta=0.5"));
    std::fs::remove_file(workspace.path().join("small.toml")).unwrap();
    let planned = workspace.fovea(&["plan", "runs/child/experiment.toml"]).ok().stdout;
    assert!(planned.contains(ran.trials[0].id.as_str()) && planned.contains("0 to run"), "{planned}");

    workspace.write("small.toml", SMALL.replace("epochs = 3", "epohcs = 3"));
    workspace
        .fovea(&["plan", "more/child.toml"])
        .fails(2, &["more/../small.toml:20:1: training.epohcs: unknown key"]);
}

#[test]
fn the_schema_of_the_experiments_is_that_of_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let printed = Command::new(env!("CARGO_BIN_EXE_fovea")).arg("schema").output().unwrap();
    let kept = std::fs::read(root.join("experiments/schema.json")).unwrap_or_default();
    assert!(
        printed.stdout == kept,
        "experiments/schema.json is not what `fovea schema` prints: cargo run --release -- schema > experiments/schema.json"
    );
    for (folder, first) in
        [("experiments", "#:schema ./schema.json"), ("experiments/paper", "#:schema ../schema.json")]
    {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert_eq!(text.lines().next(), Some(first), "{}", path.display());
            }
        }
    }
}

#[test]
fn parts_of_a_method_are_switched_off_in_turn() {
    let workspace = Workspace::new();
    let parts = r#"
[loss]
name = "ria"
[ablate.factors]
diagonal = { key = "loss.lambda", on = 0.1, off = 0.0 }
"training.warmup_epochs" = { on = 1, off = 0 }
localizer = { on = "ground-truth", off = "center-box" }
[axes]
seed = [0, 1]
"#;
    workspace.write("small.toml", format!("{SMALL}{parts}"));
    let listed = workspace.fovea(&["plan", "small.toml"]).ok().stdout;
    assert!(listed.contains("8 trials") && listed.contains("ablate=without diagonal"), "{listed}");
    for (name, overrides) in
        [("all.toml", &[][..]), ("one.toml", &["ablate=without localizer"]), ("none.toml", &["~ablate"])]
    {
        let with = |command: &'static str| [&[command, "small.toml"], overrides].concat();
        workspace.write(name, workspace.fovea(&with("config")).ok().stdout);
        assert_eq!(ids(&workspace, &["plan", name]), ids(&workspace, &with("plan")), "{name}");
    }
    workspace.write("wrong.toml", format!("{SMALL}{}", parts.replace("loss.lambda", "loss.lamda")));
    workspace.fovea(&["plan", "wrong.toml"]).fails(2, &["loss.lamda", "did you mean `lambda`?"]);

    let ran = ["run", "small.toml", "training.epochs=1", "evaluation.gallery=0", "axes.seed=[0]"];
    workspace.fovea(&ran).ok();
    let plan = workspace.run("small").read_plan().unwrap();
    assert_eq!(plan.baseline.as_deref(), Some("ablate=full"));
    assert!(plan.trials[1].axes.contains(&("ablate".to_owned(), "without diagonal".to_owned())));
    let report = std::fs::read_to_string(workspace.path().join("runs/small/report/index.html")).unwrap();
    assert!(report.contains("without localizer") && report.contains("Baseline: ablate=full."), "no baseline");
}

#[test]
fn groups_stand_together_in_the_summary() {
    let workspace = Workspace::new();
    let groups =
        "[axes]\nloss = [\"iou\", \"none\", \"ria\"]\n[group]\nboxes = { loss = [\"iou\", \"ria\"] }\n";
    workspace.write("small.toml", format!("{SMALL}{groups}"));
    let short = ["training.epochs=1", "training.warmup_epochs=0", "evaluation.gallery=0"];
    workspace.fovea(&[&["run", "small.toml"], &short[..]].concat()).ok();
    let plan = workspace.run("small").read_plan().unwrap();
    let of_trials: Vec<_> = plan.trials.iter().map(|trial| trial.group.as_deref()).collect();
    assert_eq!(of_trials, [Some("boxes"), None, Some("boxes")]);
    let read = |path: &str| std::fs::read_to_string(workspace.path().join("runs/small").join(path)).unwrap();
    let table = read("tables/summary.csv");
    assert!(table.starts_with("variant,group,split,"), "{table}");
    let mut lines: Vec<String> =
        table.lines().skip(1).map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",")).collect();
    lines.dedup();
    assert_eq!(lines, ["loss=iou,boxes", "loss=ria,boxes", "loss=none,"]);
    let report = read("report/index.html");
    assert!(report.contains("<span class=\"line\">group</span>") && report.contains("boxes"));
    workspace.write("again.toml", workspace.fovea(&["config", "small.toml", "loss=ria"]).ok().stdout);
    assert_eq!(json(&workspace, &["plan", "again.toml"])["trials"].as_array().map(Vec::len), Some(1));
    let again = std::fs::read_to_string(workspace.path().join("again.toml")).unwrap();
    assert!(again.contains("[group]\nboxes = { loss = [\"ria\"] }"), "{again}");
}

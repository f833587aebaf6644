//! What an experiment can say beside `[axes]`: `[[zip]]`, `[smoke]`, `[[reference]]`.

use crate::harness::{SMALL, Workspace};
use std::path::Path;
use std::process::Command;

const REST: &str = r#"
[[zip]]
model = [{ name = "resnet-tiny", label = "narrow" }, { name = "resnet-tiny", widths = [4, 8, 8, 8], label = "wide" }]
"training.optimizer" = [{ name = "adam", learning_rate = 1e-3 }, { name = "sgd", learning_rate = 1e-2 }]

[axes]
loss = ["none", "ria"]
seed = [0, 1]

[smoke]
dataset = { name = "scenes", size = 32, train = 16, test = 8 }
training.epochs = 1
training.warmup_epochs = 0
axes.seed = [7]

[[smoke.zip]]
model = ["resnet-tiny"]

[[reference]]
where = { model = "wide", loss = "ria" }
metric = "accuracy"
split = "test"
value = 0.5
sd = 0.125
source = "Nobody, Table 0"

[[reference]]
where = { model = "wide", loss = "none" }
metric = "rfs"
noise = "l2"
split = "test-unbiased"
value = 0.25
source = "Nobody, Table 0"
"#;

fn page(run: &Path) -> String {
    std::fs::read_to_string(run.join("report/index.html")).unwrap()
}

#[test]
fn zipped_axes_move_together_and_published_numbers_stand_beside_ours() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}{REST}"));
    let listed = workspace.fovea(&["plan", "small.toml"]).ok().stdout;
    assert!(listed.contains("8 trials") && listed.contains("model=wide, loss=ria "), "{listed}");
    let one = ["run", "small.toml", "model=wide", "training.epochs=2", "axes.seed=[0,1]"];
    let ran = workspace.fovea(&one).ok();
    let published = |line: &&str| line.contains("Nobody, Table 0");
    let lines: Vec<&str> = ran.stdout.lines().filter(published).collect();
    assert!(
        lines[0].starts_with("model=wide, loss=ria  accuracy on test ") && lines[0].contains("50.0 ± 12.5")
    );
    assert!(
        lines[1].contains("RFS on test-unbiased, l2") && lines[1].contains("not measured"),
        "{}",
        lines[1]
    );

    let store = workspace.run("small");
    let plan = store.read_plan().unwrap();
    assert_eq!(
        (plan.axes.join(" "), plan.trials.len()),
        ("model training.optimizer loss seed".to_owned(), 4)
    );
    for trial in &plan.trials {
        assert_eq!(
            trial.config["training"]["optimizer"]["name"], "sgd",
            "the optimizer moves with the model"
        );
    }
    let table = std::fs::read_to_string(store.tables_dir().join("reference.csv")).unwrap();
    assert!(table.contains("\"model=wide, loss=ria\",test,accuracy,,,0.5,0.125,2,"), "{table}");
    let page = page(store.root());
    for words in ["<h2 id=\"reference\">", "<h2 id=\"targets\">", "<th scope=\"row\">ground-truth</th>"] {
        assert!(page.contains(words), "the page lacks {words}");
    }
    assert!(!page.contains("Smoke run"));
    workspace
        .fovea(&["plan", "small.toml", "model=huge"])
        .fails(2, &["model=huge", "`narrow`, `wide`", "zip="]);
    workspace
        .fovea(&["plan", "small.toml", "axes.model=[\"vgg-tiny\"]"])
        .fails(2, &["axes.model", "[[zip]]"]);
}

#[test]
fn a_smoke_run_is_small_and_goes_beside_the_real_one() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}{REST}"));
    let ran = workspace.fovea(&["run", "small.toml", "--smoke"]).ok();
    assert!(ran.stdout.contains("Smoke run: ") && !ran.stdout.contains("Nobody"), "{}", ran.stdout);
    assert!(!workspace.path().join("runs/small").exists(), "the real run is not touched");
    let store = workspace.run("small-smoke");
    let plan = store.read_plan().unwrap();
    assert!(plan.smoke && plan.command == "fovea run small.toml --smoke", "{}", plan.command);
    assert_eq!(plan.trials.iter().map(|t| t.seed).collect::<Vec<_>>(), [7, 7]);
    assert!(page(store.root()).contains("class=\"banner\""));
    let listed = workspace.fovea(&["plan", "small.toml", "--smoke"]).ok().stdout;
    assert!(listed.contains("small: smoke run, 2 trials in runs/small-smoke"), "{listed}");
    assert!(listed.contains("0 to run"), "{listed}");

    workspace.write("bare.toml", SMALL);
    workspace
        .fovea(&["run", "bare.toml", "--smoke"])
        .fails(2, &["bare.toml:", "smoke", "training.epochs = 2"]);
    workspace.write("typo.toml", format!("{SMALL}\n[smoke]\ntraining.epohcs = 1\n"));
    workspace.fovea(&["plan", "typo.toml"]).fails(2, &["typo.toml:30:10", "did you mean `epochs`?"]);
}

#[test]
fn the_papers_experiments_open_with_their_question_and_their_smoke_runs_plan() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut seen = 0;
    for entry in std::fs::read_dir(Path::new(root).join("experiments/paper")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for opening in ["# Question:", "# Command:", "# Expect:", "# Time:"] {
            assert!(text.lines().take(8).any(|l| l.starts_with(opening)), "{}: {opening}", path.display());
        }
        // Their data and weights are not at hand, and their small stand-ins are made by `run --smoke`.
        let mut plan = Command::new(env!("CARGO_BIN_EXE_fovea"));
        plan.args(["plan", path.to_str().unwrap(), "--smoke", "dataset=scenes", "localizer=ground-truth"]);
        let planned = plan.current_dir(root).output().unwrap();
        assert!(planned.status.success(), "{}", String::from_utf8_lossy(&planned.stderr));
        seen += 1;
    }
    assert_eq!(seen, 4);
}

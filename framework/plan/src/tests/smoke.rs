//! `[smoke]`.

use super::{Fake, HEAD, errors, plan, variants};
use crate::{Overrides, Plan, PlanErrors, load};
use serde_json::json;
use std::fs;

const FILE: &str = r#"
name = "paper"
baseline = "model=resnet18, loss=none"
training.batch_size = 64
[[zip]]
model = ["resnet18", { name = "resnet18", dropout = 0.5 }]
training.beta = [1, 2]
[axes]
loss = ["none", "ria"]
seed = [0, 1, 2]
[smoke]
zip = [{ model = ["resnet-tiny"] }]
axes.seed = [0]
training = { epochs = 2, warmup_epochs = 1 }
training.batch_size = 16
dataset.train = 8
[smoke.input]
size = 32
"#;

fn load_with(text: &str, smoke: bool, command_line: &[&str]) -> Result<Plan, PlanErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quick.toml");
    fs::write(&path, text).unwrap();
    let command_line = command_line.iter().map(|&text| text.to_owned()).collect();
    load(&path, &Overrides { smoke, command_line, ..Overrides::default() }, &Fake::default())
}

/// The first line of the errors of a smoke run, without the file's folder.
fn smoke_error(text: &str) -> String {
    let errors = load_with(&format!("{HEAD}{text}"), true, &[]).unwrap_err().to_string();
    errors.lines().next().and_then(|line| line.rsplit_once('/')).unwrap().1.to_owned()
}

fn file() -> String {
    format!(
        "{HEAD}{}",
        FILE.replace(
            "training = { epochs = 2, warmup_epochs = 1 }\n",
            "training.epochs = 2\ntraining.warmup_epochs = 1\n"
        )
    )
}

#[test]
fn it_lies_between_the_file_and_the_command_line() {
    let real = load_with(&file(), false, &[]).unwrap();
    assert_eq!((real.trials.len(), real.run.dir.to_str(), real.smoke), (12, Some("runs/paper"), false));
    let smoke = load_with(&file(), true, &["training.epochs=3"]).unwrap();
    assert_eq!((smoke.run.dir.to_str(), smoke.smoke), (Some("runs/paper-smoke"), true));
    assert_eq!(variants(&smoke), ["model=resnet-tiny, loss=none", "model=resnet-tiny, loss=ria"]);
    assert_eq!(
        smoke.baseline.as_deref(),
        Some("model=resnet-tiny, loss=none"),
        "the file's is not in this grid"
    );
    let config = &smoke.trials[1].config;
    assert_eq!(
        (config.training.epochs, config.training.warmup_epochs, config.training.batch_size),
        (3, 1, 16)
    );
    assert_eq!((config.dataset.config["train"].as_f64(), config.input.size), (Some(8.0), 32));
    assert!(smoke.to_run_plan().smoke && smoke.command.contains(" --smoke "), "{}", smoke.command);
}

#[test]
fn it_narrows_and_replaces_axes_as_the_command_line_does() {
    let text = format!(
        "{HEAD}[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]\n[smoke]\nloss = {{ name = \"iou\" }}\n\"axes.seed\" = [5]"
    );
    let smoke = load_with(&text, true, &[]).unwrap();
    assert_eq!((variants(&smoke), smoke.trials[0].config.seed), (vec!["loss=iou"], 5));
    let text = format!("{HEAD}run.dir = \"out\"\n[smoke]\nseed = 1");
    assert_eq!(load_with(&text, true, &[]).unwrap().run.dir.to_str(), Some("out-smoke"));
    assert_eq!(load_with(&text, true, &["run.dir=x"]).unwrap().run.dir.to_str(), Some("x"));
}

#[test]
fn a_whole_plugin_takes_the_place_of_the_files() {
    let text = |smoke: &str| format!("{HEAD}loss = {{ name = \"ria\", power = 3 }}\n[smoke]\n{smoke}");
    let config =
        |smoke: &str| load_with(&text(smoke), true, &[]).unwrap().trials[0].config.loss.config.clone();
    assert_eq!(config("loss = { name = \"ria\", lambda = 1 }"), json!({ "lambda": 1.0, "power": 2.0 }));
    assert_eq!(config("loss = \"ria\""), json!({ "lambda": 0.1, "power": 2.0 }));
    assert_eq!(config("loss.lambda = 1"), json!({ "lambda": 1.0, "power": 3.0 }));
}

#[test]
fn its_mistakes_are_found_without_it() {
    for (text, expected) in [
        (
            "[smoke]\ntraining.epohcs = 2",
            "quick.toml:4:10: smoke.training.epohcs: unknown key\n    4 | training.epohcs = 2\n      |          ^^^^^^\n      = did you mean `epochs`?",
        ),
        ("[smoke]\n\"training.epohcs\" = 2", "quick.toml:4:1: smoke.training.epohcs: unknown key"),
        (
            "[smoke]\ntraining = { epochs = \"x\" }",
            "quick.toml:4:23: smoke.training.epochs: expected a whole number",
        ),
        ("[smoke]\naxes.sed = [0]", "quick.toml:4:6: axes.sed: there is no key `sed`"),
        ("[smoke]\naxes.seed = 0", "quick.toml:4:13: axes.seed: an axis is a list of values"),
        ("[smoke]\nzip = [{ los = [0] }]", "quick.toml:4:10: zip.los: there is no key `los`"),
        ("smoke = 3", "quick.toml:3:9: smoke: expected a table of overrides"),
    ] {
        let shown = errors(text);
        assert!(shown.starts_with(expected), "{text}\nexpected {expected}\nshown    {shown}");
        assert!(!shown.contains("errors"), "only one error is expected: {text}\n{shown}");
        let shown = load_with(&format!("{HEAD}{text}"), true, &[]).unwrap_err();
        assert_eq!(shown.len(), 1, "it is told once: {shown}");
    }
}

#[test]
fn mistakes_that_only_it_makes_are_found_with_it() {
    for (text, expected) in [
        ("[smoke]\ntraining.epochs = 0", "quick.toml:4:19: training.epochs: must be at least 1, found 0"),
        ("[smoke]\nloss = \"iuo\"", "quick.toml:4:8: loss.name: unknown loss `iuo`"),
        ("[smoke]\nloss = { name = \"ria\", lambdaa = 1 }", "quick.toml:4:24: loss.lambdaa: unknown key"),
        (
            "",
            "quick.toml:1:1: smoke: there is no such table, so --smoke has nothing that would make the experiment small",
        ),
    ] {
        plan(text.replace("0", "20").split("loss").next().unwrap());
        assert_eq!(smoke_error(text), expected, "{text}");
    }
}

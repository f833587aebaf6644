//! `extends`.

use super::{Fake, HEAD, variants, without_origins};
use crate::{Overrides, Plan, PlanErrors, load};
use std::fs;

const BASE: &str = "training.beta = 0.7\nloss = { name = \"ria\", lambda = 0.3 }\n[axes]\nmodel = [\"resnet-tiny\", \"resnet18\"]\n\"training.alpha\" = [1, 2]\nseed = [0, 1]\n";

/// Plans the first of these files, which lie in one folder.
fn load_files(files: &[(&str, String)]) -> Result<Plan, (PlanErrors, String)> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let errors = |errors: PlanErrors| {
        let shown = errors.to_string().replace(&format!("{}/", folder.path().display()), "");
        (errors, shown)
    };
    load(&folder.path().join(files[0].0), &Overrides::default(), &Fake::default()).map_err(errors)
}

fn error(files: &[(&str, String)]) -> String {
    load_files(files).unwrap_err().1
}

#[test]
fn tables_merge_and_axes_of_one_name_are_replaced() {
    let child =
        "extends = \"bases/middle.toml\"\n[loss]\npower = 3\n[axes]\ntraining.alpha = [3]\nseed = [5]\n";
    let middle = "extends = \"../base.toml\"\n[axes]\nmodel = [\"resnet18\"]\n";
    let files = [
        ("quick.toml", child.to_owned()),
        ("bases/middle.toml", middle.to_owned()),
        ("base.toml", format!("name = \"base\"\nrun.dir = \"x\"\n{HEAD}{BASE}")),
    ];
    let plan = load_files(&files).unwrap();
    assert_eq!(
        (variants(&plan), plan.run.dir.to_str()),
        (vec!["model=resnet18, alpha=3"], Some("runs/quick"))
    );
    let config = &plan.trials[0].config;
    assert_eq!((config.seed, config.training.beta), (5, 0.7));
    assert_eq!((&config.loss.config["lambda"], &config.loss.config["power"]), (&0.3.into(), &3.0.into()));
    let alone = load_files(&[("run/experiment.toml", plan.source.clone())]).unwrap();
    assert_eq!(
        without_origins(&alone),
        without_origins(&plan),
        "the run's own copy needs no other file:\n{}",
        plan.source
    );
    let other = "extends = \"base.toml\"\nloss = \"iou\"\naxes.seed = [0]";
    let plan =
        load_files(&[("quick.toml", other.to_owned()), ("base.toml", format!("{HEAD}{BASE}"))]).unwrap();
    assert_eq!((plan.trials.len(), plan.trials[0].config.loss.name.as_str()), (4, "iou"));
}

#[test]
fn mistakes_are_in_the_file_that_makes_them() {
    let child = |text: &str| ("quick.toml", format!("extends = \"base.toml\"\n{text}"));
    let base = |text: &str| ("base.toml", format!("{HEAD}{text}"));
    let shown = error(&[child("training.epohcs = 1"), base("[training]\nbatch_size = \"many\"\nbetta = 1")]);
    for expected in [
        "quick.toml:2:10: training.epohcs: unknown key\n    2 | training.epohcs = 1\n",
        "base.toml:4:14: training.batch_size: expected a whole number",
        "base.toml:5:1: training.betta: unknown key\n    5 | betta = 1\n",
    ] {
        assert!(shown.contains(expected), "{shown}");
    }
    assert!(
        error(&[child(""), base("[axes]\nloss = [\"iuo\"]")])
            .starts_with("base.toml:4:9: loss.name: unknown loss")
    );
    assert!(error(&[child(""), base("seed = [")]).starts_with("base.toml:3:9: "));
    let circle = error(&[child(""), ("base.toml", "extends = \"quick.toml\"".to_owned())]);
    assert_eq!(
        circle.lines().next(),
        Some(
            "base.toml:1:11: extends: files extend each other in a circle: `quick.toml` -> `base.toml` -> `quick.toml`"
        )
    );
    let missing = error(&[child(""), ("bsae.toml", HEAD.to_owned())]);
    assert!(missing.starts_with("quick.toml:1:11: extends: base.toml: no such file"), "{missing}");
    assert!(missing.ends_with("did you mean `bsae.toml`?"), "{missing}");
    assert!(
        error(&[("quick.toml", "extends = 3".to_owned())])
            .starts_with("quick.toml:1:11: extends: expected the path")
    );
}

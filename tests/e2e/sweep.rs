//! A grid from TOML to report.

use crate::harness::{SMALL, Workspace};
use crate::keeping::files;
use fovea_records::TrialOutcome;
use std::collections::HashSet;
use std::time::{Duration, Instant};

#[test]
fn a_grid_becomes_tables_and_a_report_and_is_not_run_twice() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]\n"));

    let listed = workspace.fovea(&["plan", "small.toml"]).ok().stdout;
    assert!(listed.contains("4 trials"), "{listed}");
    assert!(listed.contains("4 to run, 2 shared warm-up stages"), "{listed}");
    assert!(!workspace.path().join("runs").exists(), "plan must not write");

    let ran = workspace.fovea(&["run", "small.toml"]).ok();
    assert!(
        ran.stdout.contains("\nria ") && ran.stdout.contains("runs/small/report/index.html"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("img/s") && ran.stderr.contains("left"), "{}", ran.stderr);

    let store = workspace.run("small");
    let plan = store.read_plan().unwrap();
    assert_eq!(plan.trials.len(), 4);
    let mut pictures = HashSet::new();
    for trial in &plan.trials {
        let done = store.done(&trial.id).unwrap().unwrap();
        assert_eq!(done.ended, TrialOutcome::Done);
        for artefact in ["trial.toml", "metrics.jsonl", "predictions.jsonl", "checkpoint/model.safetensors"] {
            assert!(done.artefacts.contains_key(artefact), "{artefact} of {:?}", done.artefacts.keys());
        }
        let metrics = store.read_metrics(&trial.id).unwrap();
        let has = |split: &str, metric: &str| metrics.iter().any(|m| m.split == split && m.metric == metric);
        for (split, metric) in [
            ("test", "accuracy"),
            ("test-unbiased", "accuracy"),
            ("test-unbiased", "worst-group-accuracy"),
            ("test-unbiased", "accuracy-fg"),
            ("test-unbiased", "rfs"),
            ("test-unbiased", "rfs-normalised"),
            ("test-unbiased", "box-iou"),
            ("test-unbiased", "average-precision"),
            ("train", "loss"),
        ] {
            assert!(has(split, metric), "{metric} on {split}");
        }
        assert_eq!(has("train", "explanation-loss"), trial.variant == "loss=ria");
        let gallery = store.read_gallery(&trial.id).unwrap();
        assert!(gallery.iter().all(|item| item.confidence.is_some_and(|c| (0.0..=1.0).contains(&c))));
        pictures.insert(gallery.into_iter().map(|item| item.image).collect::<Vec<_>>());
    }
    // Whatever the seed and the loss, so that columns of a gallery compare.
    assert_eq!(pictures.len(), 1);
    assert_eq!(pictures.iter().next().unwrap().len(), 2);
    for file in [
        "tables/metrics.parquet",
        "tables/metrics.csv",
        "tables/summary.csv",
        "report/index.html",
        "report/figures/gallery-random.png",
    ] {
        assert!(store.root().join(file).metadata().unwrap().len() > 100, "{file}");
    }
    let page = std::fs::read_to_string(store.root().join("report/index.html")).unwrap();
    assert!(page.contains("loss=ria"), "the report names its variants");

    let journal = store.read_journal().unwrap().len();
    let written = || {
        let mut files = files(store.root());
        // The lock says who holds it.
        files.retain(|path, _| !path.ends_with("/lock"));
        files
    };
    let before = written();
    let started = Instant::now();
    let again = workspace.fovea(&["run", "small.toml"]).ok();
    assert!(again.stdout.contains("all 4 trials are done"), "{}", again.stdout);
    assert!(started.elapsed() < Duration::from_secs(20), "nothing is trained again: {:?}", started.elapsed());
    assert_eq!(store.read_journal().unwrap().len(), journal);
    assert_eq!(written(), before, "no record and no page of the report is written again");
    assert!(again.stdout.contains("report: ") && again.stdout.contains("box IoU"), "{}", again.stdout);

    let more = workspace.fovea(&["plan", "small.toml", "axes.seed=[0,1,2]"]).ok().stdout;
    assert!(more.contains("2 to run"), "a new seed is all that is new: {more}");
}

#[test]
fn every_loss_and_switch_runs_through_the_binary() {
    let workspace = Workspace::new();
    let axes = r#"
[axes]
loss = ["none", "iou", "modified-iou", "ria", "giou", "diou", "ciou", "energy", "outside", { name = "giou", lambda = 0.1, diagonal = "unit-square", label = "giou-diag" }]
"#;
    workspace.write("losses.toml", format!("{SMALL}{axes}"));
    let short = ["run", "losses.toml", "training.epochs=2", "dataset.train=32", "dataset.test=10"];
    let ran = workspace.fovea(&short).ok();
    assert!(ran.stdout.contains("giou-diag"), "{}", ran.stdout);

    for change in [
        "localizer=full-image",
        "localizer=center-box",
        "localizer=random-box",
        "localizer=shuffled",
        "extractor.gradient=soft",
        "extractor.gradient=moments",
        "cam.target_class=ground-truth",
        "cam.target_class=ground-truth-if-correct",
        "cam.detach_alpha=true",
        "cam.zero_cam=full-box",
        "model={name=\"vgg-tiny\"}",
        "training.optimizer.name=sgd",
        "training.schedule.name=cosine",
        "input.normalize=true",
    ] {
        let run = format!("run.dir=runs/{}", change.replace(['=', '"', '{', '}'], "-"));
        let short =
            ["run", "losses.toml", "training.epochs=2", "dataset.train=32", "dataset.test=10", "loss=ria"];
        let mut args = short.to_vec();
        args.extend([change, &run]);
        workspace.fovea(&args).ok();
    }
}

#[test]
fn every_shipped_experiment_plans_and_opens_with_its_question_and_command() {
    let workspace = Workspace::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for opening in ["# Question:", "# Command:", "# Expect:", "# Time:"] {
            assert!(text.lines().take(8).any(|l| l.starts_with(opening)), "{}: {opening}", path.display());
        }
        seen += 1;
        // Its libraries are built by its command.
        if !text.contains("\n[plugins]") {
            workspace.fovea(&["plan", path.to_str().unwrap()]).ok();
        }
    }
    assert!(seen >= 3, "{seen} experiments in {folder}");
}

//! `fovea table`: one table in every format.

use crate::harness::{SMALL, Workspace};
use fovea_records::TrialId;
use serde_json::Value;

fn cell(text: &str) -> f64 {
    text.trim().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_format_says_the_same_and_open_trials_are_counted() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"iou\"]\nseed = [0, 1]\n"));
    workspace.fovea(&["run", "small.toml", "training.epochs=1", "training.warmup_epochs=0"]).ok();
    // One trial is lost: it is counted, not dropped in silence.
    let store = workspace.run("small");
    let lost: TrialId = store.read_plan().unwrap().trials[3].id.clone();
    std::fs::remove_dir_all(store.trial_dir(&lost)).unwrap();

    let table = |more: &[&str]| {
        let args = [&["table", "runs/small", "--metric", "accuracy", "--split", "test"], more].concat();
        workspace.fovea(&args).ok().stdout
    };
    let markdown = table(&[]);
    let row = |text: &str, name: &str| text.lines().find(|l| l.starts_with(name)).unwrap().to_owned();
    assert!(
        markdown.contains("Of 4 planned trials, these have no numbers: 1 failed (iou: 1 failed)"),
        "{markdown}"
    );
    let json: Value = serde_json::from_str(&table(&["--format", "json"])).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let of = |name: &str| rows.iter().find(|r| r["loss"] == name).unwrap();
    assert_eq!((of("none")["n"].as_u64(), of("iou")["n"].as_u64()), (Some(2), Some(1)));

    // Against the records themselves.
    let plan = store.read_plan().unwrap();
    let accuracy = |trial: usize| {
        let rows = store.read_metrics(&plan.trials[trial].id).unwrap();
        let row = |r: &&fovea_records::MetricRow| {
            (r.metric.as_str(), r.split.as_str()) == ("accuracy", "test")
                && r.subset.is_none()
                && r.epoch.is_none()
        };
        rows.iter().find(row).unwrap().value
    };
    let mean = f64::midpoint(accuracy(0), accuracy(1));
    assert!((of("none")["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!((cell(row(&markdown, "| none").split('|').nth(2).unwrap()) - 100.0 * mean).abs() < 0.051);
    let latex = table(&["--format", "latex"]);
    assert!((cell(row(latex.trim(), "    none").split('&').nth(1).unwrap()) - 100.0 * mean).abs() < 0.051);
    assert!(latex.contains("\\toprule") && latex.contains("\\bottomrule"), "{latex}");
    let csv = table(&["--format", "csv"]);
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let out = workspace.path().join("t.parquet");
    table(&["--out", out.to_str().unwrap()]);
    assert_eq!(&std::fs::read(&out).unwrap()[..4], b"PAR1");
}

#[test]
fn unknown_names_are_told_with_the_known_ones() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml", "training.epochs=1", "training.warmup_epochs=0"]).ok();
    let table = |more: &[&str]| workspace.fovea(&[&["table", "runs/small"], more].concat());
    table(&["--metric", "acuracy"]).fails(2, &["acuracy", "Did you mean `accuracy`"]);
    table(&["--by", "lss"]).fails(2, &["lss", "variant"]);
    table(&["--format", "docx"]).fails(2, &["docx", "latex"]);
    table(&["--format", "parquet"]).fails(2, &["--out"]);
    workspace.fovea(&["table", "runs/nothing"]).fails(3, &["no run directory"]);
}

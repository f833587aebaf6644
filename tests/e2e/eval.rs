//! `fovea eval`: metrics of finished trials, without training.

use crate::harness::{SMALL, Workspace};
use fovea_records::LaterRow;

fn trained(name: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"ria\"]\n"));
    let run = format!("run.dir=runs/{name}");
    workspace.fovea(&["run", "small.toml", "training.epochs=1", "training.warmup_epochs=0", &run]).ok();
    workspace
}

fn later(workspace: &Workspace, trial: usize) -> Vec<LaterRow> {
    let store = workspace.run("small");
    let id = &store.read_plan().unwrap().trials[trial].id;
    store.read_later(id, &store.done(id).unwrap().unwrap()).unwrap()
}

#[test]
fn new_metrics_of_old_trials_are_in_tables_and_report() {
    let workspace = trained("small");
    let store = workspace.run("small");
    let before = store.digest().unwrap();
    let metrics = "nll,ece,accuracy-only-fg,stability-bg,accuracy,rfs";
    let said = workspace.fovea(&["eval", "runs/small", "--metrics", metrics]).ok().stdout;
    // What the trial measured itself comes out of its stored weights again, bit for bit.
    assert_eq!(said.matches("own record, and the same").count(), 2, "{said}");
    assert!(said.contains("2 trials measured") && said.contains("negative log-likelihood"), "{said}");
    let rows = later(&workspace, 0);
    let splits = |metric: &str| rows.iter().filter(|r| r.row.metric == metric).count();
    assert_eq!([splits("nll"), splits("ece"), splits("accuracy-only-fg")], [2, 2, 1]);
    assert_eq!(splits("accuracy"), 0, "the record has it");

    // The mean of -ln p, from the stored predictions.
    let id = &store.read_plan().unwrap().trials[0].id;
    let records = store.read_predictions(id).unwrap();
    let by_hand = records.iter().find_map(|record| match record {
        fovea_records::PredictionRecord::Clean { split, confidence, .. } if split == "test" => {
            Some(confidence.iter().map(|p| -f64::from(*p).ln()).sum::<f64>() / confidence.len() as f64)
        }
        _ => None,
    });
    let nll = rows.iter().find(|r| r.row.metric == "nll" && r.row.split == "test").unwrap();
    assert!((nll.row.value - by_hand.unwrap()).abs() < 1e-9);

    assert_ne!(store.digest().unwrap(), before, "the report is to be made again");
    workspace.fovea(&["table", "runs/small", "--metric", "ece,accuracy-only-fg", "--format", "csv"]).ok();
    workspace.fovea(&["report", "runs/small"]).ok();
    let metrics = std::fs::read_to_string(store.tables_dir().join("metrics.csv")).unwrap();
    assert!(metrics.contains("accuracy-only-fg"), "{metrics}");
    let again = workspace.fovea(&["eval", "runs/small", "--metrics", "nll,ece"]).ok().stdout;
    assert_eq!(again.matches("measured before").count(), 3, "{again}");
}

#[test]
fn other_noise_is_measured_beside_the_record() {
    let workspace = trained("small");
    let args = ["eval", "runs/small", "--metrics", "rfs", "l2=[5]", "gaussian=[60,90]"];
    workspace.fovea(&args).ok();
    let found: Vec<_> =
        later(&workspace, 1).into_iter().map(|r| (r.row.noise.unwrap(), r.row.level)).collect();
    // 60 and the mean over the trial's own levels are in its record.
    let l2 = |level| ("l2".to_owned(), level);
    assert_eq!(found, [("gaussian".to_owned(), Some(90.0)), l2(Some(5.0)), l2(None)]);
}

#[test]
fn what_cannot_be_measured_is_named_and_costs_no_other_trial() {
    let workspace = trained("small");
    let eval = |more: &[&str]| workspace.fovea(&[&["eval", "runs/small"], more].concat());
    eval(&["--metrics", "nl"]).fails(2, &["no metric `nl`", "nll"]);
    eval(&["--metrics", "nll", "drws=1"]).fails(2, &["unknown field `drws`", "`draws`"]);
    eval(&["--metrics", "nll", "--trial", "zz"]).fails(2, &["begins with `zz`", "fovea ls"]);
    eval(&[]).fails(2, &["--metrics"]);
    let store = workspace.run("small");
    let trials = store.read_plan().unwrap().trials;
    let weights = |trial: usize| store.trial_dir(&trials[trial].id).join("checkpoint/model.safetensors");
    std::fs::remove_file(weights(0)).unwrap();
    let failed = eval(&["--metrics", "brier"]);
    assert!(failed.stdout.contains("1 trial measured, 1 failed"), "{}", failed.stdout);
    failed.fails(1, &["cannot read", trials[0].id.as_str()]);
    // Weights of another trial in its place.
    std::fs::copy(weights(1), weights(0)).unwrap();
    eval(&["--metrics", "ece"]).fails(1, &["not the file that the trial left", trials[0].id.as_str()]);
    std::fs::remove_file(store.trial_dir(&trials[0].id).join("DONE.json")).unwrap();
    let said = eval(&["--metrics", "ece"]).ok().stdout;
    assert!(said.contains("is not finished") && said.contains("1 without results"), "{said}");
}

//! The program with its own loss goes through a sweep, workers included.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

fn program(args: &[&str], dir: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_example-in-process");
    Command::new(program).args(args).current_dir(dir).output().unwrap()
}

#[test]
fn a_sweep_trains_with_a_loss_of_the_program_itself() {
    let dir = tempfile::tempdir().unwrap();
    let run_dir = format!("run.dir={}", dir.path().join("run").display());
    let experiment = Path::new(env!("CARGO_MANIFEST_DIR")).join("entropy.toml");
    let mut args = vec!["run", experiment.to_str().unwrap(), &run_dir, "loss=none,entropy", "seed=0"];
    args.extend(["training.epochs=2", "training.warmup_epochs=0", "dataset.train=48", "dataset.test=16"]);
    let output = program(&args, dir.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = std::fs::read_to_string(dir.path().join("run/tables/metrics.csv")).unwrap();
    let loss = |variant: &str| {
        let explanation = |line: &&str| line.contains(variant) && line.contains("train,explanation-loss");
        table.lines().find(explanation).map(str::to_owned)
    };
    assert_eq!(loss("loss=none"), None);
    assert!(loss("loss=entropy").is_some(), "{table}");
}

#[test]
fn its_plugin_is_listed_with_its_configuration() {
    let output = program(&["plugin", "show", "entropy"], Path::new("."));
    assert!(String::from_utf8_lossy(&output.stdout).contains("epsilon"));
}

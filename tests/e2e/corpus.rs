//! A corpus of small odd files, made by `tests/faults/corpus.py`, each read as it is to be read: no crash, no hang, no memory
//! beyond reason, the right exit code, the right words, and the right share of object.

use crate::harness::{Ran, SMALL, Workspace};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A command over an odd file, and what it is to come to.
#[derive(Deserialize)]
struct Case {
    name: String,
    command: Vec<String>,
    exits: Vec<i32>,
    says: Vec<String>,
    object: Option<f64>,
}

/// Memory in kB that reading an odd file may reserve.
const MOST_MEMORY: u64 = 3 << 20;
/// What no small file takes.
const LONGEST: Duration = Duration::from_secs(20);

impl Case {
    /// What is wrong, if anything is.
    fn problem(&self, workspace: &Workspace, folder: &Path) -> Option<String> {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -v {MOST_MEMORY}; exec \"$0\" \"$@\"");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_fovea")]).args(&self.command);
        command.current_dir(folder).env("FOVEA_CACHE_HOME", workspace.path().join("remembered"));
        command.env("XDG_DATA_HOME", workspace.path().join("data-home")).env_remove("FOVEA_PLUGIN_PATH");
        let started = Instant::now();
        let Ran { code, stdout, stderr } = Ran::of(command.output().unwrap());
        let said = format!("{stdout}{stderr}");
        let lacks = self.says.iter().find(|word| !said.contains(*word));
        let problem = if !self.exits.contains(&code) {
            format!("exit code {code}, not one of {:?}", self.exits)
        } else if said.contains("panicked") {
            "it panicked".to_owned()
        } else if said.contains('\u{1b}') {
            "a control character reaches the terminal".to_owned()
        } else if let Some(word) = lacks {
            format!("it does not say `{word}`")
        } else if started.elapsed() > LONGEST {
            format!("it took {:?}", started.elapsed())
        } else {
            let share = self.object.map(|share| (share, object(&stdout)));
            let (wanted, found) = share.filter(|(wanted, found)| (wanted - found).abs() > 1e-6)?;
            format!("{found} of the picture is object, not {wanted}")
        };
        let shown: String = stderr.chars().take(600).collect();
        Some(format!("{}: {problem}\n    fovea {}\n{shown}", self.name, self.command.join(" ")))
    }
}

/// The share of object in the first split's picture.
fn object(json: &str) -> f64 {
    let found: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    found["datasets"][0]["found"]["splits"][0]["object"]["median"].as_f64().unwrap_or(f64::NAN)
}

#[test]
fn every_odd_file_is_read_for_what_it_is() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml", "--quiet", "loss=none,ria"]).ok();
    workspace.fovea(&["bundle", "runs/small", "--out", "small.tar.gz"]).ok();
    let run = workspace.run("small");
    let id = &run.read_plan().unwrap().trials[0].id;
    let folder = workspace.path().join("odd");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/corpus.py");
    let mut python = Command::new("python3");
    python.arg("-B").arg(script).arg(&folder).arg("--run").arg(run.root());
    python.arg("--bundle").arg(workspace.path().join("small.tar.gz"));
    python.arg("--weights").arg(run.trial_dir(id).join("checkpoint/model.safetensors"));
    Ran::of(python.output().unwrap()).ok();
    let cases = fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() > 400, "{} cases", cases.len());
    let next = AtomicUsize::new(0);
    let look = || {
        let at = || next.fetch_add(1, Ordering::Relaxed);
        std::iter::from_fn(|| cases.get(at()))
            .filter_map(|case| case.problem(&workspace, &folder))
            .collect::<Vec<_>>()
    };
    let problems: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(look)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(problems.is_empty(), "{} of {} cases:\n{}", problems.len(), cases.len(), problems.join("\n"));
    let outside = ["hostile", "outside"].map(|name| folder.join(name)).into_iter().find(|path| path.exists());
    assert_eq!(outside, None, "written where nothing is to be written");
}

//! What a trial's numbers rest on, and what training computed on its way.

use crate::harness::{SMALL, Workspace, bits, read_tensors};
use crate::plugins::compile;
use fovea_records::provenance::PATCHES;
use fovea_records::{Provenance, RunStore, TraceLine, TrialId, environment};
use std::fs;
use std::path::Path;
use std::process::Command;

fn git(dir: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
    let ran = Command::new("git").arg("-C").arg(dir).args(identity).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

fn blake3_of(path: impl AsRef<Path>) -> String {
    blake3::hash(&fs::read(path).unwrap()).to_hex().to_string()
}

fn trial(store: &RunStore, variant: &str) -> TrialId {
    let plan = store.read_plan().unwrap();
    plan.trials.iter().find(|trial| trial.variant == variant).unwrap().id.clone()
}

fn provenance(store: &RunStore, variant: &str) -> Vec<Provenance> {
    store.read_provenance(&trial(store, variant)).unwrap()
}

#[test]
fn program_source_machine_and_plugins_are_those_that_there_were() {
    let workspace = Workspace::new();
    let library = compile(&workspace, "good", &[], "plugins/good.so");
    let plugins = "\n[plugins]\npaths = [\"plugins\"]\n[localizer]\nname = \"green-box\"\n";
    workspace.write("small.toml", format!("{SMALL}{plugins}"));
    workspace.write(".gitignore", "remembered\nplugins\n");
    let here = workspace.path();
    git(here, &["init", "-q"]);
    git(here, &["add", "."]);
    git(here, &["commit", "-qm", "first"]);
    let short = ["run", "small.toml", "training.epochs=1", "training.warmup_epochs=0", "run.threads=2"];
    let run = |dir: &str| {
        let dir = format!("run.dir=runs/{dir}");
        let mut command = workspace.command(&[&short[..], &[&dir]].concat());
        command.env("OMP_NUM_THREADS", "3").env("CUDA_API_TOKEN", "hush").env("UNRELATED", "1");
        crate::harness::Ran::of(command.output().unwrap()).ok();
    };
    run("clean");
    workspace.write("small.toml", format!("# changed\n{SMALL}{plugins}"));
    workspace.write("staged.bin", [0, 159, 146]);
    git(here, &["add", "staged.bin"]);
    workspace.write("new.txt", "x");
    run("dirty");

    let [clean, dirty] = ["clean", "dirty"].map(|name| workspace.run(name));
    let [of_clean, line] = [&clean, &dirty].map(|store| {
        let mut lines = provenance(store, "small");
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    });
    let source = of_clean.source.unwrap();
    assert_eq!((source.patch, source.untracked), (None, Vec::new()), "what runs leave is no change");
    assert!(!clean.root().join(PATCHES).exists());

    let source = line.source.unwrap();
    assert_eq!(source.commit, git(here, &["rev-parse", "HEAD"]));
    assert_eq!(source.untracked, ["new.txt"]);
    let patch = source.patch.unwrap();
    let kept = dirty.root().join(PATCHES).join(format!("{patch}.patch"));
    assert_eq!(blake3_of(&kept), patch);
    assert!(fs::read_to_string(&kept).unwrap().contains("\n+# changed\n"));

    assert_eq!(line.program.blake3, blake3_of(env!("CARGO_BIN_EXE_fovea")));
    assert_eq!(line.program.cargo_lock, blake3_of(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")));
    assert!(line.program.compiler.starts_with("rustc 1."), "{:?}", line.program);
    assert!(line.program.target.contains(std::env::consts::ARCH), "{:?}", line.program);
    assert_eq!(line.command[1..], [&short[..], &["run.dir=runs/dirty"]].concat());
    assert!(line.machine.cores > 0 && line.machine.memory > 1 << 27, "{:?}", line.machine);
    assert_eq!((line.threads, line.device.name.as_str(), line.seed), (2, "cpu (2 threads)", 0));
    let variable = |name: &str| line.environment.get(name).map(String::as_str);
    assert_eq!([variable("OMP_NUM_THREADS"), variable("RAYON_NUM_THREADS")], [Some("3"), Some("2")]);
    assert_eq!([variable("CUDA_API_TOKEN"), variable("UNRELATED")], [Some(environment::HIDDEN), None]);
    let kinds: Vec<&str> = line.plugins.iter().map(|plugin| plugin.kind.as_str()).collect();
    assert_eq!(kinds, ["dataset", "model", "localizer", "extractor", "loss"]);
    let localizer = &line.plugins[2];
    assert_eq!(localizer.library.as_deref(), library.canonicalize().unwrap().to_str());
    assert!(localizer.fingerprint.contains(&blake3_of(&library)), "{localizer:?}");

    // What came of it does not depend on any of this.
    assert_eq!(bits(&clean, "small", 0), bits(&dirty, "small", 0));
    let id = trial(&dirty, "small");
    let done = dirty.done(&id).unwrap().unwrap();
    assert!(done.artefacts.contains_key("provenance.jsonl") && done.artefacts.contains_key("trace.jsonl"));
    // Weights, gradients and Adam's moments alone are less; nobody needs a terabyte.
    assert!(done.peak_memory.is_some_and(|bytes| bytes > 1 << 20 && bytes < 1 << 40), "{done:?}");

    workspace.fovea(&["gc", "runs/dirty", "--yes"]).ok();
    assert!(kept.exists() && dirty.trial_dir(&id).join("trace.jsonl").exists());
    let name = format!("runs/dirty/{id}");
    let shown = workspace.fovea(&["show", &name]).ok().stdout;
    for words in [&source.commit[..16], "modified", "1 file unknown to git", "cpu (2 threads)"] {
        assert!(shown.contains(words), "{words:?} is not in:\n{shown}");
    }
    assert!(!shown.contains("OMP_NUM_THREADS"), "{shown}");
    let all = workspace.fovea(&["show", &name, "-v"]).ok().stdout;
    for words in ["OMP_NUM_THREADS=3", "new.txt", &patch, "good.so", "Cargo.lock"] {
        assert!(all.contains(words), "{words:?} is not in:\n{all}");
    }
    let json = workspace.fovea(&["show", &name, "--json"]).ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["provenance"][0]["source"]["commit"], *source.commit);
}

#[test]
fn a_forked_trial_has_the_record_of_its_warm_up_and_the_trace_of_one_trained_alone() {
    let workspace = Workspace::new();
    workspace.write("small.toml", format!("{SMALL}\n[axes]\nloss = [\"none\", \"ria\"]\n"));
    workspace.fovea(&["run", "small.toml", "run.dir=runs/shared"]).ok();
    workspace.fovea(&["run", "small.toml", "run.dir=runs/alone", "--no-sharing"]).ok();
    let [shared, alone] = ["shared", "alone"].map(|name| workspace.run(name));
    let stage = shared.read_plan().unwrap().trials[0].stage.clone().unwrap();
    let of_stage = fovea_records::provenance::read(&shared.stage_dir(&stage)).unwrap();
    assert_eq!(of_stage.len(), 1);
    assert_eq!(of_stage[0].plugins.len(), 2, "a warm-up has no use for the others");
    assert_eq!(of_stage[0].source, None, "there is no repository");
    for variant in ["loss=none", "loss=ria"] {
        let lines = provenance(&shared, variant);
        let from: Vec<_> = lines.iter().map(|l| (l.stage.as_ref(), l.from_epoch, l.from_step)).collect();
        assert_eq!(from, [(Some(&stage), 0, 0), (None, 1, 0)]);
        assert_eq!(lines[0].time.to_bits(), of_stage[0].time.to_bits());
        assert_eq!(provenance(&alone, variant).len(), 1);
        let [a, b] = [&shared, &alone]
            .map(|store| fs::read(store.trial_dir(&trial(store, variant)).join("trace.jsonl")).unwrap());
        assert!(a == b, "{variant}");
    }

    // Three epochs of four steps; the network after powers of two and after each epoch.
    let id = trial(&shared, "loss=ria");
    let trace = shared.read_trace(&id).unwrap();
    let (mut steps, mut networks) = (Vec::new(), Vec::new());
    for line in &trace {
        match line {
            TraceLine::Step { step, explanation, .. } => steps.push((*step, explanation.is_some())),
            TraceLine::Network { step, .. } => networks.push(*step),
        }
    }
    assert_eq!(steps, (1..=12).map(|step| (step, step > 4)).collect::<Vec<_>>());
    assert_eq!(networks, [1, 2, 4, 8, 12]);
    let Some(TraceLine::Network { tensors, .. }) = trace.last() else { panic!("{trace:?}") };
    let weights = read_tensors(&shared.trial_dir(&id).join("checkpoint/model.safetensors"));
    assert_eq!(weights.len(), tensors.len());
    for (name, (_, values)) in weights {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(tensors[&name], blake3::hash(&bytes).to_hex()[..16], "{name}");
    }
    // Only the trial that has an explanation loss leaves the other's way, and not before the warm-up is over.
    let other = shared.read_trace(&trial(&shared, "loss=none")).unwrap();
    let parted = trace.iter().zip(&other).position(|(a, b)| a != b).unwrap();
    assert_eq!(trace[parted].step(), 5);

    let weights = shared.trial_dir(&id).join("checkpoint/model.safetensors");
    let from = format!("model.weights={}", weights.display());
    workspace.fovea(&["run", "small.toml", "run.dir=runs/tuned", "--only", "none", &from]).ok();
    let tuned = provenance(&workspace.run("tuned"), "loss=none");
    assert_eq!(tuned.last().unwrap().plugins[1].files["weights"], blake3_of(&weights));
}

//! Small records for tests.

use crate::record::WEIGHTS;
use fovea_records::provenance::{DeviceState, Machine, PluginRecord, Program};
use fovea_records::{Done, Provenance, RunStore, TraceLine, TrialId, TrialOutcome, store};
use std::collections::BTreeMap;
use std::path::Path;

/// A step of a trace.
pub(crate) fn step(step: usize, batch: &str, cross_entropy: f32, explanation: Option<f32>) -> TraceLine {
    TraceLine::Step { step, batch: batch.to_owned(), cross_entropy, explanation }
}

/// A network of a trace.
pub(crate) fn network(step: usize, tensors: &[(&str, &str)]) -> TraceLine {
    let tensors = tensors.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
    TraceLine::Network { step, tensors }
}

/// A process on one thread of a CPU.
pub(crate) fn provenance() -> Provenance {
    Provenance {
        time: 1.0,
        stage: None,
        from_epoch: 0,
        from_step: 0,
        seed: 0,
        program: Program {
            version: "0.1.0".into(),
            blake3: "a".repeat(64),
            cargo_lock: "b".repeat(64),
            compiler: "rustc 1.95.0".into(),
            target: "x86_64-unknown-linux-gnu".into(),
            features: String::new(),
        },
        command: vec!["fovea".into()],
        source: None,
        machine: Machine { cpu: "Xeon".into(), instructions: vec!["avx2".into()], ..Machine::default() },
        device: DeviceState { name: "cpu (1 thread)".into(), ..DeviceState::default() },
        threads: 1,
        environment: BTreeMap::new(),
        plugins: vec![PluginRecord {
            kind: "dataset".into(),
            name: "scenes".into(),
            fingerprint: "v1".into(),
            files: BTreeMap::new(),
            library: None,
        }],
        base_dir: None,
    }
}

/// The id of the trial of [`run_with_a_trial`].
pub(crate) fn trial_id() -> TrialId {
    TrialId::of("x")
}

/// A run with one trial that is done. Its files hold next to nothing.
pub(crate) fn run_with_a_trial(root: &Path) -> RunStore {
    let run = RunStore::new(root);
    let id = trial_id();
    let trial = serde_json::json!({
        "id": id, "index": 0, "variant": "loss=none", "seed": 0, "axes": [], "stage": null, "config": {},
    });
    let plan = serde_json::json!({
        "name": "x", "question": null, "axes": [], "command": "", "baseline": null, "trials": [trial],
    });
    store::write_json(&root.join("plan.json"), &plan).unwrap();
    for name in store::ARTEFACTS {
        store::write_atomic(&run.trial_dir(&id).join(name), b"").unwrap();
    }
    for (name, bytes) in [("trial.toml", "seed = 0\n"), ("metrics.jsonl", "{}\n"), (WEIGHTS, "w")] {
        store::write_atomic(&run.trial_dir(&id).join(name), bytes.as_bytes()).unwrap();
    }
    let done = Done {
        ended: TrialOutcome::Done,
        version: "0".into(),
        device: "cpu (1 thread)".into(),
        train_seconds: 1.0,
        eval_seconds: 1.0,
        peak_memory: None,
        artefacts: BTreeMap::new(),
    };
    run.mark_done(&id, done).unwrap();
    run
}

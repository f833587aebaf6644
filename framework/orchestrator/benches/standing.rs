//! How long it takes to see that a sweep of 1,000 trials is done.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails is a failed benchmark")]

use fovea_orchestrator::{Standing, Word, standings};
use fovea_records::{Done, PlannedTrial, RunPlan, RunStore, TrialId, TrialOutcome, store};
use serde_json::json;
use std::collections::BTreeMap;

fn main() {
    divan::main();
}

fn planned(index: usize) -> PlannedTrial {
    let config = json!({ "seed": index, "training": { "epochs": 1 } });
    PlannedTrial {
        id: TrialId::of(&config.to_string()),
        index,
        variant: "x".to_owned(),
        group: None,
        seed: index as u64,
        axes: Vec::new(),
        stage: None,
        config,
        origins: BTreeMap::new(),
    }
}

/// A run directory of finished trials, with their artefacts.
fn finished(store: &RunStore) -> RunPlan {
    let plan = RunPlan {
        prune: None,
        name: "x".to_owned(),
        question: None,
        smoke: false,
        axes: vec!["seed".to_owned()],
        label_axes: Vec::new(),
        command: String::new(),
        baseline: None,
        references: Vec::new(),
        trials: (0..1000).map(planned).collect(),
    };
    store.write_plan(&plan).unwrap();
    for trial in &plan.trials {
        let dir = store.trial_dir(&trial.id);
        for artefact in store::ARTEFACTS.iter().chain(&["gallery/index.jsonl"]) {
            let path = dir.join(artefact);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, artefact).unwrap();
        }
        let done = Done {
            ended: TrialOutcome::Done,
            version: "0".to_owned(),
            device: "cpu".to_owned(),
            train_seconds: 1.0,
            eval_seconds: 1.0,
            peak_memory: None,
            artefacts: store::hash_tree(&dir).unwrap(),
        };
        store.mark_done(&trial.id, done).unwrap();
    }
    plan
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn a_thousand_finished_trials(bencher: divan::Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let store = RunStore::new(dir.path());
    let plan = finished(&store);
    bencher.bench_local(|| -> Vec<Standing> {
        let standings = standings(&plan, &store).unwrap();
        assert!(standings.iter().all(|standing| standing.status == Word::Done));
        standings
    });
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn the_digest_of_their_records(bencher: divan::Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let store = RunStore::new(dir.path());
    finished(&store);
    bencher.bench_local(|| store.digest().unwrap());
}

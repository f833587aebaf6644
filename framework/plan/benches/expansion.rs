//! How long a grid of 96,000 points takes to plan, with its axes in several sections and all in one.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails is a failed benchmark")]

use fovea_plan::{Overrides, Plan, PluginCatalog, PluginConfig, PluginIssue, PluginKind, load};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// Plugins of any keys.
struct Any;

impl PluginCatalog for Any {
    fn resolve(&self, _: PluginKind, name: &str, config: Value) -> Result<PluginConfig, Vec<PluginIssue>> {
        Ok(PluginConfig { name: name.to_owned(), config, fingerprint: "v1".to_owned(), paths: Vec::new() })
    }

    fn names(&self, _: PluginKind) -> Vec<String> {
        ["d", "m", "ground-truth", "threshold", "none", "iou", "ria"].map(str::to_owned).to_vec()
    }

    fn schema(&self, _: PluginKind, _: &str) -> Value {
        json!(true)
    }
}

const HEAD: &str = "dataset = \"d\"\nmodel = \"m\"\n[axes]\n\
                    training.beta = { range = [0.05, 1.0], steps = 20 }\ntraining.batch_size = [8, 16, 32, 64]\n";
const SEVERAL: &str = "loss = [\"none\", \"iou\", \"ria\"]\ninput.size = [32, 64, 96, 128]\n\
                       seed = { range = [0, 99], step = 1 }\n";
const ONE: &str = "training.alpha = { range = [0.1, 1.0], steps = 10 }\ntraining.epochs = { range = [10, 120], steps = 12 }\n\
                   training.optimizer.learning_rate = { logspace = [1e-4, 1e-1], steps = 10 }\n";

fn planned(axes: &str) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.toml");
    std::fs::write(&path, format!("{HEAD}{axes}")).unwrap();
    let plan = load(&path, &Overrides::default(), &Any).unwrap();
    assert_eq!(plan.trials.len(), 96_000);
    plan
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn axes_in_several_sections() -> Plan {
    planned(SEVERAL)
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn axes_in_one_section() -> Plan {
    planned(ONE)
}

//! Small plans for tests.

use crate::memory::GpuMemory;
use crate::{RunOptions, Selection, Sharing, Stop, WorkerMessages};
use fovea_plan::{CacheSize, DeviceRequest, PerDevice, Plan, RunConfig, Trial, TrialConfig};
use fovea_records::{StageId, TrialId};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A trial of this variant and seed, which shares the warm-up of this name.
pub(crate) fn trial(variant: &str, seed: u64, stage: Option<&str>) -> Trial {
    let plugin = |name: &str| json!({ "name": name, "config": {}, "fingerprint": "" });
    let config: TrialConfig = serde_json::from_value(json!({
        "seed": seed, "dataset": plugin("d"), "input": {}, "augmentation": {}, "model": plugin("m"),
        "localizer": plugin("l"), "extractor": plugin("e"), "loss": plugin("x"), "cam": {}, "training": {},
        "evaluation": {},
    }))
    .unwrap();
    Trial {
        id: TrialId::of(&format!("{variant} {seed}")),
        index: 0,
        variant: variant.to_owned(),
        axes: Vec::new(),
        origins: Default::default(),
        group: None,
        stage: stage.map(StageId::of),
        config,
    }
}

/// A plan of nothing but these.
pub(crate) fn plan(run: RunConfig, trials: Vec<Trial>) -> Plan {
    Plan {
        name: "x".into(),
        question: None,
        device: DeviceRequest::Cpu,
        run,
        smoke: false,
        axes: Vec::new(),
        label_axes: Vec::new(),
        baseline: None,
        references: Vec::new(),
        trials,
        excluded: Vec::new(),
        stages: Vec::new(),
        command: String::new(),
        source: String::new(),
        path: PathBuf::new(),
    }
}

/// One worker, no limits.
pub(crate) fn run_config() -> RunConfig {
    RunConfig {
        dir: "runs/x".into(),
        cache: "runs/.cache".into(),
        memory_cache: CacheSize::Auto,
        disk_cache: CacheSize::Auto,
        workers: 1,
        threads: 0,
        tensorboard: false,
        devices: Vec::new(),
        per_device: PerDevice::Count(1),
        retries: 0,
        retry_delay: Duration::ZERO,
        timeout: None,
        stall_timeout: None,
        prune: None,
    }
}

/// A run in this folder whose workers are a shell script.
pub(crate) fn options(dir: &Path, worker: &str, memory: Arc<dyn GpuMemory>) -> RunOptions {
    let binary = dir.join("worker");
    fs::write(&binary, worker).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    RunOptions {
        plugins: fovea_records::TaskPlugins::default(),
        binary,
        base_dir: dir.to_owned(),
        version: String::new(),
        program: fovea_records::provenance::Program::default(),
        command: Vec::new(),
        messages: WorkerMessages::default(),
        selection: Selection::default(),
        jobs: None,
        fail_fast: false,
        sharing: Sharing::default(),
        memory,
        stop: Stop::default(),
    }
}

//! What a trial rests on beside its configuration, as the worker sees it. The main function is [`line`].

use crate::checkpoint::Progress;
use crate::device::OpenDevice;
use crate::precision;
use fovea_api::Registry;
use fovea_api::registry::{Origin, PluginKind};
use fovea_plan::{PluginConfig, Precision, TrialConfig};
use fovea_records::provenance::{DeviceState, PluginRecord};
use fovea_records::{Provenance, TaskKind, WorkerTask, environment, now};
use serde_json::Value;
use std::collections::BTreeMap;

/// Digits of a whole BLAKE3.
const DIGITS: usize = 64;

/// The record of this process, which goes on from `progress`.
pub(crate) fn line(
    task: &WorkerTask,
    config: &TrialConfig,
    device: &OpenDevice,
    progress: &Progress,
    registry: &Registry,
) -> Provenance {
    let origin = task.origin.clone();
    Provenance {
        time: now(),
        stage: None,
        from_epoch: progress.epoch,
        from_step: progress.partial.step,
        seed: config.seed,
        program: origin.program,
        command: origin.command,
        source: origin.source,
        machine: origin.machine,
        device: state_of(device, task, config.training.precision),
        threads: rayon::current_num_threads(),
        environment: environment::recorded(std::env::vars_os(), std::env::current_exe().ok().as_deref()),
        plugins: plugins(task.kind, config, registry),
        base_dir: Some(task.base_dir.clone()),
    }
}

fn state_of(device: &OpenDevice, task: &WorkerTask, precision: Precision) -> DeviceState {
    // Where a GPU was asked about and none was taken, the trial is none of its business.
    let gpu = task.gpu.as_ref().filter(|_| device.name.starts_with("cuda"));
    DeviceState {
        name: device.name.clone(),
        model: gpu.map(|gpu| gpu.model.clone()),
        driver: gpu.map(|gpu| gpu.driver.clone()),
        products: precision::kept(precision, device).ok().flatten().map(str::to_owned),
    }
}

/// A stage uses its data and its network only.
fn plugins(kind: TaskKind, config: &TrialConfig, registry: &Registry) -> Vec<PluginRecord> {
    let all = [
        (PluginKind::Dataset, &config.dataset),
        (PluginKind::Model, &config.model),
        (PluginKind::Localizer, &config.localizer),
        (PluginKind::Extractor, &config.extractor),
        (PluginKind::Loss, &config.loss),
    ];
    let used = match kind {
        TaskKind::Stage { .. } => &all[..2],
        TaskKind::Trial => &all[..],
    };
    used.iter().map(|(kind, plugin)| record(*kind, plugin, registry)).collect()
}

fn record(kind: PluginKind, plugin: &PluginConfig, registry: &Registry) -> PluginRecord {
    let library = |name: &str| match &registry.get(kind, name).ok()?.origin {
        Origin::File { path, .. } => Some(path.display().to_string()),
        Origin::BuiltIn | Origin::InProcess => None,
    };
    let wrapped = || plugin.config.get("inner")?.get("name").and_then(Value::as_str);
    PluginRecord {
        kind: kind.to_string(),
        name: plugin.name.clone(),
        fingerprint: plugin.fingerprint.clone(),
        files: files(&plugin.fingerprint),
        library: library(&plugin.name).or_else(|| library(wrapped()?)),
    }
}

/// The hashes of files in a fingerprint, such as `v1 weights=HASH`.
fn files(fingerprint: &str) -> BTreeMap<String, String> {
    let is_hash = |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pairs = fingerprint.split(' ').filter_map(|word| word.split_once('='));
    pairs.filter(|(_, hash)| is_hash(hash)).map(|(key, hash)| (key.to_owned(), hash.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_recorded_where_one_is_used() {
        let gpu = Some(fovea_records::provenance::Gpu { model: "H100".into(), driver: "550".into() });
        let task = serde_json::json!({
            "kind": "trial", "id": "", "dir": "", "stage_dir": null, "cache_dir": "", "base_dir": "",
            "device": "auto", "threads": 1, "config": null
        });
        let task: WorkerTask = serde_json::from_value(task).expect("tasks of earlier versions are read");
        let task = WorkerTask { gpu, ..task };
        let model = |name: &str| {
            let tf32 = name.starts_with("cuda");
            let device = OpenDevice { device: burn::tensor::Device::flex(), name: name.to_owned(), tf32 };
            let DeviceState { model, driver, products, .. } = state_of(&device, &task, Precision::F32);
            assert_eq!(products.is_some(), tf32);
            model.zip(driver)
        };
        assert_eq!(model("cuda:0"), Some(("H100".into(), "550".into())));
        assert_eq!(model("cpu (1 thread)"), None);
    }

    #[test]
    fn hashes_of_files_are_taken_from_fingerprints() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(files("v1"), BTreeMap::new());
        let weights = BTreeMap::from([("weights".to_owned(), hash.clone())]);
        assert_eq!(files(&format!("v1 weights={hash}")), weights);
        assert_eq!(files(&format!("v1 lost v2 weights={hash}")), weights);
        assert_eq!(files(&format!("v1 so:{hash} x=1")), BTreeMap::new());
    }
}

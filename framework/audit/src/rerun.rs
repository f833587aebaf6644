//! A trial trained again from its record alone. [`prepare`] sees whether that can be done, [`run`] does it.
//!
//! The experiment file is not needed, and neither are the run's warm-up stages or cached boxes: every rerun trains alone,
//! from its first step.

use crate::circumstances::{DATA, FILES, PLUGIN};
use crate::{AuditError, TrialRecord};
use fovea_orchestrator::memory::GpuMemory;
use fovea_orchestrator::{RunOptions, RunSummary, Selection, Sharing, Stop, Update, WorkerMessages};
use fovea_plan::{
    CacheSize, DeviceRequest, PerDevice, Plan, PluginCatalog, PluginIssue, PluginKind, RunConfig, Trial,
    TrialConfig,
};
use fovea_records::provenance::Program;
use fovea_records::verdict::Change;
use fovea_records::{RunStore, TaskPlugins};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What reruns need that no record has.
pub struct Bench<'a> {
    /// The `fovea` program, started as `fovea worker`.
    pub binary: PathBuf,
    /// The program, for the records; the hash of `binary` is added to it.
    pub program: Program,
    /// The command, word by word, for the records.
    pub command: Vec<String>,
    /// What the workers say beside their events.
    pub messages: WorkerMessages,
    /// Libraries of plugins that were loaded.
    pub plugins: TaskPlugins,
    /// The plugins that there are, with relative paths that start in a folder.
    pub catalog: &'a (dyn Fn(&Path) -> Box<dyn PluginCatalog> + Sync),
    /// Why a device cannot be used, if it cannot.
    pub device_problem: &'a (dyn Fn(DeviceRequest) -> Option<String> + Sync),
    /// Who tells what memory workers need.
    pub memory: Arc<dyn GpuMemory>,
    /// How others ask reruns to stop.
    pub stop: Stop,
    /// The current folder, where relative paths start if the recorded one does not have what they name.
    pub here: PathBuf,
    /// What is asked for instead of what is recorded.
    pub instead: Instead,
    /// Whether the records are another person's, so that no library is loaded because they name it.
    pub stranger: bool,
}

/// What is asked for instead of what is recorded.
#[derive(Clone, Debug, Default)]
pub struct Instead {
    /// The device.
    pub device: Option<DeviceRequest>,
    /// CPU threads of a worker.
    pub threads: Option<usize>,
    /// Where files are now: keys that hold paths (`dataset.root`), each with its value.
    pub paths: Vec<(String, String)>,
    /// Whether changed data, weights and plugins are used as they are.
    pub anyway: bool,
}

/// A trial that can be run again.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The trial, with its recorded id.
    pub trial: Trial,
    /// Where relative paths start.
    pub base_dir: PathBuf,
    /// Where it is computed.
    pub device: DeviceRequest,
    /// CPU threads of its worker.
    pub threads: usize,
    /// What is known to have changed.
    pub changes: Vec<Change>,
}

/// Why a trial cannot be run again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unready {
    /// What is wrong and what to do, in full sentences.
    pub reasons: Vec<String>,
    /// What is known to have changed.
    pub changes: Vec<Change>,
}

/// The plugins of a configuration as they are now.
struct Inspected {
    config: TrialConfig,
    changes: Vec<Change>,
    missing: Vec<String>,
}

/// Sees whether the trial can be run as its record says: data, weights and plugins are there and the same, and the device
/// can be used.
///
/// # Errors
/// What is missing or has changed.
pub fn prepare(record: &TrialRecord, bench: &Bench<'_>) -> Result<Ready, Unready> {
    let unready = |reason: String| Unready { reasons: vec![reason], changes: Vec::new() };
    let config = record.config().map_err(|problem| unready(format!("{problem}.")))?;
    let config = with_paths(config, &bench.instead.paths);
    let recorded = record.last_process().and_then(|line| line.base_dir.clone()).filter(|dir| dir.is_dir());
    let mut best: Option<(Inspected, PathBuf)> = None;
    for base_dir in recorded.into_iter().chain([bench.here.clone()]) {
        let found = inspect(record, &config, (bench.catalog)(&base_dir).as_ref(), bench.stranger);
        let rank = |of: &Inspected| (of.missing.len(), of.changes.len());
        if best.as_ref().is_none_or(|(known, _)| rank(&found) < rank(known)) {
            best = Some((found, base_dir));
        }
    }
    let Some((Inspected { config, changes, mut missing }, base_dir)) = best else {
        return Err(unready("there is no folder to start in.".to_owned()));
    };
    if !changes.is_empty() && !bench.instead.anyway {
        missing.extend(changes.iter().map(|change| {
            format!(
                "{} is not what the trial was trained with (recorded {}, now {}). Bring back what it was, or see with --anyway \
                 what comes of it as it is.",
                capital(&change.what),
                change.recorded,
                change.now
            )
        }));
    }
    let device = bench.instead.device.or(record.device()).unwrap_or(DeviceRequest::Auto);
    if let Some(problem) = (bench.device_problem)(device) {
        missing.push(format!("{problem} --device takes another one."));
    }
    if !missing.is_empty() {
        return Err(Unready { reasons: missing, changes });
    }
    let planned = record.planned.as_ref();
    let trial = Trial {
        id: record.id.clone(),
        index: 0,
        variant: planned.map_or_else(|| record.id.to_string(), |planned| planned.variant.clone()),
        group: None,
        axes: planned.map(|planned| planned.axes.clone()).unwrap_or_default(),
        stage: None,
        config,
        origins: Default::default(),
    };
    let threads = bench.instead.threads.or(record.threads()).unwrap_or(0);
    Ok(Ready { trial, base_dir, device, threads, changes })
}

/// Puts other paths into the tables of plugins that have those keys.
fn with_paths(mut config: TrialConfig, paths: &[(String, String)]) -> TrialConfig {
    for (key, value) in paths {
        let Some((section, key)) = key.split_once('.') else { continue };
        let Some(kind) = PluginKind::from_key(section) else { continue };
        if config.plugin(kind).paths.iter().any(|path| path == key) {
            config.plugin_mut(kind).config[key] = value.as_str().into();
        }
    }
    config
}

/// Looks at every plugin of a configuration. The configuration that comes back has the fingerprints of today: boxes in the
/// cache are found by them.
fn inspect(
    record: &TrialRecord,
    config: &TrialConfig,
    catalog: &dyn PluginCatalog,
    stranger: bool,
) -> Inspected {
    let mut inspected = Inspected { config: config.clone(), changes: Vec::new(), missing: Vec::new() };
    for (kind, plugin) in config.plugins() {
        match catalog.resolve(kind, &plugin.name, plugin.config.clone()) {
            Ok(now) => {
                if now.fingerprint != plugin.fingerprint {
                    let (recorded, now) = (plugin.fingerprint.clone(), now.fingerprint.clone());
                    inspected.changes.push(Change {
                        what: what(kind, &plugin.name, &recorded, &now),
                        recorded,
                        now,
                    });
                }
                inspected.config.plugin_mut(kind).fingerprint = now.fingerprint;
            }
            Err(issues) => {
                let process = record.last_process();
                let recorded = process.and_then(|line| line.plugins.iter().find(|p| p.kind == kind.as_str()));
                let library = recorded.and_then(|plugin| plugin.library.as_deref());
                let library = library.map(|library| (library, &*plugin.fingerprint, stranger));
                inspected.missing.push(missing(kind, &plugin.name, &issues, library));
            }
        }
    }
    inspected
}

fn what(kind: PluginKind, name: &str, recorded: &str, now: &str) -> String {
    let head = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    match kind {
        _ if head(recorded) != head(now) || recorded.contains("so:") => format!("{PLUGIN} {kind} {name}"),
        PluginKind::Dataset => format!("{DATA} {name}"),
        _ => format!("{FILES} {kind} {name}"),
    }
}

/// What to do about a plugin that cannot be used; `library` has its recorded file, its fingerprint and whether the record is
/// another person's.
fn missing(
    kind: PluginKind,
    name: &str,
    issues: &[PluginIssue],
    library: Option<(&str, &str, bool)>,
) -> String {
    let issues: Vec<String> = issues
        .iter()
        .map(|issue| {
            let key = issue.path.join(".");
            if key.is_empty() || key == "name" {
                issue.message.clone()
            } else {
                format!("{kind}.{key}: {}", issue.message)
            }
        })
        .collect();
    let advice = match library {
        Some((library, fingerprint, true)) => format!(
            "It came from the library {library} ({fingerprint}), which is not loaded, as the records are not of this machine \
             and loading runs its code: get it, look at it, and name it with --plugin-path."
        ),
        Some((library, _, _)) if !Path::new(library).is_file() => {
            format!(
                "It came from the library {library}, which is gone: name a copy of it with --plugin-path."
            )
        }
        Some((library, ..)) => {
            format!("It came from the library {library}; if you trust that file, name it with --plugin-path.")
        }
        None => format!("Where its files are elsewhere now, --path {kind}.KEY=PATH says where."),
    };
    format!("The {kind} {name} cannot be used: {}. {advice}", issues.join("; "))
}

pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// A configuration with the keys that TOML cannot hold because they have no value, as the plugins fill them in.
#[must_use]
pub fn completed(config: &TrialConfig, catalog: &dyn PluginCatalog) -> Option<TrialConfig> {
    let mut complete = config.clone();
    for (kind, plugin) in config.plugins() {
        let resolved = catalog.resolve(kind, &plugin.name, plugin.config.clone()).ok()?;
        for (key, value) in resolved.config.as_object()? {
            if value.is_null() && plugin.config.get(key).is_none() {
                complete.plugin_mut(kind).config[key] = value.clone();
            }
        }
    }
    Some(complete)
}

/// Runs trials, all of them on one device with one number of threads, in a run directory of their own.
///
/// # Errors
/// When the directory cannot be used or no worker can be started.
pub fn run(
    ready: &[&Ready],
    store: &RunStore,
    bench: &Bench<'_>,
    jobs: usize,
    observer: &mut (dyn FnMut(Update) + Send),
) -> Result<RunSummary, AuditError> {
    let Some(first) = ready.first() else { return Ok(RunSummary::default()) };
    let plan = plan(ready, first, store, bench, jobs);
    let options = options(first, bench, jobs);
    Ok(fovea_orchestrator::run(&plan, store, &options, observer)?)
}

/// The plan of these trials, as [`run`] has it.
#[must_use]
pub fn plan(ready: &[&Ready], first: &Ready, store: &RunStore, bench: &Bench<'_>, jobs: usize) -> Plan {
    let indexed = |(index, ready): (usize, &&Ready)| Trial { index, ..ready.trial.clone() };
    let axes = |trial: &Trial| trial.axes.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let command = bench.command.join(" ");
    let about = "the configuration of each trial is in trials/ID/trial.toml";
    Plan {
        name: "rerun".to_owned(),
        question: None,
        device: first.device,
        run: RunConfig {
            dir: store.root().to_owned(),
            // Of its own: boxes of the run's cache would not be checked.
            cache: store.root().join(".cache"),
            memory_cache: CacheSize::Auto,
            disk_cache: CacheSize::Bytes(0),
            workers: jobs,
            threads: first.threads,
            tensorboard: false,
            devices: Vec::new(),
            per_device: PerDevice::Count(1),
            retries: 0,
            retry_delay: Duration::ZERO,
            timeout: None,
            stall_timeout: None,
            prune: None,
        },
        smoke: false,
        axes: axes(&first.trial),
        label_axes: Vec::new(),
        baseline: None,
        references: Vec::new(),
        trials: ready.iter().enumerate().map(indexed).collect(),
        excluded: Vec::new(),
        stages: Vec::new(),
        source: format!("# Trials that were run again from their records; {about}.\n# {command}\n"),
        command,
        path: PathBuf::new(),
    }
}

/// How these trials are run.
#[must_use]
pub fn options(first: &Ready, bench: &Bench<'_>, jobs: usize) -> RunOptions {
    RunOptions {
        binary: bench.binary.clone(),
        base_dir: first.base_dir.clone(),
        version: bench.program.version.clone(),
        program: bench.program.clone(),
        command: bench.command.clone(),
        plugins: bench.plugins.clone(),
        messages: bench.messages.clone(),
        selection: Selection::default(),
        jobs: Some(jobs),
        fail_fast: false,
        sharing: Sharing::Nothing,
        memory: Arc::clone(&bench.memory),
        stop: bench.stop.clone(),
    }
}

/// The first folder `<name>-1`, `<name>-2`, ... that there is not, made.
///
/// # Errors
/// When it cannot be made.
pub fn new_folder(parent: &Path, name: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(parent)?;
    for number in 1_u32.. {
        let folder = parent.join(format!("{name}-{number}"));
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
    unreachable!("a folder holds fewer entries than there are numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_called_by_what_it_is() {
        let what = |kind, recorded: &str, now: &str| what(kind, "x", recorded, now);
        assert_eq!(what(PluginKind::Dataset, "v1 abc", "v1 def"), "data set x");
        assert_eq!(what(PluginKind::Dataset, "v1 abc", "v2 abc"), "plugin dataset x");
        assert_eq!(what(PluginKind::Model, "v1 weights=a", "v1 weights=b"), "files of model x");
        assert_eq!(what(PluginKind::Loss, "v1 so:a", "v1 so:b"), "plugin loss x");
    }

    #[test]
    fn a_library_that_is_gone_is_named() {
        let issue = PluginIssue {
            path: vec!["name".into()],
            message: "there is no such loss".into(),
            suggestion: None,
        };
        let text = missing(
            PluginKind::Loss,
            "mine",
            std::slice::from_ref(&issue),
            Some(("/gone/libmine.so", "v1 so:a", false)),
        );
        assert_eq!(
            text,
            "The loss mine cannot be used: there is no such loss. It came from the library /gone/libmine.so, which is gone: \
             name a copy of it with --plugin-path."
        );
        let issue =
            PluginIssue { path: vec!["root".into()], message: "no such folder".into(), suggestion: None };
        let text = missing(PluginKind::Dataset, "folder", &[issue], None);
        assert!(
            text.contains("dataset.root: no such folder. Where its files are elsewhere now, --path"),
            "{text}"
        );
    }

    #[test]
    fn folders_are_numbered() {
        let dir = tempfile::tempdir().unwrap();
        let names = [(); 3].map(|()| new_folder(&dir.path().join("a"), "verify").unwrap());
        assert_eq!(
            names.map(|path| path.file_name().unwrap().to_owned()),
            ["verify-1", "verify-2", "verify-3"]
        );
    }
}

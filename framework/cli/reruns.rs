//! What `fovea rerun` and `fovea verify` have in common: where trials are run again, and with what. The main type is
//! [`Place`].

use crate::libraries::Libraries;
use crate::signals::stop_on_signals;
use crate::{Failure, build_info, exit::Exit, plan};
use fovea_api::Registry;
use fovea_audit::TrialRecord;
use fovea_audit::bundle::MANIFEST;
use fovea_audit::rerun::{Bench, Instead};
use fovea_engine::catalog::Catalog;
use fovea_orchestrator::memory::NvidiaSmi;
use fovea_orchestrator::{Stop, WorkerMessages};
use fovea_plan::{DeviceRequest, PluginCatalog, PluginKind};
use fovea_records::RunStore;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is asked for instead of what is recorded.
#[derive(clap::Args)]
pub(crate) struct Changed {
    /// The device, instead of the recorded one: cpu, cuda:N, auto.
    #[arg(long)]
    device: Option<DeviceRequest>,
    /// CPU threads of a worker, instead of as many as are recorded.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Where files are now, of a key that holds a path: `dataset.root=/data/birds`. May be given several times.
    #[arg(long = "path", value_name = "KEY=PATH")]
    paths: Vec<String>,
    /// Take data, weights and plugins as they are, though they are not what the record says.
    #[arg(long)]
    anyway: bool,
}

impl Changed {
    pub(crate) fn instead(&self) -> Result<Instead, Failure> {
        let setting = |text: &String| {
            let parts = text.split_once('=').and_then(|(key, path)| {
                let (section, _) = key.split_once('.')?;
                PluginKind::from_key(section)?;
                // From here, wherever the record's relative paths start.
                let path = std::path::absolute(path).ok()?;
                Some((key.to_owned(), path.to_string_lossy().into_owned()))
            });
            let advice = "write KEY=PATH with the key as in the experiment, as in dataset.root=/data/birds";
            parts.ok_or_else(|| Failure::new(Exit::Usage, format!("--path {text}: {advice}")))
        };
        Ok(Instead {
            device: self.device,
            threads: self.threads.map(usize::from),
            paths: self.paths.iter().map(setting).collect::<Result<_, _>>()?,
            anyway: self.anyway,
        })
    }
}

/// Whose libraries the records name: loading one runs its code.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    /// The user's: the run was made here.
    Ours,
    /// A stranger's: the run came in a bundle. Libraries are loaded if the user names them.
    Theirs,
}

impl Whose {
    /// Of a run directory: one that has a bundle's manifest in it was unpacked from one.
    pub(crate) fn of(store: &RunStore, unpacked: bool, trusted: bool) -> Self {
        let theirs = unpacked || store.root().join(MANIFEST).exists();
        if theirs && !trusted { Self::Theirs } else { Self::Ours }
    }
}

/// The plugins of the records, and how to be told to stop.
pub(crate) struct Place {
    libraries: Libraries,
    /// Whether a library that the records name was left alone.
    theirs: bool,
    stop: Stop,
    messages: WorkerMessages,
}

impl Place {
    /// Loads the libraries that these trials were trained with. Those that a run directory brings itself, and all that a
    /// stranger's records name, are loaded only where `paths` has them.
    pub(crate) fn new(
        records: &[TrialRecord],
        whose: Whose,
        messages: WorkerMessages,
        paths: &[PathBuf],
        registry: &Registry,
    ) -> Result<Self, Failure> {
        let plugins = records.iter().flat_map(|record| &record.provenance).flat_map(|line| &line.plugins);
        let recorded: BTreeSet<PathBuf> =
            plugins.filter_map(|plugin| plugin.library.as_ref()).map(PathBuf::from).collect();
        let inside = |library: &Path| {
            let roots = records.iter().filter_map(|record| record.store.root().canonicalize().ok());
            library
                .canonicalize()
                .is_ok_and(|library| roots.into_iter().any(|root| library.starts_with(root)))
        };
        let ours =
            |library: &PathBuf| matches!(whose, Whose::Ours) && library.is_absolute() && !inside(library);
        let recorded: Vec<PathBuf> = recorded.into_iter().filter(ours).collect();
        let libraries = Libraries::recorded(&recorded, paths, registry)?;
        Ok(Self { libraries, theirs: matches!(whose, Whose::Theirs), stop: stop_on_signals()?, messages })
    }

    /// Does something with a bench.
    pub(crate) fn with_bench<T>(
        &self,
        instead: Instead,
        work: impl FnOnce(&Bench<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let registry = &self.libraries.registry;
        let catalog = |base_dir: &Path| -> Box<dyn PluginCatalog> {
            Box::new(Catalog::new(registry.clone(), base_dir.to_owned()))
        };
        let device_problem =
            |device| fovea_engine::device::check(device).err().map(|problem| problem.to_string());
        let binary = fovea_host::own_image()
            .map_err(|e| Failure::new(Exit::Files, format!("cannot find the fovea program: {e}")))?;
        let bench = Bench {
            binary,
            program: build_info::program(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            messages: self.messages.clone(),
            plugins: self.libraries.for_tasks.clone(),
            catalog: &catalog,
            device_problem: &device_problem,
            memory: Arc::new(NvidiaSmi),
            stop: self.stop.clone(),
            here: plan::base_dir(),
            stranger: self.theirs,
            instead,
        };
        work(&bench)
    }

    /// Whether somebody asked to stop.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.requested()
    }
}

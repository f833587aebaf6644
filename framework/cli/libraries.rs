//! Which plugins a command has: those compiled in and those of libraries. The main type is [`Libraries`].

use crate::exit::Exit;
use crate::experiment::Experiment;
use crate::output::errln;
use crate::{Command, Failure};
use fovea_api::Registry;
use fovea_api::registry::Origin;
use fovea_engine::EngineError;
use fovea_host::guard::Limits;
use fovea_host::probe::Prober;
use fovea_host::{HostError, LibraryFile, Search};
use fovea_plan::PluginsConfig;
use fovea_records::{PluginFile, TaskPlugins};
use std::path::PathBuf;
use std::time::Duration;

/// The plugins that a command has.
pub(crate) struct Libraries {
    /// Those compiled in and those that were loaded.
    pub(crate) registry: Registry,
    /// What workers are told.
    pub(crate) for_tasks: TaskPlugins,
    /// Libraries in the user's own folder that cannot be used.
    pub(crate) skipped: Vec<HostError>,
}

impl Libraries {
    /// Loads what the command's experiment, its `--plugin-path` and the surroundings name.
    pub(crate) fn of(command: &Command, paths: &[PathBuf], registry: &Registry) -> Result<Self, Failure> {
        let mut libraries =
            Self { registry: registry.clone(), for_tasks: TaskPlugins::default(), skipped: Vec::new() };
        let asked = match command {
            Command::Run(args) => asked(&args.experiment)?,
            Command::Plan(args) => asked(&args.experiment)?,
            Command::Config(args) => asked(&args.experiment)?,
            Command::Data(args) => match args.experiment() {
                Some(experiment) => asked(experiment)?,
                None => return Ok(libraries),
            },
            Command::Plugin(args) if !args.looks_around() => return Ok(libraries),
            Command::Plugin(args) => match args.experiment() {
                Some(experiment) => asked(&experiment)?,
                None => none(),
            },
            Command::Schema
            | Command::Eval(_)
            | Command::Explain(_)
            | Command::Localize(_)
            | Command::Export(_)
            | Command::Bench(_) => none(),
            Command::Ls(_)
            | Command::Show(_)
            | Command::Gc(_)
            | Command::Status(_)
            | Command::Logs(_)
            | Command::Report(_)
            | Command::Table(_)
            | Command::Bundle(_)
            | Command::Diff(_)
            | Command::Rerun(_)
            | Command::Verify(_)
            | Command::PluginProbe { .. }
            | Command::PluginCheckOne { .. }
            | Command::Worker(_) => return Ok(libraries),
        };
        libraries.load(&asked, paths)?;
        Ok(libraries)
    }

    /// Loads the libraries at `recorded`, as far as they are still there, or those that the command line names in their
    /// place, and what the surroundings have.
    pub(crate) fn recorded(
        recorded: &[PathBuf],
        paths: &[PathBuf],
        registry: &Registry,
    ) -> Result<Self, Failure> {
        let mut libraries =
            Self { registry: registry.clone(), for_tasks: TaskPlugins::default(), skipped: Vec::new() };
        let there: Vec<PathBuf> = recorded.iter().filter(|path| path.is_file()).cloned().collect();
        libraries.load(&none(), if paths.is_empty() { &there } else { paths })?;
        Ok(libraries)
    }

    fn load(&mut self, asked: &PluginsConfig, paths: &[PathBuf]) -> Result<(), Failure> {
        for asked in &asked.paths {
            if let Err(error) = asked.path.metadata() {
                let message = format!("`{}`: {error}", asked.path.display());
                return Err(Failure { message: asked.error(message).to_string(), exit: Exit::Usage });
            }
        }
        let files =
            |e: std::io::Error| Failure::new(Exit::Files, format!("cannot find the fovea program: {e}"));
        let search = Search {
            paths: asked.paths.iter().map(|asked| asked.path.clone()).chain(paths.iter().cloned()).collect(),
            surroundings: true,
            prober: Some(Prober::new(asked.timeout).map_err(files)?),
            limits: Limits { call: asked.timeout, memory: asked.memory },
        };
        let loaded =
            fovea_host::load(&search, &mut self.registry).map_err(|e| Failure::new(Exit::Usage, e))?;
        for error in &loaded.skipped {
            errln!("warning: {error}; it is left out");
        }
        for message in fovea_api::notice::take() {
            errln!("warning: {message}");
        }
        self.skipped = loaded.skipped;
        let file = |LibraryFile { path, blake3 }| PluginFile { path, blake3 };
        self.for_tasks = TaskPlugins {
            files: loaded.files.into_iter().map(file).collect(),
            timeout: asked.timeout.map(|timeout| timeout.as_secs_f64()),
            memory: asked.memory,
        };
        Ok(())
    }
}

fn asked(experiment: &Experiment) -> Result<PluginsConfig, Failure> {
    fovea_plan::plugins(experiment.file(), &experiment.overrides())
        .map_err(|errors| Failure { message: errors.to_string(), exit: Exit::Usage })
}

fn none() -> PluginsConfig {
    let Limits { call, memory } = Limits::default();
    PluginsConfig { paths: Vec::new(), timeout: call, memory }
}

/// What a worker has for a task: the libraries that the task names, if they are still the same.
pub(crate) fn of_task(plugins: &TaskPlugins, registry: &Registry) -> Result<Registry, EngineError> {
    let mut registry = registry.clone();
    let file =
        |PluginFile { path, blake3 }: &PluginFile| LibraryFile { path: path.clone(), blake3: blake3.clone() };
    let files: Vec<LibraryFile> = plugins.files.iter().map(file).collect();
    let call = plugins.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let limits = Limits { call, memory: plugins.memory };
    fovea_host::load_planned(&files, limits, &mut registry)
        .map_err(|e| EngineError::Config(e.to_string()))?;
    Ok(registry)
}

/// Where a plugin comes from, and the beginning of its hash.
pub(crate) fn origin(origin: &Origin) -> (String, Option<&str>) {
    match origin {
        Origin::BuiltIn | Origin::InProcess => (origin.to_string(), None),
        Origin::File { path, blake3 } => (path.display().to_string(), Some(blake3)),
    }
}

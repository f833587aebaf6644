//! The program as a value. The main type is [`App`].

use crate::{Cli, Failure, dispatch, exit::Exit, log};
use clap::Parser;
use fovea_api::registry::{Entry, Origin};
use fovea_api::{PluginError, Registry};
use std::process::ExitCode;

/// Fovea with the plugins of whoever calls it.
///
/// A plugin written against [`api`](crate::api) works with Burn's tensors on the trial's own device, which a plugin in
/// a shared library cannot. In return it is compiled into a program of its own, which has every command of `fovea`:
///
/// ```no_run
/// # use fovea::api::registry::LossPlugin;
/// # fn program<MyLoss: LossPlugin>() -> std::process::ExitCode {
/// fovea::App::new()
///     .register(|registry| {
///         registry.loss::<MyLoss>();
///     })
///     .main()
/// # }
/// ```
///
/// `plugins/examples/in-process` is such a program.
pub struct App {
    registry: Registry,
    /// Names that were taken.
    conflicts: Vec<PluginError>,
}

impl App {
    /// Fovea with its built-in plugins.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::new();
        fovea_datasets::register(&mut registry);
        fovea_models::register(&mut registry);
        fovea_localizers::register(&mut registry);
        fovea_extractors::register(&mut registry);
        fovea_losses::register(&mut registry);
        Self { registry, conflicts: Vec::new() }
    }

    /// Adds what `add` puts into a registry. A name that is taken is an error, which [`main`](Self::main) reports.
    #[must_use]
    pub fn register(mut self, add: impl FnOnce(&mut Registry)) -> Self {
        let mut added = Registry::new();
        add(&mut added);
        for entry in added.entries() {
            let mut entry: Entry = entry.clone();
            entry.origin = Origin::InProcess;
            self.conflicts.extend(self.registry.register(entry).err());
        }
        self
    }

    /// Does what the command line says. Call it from `main` and do nothing before: the program also starts itself, as
    /// the worker processes of a sweep.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let cli = Cli::parse();
        let usable = match self.conflicts.first() {
            Some(conflict) => Err(Failure::new(Exit::Usage, conflict)),
            None => Ok(()),
        };
        usable
            .and_then(|()| log::init(cli.verbose))
            .and_then(|messages| dispatch(cli, messages, &self.registry))
            .unwrap_or_else(|failure| {
                eprintln!("{}", failure.message);
                failure.exit
            })
            .into()
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

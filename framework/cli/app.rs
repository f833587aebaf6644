//! The program as a value. The main type is [`App`].

use crate::output::{self, errln};
use crate::{Cli, Failure, dispatch, exit::Exit, log};
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use fovea_api::registry::{Entry, Origin};
use fovea_api::{PluginError, Registry};
use std::ffi::OsString;
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
        let cli = match Cli::try_parse() {
            Ok(cli) => cli,
            // `--help` and `--version` are for stdout, and mistakes for stderr.
            Err(told) if told.use_stderr() => {
                let _ = told.print();
                if let Some(setting) = dashed(&told, std::env::args_os()) {
                    errln!("\n  settings are written without dashes: {setting}");
                }
                return Exit::Usage.into();
            }
            Err(told) => {
                told.print().unwrap_or_else(output::note);
                return output::end(Exit::Success).into();
            }
        };
        let usable = match self.conflicts.first() {
            Some(conflict) => Err(Failure::new(Exit::Usage, conflict)),
            None => Ok(()),
        };
        let exit = usable
            .and_then(|()| log::init(cli.verbose))
            .and_then(|messages| dispatch(cli, messages, &self.registry))
            .unwrap_or_else(|failure| {
                errln!("{}", failure.message);
                failure.exit
            });
        output::end(exit).into()
    }
}

/// The setting that somebody wrote as a flag that there is none of: `--training.epochs=3`.
fn dashed(told: &clap::Error, args: impl Iterator<Item = OsString>) -> Option<String> {
    let ContextValue::String(flag) = told.get(ContextKind::InvalidArg)? else { return None };
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    let is_it = |arg: &String| arg.split('=').next() == Some(flag.as_str());
    let arg = args.find(is_it)?;
    let setting = arg.trim_start_matches('-');
    match setting.split_once('=') {
        Some(_) => Some(setting.to_owned()),
        None if setting.contains('.') => {
            Some(format!("{setting}={}", args.next().unwrap_or_else(|| "VALUE".to_owned())))
        }
        None => None,
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_written_as_a_flag_is_told_how_to_write_it() {
        let said = |line: &str| {
            let args = || line.split(' ').map(str::to_owned);
            dashed(&Cli::try_parse_from(args()).err().unwrap(), args().map(OsString::from))
        };
        let told = |line: &str| said(line).unwrap_or_default();
        assert_eq!(told("fovea run a.toml --training.epochs=3"), "training.epochs=3");
        assert_eq!(told("fovea plan a.toml --training.epochs 3"), "training.epochs=3");
        assert_eq!(told("fovea run a.toml -seed=1 --seed=0,1"), "");
        assert_eq!(told("fovea run a.toml --seed=0,1"), "seed=0,1");
        assert_eq!(told("fovea run a.toml --quite"), "");
    }
}

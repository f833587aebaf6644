//! `fovea`: ablation sweeps for training image classifiers to look at the foreground.
//!
//! The program is a library, so that plugins that want Burn's tensors can be compiled into a binary of one's own:
//! [`App`] with plugins of [`api`]. One file per subcommand; what they do lives in the crates of the framework.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod app;
mod bench;
mod build_info;
mod bundle;
mod config;
mod data;
mod diff;
mod eval;
mod excluded;
mod exit;
mod experiment;
mod explain;
mod export;
mod foresee;
mod gc;
mod left;
mod libraries;
mod line;
mod localize;
mod log;
mod logs;
mod ls;
mod output;
mod plan;
mod plan_json;
mod plan_text;
mod plugin;
mod plugin_check;
mod plugin_new;
mod progress;
mod provenance;
mod report;
mod rerun;
mod reruns;
mod run;
mod schema;
mod settings;
mod show;
mod signals;
mod status;
mod table;
mod terminal;
mod verdicts;
mod verify;
mod words;
mod worker;

pub use app::App;
pub use burn;
pub use fovea_api as api;

use clap::{ArgAction, Parser, Subcommand};
use exit::Exit;
use fovea_api::Registry;
use fovea_audit::AuditError;
use fovea_engine::EngineError;
use fovea_orchestrator::WorkerMessages;
use fovea_records::{LookupError, StoreError};
use libraries::Libraries;
use std::path::PathBuf;

/// Does my classifier look at the object or at the background, and which way of training fixes it?
#[derive(Parser)]
#[command(name = "fovea", version, about, after_help = exit::TABLE)]
struct Cli {
    /// Show what the program does, on stderr; twice: in detail. `FOVEA_LOG=fovea_engine=debug` chooses by part.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    /// Load plugins from this library or folder, too; may be given several times.
    #[arg(long, global = true, value_name = "PATH")]
    plugin_path: Vec<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train and measure every trial of an experiment that is not done, then write tables and report.
    Run(run::Args),
    /// List the trials of an experiment: what is done, what a run would do and why, and how long that takes.
    Plan(plan::Args),
    /// Print an experiment as the plan sees it: defaults filled in, changes applied.
    Config(config::Args),
    /// Print the JSON Schema of experiments with every plugin, for editors.
    Schema,
    /// List runs, or the trials of one.
    Ls(ls::Args),
    /// Show one trial: its configuration and where each value came from, how it went, what it left.
    Show(show::Args),
    /// Show what of finished runs can be deleted, and delete it with `--yes`.
    Gc(gc::Args),
    /// Show how far a run is, also from another shell while it goes on.
    Status(status::Args),
    /// Show what happened to a trial: events, warnings, errors, and its worker's stderr.
    Logs(logs::Args),
    /// Write tables and report of a run again, also while it goes on, or of several runs together.
    Report(report::Args),
    /// Train one trial again from its record alone, and compare.
    Rerun(rerun::Args),
    /// Check a run or a bundle: whether its records are what was written, and whether its trials come out the same again.
    Verify(verify::Args),
    /// Compare two trials or two runs: configurations, circumstances, metrics, predictions.
    Diff(diff::Args),
    /// Pack what another person needs to check a run into one file.
    Bundle(bundle::Args),
    /// Print one table of finished trials, with tests: for a paper, a README file or a data frame.
    Table(table::Args),
    /// Measure finished trials again without training: new metrics, other noise.
    Eval(eval::Args),
    /// Look at a data set, or write one to try things on.
    Data(data::Args),
    /// Show what a network says of pictures and where it looks: logits, Grad-CAM heatmaps, boxes.
    Explain(Box<explain::Args>),
    /// Find the object in pictures with a localizer: one box per picture.
    Localize(localize::Args),
    /// Write the trained weights of a trial for PyTorch.
    Export(export::Args),
    /// List plugins (data sets, models, localizers, extractors, losses), or show one.
    #[command(visible_alias = "plugins")]
    Plugin(plugin::Args),
    /// Measure how fast something is.
    Bench(bench::Args),
    /// Do tasks from stdin (started by `fovea run`).
    #[command(hide = true)]
    Worker(worker::Args),
    /// Load a library and print what it says of itself (started before a library is loaded).
    #[command(hide = true, name = fovea_host::probe::SUBCOMMAND)]
    PluginProbe { file: PathBuf },
    /// Ask a library's plugin for one property (started by `fovea plugin check`).
    #[command(hide = true, name = fovea_host::check::child::SUBCOMMAND)]
    PluginCheckOne { request: String },
}

fn dispatch(cli: Cli, messages: WorkerMessages, registry: &Registry) -> Outcome {
    let Cli { verbose, plugin_path: paths, command } = cli;
    // Which libraries these need is in the records that they are about.
    let command = match command {
        Command::Rerun(args) => return rerun::main(&args, messages, &paths, registry),
        Command::Verify(args) => return verify::main(&args, messages, &paths, registry),
        other => other,
    };
    let libraries = Libraries::of(&command, &paths, registry)?;
    let registry = &libraries.registry;
    match command {
        Command::Run(args) => run::main(&args, messages, &libraries),
        Command::Status(args) => status::main(&args),
        Command::Logs(args) => logs::main(&args),
        Command::Plan(args) => plan::main(&args, registry),
        Command::Config(args) => config::main(&args, registry),
        Command::Schema => schema::main(registry),
        Command::Ls(args) => ls::main(&args),
        Command::Show(args) => show::main(&args, verbose > 0),
        Command::Gc(args) => gc::main(&args),
        Command::Report(args) => report::main(&args),
        Command::Bundle(args) => bundle::main(&args),
        Command::Diff(args) => diff::main(&args),
        Command::Rerun(_) | Command::Verify(_) => unreachable!("both are done above"),
        Command::Table(args) => table::main(&args),
        Command::Eval(args) => eval::main(&args, registry),
        Command::Data(args) => data::main(&args, registry),
        Command::Explain(args) => explain::main(&args, registry),
        Command::Localize(args) => localize::main(&args, registry),
        Command::Export(args) => export::main(&args, registry),
        Command::Plugin(args) => plugin::main(&args, registry),
        Command::Bench(args) => bench::main(&args, &messages, &libraries),
        Command::Worker(args) => worker::main(&args, registry),
        Command::PluginProbe { file } => {
            fovea_host::probe::report(&file);
            Ok(Exit::Success)
        }
        Command::PluginCheckOne { request } => {
            fovea_host::check::one(&request);
            Ok(Exit::Success)
        }
    }
}

/// A command that could not do its work.
struct Failure {
    /// What the user reads.
    message: String,
    /// What a script reads.
    exit: Exit,
}

impl Failure {
    fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { message: format!("error: {message}"), exit }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let exit = match &error {
            EngineError::Device(_) => Exit::Device,
            EngineError::Config(_) | EngineError::Plugin(_) => Exit::Usage,
            EngineError::Data(_) | EngineError::Store(_) | EngineError::Checkpoint(_) => Exit::Files,
            EngineError::Diverged { .. } | EngineError::NotFinite { .. } => Exit::TrialsFailed,
            EngineError::Stopped => Exit::Interrupted,
        };
        Self::new(exit, error)
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        let exit = match &error {
            LookupError::NotOne { .. } => Exit::Usage,
            LookupError::NoRun(_) | LookupError::Unfinished { .. } | LookupError::Store(_) => Exit::Files,
        };
        Self::new(exit, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Files, error)
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(Exit::Files, error)
    }
}

type Outcome = Result<Exit, Failure>;

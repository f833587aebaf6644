//! `fovea`: ablation sweeps for training image classifiers to look at the foreground.
//!
//! One file per subcommand; what they do lives in the crates of the framework.

mod bench;
mod built_in;
mod config;
mod data;
mod excluded;
mod exit;
mod explain;
mod export;
mod localize;
mod plan;
mod plugins;
mod progress;
mod report;
mod run;
mod schema;
mod settings;
mod worker;

use clap::{Parser, Subcommand};
use exit::Exit;
use fovea_engine::EngineError;
use fovea_records::LookupError;
use std::process::ExitCode;

/// Does my classifier look at the object or at the background, and which way of training fixes it?
#[derive(Parser)]
#[command(name = "fovea", version, about, after_help = exit::TABLE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train and measure every trial of an experiment that is not done, then write tables and report.
    Run(run::Args),
    /// List the trials of an experiment and what of it is done, without training.
    Plan(plan::Args),
    /// Print an experiment as the plan sees it: defaults filled in, changes applied.
    Config(config::Args),
    /// Print the JSON Schema of experiments with every plugin, for editors.
    Schema,
    /// Write tables and report of a run again, also while it goes on.
    Report(report::Args),
    /// Look at a data set, or write one to try things on.
    Data(data::Args),
    /// Show what a network says of pictures and where it looks: logits, Grad-CAM heatmaps, boxes.
    Explain(Box<explain::Args>),
    /// Find the object in pictures with a localizer: one box per picture.
    Localize(localize::Args),
    /// Write the trained weights of a trial for PyTorch.
    Export(export::Args),
    /// List the plugins: data sets, models, localizers, extractors, losses.
    Plugins(plugins::Args),
    /// Measure how fast something is.
    Bench(bench::Args),
    /// Do tasks from stdin (started by `fovea run`).
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::main(&args),
        Command::Plan(args) => plan::main(&args),
        Command::Config(args) => config::main(&args),
        Command::Schema => schema::main(),
        Command::Report(args) => report::main(&args),
        Command::Data(args) => data::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Localize(args) => localize::main(&args),
        Command::Export(args) => export::main(&args),
        Command::Plugins(args) => plugins::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Worker => worker::main(),
    };
    outcome
        .unwrap_or_else(|failure| {
            eprintln!("{}", failure.message);
            failure.exit
        })
        .into()
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
            EngineError::Diverged { .. } => Exit::TrialsFailed,
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

type Outcome = Result<Exit, Failure>;

//! `fovea export TRIAL`: the trained weights of a trial for PyTorch.

use crate::Outcome;
use crate::exit::Exit;
use crate::output::outln;
use fovea_api::Registry;
use fovea_engine::export::{ExportFormat, export};
use fovea_engine::trained::TrainedTrial;
use std::path::PathBuf;

/// Arguments of `fovea export`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The trial: RUN/ID (the beginning of the id is enough: `runs/quickstart/3f2a`), or its folder.
    trial: PathBuf,
    /// The run directory; TRIAL is then the id alone.
    #[arg(long)]
    run: Option<PathBuf>,
    /// `safetensors`: torchvision's names; `pytorch-keys`: a .pth file for `torch.load` and `load_state_dict`.
    #[arg(long)]
    format: Format,
    /// The file to be written. [default: the trial's id with the format's extension]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Safetensors,
    PytorchKeys,
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    let dir = fovea_records::find_trial(&args.trial, args.run.as_deref())?;
    let id = dir.file_name().unwrap_or_default().to_string_lossy();
    let (format, extension) = match args.format {
        Format::Safetensors => (ExportFormat::Safetensors, "safetensors"),
        Format::PytorchKeys => (ExportFormat::PytorchKeys, "pth"),
    };
    let out = args.out.clone().unwrap_or_else(|| format!("{id}.{extension}").into());
    fovea_records::place::out_file(&out)?;
    let trial = TrainedTrial::open(&dir)?;
    export(&trial, format, registry, &out)?;
    outln!("{}: {} of trial {id}", out.display(), trial.config.model.name);
    Ok(Exit::Success)
}

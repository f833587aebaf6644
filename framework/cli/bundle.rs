//! `fovea bundle RUN`: what another person needs to check a run, in one file.

use crate::exit::Exit;
use crate::output::{errln, print};
use crate::words::{bytes, plural};
use crate::{Failure, Outcome};
use fovea_audit::bundle::{PackOptions, pack};
use fovea_audit::record::id_of;
use fovea_records::{RunStore, locate_trial};
use std::path::PathBuf;

/// Arguments of `fovea bundle`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A run directory.
    run: PathBuf,
    /// The file, a .tar.gz; by default the name of the run directory, here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Pack trained weights, too; without them they can be trained again.
    #[arg(long)]
    weights: bool,
    /// Pack this trial, by the beginning of its id; may be given several times. By default all.
    #[arg(long, value_name = "ID")]
    trial: Vec<PathBuf>,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let store = RunStore::new(&args.run);
    let find = |typed: &PathBuf| Ok(id_of(&locate_trial(typed, Some(&args.run))?)?);
    let trials = args.trial.iter().map(find).collect::<Result<Vec<_>, Failure>>()?;
    let out = args.out.clone().map_or_else(|| default_out(&args.run), Ok)?;
    let options =
        PackOptions { weights: args.weights, trials, version: env!("CARGO_PKG_VERSION").to_owned() };
    if let Some(holder) = store.holder() {
        errln!("warning: the run goes on ({holder}); what is not done yet is not packed");
    }
    let manifest = pack(&store, &options, &out)?;
    let size = out.metadata().map_or(0, |metadata| metadata.len());
    let left_out = match manifest.left_out.len() {
        0 => String::new(),
        count => format!("; weights of {} left out, --weights packs them", plural(count, "trial")),
    };
    print(&format!(
        "{}: {}, {}{left_out}\ncheck it with: fovea verify {}\n",
        out.display(),
        plural(manifest.files.len(), "file"),
        bytes(size),
        out.display()
    ));
    Ok(Exit::Success)
}

fn default_out(run: &std::path::Path) -> Result<PathBuf, Failure> {
    let whole =
        run.canonicalize().map_err(|e| Failure::new(Exit::Files, format!("{}: {e}", run.display())))?;
    let name = whole.file_name().map_or("run".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(PathBuf::from(format!("{name}.tar.gz")))
}

//! What a run knows of itself, for the records of its trials. The main function is [`origin`].

use crate::{OrchestratorError, RunOptions, machine, source};
use fovea_plan::{DeviceRequest, Plan};
use fovea_records::provenance::{Gpu, Origin, Program};
use fovea_records::{RunStore, StoreError};
use std::fs::File;
use std::path::Path;
use std::time::Instant;

/// Program, command, source and computer, with what the user should know of it. It reads the whole program and asks git,
/// so it is for runs that have something to do.
///
/// # Errors
/// When what was changed in the work tree cannot be written into the run directory.
pub(crate) fn origin(
    plan: &Plan,
    store: &RunStore,
    options: &RunOptions,
) -> Result<(Origin, Option<String>), OrchestratorError> {
    let started = Instant::now();
    let left_out = [store.root(), &plan.run.cache];
    let (source, warning) = source::state(&options.base_dir, store, &left_out)?;
    let origin = Origin {
        program: Program { blake3: hash(&options.binary)?, ..options.program.clone() },
        command: options.command.clone(),
        source,
        machine: machine::machine(),
    };
    tracing::debug!(took = ?started.elapsed(), commit = ?origin.source.as_ref().map(|s| &s.commit), "origin known");
    Ok((origin, warning))
}

/// BLAKE3 of a file.
fn hash(path: &Path) -> Result<String, StoreError> {
    let failed = |source| StoreError::Io { action: "read", path: path.to_owned(), source };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).map_err(failed)?).map_err(failed)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The GPU behind a device that is one, or may be; `None` where nobody tells.
pub(crate) fn gpu(options: &RunOptions, device: DeviceRequest) -> Option<Gpu> {
    match device {
        DeviceRequest::Cpu => None,
        DeviceRequest::Cuda(_) | DeviceRequest::Auto => options.memory.describe(device).ok(),
    }
}

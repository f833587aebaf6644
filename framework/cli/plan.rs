//! `fovea plan FILE`: what there is to do, why, and how long it will take, without training.

use crate::exit::Exit;
use crate::experiment::Experiment;
use crate::output::{errln, print};
use crate::{Failure, Outcome, foresee, plan_json, plan_text};
use fovea_api::Registry;
use fovea_engine::precision;
use fovea_orchestrator::machine;
use fovea_orchestrator::memory::{GpuMemory as _, NvidiaSmi};
use fovea_plan::{DeviceRequest, Plan, Precision, Trial};
use fovea_records::RunStore;
use std::path::PathBuf;

/// Arguments of `fovea plan`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) experiment: Experiment,
    /// List every point that an `[[exclude]]` leaves out, not only how many.
    #[arg(long)]
    excluded: bool,
    /// Measure a few training steps of each model, input size and batch size that no earlier trial tells the time of.
    #[arg(long)]
    probe: bool,
    /// Print JSON, with keys that stay: `fovea plan --help` lists them.
    ///
    /// The document has name, question, dir, smoke, command, device, workers, locked_by (a process id), pending, trials,
    /// stages, excluded, estimate {seconds, low, high, unknown, samples}, epochs {shared, alone} (of the whole plan, with and
    /// without shared stages), probes.
    ///
    /// A trial has index, id, variant, seed, axes {key: label}, status (new, stale, running, interrupted, failed,
    /// diverged, pruned, damaged, done), reason, time (seconds since 1970), epochs, epochs_done, earlier (the id that it
    /// takes the place of), changes [{kind, key, plugin, from, to, text}], stage, shares_with (ids; null where they are more
    /// than 20: the stage has them), estimate {seconds, low, high, basis}.
    ///
    /// A stage has id, epochs, done, trials (ids), estimate. A point that an `[[exclude]]` leaves out has variant, seed,
    /// reason, rule (where it stands: file:line:column). What is unknown or absent is null.
    #[arg(long)]
    json: bool,
}

/// Where relative paths in plugin tables start: the current directory, as for every other path of the command line.
pub(crate) fn base_dir() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| ".".into())
}

/// Devices that its trials may be computed on.
pub(crate) fn devices(plan: &Plan) -> Vec<DeviceRequest> {
    if plan.run.devices.is_empty() { vec![plan.device] } else { plan.run.devices.clone() }
}

/// Bytes of memory that trials on a device have, where that is known.
pub(crate) fn memory(device: DeviceRequest) -> Option<u64> {
    if fovea_engine::device::name(device) == "cpu" {
        return machine::most_memory();
    }
    NvidiaSmi.read(device).ok().map(|memory| memory.total << 20)
}

/// Refuses a precision that a device cannot keep, and tells what else there is to know of it. `chosen` are the trials that
/// it is about.
pub(crate) fn check_precision<'a>(
    plan: &Plan,
    chosen: impl IntoIterator<Item = &'a Trial>,
) -> Result<(), Failure> {
    let precisions: Vec<Precision> =
        chosen.into_iter().map(|trial| trial.config.training.precision).collect();
    for device in devices(plan) {
        let note = precision::check(precisions.iter().copied(), device)
            .map_err(|e| Failure::new(Exit::Device, e))?;
        if let Some(note) = note {
            errln!("note: {note}");
        }
    }
    Ok(())
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    let plan = args.experiment.load(registry)?;
    check_precision(&plan, plan.trials.iter())?;
    let store = RunStore::new(&plan.run.dir);
    let standings =
        fovea_orchestrator::plan_standings(&plan, &store).map_err(|e| Failure::new(Exit::Files, e))?;
    let foreseen = foresee::foresee(&plan, &store, &standings, args.probe, registry)?;
    if args.json {
        plan_json::write(&plan, &store, &standings, &foreseen);
    } else {
        print(&plan_text::text(&plan, &store, &standings, &foreseen, args.excluded));
    }
    Ok(Exit::Success)
}

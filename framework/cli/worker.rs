//! `fovea worker`: does tasks from stdin.

use crate::exit::Exit;
use crate::{Failure, Outcome, libraries};
use fovea_api::Registry;
use fovea_records::TaskPlugins;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(crate) fn main(registry: &Registry) -> Outcome {
    // A worker without orchestrator would train for nobody and write into a directory that is no longer locked.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| Failure::new(Exit::Files, e))?;
    // The orchestrator's way to say: save what you have done, and end.
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))
        .map_err(|e| Failure::new(Exit::Files, e))?;
    let events = fovea_host::guard::take_stdout().map_err(|e| Failure::new(Exit::Files, e))?;
    let stdin = std::io::stdin().lock();
    let mut plugins = |plugins: &TaskPlugins| libraries::of_task(plugins, registry);
    match fovea_engine::worker::serve(&mut plugins, stdin, events, &stop) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => Err(Failure::new(Exit::Usage, format!("the worker cannot go on: {error}"))),
    }
}

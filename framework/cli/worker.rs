//! `fovea worker`: does tasks from stdin.

use crate::exit::Exit;
use crate::{Failure, Outcome, libraries};
use fovea_api::Registry;
use fovea_records::TaskPlugins;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Arguments of `fovea worker`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Process id of whoever starts it; once that process is gone, the worker is, too.
    #[arg(long)]
    parent: Option<i32>,
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    // A worker without orchestrator would train for nobody and write into a directory that is no longer locked.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| Failure::new(Exit::Files, e))?;
    // From now on the kernel sees to it; a parent that died before is seen by the worker having another.
    let orphaned = |parent| getppid().map(Pid::as_raw_nonzero).map(i32::from) != Some(parent);
    if args.parent.is_some_and(orphaned) {
        return Err(Failure::new(Exit::Usage, "the run that started this worker is gone"));
    }
    // A name for whoever lists processes; it is started through a link of another name.
    let _ = std::fs::write("/proc/self/comm", "fovea");
    // The orchestrator's way to say: save what you have done, and end.
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))
        .map_err(|e| Failure::new(Exit::Files, e))?;
    crate::signals::survive_large_files().map_err(|e| Failure::new(Exit::Files, e))?;
    let events = fovea_host::guard::take_stdout().map_err(|e| Failure::new(Exit::Files, e))?;
    let stdin = std::io::stdin().lock();
    let mut plugins = |plugins: &TaskPlugins| libraries::of_task(plugins, registry);
    match fovea_engine::worker::serve(&mut plugins, stdin, events, &stop) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => Err(Failure::new(Exit::Usage, format!("the worker cannot go on: {error}"))),
    }
}

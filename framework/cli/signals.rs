//! Signals to a run. The main function is [`stop_on_signals`].

use crate::Failure;
use crate::exit::Exit;
use crate::output::errln;
use fovea_orchestrator::Stop;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::process;

/// Has Ctrl-C, SIGTERM and SIGUSR1 (which Slurm can be told to send before the time is over) stop the run in good order:
/// steps in progress are finished and saved. A second Ctrl-C ends it at once; the workers die with it.
pub(crate) fn stop_on_signals() -> Result<Stop, Failure> {
    let failed = |e| Failure::new(Exit::Files, format!("cannot listen to signals: {e}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1]).map_err(failed)?;
    let stop = Stop::default();
    let asked = stop.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if asked.request() {
                errln!("stopping: steps in progress are finished and saved; Ctrl-C ends it at once");
            } else if signal == SIGINT {
                errln!("ended at once; the same command goes on from the last checkpoints");
                process::exit(Exit::Interrupted.code().into());
            }
        }
    });
    Ok(stop)
}

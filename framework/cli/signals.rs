//! Signals to a run. The main function is [`stop_on_signals`].

use crate::Failure;
use crate::exit::Exit;
use crate::output::errln;
use fovea_orchestrator::Stop;
use fovea_orchestrator::pause;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGUSR1, SIGXCPU, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::process;
use std::sync::Arc;

/// Has Ctrl-C, SIGTERM, SIGHUP (the terminal was closed), SIGXCPU and SIGUSR1 (which Slurm can be told to send before the
/// time is over) stop the run in good order: steps in progress are finished and saved. A second Ctrl-C ends it at once;
/// the workers die with it. Ctrl-Z stops the workers, too, and they go on with the run.
pub(crate) fn stop_on_signals() -> Result<Stop, Failure> {
    let failed = |e| Failure::new(Exit::Files, format!("cannot listen to signals: {e}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGXCPU, SIGTSTP]).map_err(failed)?;
    if !hang_up_is_ignored() {
        signals.handle().add_signal(SIGHUP).map_err(failed)?;
    }
    survive_large_files().map_err(failed)?;
    let stop = Stop::default();
    let asked = stop.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if signal == SIGTSTP {
                // The terminal stops this process group only; the workers are in others.
                pause::pause(|| drop(signal_hook::low_level::emulate_default_handler(SIGTSTP)));
            } else if asked.request() {
                errln!("stopping: steps in progress are finished and saved; Ctrl-C ends it at once");
            } else if signal == SIGINT {
                errln!("ended at once; the same command goes on from the last checkpoints");
                process::exit(Exit::Interrupted.code().into());
            }
        }
    });
    Ok(stop)
}

/// Whether whoever started this process wants it to outlive its terminal, as `nohup` does.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (SIGHUP - 1)) != 0
}

/// A file beyond `ulimit -f` is an error of the write, which is told, and no signal that ends the process.
pub(crate) fn survive_large_files() -> std::io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

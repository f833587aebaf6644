//! The loop of a worker process: tasks as JSON lines on stdin, events as JSON lines on stdout. The main function is
//! [`serve`].

use crate::{EngineError, trial};
use fovea_api::Registry;
use fovea_records::{TrialEvent, WorkerTask};
use std::backtrace::Backtrace;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Serves tasks until stdin ends. Every task ends with exactly one of `Finished`, `Diverged` and `Failed`.
///
/// # Errors
/// When stdin cannot be read or holds something else than tasks, or stdout is closed.
pub fn serve(registry: &Registry, input: impl BufRead, output: impl Write + Send) -> std::io::Result<()> {
    let output = Mutex::new(output);
    let send = |event: &TrialEvent| -> std::io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut output = output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        output.write_all(&line)?;
        output.flush()
    };
    // The orchestrator reads stdout; once it is gone the worker is about to be killed, so a lost event is no loss.
    let emit = |event: TrialEvent| drop(send(&event));
    let place: &'static Mutex<String> = Box::leak(Box::new(Mutex::new(String::new())));
    std::panic::set_hook(Box::new(move |info| {
        let location = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let text = info.payload_as_str().unwrap_or("a panic without a message");
        // The orchestrator keeps stderr with the trial, for `fovea logs`.
        eprintln!("{info}\n{}", Backtrace::force_capture());
        *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = format!("{text}{location}");
    }));
    for line in input.lines() {
        let task: WorkerTask = serde_json::from_str(&line?)?;
        let result = catch_unwind(AssertUnwindSafe(|| trial::run_task(&task, registry, &emit)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(EngineError::Diverged { epoch, step, loss })) => {
                send(&TrialEvent::Diverged { epoch, step, loss })?;
            }
            Ok(Err(error)) => send(&TrialEvent::Failed { message: error.to_string() })?,
            Err(_) => {
                let message = place.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                send(&TrialEvent::Failed { message: format!("the worker panicked: {message}") })?;
            }
        }
    }
    Ok(())
}

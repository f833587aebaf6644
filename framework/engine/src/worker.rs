//! The loop of a worker process: tasks as JSON lines on stdin, events as JSON lines on stdout. The main function is
//! [`serve`].

use crate::EngineError;
use crate::trial::{StoppedOutsideTraining, run_task};
use fovea_api::Registry;
use fovea_records::{TaskKind, TaskPlugins, TrialEvent, WorkerTask, finite};
use std::backtrace::Backtrace;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// The plugins that there are for a task.
pub type Plugins<'a> = dyn FnMut(&TaskPlugins) -> Result<Registry, EngineError> + 'a;

/// Serves tasks until stdin ends. Every task ends with exactly one of `Finished`, `Stopped`, `Diverged`, `Failed` and
/// `Panicked`. The worker is of no use after it has stopped or panicked: nobody knows what a panic left on the device.
///
/// `registry` gives the plugins that there are for a task; it loads the libraries that the task names.
///
/// Whoever sets `stop` has the task in progress save what it has done and end.
///
/// # Errors
/// When stdin cannot be read or holds something else than tasks, or stdout is closed.
pub fn serve(
    registry: &mut Plugins<'_>,
    input: impl BufRead,
    output: impl Write + Send,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let output = Mutex::new(output);
    let send = |event: &TrialEvent| -> std::io::Result<()> {
        let mut line = finite::to_vec(event).map_err(std::io::Error::other)?;
        line.push(b'\n');
        let mut output = output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        output.write_all(&line)?;
        output.flush()
    };
    // Whoever waits for an event that was lost would wait for ever: a worker that cannot be heard ends, and is missed.
    let lost: Mutex<Option<std::io::Error>> = Mutex::new(None);
    let lost_one = || lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let emit = |event: TrialEvent| {
        let mut lost = lost_one();
        // An end that is told without what came before would be taken for one with all of it.
        if lost.is_none() {
            *lost = send(&sendable(event)).err();
        }
    };
    let place: &'static Mutex<String> = Box::leak(Box::new(Mutex::new(String::new())));
    std::panic::set_hook(Box::new(move |info| {
        let location = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let text = info.payload_as_str().unwrap_or("a panic without a message");
        // The orchestrator keeps stderr with the trial, for `fovea logs`.
        let _ = writeln!(std::io::stderr(), "{info}\n{}", Backtrace::force_capture());
        *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = format!("{text}{location}");
    }));
    for line in input.lines() {
        let task: WorkerTask = serde_json::from_str(&line?)?;
        let result = catch_unwind(AssertUnwindSafe(|| {
            registry(&task.plugins).and_then(|registry| run_task(&task, &registry, &emit, stop))
        }));
        if let Some(error) = lost_one().take() {
            return Err(error);
        }
        match result {
            Ok(Ok(())) => {}
            Ok(Err(EngineError::Diverged { epoch, step, loss })) => {
                send(&TrialEvent::Diverged { epoch, step, loss, found: None })?;
            }
            Ok(Err(EngineError::NotFinite { found, after })) => send(&diverged_after(&task, found, after))?,
            Ok(Err(EngineError::Stopped)) => return send(&TrialEvent::Stopped),
            Ok(Err(error)) => send(&TrialEvent::Failed { message: error.to_string() })?,
            Err(payload) if payload.is::<StoppedOutsideTraining>() => return send(&TrialEvent::Stopped),
            Err(_) => {
                let message = place.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                return send(&TrialEvent::Panicked { message });
            }
        }
    }
    Ok(())
}

/// The event, or, in place of one with a number that is none, a warning that says so. Numbers are checked where they are
/// computed, but an event that vanished would be noticed by nobody.
fn sendable(event: TrialEvent) -> TrialEvent {
    match finite::check(&event) {
        Ok(()) => event,
        Err(why) => TrialEvent::Warning { message: format!("an event is left out of the record: {why}") },
    }
}

/// That what so many epochs, or all of them, ended with is not finite.
fn diverged_after(task: &WorkerTask, found: String, after: Option<usize>) -> TrialEvent {
    let epochs = match task.kind {
        TaskKind::Stage { epochs } => Some(epochs),
        TaskKind::Trial => task.config["training"]["epochs"].as_u64().and_then(|n| usize::try_from(n).ok()),
    };
    let epoch = after.or(epochs).unwrap_or_default().saturating_sub(1);
    TrialEvent::Diverged { epoch, step: 0, loss: "NaN".to_owned(), found: Some(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_with_nan_is_told_and_does_not_vanish() {
        let step = |loss| TrialEvent::Step { epoch: 0, step: 1, steps: 2, loss, images_per_second: 1.0 };
        assert_eq!(sendable(step(0.5)), step(0.5));
        let TrialEvent::Warning { message } = sendable(step(f64::NAN)) else { panic!("no warning") };
        assert!(message.contains("loss is NaN"), "{message}");
    }
}

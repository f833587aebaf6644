//! Ctrl-Z: workers are in process groups of their own, so the terminal does not stop them; the run does, and wakes them
//! when it goes on. The main functions are [`pause`] and [`stopped`].

use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

static STATE: Mutex<State> =
    Mutex::new(State { workers: BTreeSet::new(), stopped: Duration::ZERO, since: None });

struct State {
    /// Workers that were started and not yet waited for, so that their ids are their own.
    workers: BTreeSet<u32>,
    /// Time that this process and its workers were stopped for.
    stopped: Duration,
    /// When they were stopped last, if they still are.
    since: Option<Instant>,
}

/// Stops all workers, has `stop_self` stop this process until it is told to go on, and wakes the workers.
pub fn pause(stop_self: impl FnOnce()) {
    {
        let mut state = state();
        state.since = Some(Instant::now());
        state.send(Signal::STOP);
    }
    stop_self();
    let mut state = state();
    let slept = state.since.take().map_or(Duration::ZERO, |since| since.elapsed());
    state.stopped += slept;
    state.send(Signal::CONT);
}

/// How long this process has been stopped by [`pause`] in all: no time that a worker could have used.
#[must_use]
pub fn stopped() -> Duration {
    let state = state();
    state.stopped + state.since.map_or(Duration::ZERO, |since| since.elapsed())
}

/// A worker that is stopped and woken with this process, until it is dropped.
#[derive(Debug)]
pub(crate) struct Enrolled(u32);

impl Enrolled {
    pub(crate) fn new(worker: u32) -> Self {
        state().workers.insert(worker);
        Self(worker)
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        state().workers.remove(&self.0);
    }
}

/// A clock that stands still while this process is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    since: Instant,
    stopped: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { since: Instant::now(), stopped: stopped() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let stopped = stopped().saturating_sub(self.stopped);
        self.since.elapsed().saturating_sub(stopped)
    }
}

impl State {
    fn send(&self, signal: Signal) {
        for pid in self.workers.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
            // It may have ended a moment ago.
            let _ = kill_process_group(pid, signal);
        }
    }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    #[test]
    fn workers_are_stopped_and_woken_and_clocks_stand_still() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let enrolled = Enrolled::new(child.id());
        let status = |id: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            stat.rsplit(") ").next().unwrap().chars().next().unwrap()
        };
        let wait_for = |wanted: char| {
            let begun = Instant::now();
            while status(child.id()) != wanted {
                assert!(begun.elapsed() < Duration::from_secs(20), "not {wanted}: {}", status(child.id()));
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        let clock = Clock::start();
        pause(|| {
            wait_for('T');
            std::thread::sleep(Duration::from_millis(300));
        });
        wait_for('S');
        assert!(clock.since.elapsed() - clock.elapsed() >= Duration::from_millis(300));
        drop(enrolled);
        pause(|| assert_ne!(status(child.id()), 'T', "it is nobody's any more"));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

//! A worker process. The main type is [`WorkerProcess`].

use crate::OrchestratorError;
use crate::attempt::LOOK;
use crate::killed::Watch;
use crate::limits::Limits;
use crate::pause::{Clock, Enrolled};
use crate::stderr::{Echo, WorkerStderr};
use fovea_records::prune::Pruned;
use fovea_records::{TrialEvent, WorkerTask};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time between asking a worker to end and killing it.
const GRACE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Time for one that has no task.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What a worker's line on stderr begins with that says which plugin killed it (`fovea_host::guard::FAULT`).
const PLUGIN_FAULT: &str = "plugin fault: ";

/// How a task ended, as far as the worker can tell.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskEnd {
    /// Finished.
    Finished {
        /// Seconds in training.
        train_seconds: f64,
        /// Seconds in evaluation.
        eval_seconds: f64,
        /// The most memory of the worker, in bytes.
        peak_memory: Option<u64>,
    },
    /// The loss became non-finite.
    Diverged(String),
    /// An error, told by the worker.
    Failed(String),
    /// The process died, panicked or took too long.
    Crashed(String),
    /// It was asked to stop, and what it had done is saved.
    Stopped,
    /// It was asked to stop because other trials did better; what it had done is saved.
    Pruned(Pruned),
}

/// A `fovea worker` child. It dies with its parent, and is in a process group of its own: Ctrl-C is for the parent, who
/// asks its workers to save what they have done.
#[derive(Debug)]
pub struct WorkerProcess {
    child: Child,
    stdin: ChildStdin,
    events: Receiver<TrialEvent>,
    stderr: WorkerStderr,
    watch: Watch,
    /// Dropped before the child is waited for.
    enrolled: Option<Enrolled>,
}

/// How the messages of a worker are chosen and shown.
#[derive(Clone, Debug, Default)]
pub struct WorkerMessages {
    /// `FOVEA_LOG` of the worker; without one it inherits this process's.
    pub filter: Option<String>,
    /// Shows them as they come, too.
    pub echo: Option<Echo>,
}

impl WorkerProcess {
    /// Starts `binary worker` with this many CPU threads; its stderr goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(
        binary: &Path,
        threads: usize,
        slot: usize,
        messages: &WorkerMessages,
        log: File,
    ) -> Result<Self, OrchestratorError> {
        let failed = |source| OrchestratorError::Spawn { binary: binary.to_owned(), source };
        // Whoever lists processes is to see the program's name, and not that of a link to it.
        let mut child = Command::new(binary)
            .arg0("fovea")
            .args(["worker", "--parent", &std::process::id().to_string()])
            .env("RAYON_NUM_THREADS", threads.to_string())
            .envs(messages.filter.iter().map(|filter| ("FOVEA_LOG", filter)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("three pipes were asked for")
        };
        tracing::info!(slot, pid = child.id(), threads, "worker started");
        let stderr = WorkerStderr::pump(stderr, slot, log, messages.echo);
        let enrolled = Some(Enrolled::new(child.id()));
        Ok(Self { child, stdin, events: read_events(stdout), stderr, watch: Watch::new(), enrolled })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the worker says on stderr from now on goes to `log`.
    pub fn log_to(&self, log: File) {
        self.stderr.switch(log);
    }

    /// Has the worker do a task; `on_event` sees every event as it comes. Once `stop` says so, the worker is asked to
    /// save what it has done and end; once a limit is exceeded, too, and killed if it does not.
    pub fn perform(
        &mut self,
        task: &WorkerTask,
        limits: Limits,
        stop: &dyn Fn() -> bool,
        mut on_event: impl FnMut(&TrialEvent),
    ) -> TaskEnd {
        let line = serde_json::to_string(task).map(|l| l + "\n");
        let sent = line.map_err(std::io::Error::from).and_then(|l| self.stdin.write_all(l.as_bytes()));
        if let Err(error) = sent.and_then(|()| self.stdin.flush()) {
            return self.unheard(&format!("it could not be told its task: {error}"), AT_ONCE);
        }
        let started = Clock::start();
        let mut heard = started;
        let mut asked_to_stop = false;
        let mut too_long: Option<(String, Clock)> = None;
        loop {
            self.watch.look(self.child.id());
            match self.events.recv_timeout(LOOK) {
                Ok(event) => {
                    heard = Clock::start();
                    on_event(&event);
                    match (end_of(event), too_long) {
                        (Some(TaskEnd::Stopped), Some((reason, _))) => return TaskEnd::Crashed(reason),
                        (Some(end), _) => return end,
                        (None, unchanged) => too_long = unchanged,
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // It had not begun yet to listen to the wish.
                Err(RecvTimeoutError::Disconnected) if asked_to_stop => return TaskEnd::Stopped,
                Err(RecvTimeoutError::Disconnected) => {
                    let how = self.unheard("it says nothing any more", GRACE);
                    return too_long.map_or(how, |(reason, _)| TaskEnd::Crashed(reason));
                }
            }
            match &too_long {
                None => {
                    if let Some(reason) = limits.exceeded(started.elapsed(), heard.elapsed()) {
                        self.ask_to_stop();
                        too_long = Some((format!("the worker was ended: {reason}"), Clock::start()));
                    }
                }
                Some((_, since)) if since.elapsed() >= GRACE => drop(self.child.kill()),
                Some(_) => {}
            }
            if !asked_to_stop && stop() {
                asked_to_stop = true;
                self.ask_to_stop();
            }
        }
    }

    /// Asks the process to save what it has done and end. It is not reaped yet, so that its id is still its own.
    fn ask_to_stop(&self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // The process may have died this very moment, which its stdout will tell.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// One of the pipes is broken: how the child ended, or, where it lives on and might wait for ever, that it was ended
    /// and why.
    fn unheard(&mut self, why: &str, patience: Duration) -> TaskEnd {
        let broken = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(None) if broken.elapsed() < patience => std::thread::sleep(LOOK),
                Ok(None) => break,
                Ok(Some(_)) | Err(_) => return self.crashed(),
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
        self.enrolled = None;
        TaskEnd::Crashed(format!("the worker process was ended: {why}"))
    }

    /// The child is gone: how it ended, with the last words of its stderr.
    fn crashed(&mut self) -> TaskEnd {
        self.enrolled = None;
        let how = match self.child.wait() {
            Ok(status) if status.signal() == Some(Signal::KILL.as_raw()) => {
                format!("{status}: {}", self.watch.reason())
            }
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let tail = self.stderr.last_words();
        if let Some(fault) = tail.iter().find_map(|line| line.strip_prefix(PLUGIN_FAULT)) {
            return TaskEnd::Crashed(format!("{fault}; the worker process died of it ({how})"));
        }
        let said =
            if tail.is_empty() { String::new() } else { format!("; its last words: {}", tail.join(" / ")) };
        TaskEnd::Crashed(format!("the worker process died ({how}){said}"))
    }
}

/// Events as they come, read by a thread of its own so that who waits for one can also watch the clock.
fn read_events(stdout: ChildStdout) -> Receiver<TrialEvent> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        while stdout.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            // A plugin may print to stdout; what is no event is not ours.
            let event = serde_json::from_str::<TrialEvent>(&line);
            if event.is_ok_and(|event| sender.send(event).is_err()) {
                break;
            }
            line.clear();
        }
    });
    receiver
}

/// How a task ended, if this is its last event.
fn end_of(event: TrialEvent) -> Option<TaskEnd> {
    if let Some(message) = event.divergence() {
        return Some(TaskEnd::Diverged(message));
    }
    match event {
        TrialEvent::Finished { train_seconds, eval_seconds, peak_memory } => {
            Some(TaskEnd::Finished { train_seconds, eval_seconds, peak_memory })
        }
        TrialEvent::Failed { message } => Some(TaskEnd::Failed(message)),
        TrialEvent::Panicked { message } => Some(TaskEnd::Crashed(format!("the worker panicked: {message}"))),
        TrialEvent::Stopped => Some(TaskEnd::Stopped),
        TrialEvent::Started { .. }
        | TrialEvent::Localizing { .. }
        | TrialEvent::Step { .. }
        | TrialEvent::Epoch(_)
        | TrialEvent::Evaluating { .. }
        | TrialEvent::Metric(_)
        | TrialEvent::Diverged { .. }
        | TrialEvent::Warning { .. } => None,
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // A worker without task has nothing to lose: killing it is quicker than closing its stdin.
        drop(self.child.kill());
        self.enrolled = None;
        drop(self.child.wait());
    }
}

//! A worker process. The main type is [`WorkerProcess`].

use crate::OrchestratorError;
use crate::stderr::{Echo, WorkerStderr};
use fovea_records::{TrialEvent, WorkerTask};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How a task ended, as far as the worker can tell.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskEnd {
    /// Finished.
    Finished {
        /// Seconds in training.
        train_seconds: f64,
        /// Seconds in evaluation.
        eval_seconds: f64,
    },
    /// The loss became non-finite.
    Diverged(String),
    /// An error, told by the worker.
    Failed(String),
    /// The process died.
    Crashed(String),
}

/// A `fovea worker` child. It dies with its parent.
#[derive(Debug)]
pub struct WorkerProcess {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: WorkerStderr,
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
        let mut child = Command::new(binary)
            .arg("worker")
            .env("RAYON_NUM_THREADS", threads.to_string())
            .envs(messages.filter.iter().map(|filter| ("FOVEA_LOG", filter)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("three pipes were asked for")
        };
        tracing::info!(slot, pid = child.id(), threads, "worker started");
        let stderr = WorkerStderr::pump(stderr, slot, log, messages.echo);
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), stderr })
    }

    /// What the worker says on stderr from now on goes to `log`.
    pub fn log_to(&self, log: File) {
        self.stderr.switch(log);
    }

    /// Has the worker do a task; `on_event` sees every event as it comes.
    pub fn perform(&mut self, task: &WorkerTask, mut on_event: impl FnMut(&TrialEvent)) -> TaskEnd {
        let line = serde_json::to_string(task).map(|l| l + "\n");
        let sent = line.map_err(std::io::Error::from).and_then(|l| self.stdin.write_all(l.as_bytes()));
        if sent.and_then(|()| self.stdin.flush()).is_err() {
            return self.crashed();
        }
        let mut line = String::new();
        loop {
            line.clear();
            match self.stdout.read_line(&mut line) {
                Ok(0) | Err(_) => return self.crashed(),
                Ok(_) => {}
            }
            // A plugin may print to stdout; what is no event is not ours.
            let Ok(event) = serde_json::from_str::<TrialEvent>(&line) else { continue };
            on_event(&event);
            match event {
                TrialEvent::Finished { train_seconds, eval_seconds } => {
                    return TaskEnd::Finished { train_seconds, eval_seconds };
                }
                TrialEvent::Diverged { epoch, step, loss } => {
                    return TaskEnd::Diverged(format!(
                        "the loss became {loss} in epoch {}, step {}",
                        epoch + 1,
                        step + 1
                    ));
                }
                TrialEvent::Failed { message } => return TaskEnd::Failed(message),
                _ => {}
            }
        }
    }

    /// The child is gone: how it ended, with the last words of its stderr.
    fn crashed(&mut self) -> TaskEnd {
        let how = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let tail = self.stderr.last_words();
        let said =
            if tail.is_empty() { String::new() } else { format!("; its last words: {}", tail.join(" / ")) };
        TaskEnd::Crashed(format!("the worker process died ({how}){said}"))
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // A worker without task has nothing to lose: killing it is quicker than closing its stdin.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! A worker process. The main type is [`WorkerProcess`].

use crate::OrchestratorError;
use fovea_records::{TrialEvent, WorkerTask};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
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
    log: PathBuf,
}

impl WorkerProcess {
    /// Starts `binary worker` with this many CPU threads; its stderr goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(binary: &Path, threads: usize, log: PathBuf) -> Result<Self, OrchestratorError> {
        let failed = |source| OrchestratorError::Spawn { binary: binary.to_owned(), source };
        let stderr = File::create(&log).map_err(failed)?;
        let mut child = Command::new(binary)
            .arg("worker")
            .env("RAYON_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(failed)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both pipes were asked for")
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), log })
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
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let tail: Vec<&str> = log.lines().rev().take(3).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
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

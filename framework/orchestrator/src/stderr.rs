//! What a worker process says on stderr. The main type is [`WorkerStderr`].

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines that are kept as the last words of a process.
const LAST_WORDS: usize = 3;

/// How long the end of a dead worker's stderr is awaited: a process that it started may hold the pipe for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a line of the worker in this slot to the user.
pub type Echo = fn(slot: usize, line: &str);

/// Passes the stderr of a worker on, line by line, to the file of the task that it has in hand.
#[derive(Debug)]
pub struct WorkerStderr {
    sink: Arc<Mutex<Sink>>,
    pump: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Sink {
    file: Option<File>,
    last: VecDeque<String>,
}

impl Sink {
    fn take(&mut self, line: &[u8]) {
        // A full disk must not stop the worker, which would wait for its pipe for ever.
        if let Some(file) = &mut self.file {
            drop(file.write_all(line));
        }
        if self.last.len() == LAST_WORDS {
            self.last.pop_front();
        }
        self.last.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
    }
}

impl WorkerStderr {
    /// Reads `stderr` to its end; every line goes to `file` and, if there is one, to `echo`.
    #[must_use]
    pub fn pump(stderr: impl Read + Send + 'static, slot: usize, file: File, echo: Option<Echo>) -> Self {
        let sink = Arc::new(Mutex::new(Sink { file: Some(file), last: VecDeque::new() }));
        let shared = Arc::clone(&sink);
        let pump = std::thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                held(&shared).take(&line);
                if let Some(echo) = echo {
                    echo(slot, String::from_utf8_lossy(&line).trim_end());
                }
                line.clear();
            }
        });
        Self { sink, pump }
    }

    /// What comes from now on is about another task.
    pub fn switch(&self, file: File) {
        *held(&self.sink) = Sink { file: Some(file), last: VecDeque::new() };
    }

    /// The last lines about the task in hand. Ask when the process has ended.
    #[must_use]
    pub fn last_words(&self) -> Vec<String> {
        let since = Instant::now();
        while !self.pump.is_finished() && since.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        held(&self.sink).last.iter().cloned().collect()
    }
}

fn held(sink: &Mutex<Sink>) -> MutexGuard<'_, Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_to_the_file_and_the_last_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("worker.log");
        let said = b"one\ntwo\nthree\nfour".as_slice();
        let stderr = WorkerStderr::pump(said, 0, File::create(&path).unwrap(), None);
        assert_eq!(stderr.last_words(), ["two", "three", "four"]);
        assert_eq!(std::fs::read(&path).unwrap(), said);
        stderr.switch(File::create(&path).unwrap());
        assert!(stderr.last_words().is_empty());
    }
}

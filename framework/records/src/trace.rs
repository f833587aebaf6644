//! What training computed on its way, so that a rerun that ends elsewhere can be told where it left. The main type is
//! [`TraceLine`].
//!
//! `trials/<id>/trace.jsonl` has a line per step, from the first, with the losses and the hash of the batch; and after
//! steps 1, 2, 4, 8, ... and the last of each epoch a line with the hash of every tensor of the network. A trial that
//! forked from a shared warm-up begins with the lines of that stage. Equal trials have equal traces, however often they
//! were interrupted: a trial that goes on from a checkpoint first forgets the steps that came after it.

use crate::{RunStore, StoreError, TrialId, finite, store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Name of the file in the folder of a trial or stage.
pub const FILE: &str = "trace.jsonl";

/// A line of a trace. Steps are counted from 1 through the whole training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum TraceLine {
    /// A step.
    Step {
        /// Steps done, this one included.
        step: usize,
        /// Hash of the pictures, labels, target boxes and masks of the batch, 16 digits.
        batch: String,
        /// Cross-entropy.
        cross_entropy: f32,
        /// Explanation loss, mean over valid pictures; `None` without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<f32>,
    },
    /// The network after a step.
    Network {
        /// Steps done.
        step: usize,
        /// Hash of each parameter and buffer by torchvision's name, 16 digits.
        tensors: BTreeMap<String, String>,
    },
}

impl TraceLine {
    /// Steps done.
    #[must_use]
    pub fn step(&self) -> usize {
        match self {
            Self::Step { step, .. } | Self::Network { step, .. } => *step,
        }
    }
}

/// A trace that is being written.
#[derive(Debug)]
pub struct TraceWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl TraceWriter {
    /// Goes on in `dir` after `steps` steps, with what is known of them in `from`: the folder itself, or that of the
    /// stage that the trial forks from.
    ///
    /// # Errors
    /// When a file cannot be read or written, or holds something else.
    pub fn begin(dir: &Path, from: &Path, steps: usize) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        store::write_atomic(&path, &known(&from.join(FILE), steps)?)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| failed("write", &path, e))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    /// Adds a line, which is on disk after the next [`save`](Self::save).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, line: &TraceLine) -> Result<(), StoreError> {
        let text =
            finite::to_vec(line).map_err(|why| StoreError::Unwritable { path: self.path.clone(), why })?;
        let written = self.file.write_all(&text).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(|e| failed("write", &self.path, e))
    }

    /// Has everything on disk. A checkpoint may be saved then: whoever goes on from it finds all its steps.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&mut self) -> Result<(), StoreError> {
        let saved = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        saved.map_err(|e| failed("write", &self.path, e))
    }
}

/// The lines of the first steps, as they are written; a missing file has none. What comes after them does not matter:
/// a crash may have left anything.
fn known(path: &Path, steps: usize) -> Result<Vec<u8>, StoreError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        bytes => bytes.map_err(|e| failed("read", path, e))?,
    };
    let (mut kept, mut done) = (0, 0);
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice::<TraceLine>(line) {
            Ok(parsed) if parsed.step() <= steps && line.ends_with(b"\n") => {
                kept += line.len();
                done = parsed.step();
            }
            Err(error) if done < steps && line.ends_with(b"\n") => {
                return Err(StoreError::Corrupt {
                    path: path.to_owned(),
                    line: index + 1,
                    what: "line of a trace",
                    message: error.to_string(),
                });
            }
            Ok(_) | Err(_) => break,
        }
    }
    Ok(bytes[..kept].to_vec())
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_owned(), source }
}

/// The trace in a folder of a trial or stage; empty where none is recorded.
///
/// # Errors
/// When a line is not of a trace.
pub fn read(dir: &Path) -> Result<Vec<TraceLine>, StoreError> {
    store::read_lines(&dir.join(FILE), "line of a trace")
}

impl RunStore {
    /// The trace of a trial; empty for trials of earlier versions.
    ///
    /// # Errors
    /// When a line is not of a trace.
    pub fn read_trace(&self, id: &TrialId) -> Result<Vec<TraceLine>, StoreError> {
        read(&self.trial_dir(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize) -> TraceLine {
        let explanation = (step > 1).then_some(0.1);
        TraceLine::Step { step, batch: "0123456789abcdef".to_owned(), cross_entropy: 1.0 / 3.0, explanation }
    }

    #[test]
    fn a_trace_goes_on_where_the_checkpoint_is() {
        let dir = tempfile::tempdir().unwrap();
        let [stage, trial] = ["stage", "trial"].map(|name| dir.path().join(name));
        let mut writer = TraceWriter::begin(&stage, &stage, 0).unwrap();
        let network = TraceLine::Network { step: 1, tensors: BTreeMap::from([("w".into(), "a".into())]) };
        for line in [&step(1), &network, &step(2), &step(3)] {
            writer.add(line).unwrap();
        }
        writer.save().unwrap();
        let mut file = OpenOptions::new().append(true).open(stage.join(FILE)).unwrap();
        file.write_all(b"{\"step\":4,\"bat").unwrap();

        let mut forked = TraceWriter::begin(&trial, &stage, 2).unwrap();
        forked.add(&step(3)).unwrap();
        drop(forked);
        assert_eq!(read(&trial).unwrap(), [step(1), network, step(2), step(3)]);
        let text = fs::read_to_string(trial.join(FILE)).unwrap();
        assert!(fs::read_to_string(stage.join(FILE)).unwrap().starts_with(&text), "the same bytes");
        drop(TraceWriter::begin(&trial, &trial, 0).unwrap());
        assert_eq!(read(&trial).unwrap(), []);
        fs::write(trial.join(FILE), "{\"step\":1}\n").unwrap();
        let error = TraceWriter::begin(&trial, &trial, 1).unwrap_err().to_string();
        assert!(error.contains("trace.jsonl:1: not a valid line of a trace"), "{error}");
    }
}

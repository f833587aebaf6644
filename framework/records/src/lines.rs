//! JSON lines, read whatever has become of the file. The main functions are [`strictly`] and [`tolerantly`].
//!
//! Numbers that end in tables are read strictly: a line that is none makes the record worthless. What tells how a run went
//! (journal, events, verdicts, provenance) is read tolerantly: one bad byte costs its line, which is named, and not the run.
//! Either way a last line without its newline was cut short by a crash and is left out; a missing file has no lines.

use crate::store::{StoreError, io};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read as _};
use std::path::Path;

/// A line is longer than that only where something else was written into the file: predictions of a million pictures take
/// a tenth of it.
const LONGEST: u64 = 64 << 20;

/// What a file held.
#[derive(Debug)]
pub struct Lines<T> {
    /// Its values, in order.
    pub values: Vec<T>,
    /// Lines that hold none, each with its place.
    pub skipped: Vec<StoreError>,
}

impl<T> Lines<T> {
    /// What was skipped, in words, with what that means.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.skipped.iter().map(|error| format!("{error}; the line is left out")).collect()
    }
}

/// Reads every line; the first that holds no `T` is an error.
///
/// # Errors
/// When the file cannot be read, or a whole line is not `what`.
pub fn strictly<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<Vec<T>, StoreError> {
    let mut values = Vec::new();
    each(path, what, |value| value.map(|value| values.push(value)))?;
    Ok(values)
}

/// Reads every line that holds a `T`, and names the others.
///
/// # Errors
/// When the file cannot be read.
pub fn tolerantly<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<Lines<T>, StoreError> {
    let mut lines = Lines { values: Vec::new(), skipped: Vec::new() };
    each(path, what, |value| {
        match value {
            Ok(value) => lines.values.push(value),
            Err(error) => lines.skipped.push(error),
        }
        Ok(())
    })?;
    Ok(lines)
}

fn each<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    mut take: impl FnMut(Result<T, StoreError>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io("read", path)(e)),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(io("read", path))?;
        if line.last() != Some(&b'\n') {
            if (read as u64) < LONGEST {
                break;
            }
            skip_line(&mut reader).map_err(io("read", path))?;
            take(Err(corrupt(path, number, what, format!("it is longer than {} MiB", LONGEST >> 20))))?;
            continue;
        }
        take(serde_json::from_slice(&line).map_err(|error| corrupt(path, number, what, error.to_string())))?;
    }
    Ok(())
}

/// Passes over the rest of a line, holding no more of it than a buffer.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (end, used) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (true, at + 1),
            None => (buffer.is_empty(), buffer.len()),
        };
        reader.consume(used);
        if end {
            return Ok(());
        }
    }
}

fn corrupt(path: &Path, line: usize, what: &'static str, message: String) -> StoreError {
    StoreError::Corrupt { path: path.to_owned(), line, what, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_bad_line_costs_itself_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        assert!(tolerantly::<u32>(&path, "number").unwrap().values.is_empty());
        for bad in [&b"\xff"[..], b"[", b"", b"null"] {
            fs::write(&path, [b"1\n", bad, b"\n3\n4"].concat()).unwrap();
            let lines = tolerantly::<u32>(&path, "number").unwrap();
            assert_eq!(lines.values, [1, 3], "the last one was cut short");
            let problems = lines.problems();
            assert_eq!(problems.len(), 1);
            assert!(problems[0].contains("journal.jsonl:2: not a valid number"), "{problems:?}");
            let error = strictly::<u32>(&path, "number").unwrap_err().to_string();
            assert!(error.contains("journal.jsonl:2"), "{error}");
        }
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let mut text = b"1\n".to_vec();
        text.resize(text.len() + usize::try_from(LONGEST).unwrap() + 9, b' ');
        text.extend(b"\n2\n");
        fs::write(&path, text).unwrap();
        let lines = tolerantly::<u32>(&path, "number").unwrap();
        assert_eq!((lines.values, lines.skipped.len()), (vec![1, 2], 1));
    }
}

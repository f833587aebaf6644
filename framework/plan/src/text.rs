//! The text of an experiment's file, whatever wrote it: encodings, pipes, and files that no person wrote. The main
//! function is [`read`].

use crate::PlanErrors;
use crate::errors::{Location, PlanError, nearest};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Larger files are none that somebody wrote: the parser would take minutes and all memory.
const MOST_BYTES: u64 = 4 << 20;
/// Brackets within brackets, and parts of a dotted key.
const DEEPEST: usize = 64;
/// Tables with a header.
const MOST_TABLES: usize = 5_000;
/// Keys with a value.
const MOST_KEYS: usize = 20_000;
/// Values in lists.
const MOST_VALUES: usize = 200_000;

/// What pipes said: they are read once, and an experiment is asked for its plugins before it is planned.
static PIPES: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);

/// Why there is no text, and what to do.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Unreadable {
    /// The errors of this file that are this one error.
    pub(crate) fn alone(self, path: &Path) -> PlanErrors {
        let Self { message, help } = self;
        alone(PlanError { location: Location::Path(path.to_owned()), key: None, message, help })
    }
}

/// Reads an experiment's file: UTF-8, with a byte order mark or without, or UTF-16 with one.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    // What is no file cannot be read a second time. A folder is one that cannot be read at all.
    let once = path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if !once {
        return read_file(path);
    }
    let mut pipes = PIPES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = pipes.get_or_insert_default();
    if let Some(text) = known.get(path) {
        return Ok(text.clone());
    }
    let text = read_file(path)?;
    known.insert(path.to_owned(), text.clone());
    Ok(text)
}

fn read_file(path: &Path) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MOST_BYTES {
        let most = MOST_BYTES >> 20;
        let message = format!("it is larger than {most} MiB, which no experiment is");
        let help = "many values are written shorter: { range = [0.0, 1.0], steps = 5 }".to_owned();
        return Err(Unreadable { message, help: Some(help) });
    }
    decode(bytes)
}

/// The text, or what is wrong with it and what to do.
fn decode(bytes: Vec<u8>) -> Result<String, Unreadable> {
    let units = |big: bool| {
        let unit =
            move |pair: &[u8; 2]| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        let text = String::from_utf16(&bytes[2..].as_chunks::<2>().0.iter().map(unit).collect::<Vec<_>>());
        text.map_err(|_| Unreadable {
            message: "it begins as UTF-16 and is none".to_owned(),
            help: Some("save it as UTF-8".to_owned()),
        })
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => return units(false),
        [0xfe, 0xff, ..] => return units(true),
        _ => {}
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            let byte = bytes.get(at).copied().unwrap_or_default();
            let latin = char::from(byte);
            let meant =
                if latin.is_alphabetic() { format!(" (Latin-1 has `{latin}` there)") } else { String::new() };
            let help = format!(
                "the first byte that is none, 0x{byte:02x}{meant}, is in line {line}; save the file as UTF-8"
            );
            Err(Unreadable { message: "it is not text (UTF-8)".to_owned(), help: Some(help) })
        }
    }
}

/// Refuses what the parser would take minutes or its whole stack for: a range of bytes and what is wrong there.
pub(crate) fn bound(text: &str) -> Result<(), (std::ops::Range<usize>, String)> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut parts, mut line_begins) = (0, 0_usize, 0, true);
    let (mut tables, mut keys, mut values) = (0, 0, 0);
    while let Some(&byte) = bytes.get(at) {
        let begins = std::mem::take(&mut line_begins);
        match byte {
            b'#' => at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at) - 1,
            b'"' | b'\'' => at = string_end(bytes, at),
            b'[' | b'{' => {
                if begins && depth == 0 {
                    tables += 1;
                }
                (depth, parts) = (depth + 1, 0);
            }
            b']' | b'}' => (depth, parts) = (depth.saturating_sub(1), 0),
            b'.' => parts += 1,
            b'=' => (keys, parts) = (keys + 1, 0),
            b',' => (values, parts) = (values + 1, 0),
            b'\n' => (line_begins, parts) = (true, 0),
            b' ' | b'\t' | b'\r' => line_begins = begins,
            _ => {}
        }
        let wrong = match () {
            () if depth > DEEPEST => format!("more than {DEEPEST} brackets within each other"),
            () if parts > DEEPEST => format!("a key of more than {DEEPEST} parts"),
            () if tables > MOST_TABLES => format!("more than {MOST_TABLES} tables"),
            () if keys > MOST_KEYS => format!("more than {MOST_KEYS} keys"),
            () if values > MOST_VALUES => format!("more than {MOST_VALUES} values"),
            () => {
                at += 1;
                continue;
            }
        };
        return Err((at..at + 1, format!("{wrong}, which no experiment has")));
    }
    Ok(())
}

/// Where the string that begins here ends: its last quote, or the last byte of text that never closes it.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let long = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if long { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !long => return at - 1,
            _ if long && bytes[at..].starts_with(&[quote; 3]) => return at + 2,
            _ if !long && byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len() - 1
}

/// The errors of a file that is this one error.
pub(crate) fn alone(error: PlanError) -> PlanErrors {
    PlanErrors::new(vec![error])
}

/// Why a file cannot be read, and which files could have been meant.
fn unreadable(path: &Path, error: &std::io::Error) -> Unreadable {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = if path.is_dir() { path } else { folder };
    let mut near: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.path().file_name()?.to_str().map(str::to_owned))
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "toml"))
        .collect();
    near.sort();
    let wanted = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = |name: &str| name.trim_end_matches(".toml").to_owned();
    let stems: Vec<String> = near.iter().map(|name| stem(name)).collect();
    let shown = |name: &str| match path.parent() {
        _ if path.is_dir() => path.join(name).display().to_string(),
        Some(parent) => parent.join(name).display().to_string(),
        None => name.to_owned(),
    };
    let help = match nearest(&stem(&wanted), stems.iter().map(String::as_str)) {
        Some(best) if !path.is_dir() => Some(format!("did you mean `{}`?", shown(&format!("{best}.toml")))),
        _ if !folder.is_dir() => Some(format!("there is no folder `{}`", folder.display())),
        _ if near.is_empty() => Some(format!("there is no .toml file in `{}`", folder.display())),
        _ => {
            Some(format!("there are: {}", near.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ")))
        }
    };
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        _ if path.is_dir() => "this is a folder, not an experiment file".to_owned(),
        // It is there, so no other was meant.
        _ => return Unreadable { message: format!("cannot be read: {error}"), help: None },
    };
    Unreadable { message, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_encoding_is_understood_or_named() {
        let utf16 = |big: bool| {
            let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            "\u{feff}a = \"é\"\r\n".encode_utf16().flat_map(unit).collect::<Vec<u8>>()
        };
        for bytes in ["a = \"é\"\r\n".into(), "\u{feff}a = \"é\"\r\n".into(), utf16(false), utf16(true)] {
            assert_eq!(decode(bytes).unwrap(), "a = \"é\"\r\n");
        }
        let Unreadable { message, help } = decode(b"a = 1\nb = \"\xe9\"\n".to_vec()).unwrap_err();
        assert_eq!(message, "it is not text (UTF-8)");
        let help = help.unwrap();
        assert!(help.contains("0xe9 (Latin-1 has `é` there), is in line 2; save"), "{help}");
        assert!(decode(vec![0xff, 0xfe, 0x00, 0xd8]).is_err());
    }

    #[test]
    fn what_no_person_wrote_is_refused_by_its_first_excess() {
        let found = |text: &str| bound(text).map_err(|(range, message)| (range.start, message));
        let deep = |open: &str, count: usize| format!("x = {}", open.repeat(count));
        for (text, at, what) in [
            (deep("[", 50_000), 4 + DEEPEST, "brackets within each other"),
            (deep("{a=", 50_000), 4 + 3 * DEEPEST, "brackets within each other"),
            (format!("a{} = 1", ".a".repeat(50_000)), 1 + 2 * DEEPEST, "a key of more than 64 parts"),
            (format!("[a{}]", ".a".repeat(50_000)), 2 + 2 * DEEPEST, "a key of more than 64 parts"),
            ("[a]\n".repeat(200_000), 4 * MOST_TABLES, "more than 5000 tables"),
            ("a = 1\n".repeat(30_000), 6 * MOST_KEYS + 2, "more than 20000 keys"),
            (format!("x = [{}]", "1,".repeat(1_000_000)), 5 + 2 * MOST_VALUES + 1, "more than 200000 values"),
        ] {
            let (place, message) = found(&text).unwrap_err();
            assert!(place == at && message.contains(what), "{place}, not {at}: {message}");
        }
        for text in [
            "a = [1, [2]] # [[[\n[b]\n[[c]]\n  d = { e = '[[[', f = \"\\\"[[\" }\n",
            &format!("q = \"\"\"\n{} \\\"\"\" '''\"\"\"\nr = '{}'\n", "[".repeat(100), "[".repeat(100)),
            &format!("x = [{}]\n", "[1.5, 2.5], ".repeat(1000)),
            "unclosed = \"[[[\nnext = 'x",
            "\"",
            "#",
        ] {
            assert_eq!(found(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_pipe_is_read_once_and_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let to = pipe.clone();
        let writer = std::thread::spawn(move || std::fs::write(to, "name = \"a\"\n").unwrap());
        assert_eq!(read(&pipe).unwrap(), "name = \"a\"\n");
        writer.join().unwrap();
        assert_eq!(read(&pipe).unwrap(), "name = \"a\"\n", "nobody writes a second time");
    }
}

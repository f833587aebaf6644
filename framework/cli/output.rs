//! Stdout and stderr, written in one place: what cannot be written is told in the end, and nothing panics for it.
//!
//! A disk that is full is a mistake: the command ends with [`Exit::Files`]. A reader that has seen enough
//! (`fovea ls | head`) is none, and a run goes on without it. What cannot be said on stderr is lost: there is nowhere
//! left to say so.

use crate::exit::Exit;
use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

/// Why stdout takes nothing more.
enum Lost {
    /// Its reader went away.
    Reader,
    /// The first error.
    Error(io::Error),
}

static LOST: Mutex<Option<Lost>> = Mutex::new(None);

/// A line for stdout, as `println!`, which panics where stdout takes none.
macro_rules! outln {
    ($($text:tt)*) => { $crate::output::print(&(format!($($text)*) + "\n")) };
}

/// A line for stderr, as `eprintln!`, which panics where stderr takes none.
macro_rules! errln {
    ($($text:tt)*) => { $crate::output::say(&format!($($text)*)) };
}

pub(crate) use {errln, outln};

/// Prints to stdout.
pub(crate) fn print(text: &str) {
    write(|out| out.write_all(printable(text).as_bytes()));
}

/// Has `text` write to stdout, unless it takes nothing more.
pub(crate) fn write(text: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
    if is_lost() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = text(&mut out).and_then(|()| out.flush()) {
        note(error);
    }
}

/// Whether stdout takes nothing more: its reader is gone, or an error will be told when the command ends.
pub(crate) fn is_lost() -> bool {
    lost().is_some()
}

/// Keeps the first error of a write to stdout for [`end`].
pub(crate) fn note(error: io::Error) {
    let why = if error.kind() == ErrorKind::BrokenPipe { Lost::Reader } else { Lost::Error(error) };
    lost().get_or_insert(why);
}

/// A line for stderr.
pub(crate) fn say(text: &str) {
    drop(writeln!(io::stderr(), "{}", printable(text)));
}

/// The text with every character escaped that would steer a terminal or turn around what stands beside it: names and
/// messages come from files of strangers. Line ends, tabs and our own colours stay. `\u001b` means the same within JSON.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let whole =
            OURS.iter().find(|sequence| rest.starts_with(**sequence)).map_or(c.len_utf8(), |s| s.len());
        let (piece, after) = rest.split_at(whole);
        rest = after;
        if whole == c.len_utf8() && steers(c) {
            safe += &format!("\\u{:04x}", u32::from(c));
        } else {
            safe += piece;
        }
    }
    Cow::Owned(safe)
}

/// The ends of lines of Windows, and what `console` writes for the colours of `progress`.
const OURS: [&str; 4] = ["\r\n", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[0m"];

/// Control characters, and those that change the direction of text.
fn steers(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How a command ends that would end so: what it could not print, it did not do.
pub(crate) fn end(exit: Exit) -> Exit {
    if let Err(error) = io::stdout().flush() {
        note(error);
    }
    match &*lost() {
        Some(Lost::Error(error)) => {
            say(&format!("error: cannot write to stdout: {error}"));
            if exit == Exit::Success { Exit::Files } else { exit }
        }
        Some(Lost::Reader) | None => exit,
    }
}

fn lost() -> std::sync::MutexGuard<'static, Option<Lost>> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        for (text, expected) in [
            ("plain ä 漢\tx\n", "plain ä 漢\tx\n"),
            ("a\u{1b}]0;title\u{7}b", "a\\u001b]0;title\\u0007b"),
            ("a\rb\r\nc", "a\\u000db\r\nc"),
            ("gpj.\u{202e}exe \u{9b}2J \u{7f}", "gpj.\\u202eexe \\u009b2J \\u007f"),
            ("\u{1b}[31mFAILED:\u{1b}[0m \u{1b}[2J", "\u{1b}[31mFAILED:\u{1b}[0m \\u001b[2J"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}

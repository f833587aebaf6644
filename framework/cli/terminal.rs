//! Stderr, shared by bars and lines: whatever is printed goes above the bars and stays.

use crate::output;
use indicatif::MultiProgress;
use std::io::Write;
use std::sync::OnceLock;

static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The bars of this process; none are shown before this is called first.
pub(crate) fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Prints a line to stderr.
pub(crate) fn line(text: &str) {
    match BARS.get() {
        // A closed stderr is no reason to stop.
        Some(bars) => drop(bars.println(output::printable(text))),
        None => output::say(text),
    }
}

/// Columns of the terminal on stderr.
pub(crate) fn width() -> usize {
    usize::from(console::Term::stderr().size().1)
}

/// What is written here becomes lines; the text of one call is whole.
pub(crate) struct Lines;

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        line(String::from_utf8_lossy(text).trim_end());
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

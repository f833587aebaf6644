//! Who is being called, so that a crash or a hang names the plugin. The main function is [`enter`].
//!
//! A plugin runs in this process, so a wild pointer of its own kills the process. Before every call a *breadcrumb*
//! (plugin, file, function, pictures) is left in static memory. A signal handler writes it to stderr before the process
//! dies of the signal as it would have; a thread of its own ends the process when a call takes too long. Both lines begin
//! with [`FAULT`], by which the orchestrator knows them.

use crate::float::Settings;
use fovea_api::notice;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a line on stderr begins with that says which plugin killed the process.
pub const FAULT: &str = "plugin fault: ";

/// Exit status of a process that was ended because a plugin did not return, as that of timeout(1).
pub const HUNG: i32 = 124;

/// Signals that a wild plugin dies of.
const SIGNALS: [(libc::c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV, a wild memory access"),
    (libc::SIGBUS, "SIGBUS, a bad memory access, or its file was overwritten"),
    (libc::SIGILL, "SIGILL, an instruction that this processor does not know"),
    (libc::SIGFPE, "SIGFPE, a division by zero"),
    (libc::SIGABRT, "SIGABRT, it gave up"),
];

/// Calls at a time that leave breadcrumbs.
const SLOTS: usize = 64;
/// Bytes of a breadcrumb.
const TEXT: usize = 480;

/// How much a call may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Time of one call; `None`: any.
    pub call: Option<Duration>,
    /// Bytes that the process may grow by over the calls of an instance; `None`: any.
    pub memory: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { call: Some(Duration::from_secs(60)), memory: Some(2 << 30) }
    }
}

static CALL_MILLISECONDS: AtomicU64 = AtomicU64::new(0);
static MEMORY_BYTES: AtomicU64 = AtomicU64::new(0);
static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
static CRUMBS: [Slot; SLOTS] = [const { Slot::new() }; SLOTS];

/// One call in progress.
struct Slot {
    taken: AtomicBool,
    /// Thread that calls; 0 while the slot is not ready to be read.
    thread: AtomicI32,
    /// Milliseconds since [`START`].
    since: AtomicU64,
    length: AtomicUsize,
    /// Atomic, because the watchdog may read what the next call begins to write; it looks twice.
    text: [AtomicU8; TEXT],
}

impl Slot {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            thread: AtomicI32::new(0),
            since: AtomicU64::new(0),
            length: AtomicUsize::new(0),
            text: [const { AtomicU8::new(0) }; TEXT],
        }
    }

    /// The breadcrumb, if there is one. Safe to call in a signal handler.
    fn text(&self) -> Option<Text> {
        if self.thread.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut text = Text { bytes: [0; TEXT], length: self.length.load(Ordering::Relaxed).min(TEXT) };
        for (byte, place) in text.bytes.iter_mut().zip(&self.text) {
            *byte = place.load(Ordering::Relaxed);
        }
        Some(text)
    }
}

/// A copy of a breadcrumb.
struct Text {
    bytes: [u8; TEXT],
    length: usize,
}

impl Text {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Names the call in progress until it is dropped, which also sets back how this thread computes with floats.
#[derive(Debug)]
pub struct Breadcrumb {
    slot: Option<usize>,
    float: Settings,
}

impl Drop for Breadcrumb {
    fn drop(&mut self) {
        if self.float.restore() {
            let text = self.slot.and_then(|index| CRUMBS[index].text());
            let text = text.map_or_else(
                || "a plugin".into(),
                |text| {
                    let text = String::from_utf8_lossy(text.bytes()).into_owned();
                    // Told once a function, not once a picture.
                    text.split(" of ").next().map_or_else(String::new, str::to_owned)
                },
            );
            notice::give(format!(
                "{text} left this thread rounding floats in another way, or flushing small ones to zero; that is set back, and \
                 results beside it are as they would be without it"
            ));
        }
        if let Some(index) = self.slot {
            CRUMBS[index].thread.store(0, Ordering::Release);
            CRUMBS[index].taken.store(false, Ordering::Release);
        }
    }
}

/// Text that is cut off at the end of a slot.
struct Cut<'a> {
    slot: &'a Slot,
    length: usize,
}

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A line break would hide the rest from who reads lines.
        for byte in text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }) {
            let Some(place) = self.slot.text.get(self.length) else { return Ok(()) };
            place.store(byte, Ordering::Relaxed);
            self.length += 1;
        }
        Ok(())
    }
}

/// Leaves a breadcrumb: `text` names plugin, file, function and what it is called with.
#[must_use]
pub fn enter(text: fmt::Arguments<'_>) -> Breadcrumb {
    let free =
        |slot: &Slot| slot.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
    let float = Settings::now();
    let Some(index) = CRUMBS.iter().position(free) else { return Breadcrumb { slot: None, float } };
    let slot = &CRUMBS[index];
    let mut cut = Cut { slot, length: 0 };
    // It only fails if one of the arguments does, and then half of the text is better than none.
    let _ = cut.write_fmt(text);
    slot.length.store(cut.length, Ordering::Relaxed);
    slot.since.store(milliseconds(), Ordering::Relaxed);
    slot.thread.store(thread(), Ordering::Release);
    Breadcrumb { slot: Some(index), float }
}

fn milliseconds() -> u64 {
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The thread's number. Safe to call in a signal handler.
fn thread() -> i32 {
    // SAFETY: gettid has no arguments and cannot fail.
    unsafe { libc::gettid() }
}

/// Bytes that an instance's calls may make the process grow by.
pub(crate) fn memory_limit() -> Option<u64> {
    Some(MEMORY_BYTES.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
}

/// Watches calls from now on: handlers for the signals of a crash, and the clock. A later call changes the limits.
pub fn install(limits: Limits) {
    let call = limits.call.map_or(0, |call| u64::try_from(call.as_millis()).unwrap_or(u64::MAX).max(1));
    CALL_MILLISECONDS.store(call, Ordering::Relaxed);
    MEMORY_BYTES.store(limits.memory.unwrap_or(0), Ordering::Relaxed);
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        milliseconds();
        for (signal, _) in SIGNALS {
            handle(signal);
        }
        let watchdog = std::thread::Builder::new().name("plugin-watchdog".to_owned());
        if let Err(error) = watchdog.spawn(watch) {
            tracing::warn!(%error, "plugins that hang are not noticed");
        }
    });
}

fn handle(signal: libc::c_int) {
    // SAFETY: a zeroed sigaction is a valid one. The handler is async-signal-safe: it reads statics, formats into its own
    // stack, and calls gettid, write and raise only. SA_ONSTACK uses the alternate stacks that Rust's standard library
    // gives to its threads, so that an overflow of a plugin's stack is reported, too. SA_RESETHAND and raising the
    // signal again make the process die of it as without handler.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int) = on_signal;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

extern "C" fn on_signal(signal: libc::c_int) {
    let name = SIGNALS.iter().find(|(number, _)| *number == signal).map_or("a signal", |(_, name)| name);
    let thread = thread();
    let mine = CRUMBS.iter().find(|slot| slot.thread.load(Ordering::Acquire) == thread);
    if let Some(text) = mine.and_then(Slot::text) {
        say(&[text.bytes(), b" crashed (", name.as_bytes(), b")"]);
    } else {
        // A thread of the plugin's own, or a fault of the program; those who were being called come into question.
        for text in CRUMBS.iter().filter_map(Slot::text) {
            say(&[b"a thread crashed (", name.as_bytes(), b") during ", text.bytes()]);
        }
    }
    // SAFETY: raise is async-signal-safe; the handler has been reset, so it does not come back here.
    unsafe { libc::raise(signal) };
}

/// From now on, a call that ends the process by exit(3) is named, too.
pub(crate) fn name_exits() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler lives for ever; not having one is no harm.
        unsafe { libc::atexit(on_exit) };
    });
}

extern "C" fn on_exit() {
    let thread = thread();
    let mine = CRUMBS.iter().find(|slot| slot.thread.load(Ordering::Acquire) == thread);
    if let Some(text) = mine.and_then(Slot::text) {
        say(&[text.bytes(), b" ended the process by exit()"]);
    }
}

/// Writes a line to stderr in one go, without allocating.
fn say(parts: &[&[u8]]) {
    let mut line = [0; TEXT + 160];
    let mut length = 0;
    for part in [FAULT.as_bytes()].iter().chain(parts) {
        let room = (line.len() - 1 - length).min(part.len());
        line[length..length + room].copy_from_slice(&part[..room]);
        length += room;
    }
    line[length] = b'\n';
    // SAFETY: the buffer has `length + 1` bytes; write is async-signal-safe.
    unsafe { libc::write(2, line.as_ptr().cast(), length + 1) };
}

/// Ends the process when a call takes too long.
fn watch() {
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let limit = CALL_MILLISECONDS.load(Ordering::Relaxed);
        if limit == 0 {
            continue;
        }
        for slot in &CRUMBS {
            let since = slot.since.load(Ordering::Relaxed);
            if slot.thread.load(Ordering::Acquire) == 0 || milliseconds().saturating_sub(since) <= limit {
                continue;
            }
            let text = slot.text();
            // Nobody has left in between, so the text is that of the call that takes too long.
            let still =
                slot.thread.load(Ordering::Acquire) != 0 && slot.since.load(Ordering::Relaxed) == since;
            if let (Some(text), true) = (text, still) {
                let seconds = format!(" has not returned for {} s (plugins.timeout)", limit as f64 / 1000.0);
                say(&[text.bytes(), seconds.as_bytes()]);
                // SAFETY: _exit runs no destructors, which might wait for the call for ever.
                unsafe { libc::_exit(HUNG) };
            }
        }
    }
}

/// This process's stdout, for the caller alone: what plugins print goes to stderr from now on. A line of theirs without an
/// end would otherwise spoil the next event.
///
/// # Errors
/// When the system refuses.
pub fn take_stdout() -> std::io::Result<File> {
    let own = std::io::stdout().as_fd().try_clone_to_owned()?;
    // SAFETY: both are open descriptors of this process; what was stdout lives on in `own`.
    if unsafe { libc::dup2(2, 1) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(File::from(own))
}

/// Bytes of memory that the process has in hand; 0 where the system does not tell.
pub(crate) fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    // SAFETY: sysconf only reads.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * u64::try_from(page).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breadcrumb_is_there_until_the_call_ends() {
        let mine = || {
            let here = thread();
            let slot = CRUMBS.iter().find(|slot| slot.thread.load(Ordering::Acquire) == here)?;
            slot.text().map(|text| String::from_utf8_lossy(text.bytes()).into_owned())
        };
        assert_eq!(mine(), None);
        {
            let _call = enter(format_args!("localizer {} in `localize`\nof a picture", "x"));
            assert_eq!(mine().unwrap(), "localizer x in `localize` of a picture");
        }
        assert_eq!(mine(), None);
        let long = "x".repeat(2 * TEXT);
        let _call = enter(format_args!("{long}"));
        assert_eq!(mine().unwrap().len(), TEXT);
        assert!(resident() > 0);
    }
}

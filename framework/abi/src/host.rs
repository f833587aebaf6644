//! What the host offers. The main function is [`log`].

use crate::call::{Fault, borrow, fovea_str};
use crate::error::Error;
use crate::raw::{FOVEA_ABI_MAJOR, FOVEA_UNSUPPORTED, FoveaHost, FoveaStr};
use std::ffi::c_void;
use std::fmt::Display;
use std::sync::OnceLock;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is not as it should be.
    Warning = 2,
    /// Something happened.
    Information = 3,
    /// Something that only its author wants to know.
    Detail = 4,
}

/// The host's log.
struct Log {
    context: *mut c_void,
    write: unsafe extern "C" fn(context: *mut c_void, level: u32, line: FoveaStr),
}

// SAFETY: `log` may be called from any thread, says the contract, and the context is only handed to it.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

static LOG: OnceLock<Log> = OnceLock::new();

/// Writes a line to the trial's log. Nothing happens outside of Fovea, in a plugin's own tests.
pub fn log(level: Level, line: impl Display) {
    if let Some(log) = LOG.get() {
        let line = line.to_string();
        // SAFETY: the host's own function with its own context; the line lives for the call.
        unsafe { (log.write)(log.context, level as u32, fovea_str(&line)) };
    }
}

/// Remembers the host, if it speaks this version.
///
/// # Safety
/// `host` is null or what the contract says, until the process ends.
pub(crate) unsafe fn remember(host: *const FoveaHost) -> Result<(), Fault> {
    // SAFETY: the caller's promise.
    let host = unsafe { borrow(host, "host")? };
    if host.abi_major != FOVEA_ABI_MAJOR {
        let theirs = host.abi_major;
        let message =
            format!("the plugin speaks version {FOVEA_ABI_MAJOR} of the interface, Fovea version {theirs}");
        return Err(Fault::Failed(FOVEA_UNSUPPORTED, Error::new(message)));
    }
    if let Some(write) = host.log {
        LOG.get_or_init(|| Log { context: host.context, write });
    }
    Ok(())
}

//! What a library holds. The main function is [`entry`], behind the symbol that [`plugins!`](crate::plugins) exports.

use crate::call::{Fault, guarded};
use crate::host;
use crate::panics;
use crate::raw::{
    FOVEA_ABI_MAJOR, FOVEA_ABI_MINOR, FoveaError, FoveaHost, FoveaLibrary, FoveaPlugin, FoveaStatus,
};
use std::sync::OnceLock;

/// The description of a library, made once.
#[derive(Debug)]
pub struct Library(OnceLock<FoveaLibrary>);

// SAFETY: nobody ever writes to what it points to.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Not described yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "for a static")]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }
}

/// What `fovea_plugin_entry` does.
///
/// # Safety
/// `host`, `library` and `error` are null or what `fovea_plugin.h` says.
pub unsafe fn entry(
    description: &'static Library,
    plugins: &[fn() -> FoveaPlugin],
    host: *const FoveaHost,
    library: *mut *const FoveaLibrary,
    error: *mut FoveaError,
) -> FoveaStatus {
    panics::note_places();
    let call = || {
        // SAFETY: the caller's promise.
        unsafe { host::remember(host)? };
        if library.is_null() || !library.is_aligned() {
            return Err(Fault::contract("the host gave no place for the library"));
        }
        let described = description.0.get_or_init(|| {
            let plugins: Vec<*const FoveaPlugin> =
                plugins.iter().map(|describe| &raw const *Box::leak(Box::new(describe()))).collect();
            FoveaLibrary {
                size: size_of::<FoveaLibrary>(),
                abi_major: FOVEA_ABI_MAJOR,
                abi_minor: FOVEA_ABI_MINOR,
                count: plugins.len(),
                plugins: Vec::leak(plugins).as_ptr(),
            }
        });
        // SAFETY: not null and aligned, and the caller promises that it may be written to.
        unsafe { library.write(described) };
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guarded(error, call) }
}

//! What every function at the boundary does: checks pointers, catches panics, fills in the error. The main functions
//! are [`guarded`] and [`with_plugin`].

use crate::error::Error;
use crate::panics;
use crate::raw::{
    FOVEA_ERROR, FOVEA_OK, FOVEA_PANIC, FoveaBoxes, FoveaError, FoveaExplanation, FoveaHost, FoveaImage,
    FoveaInstance, FoveaLocalizationSink, FoveaLossValue, FoveaModelRequest, FoveaSink, FoveaStatus,
    FoveaStr, FoveaTensor,
};

/// Why a call does not return [`FOVEA_OK`].
pub(crate) enum Fault {
    /// A callback of the host said so; the host knows why.
    Returned(FoveaStatus),
    /// A status with the error to fill in.
    Failed(FoveaStatus, Error),
}

impl Fault {
    /// The host has broken the contract.
    pub(crate) fn contract(message: impl Into<String>) -> Self {
        Self::Failed(FOVEA_ERROR, Error::new(message))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Failed(FOVEA_ERROR, error)
    }
}

/// A struct that begins with its size, in bytes.
///
/// # Safety
/// `#[repr(C)]`, and the first member is a `usize` with the size.
pub(crate) unsafe trait Described {}

macro_rules! described {
    ($($name:ty),+) => { $(
        // SAFETY: `raw` declares it so, and a test compares with the header.
        unsafe impl Described for $name {}
    )+ };
}
described!(
    FoveaError,
    FoveaSink,
    FoveaTensor,
    FoveaHost,
    FoveaImage,
    FoveaLocalizationSink,
    FoveaBoxes,
    FoveaExplanation,
    FoveaLossValue,
    FoveaModelRequest
);

/// Borrows a struct of the host's, if it is there and not from before this version.
///
/// # Safety
/// `pointer` is null, or points to as many bytes as its first member says, which stay as they are for `'a`.
pub(crate) unsafe fn borrow<'a, T: Described>(pointer: *const T, what: &str) -> Result<&'a T, Fault> {
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(Fault::contract(format!("the host gave no {what}")));
    }
    // SAFETY: not null and aligned, and the first member is its size.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < size_of::<T>() {
        let least = size_of::<T>();
        return Err(Fault::contract(format!(
            "the host's {what} has {size} bytes instead of {least} or more"
        )));
    }
    // SAFETY: it has all members that this version knows, and nobody writes to it.
    Ok(unsafe { &*pointer })
}

/// Borrows an array of the host's.
///
/// # Safety
/// `pointer` is null or points to `len` elements, which nobody writes to for `'a`.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize, what: &str) -> Result<&'a [T], Fault> {
    if len == 0 {
        return Ok(&[]);
    }
    check_array(pointer, len, what)?;
    // SAFETY: not null, aligned, of a possible size, and the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// Borrows a buffer of the host's to write to.
///
/// # Safety
/// `pointer` is null or points to `len` initialised elements, which nobody else touches for `'a`.
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, len: usize, what: &str) -> Result<&'a mut [T], Fault> {
    if len == 0 {
        return Ok(&mut []);
    }
    check_array(pointer, len, what)?;
    // SAFETY: not null, aligned, of a possible size, and the caller promises the rest.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, len) })
}

fn check_array<T>(pointer: *const T, len: usize, what: &str) -> Result<(), Fault> {
    let fits = len.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
    if pointer.is_null() || !pointer.is_aligned() || !fits {
        return Err(Fault::contract(format!("the host gave no buffer for {len} elements of {what}")));
    }
    Ok(())
}

/// Borrows text.
///
/// # Safety
/// As [`slice`] of `text.len` bytes at `text.ptr`.
pub(crate) unsafe fn string<'a>(text: FoveaStr, what: &str) -> Result<&'a str, Fault> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice(text.ptr.cast::<u8>(), text.len, what)? };
    std::str::from_utf8(bytes).map_err(|_| Fault::contract(format!("the host's {what} is not UTF-8")))
}

/// Text for the host.
pub(crate) const fn fovea_str(text: &str) -> FoveaStr {
    FoveaStr { ptr: text.as_ptr().cast(), len: text.len() }
}

/// Gives text to a sink.
///
/// # Safety
/// `sink` is null or a sink of the host's that lives for the call.
pub(crate) unsafe fn write(sink: *const FoveaSink, text: &str) -> Result<(), Fault> {
    // SAFETY: the caller's promise.
    let sink = unsafe { borrow(sink, "sink")? };
    let Some(write) = sink.write else {
        return Err(Fault::contract("the host gave a sink without a function"));
    };
    // SAFETY: the sink's own function with its own context; the text lives for the call.
    match unsafe { write(sink.context, fovea_str(text)) } {
        FOVEA_OK => Ok(()),
        status => Err(Fault::Returned(status)),
    }
}

/// Makes the call, and says of what went wrong: nothing unwinds out of it.
///
/// # Safety
/// `error` is null or an error of the host's, with a buffer of the size it says, that nobody else touches.
pub(crate) unsafe fn guarded(
    error: *mut FoveaError,
    call: impl FnOnce() -> Result<(), Fault>,
) -> FoveaStatus {
    let outcome =
        panics::caught(call).unwrap_or_else(|message| Err(Fault::Failed(FOVEA_PANIC, Error::new(message))));
    match outcome {
        Ok(()) => FOVEA_OK,
        Err(Fault::Returned(status)) => status,
        Err(Fault::Failed(status, failure)) => {
            // SAFETY: the caller's promise.
            unsafe { fill(error, &failure) };
            status
        }
    }
}

/// Writes as much of an error as fits, whole characters only.
///
/// # Safety
/// As [`guarded`].
unsafe fn fill(error: *mut FoveaError, failure: &Error) {
    // SAFETY: the caller's promise; the reference ends here, before anything is written.
    if unsafe { borrow(error.cast_const(), "error") }.is_err() {
        return;
    }
    // SAFETY: `borrow` has looked at it: not null, aligned, whole; and the caller promises that nobody else has it.
    let error = unsafe { &mut *error };
    error.item = failure.item.and_then(|i| i64::try_from(i).ok()).unwrap_or(-1);
    error.length = 0;
    if error.message.is_null() {
        return;
    }
    let length = failure.message.floor_char_boundary(error.capacity);
    // SAFETY: the buffer holds `capacity` bytes, no fewer than `length`, and is not part of the message.
    unsafe { std::ptr::copy_nonoverlapping(failure.message.as_ptr(), error.message.cast::<u8>(), length) };
    error.length = length;
}

/// What a [`FoveaInstance`] is.
pub(crate) struct Slot<P> {
    plugin: P,
    /// It panicked, and may be in any state.
    poisoned: bool,
}

impl<P> Slot<P> {
    /// An instance for the host.
    pub(crate) fn instance(plugin: P) -> *mut FoveaInstance {
        Box::into_raw(Box::new(Self { plugin, poisoned: false })).cast()
    }

    /// Takes an instance back.
    ///
    /// # Safety
    /// `instance` is from [`Slot::instance`] of the same `P` and is never used again.
    pub(crate) unsafe fn take(instance: *mut FoveaInstance) -> Box<Self> {
        // SAFETY: the caller's promise.
        unsafe { Box::from_raw(instance.cast()) }
    }
}

/// [`guarded`] with the plugin of an instance. After a panic the instance does nothing any more.
///
/// # Safety
/// As [`guarded`]; `instance` is null or from [`Slot::instance`] of the same `P`, and in no other call.
pub(crate) unsafe fn with_plugin<P>(
    instance: *mut FoveaInstance,
    error: *mut FoveaError,
    call: impl FnOnce(&mut P) -> Result<(), Fault>,
) -> FoveaStatus {
    let guard = || {
        let slot = instance.cast::<Slot<P>>();
        if slot.is_null() || !slot.is_aligned() {
            return Err(Fault::contract("the host gave no instance"));
        }
        // SAFETY: the caller's promise.
        let slot = unsafe { &mut *slot };
        if slot.poisoned {
            let message = "an earlier call of this instance panicked; make another";
            return Err(Fault::Failed(FOVEA_PANIC, Error::new(message)));
        }
        slot.poisoned = true;
        let outcome = call(&mut slot.plugin);
        slot.poisoned = false;
        outcome
    };
    // SAFETY: the caller's promise.
    unsafe { guarded(error, guard) }
}

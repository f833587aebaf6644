//! The functions at the boundary, called as a host calls them. They run under Miri as well (`.ci/miri`).
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod boundary;
mod kinds;
mod sample;
mod views;

use crate::raw::*;
use std::cell::UnsafeCell;
use std::ffi::{c_char, c_void};
use std::ptr::{NonNull, null, null_mut};
use std::sync::OnceLock;

/// An error with a buffer.
struct Failure {
    message: Vec<u8>,
    raw: FoveaError,
}

impl Failure {
    fn new(capacity: usize) -> Box<Self> {
        let mut failure = Box::new(Self {
            message: vec![0; capacity],
            raw: FoveaError {
                size: size_of::<FoveaError>(),
                item: -1,
                message: null_mut(),
                capacity,
                length: 0,
            },
        });
        failure.raw.message = failure.message.as_mut_ptr().cast::<c_char>();
        failure
    }

    fn raw(&mut self) -> *mut FoveaError {
        &raw mut self.raw
    }

    fn text(&self) -> String {
        String::from_utf8(self.message[..self.raw.length].to_vec()).unwrap()
    }
}

/// A tensor of shape and strides of its own, first element at `data`.
struct Array<'a, const D: usize> {
    shape: [i64; D],
    strides: [i64; D],
    raw: UnsafeCell<FoveaTensor>,
    life: std::marker::PhantomData<&'a ()>,
}

impl<'a, const D: usize> Array<'a, D> {
    fn strided<T>(values: &'a [T], first: usize, shape: [i64; D], strides: [i64; D]) -> Box<Self> {
        let dtype = if size_of::<T>() == 1 { FOVEA_U8 } else { FOVEA_F32 };
        let data = values.as_ptr().wrapping_add(first).cast();
        let (size, ndim) = (size_of::<FoveaTensor>(), D as u32);
        let unset = NonNull::<i64>::dangling().as_ptr().cast_const();
        let raw = UnsafeCell::new(FoveaTensor { size, data, dtype, ndim, shape: unset, strides: unset });
        Box::new(Self { shape, strides, raw, life: std::marker::PhantomData })
    }

    fn new<T>(values: &'a [T], shape: [i64; D]) -> Box<Self> {
        let mut strides = [1; D];
        for d in (1..D).rev() {
            strides[d - 1] = strides[d] * shape[d];
        }
        Self::strided(values, 0, shape, strides)
    }

    /// The array must not be moved as long as this is used.
    fn raw(&self) -> *const FoveaTensor {
        let raw = self.raw.get();
        // SAFETY: it is this array's, and nobody holds a reference to it.
        unsafe {
            (*raw).shape = if (*raw).shape.is_null() { null() } else { self.shape.as_ptr() };
            (*raw).strides = if (*raw).strides.is_null() { null() } else { self.strides.as_ptr() };
        }
        raw
    }
}

fn text(text: &str) -> FoveaStr {
    FoveaStr { ptr: text.as_ptr().cast(), len: text.len() }
}

fn string(text: FoveaStr) -> String {
    // SAFETY: text of a description lives until the process ends; in a log or a sink, for the call.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Appends to the `String` that is the context.
unsafe extern "C" fn append(context: *mut c_void, part: FoveaStr) -> FoveaStatus {
    // SAFETY: `Text` says what the context is.
    let all = unsafe { &mut *context.cast::<String>() };
    all.push_str(&string(part));
    FOVEA_OK
}

/// Refuses.
unsafe extern "C" fn refuse(_: *mut c_void, _: FoveaStr) -> FoveaStatus {
    77
}

fn sink(all: &mut String) -> FoveaSink {
    FoveaSink { size: size_of::<FoveaSink>(), context: (&raw mut *all).cast(), write: Some(append) }
}

unsafe extern "C" fn log(_: *mut c_void, level: u32, line: FoveaStr) {
    sample::LINES.lock().unwrap().push((level, string(line)));
}

/// What the host offers.
struct Host(FoveaHost);

// SAFETY: nobody writes to it, and its log may be called from any thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

static HOST: OnceLock<Host> = OnceLock::new();

/// The library of [`sample`], as a host gets it. The host lives until the process ends.
fn library() -> &'static FoveaLibrary {
    let mut failure = Failure::new(200);
    let host = HOST.get_or_init(|| {
        Host(FoveaHost {
            size: size_of::<FoveaHost>(),
            abi_major: FOVEA_ABI_MAJOR,
            abi_minor: FOVEA_ABI_MINOR,
            version: text("0.0.0"),
            context: null_mut(),
            log: Some(log),
            get_extension: None,
        })
    });
    let mut library = null();
    // SAFETY: all pointers are good.
    let status = unsafe { sample::entry(&raw const host.0, &raw mut library, failure.raw()) };
    assert_eq!(status, FOVEA_OK, "{}", failure.text());
    // SAFETY: it lives until the process ends.
    unsafe { &*library }
}

/// A plugin of [`sample`].
fn plugin(name: &str) -> &'static FoveaPlugin {
    let library = library();
    // SAFETY: the library says how many there are, and they live until the process ends.
    let plugins = unsafe { std::slice::from_raw_parts(library.plugins, library.count) };
    // SAFETY: as above.
    plugins.iter().map(|&p| unsafe { &*p }).find(|p| string(p.name) == name).unwrap()
}

/// An instance of a plugin.
struct Instance {
    plugin: &'static FoveaPlugin,
    raw: *mut FoveaInstance,
}

impl Instance {
    fn new(name: &str, config: &str) -> Self {
        let (plugin, mut raw, mut failure) = (plugin(name), null_mut(), Failure::new(200));
        // SAFETY: all pointers are good.
        let status =
            unsafe { plugin.create.unwrap()(text(config), text("/base"), &raw mut raw, failure.raw()) };
        assert_eq!(status, FOVEA_OK, "{}", failure.text());
        Self { plugin, raw }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: from `create` of the same plugin, and this is the end of it.
        unsafe { self.plugin.destroy.unwrap()(self.raw) };
    }
}

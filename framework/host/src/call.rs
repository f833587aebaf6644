//! Calls across the boundary. The main type is [`Instance`].

use crate::guard;
use crate::library::LoadedPlugin;
use fovea_abi::raw::{
    FOVEA_BAD_CONFIG, FOVEA_F32, FOVEA_OK, FOVEA_PANIC, FOVEA_UNSUPPORTED, FoveaError, FoveaInstance,
    FoveaSink, FoveaStatus, FoveaStr, FoveaTensor,
};
use fovea_api::PluginError;
use serde_json::Value;
use std::ffi::{c_char, c_void};
use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of an error's message.
const MESSAGE: usize = 2048;
/// Bytes that a plugin may write into a sink: a configuration or a graph of layers is far smaller.
const MOST_WRITTEN: usize = 64 << 20;

/// Lends text to a plugin.
pub(crate) fn str_of(text: &str) -> FoveaStr {
    FoveaStr { ptr: text.as_ptr().cast::<c_char>(), len: text.len() }
}

/// Text of a plugin; `None` when it is null or not UTF-8.
///
/// # Safety
/// `text` is empty, or leads to `len` bytes that live for `'a`.
pub(crate) unsafe fn text_of<'a>(text: FoveaStr) -> Option<&'a str> {
    if text.len == 0 {
        return Some("");
    }
    if text.ptr.is_null() || isize::try_from(text.len).is_err() {
        return None;
    }
    // SAFETY: as the caller says.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len) }).ok()
}

/// An error for a plugin to fill in.
pub(crate) struct Errors {
    buffer: Box<[u8]>,
    raw: FoveaError,
}

impl Errors {
    pub(crate) fn new() -> Self {
        let raw = FoveaError {
            size: size_of::<FoveaError>(),
            item: -1,
            message: ptr::null_mut(),
            capacity: MESSAGE,
            length: 0,
        };
        Self { buffer: vec![0; MESSAGE].into_boxed_slice(), raw }
    }

    pub(crate) fn raw(&mut self) -> *mut FoveaError {
        self.raw.message = self.buffer.as_mut_ptr().cast::<c_char>();
        &raw mut self.raw
    }

    /// The item that it is about, and the message, if there is one.
    pub(crate) fn taken(self) -> (Option<usize>, Option<String>) {
        let written = &self.buffer[..self.raw.length.min(MESSAGE)];
        let text = String::from_utf8_lossy(written).trim().to_owned();
        (usize::try_from(self.raw.item).ok(), (!text.is_empty()).then_some(text))
    }
}

/// What is written into a sink.
#[derive(Default)]
pub(crate) struct Written {
    bytes: Vec<u8>,
}

impl Written {
    /// A sink that writes here, for one call.
    pub(crate) fn sink(&mut self) -> FoveaSink {
        FoveaSink {
            size: size_of::<FoveaSink>(),
            context: ptr::from_mut(self).cast::<c_void>(),
            write: Some(write),
        }
    }

    pub(crate) fn text(self) -> Result<String, String> {
        String::from_utf8(self.bytes).map_err(|_| "it wrote text that is not UTF-8".to_owned())
    }
}

unsafe extern "C" fn write(context: *mut c_void, part: FoveaStr) -> FoveaStatus {
    if part.len == 0 {
        return FOVEA_OK;
    }
    if part.ptr.is_null() || context.is_null() {
        return fovea_abi::raw::FOVEA_ERROR;
    }
    // SAFETY: the context is the `Written` of `sink`, which nobody else uses during the call; the part is lent.
    let (written, part) = unsafe {
        (&mut *context.cast::<Written>(), std::slice::from_raw_parts(part.ptr.cast::<u8>(), part.len))
    };
    if written.bytes.len() + part.len() > MOST_WRITTEN {
        return fovea_abi::raw::FOVEA_ERROR;
    }
    written.bytes.extend_from_slice(part);
    FOVEA_OK
}

/// A call that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: FoveaStatus,
    /// Position in the batch of what it is about.
    pub(crate) item: Option<usize>,
    /// Full sentence.
    pub(crate) message: String,
}

impl Failure {
    /// What a status other than OK means, in words.
    fn new(status: FoveaStatus, function: &str, errors: Errors) -> Self {
        let (item, message) = errors.taken();
        let said = message.map_or_else(|| " without a message".to_owned(), |message| format!(": {message}"));
        let message = match status {
            fovea_abi::raw::FOVEA_ERROR => format!("`{function}` failed{said}"),
            FOVEA_BAD_CONFIG => format!("`{function}` found the configuration bad{said}"),
            FOVEA_PANIC => format!("`{function}` panicked{said}"),
            FOVEA_UNSUPPORTED => format!("it cannot do `{function}`{said}"),
            other => format!("`{function}` returned {other}, which is no status{said}"),
        };
        Self { status, item, message }
    }

    /// As an error of `plugin`; `name` says what an item is.
    pub(crate) fn of(self, plugin: &LoadedPlugin, name: impl Fn(usize) -> Option<String>) -> PluginError {
        let about = self.item.and_then(name).map_or_else(String::new, |name| format!("{name}: "));
        PluginError::new(plugin.title(), format!("{about}{}", self.message))
    }
}

/// Calls a function of a plugin that takes no instance.
pub(crate) fn call(
    plugin: &LoadedPlugin,
    function: &str,
    f: impl FnOnce(*mut FoveaError) -> FoveaStatus,
) -> Result<(), Failure> {
    let mut errors = Errors::new();
    let status = {
        let _call = guard::enter(format_args!("{} in `{function}`", plugin.title()));
        f(errors.raw())
    };
    if status == FOVEA_OK { Ok(()) } else { Err(Failure::new(status, function, errors)) }
}

/// An instance of a plugin, called by one thread at a time.
#[derive(Debug)]
pub(crate) struct Instance {
    plugin: Arc<LoadedPlugin>,
    title: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    raw: *mut FoveaInstance,
    /// Why it must not be called any more.
    dead: Option<String>,
    calls: u64,
    /// Bytes by which the process has grown over the calls but the first, which may load what it keeps.
    growth: i64,
}

// SAFETY: the header says that an instance may be called by one thread after another, and it is behind a lock.
unsafe impl Send for State {}

impl Instance {
    /// Makes an instance from a resolved configuration.
    pub(crate) fn create(
        plugin: &Arc<LoadedPlugin>,
        config: &Value,
        base_dir: &Path,
    ) -> Result<Self, PluginError> {
        let title = plugin.title();
        let failed = |message: String| PluginError::new(title.clone(), message);
        let base =
            base_dir.to_str().ok_or_else(|| failed("the current folder's name is not UTF-8".to_owned()))?;
        let create = plugin.raw.create.ok_or_else(|| failed("it has no `create`".to_owned()))?;
        let text = config.to_string();
        let mut raw: *mut FoveaInstance = ptr::null_mut();
        call(plugin, "create", |error| {
            // SAFETY: all arguments live for the call.
            unsafe { create(str_of(&text), str_of(base), &raw mut raw, error) }
        })
        .map_err(|failure| failure.of(plugin, |_| None))?;
        if raw.is_null() {
            return Err(failed("`create` returned FOVEA_OK and no instance".to_owned()));
        }
        let state = Mutex::new(State { raw, dead: None, calls: 0, growth: 0 });
        Ok(Self { plugin: Arc::clone(plugin), title, state })
    }

    pub(crate) fn plugin(&self) -> &LoadedPlugin {
        &self.plugin
    }

    /// Calls a function of the instance; `about` says with what. `f` gives the status and the bytes that this program
    /// itself has kept from the call.
    pub(crate) fn call(
        &self,
        function: &str,
        about: fmt::Arguments<'_>,
        f: impl FnOnce(*mut FoveaInstance, *mut FoveaError) -> (FoveaStatus, usize),
    ) -> Result<(), Failure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = |message: String| Failure { status: FOVEA_PANIC, item: None, message };
        if let Some(why) = &state.dead {
            return Err(failure(format!("it is not called any more: {why}")));
        }
        let limit = guard::memory_limit();
        let before = limit.map(|_| guard::resident());
        let mut errors = Errors::new();
        let (status, own) = {
            let _call = guard::enter(format_args!("{} in `{function}` of {about}", self.title));
            f(state.raw, errors.raw())
        };
        state.calls += 1;
        if status != FOVEA_OK {
            let failed = Failure::new(status, function, errors);
            if status == FOVEA_PANIC {
                state.dead = Some(failed.message.clone());
            }
            return Err(failed);
        }
        if let (Some(limit), Some(before), true) = (limit, before, state.calls > 1) {
            let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            state.growth += signed(guard::resident()) - signed(before) - signed(own as u64);
            if state.growth > signed(limit) {
                let message = format!(
                    "memory grew by {} MB over {} calls, and plugins.memory allows {}: it keeps what it should free",
                    state.growth >> 20,
                    state.calls,
                    limit >> 20
                );
                state.dead = Some(message.clone());
                return Err(failure(message));
            }
        }
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (Some(destroy), None) = (self.plugin.raw.destroy, &state.dead) {
            let _call = guard::enter(format_args!("{} in `destroy`", self.title));
            // SAFETY: the instance was made by this plugin's `create`, and nobody has it any more.
            unsafe { destroy(state.raw) };
        }
    }
}

/// A contiguous array of `f32` for a plugin to read, row-major.
pub(crate) struct Floats<'a> {
    values: &'a [f32],
    shape: Vec<i64>,
    strides: Vec<i64>,
}

impl<'a> Floats<'a> {
    /// # Panics
    /// When `values` does not have as many elements as `shape` says.
    pub(crate) fn new(values: &'a [f32], shape: &[usize]) -> Self {
        assert_eq!(
            values.len(),
            shape.iter().product::<usize>(),
            "an array has as many values as its shape says"
        );
        let (shape, strides) = layout(shape);
        Self { values, shape, strides }
    }

    /// A view that must not outlive `self`.
    pub(crate) fn raw(&self) -> FoveaTensor {
        FoveaTensor {
            size: size_of::<FoveaTensor>(),
            data: self.values.as_ptr().cast::<c_void>(),
            dtype: FOVEA_F32,
            ndim: u32::try_from(self.shape.len()).expect("arrays have few dimensions"),
            shape: self.shape.as_ptr(),
            strides: self.strides.as_ptr(),
        }
    }
}

/// Extents and row-major strides.
pub(crate) fn layout(shape: &[usize]) -> (Vec<i64>, Vec<i64>) {
    let signed = |extent: usize| i64::try_from(extent).unwrap_or(i64::MAX);
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * signed(shape[axis]);
    }
    (shape.iter().map(|&extent| signed(extent)).collect(), strides)
}

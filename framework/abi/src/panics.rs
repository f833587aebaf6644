//! Panics of a plugin's code, with their message and place. The main function is [`caught`].

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Calls of [`caught`] that this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic inside of [`caught`] was.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Has panics inside of [`caught`] note their place, in place of a line on standard error. Others are not touched.
pub(crate) fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                return previous(info);
            }
            let place = info.location().map(|l| format!(" at {}:{}:{}", l.file(), l.line(), l.column()));
            PLACE.with_borrow_mut(|p| *p = place.unwrap_or_default());
        }));
    });
}

/// Calls, and gives a sentence about the panic if there is one. The crate of the plugin must be built with unwinding.
pub(crate) fn caught<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    PLACE.with_borrow_mut(String::clear);
    DEPTH.set(DEPTH.get() + 1);
    // Whoever catches a panic here gives up the instance that it was in (`Slot::poisoned`).
    let result = catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|payload| {
        let message = text(payload.as_ref());
        // Dropping what somebody panicked with runs code of theirs, which may panic again.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        format!("the plugin panicked{}: {message}", PLACE.with_borrow(String::clone))
    })
}

fn text(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&'static str>().map(|s| (*s).to_owned());
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

//! Memory for training steps: freed memory is kept for the next step ([`keep_freed`]), and new buffers are cleared piece
//! by piece by those who write to them ([`in_chunks`]).
//!
//! A training step and a forward pass allocate buffers of megabytes and free them, again and again. The GNU C library
//! maps each of them afresh and gives it back when it is freed, so that the kernel clears every page anew: up to a fifth
//! of the processor time of an evaluation. Kept, the same pages serve the next step.

mod chunks;

pub use chunks::in_chunks;

use std::sync::Once;

/// Buffers below this come from the heap, which keeps what is freed. Larger ones are rare: a batch of pictures at most.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FROM_HEAP: libc::c_int = 1 << 30;

/// From now on freed memory stays with the process; to be called before there are threads, since those that have
/// allocated stay with heaps of their own. Does nothing where the C library is another, or where
/// `GLIBC_TUNABLES` is set, which says what its user wants.
pub fn keep_freed() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        if std::env::var_os("GLIBC_TUNABLES").is_none_or(|set| set.is_empty()) {
            keep();
        }
    });
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep() {
    // SAFETY: mallopt takes two numbers, takes the allocator's lock, and changes nothing but where later allocations come
    // from; an option that the library does not know, or a value beyond its limits, is refused with 0.
    unsafe {
        if libc::mallopt(libc::M_MMAP_THRESHOLD, FROM_HEAP) == 0 {
            // What older versions of the library take at most.
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        }
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        // The heaps that threads have of their own hold 64 MiB at most and are unmapped when they are empty. The lock of
        // the one heap is no matter: small pieces come from each thread's cache, and large ones are few.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep() {}

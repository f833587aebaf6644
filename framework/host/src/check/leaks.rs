//! Memory that is not given back.

use super::ask::ORDINARY;
use super::input::ordinary;
use super::property::Found;
use super::subject::Subject;
use crate::guard::resident;
use std::time::{Duration, Instant};

/// Calls before anything is measured: caches fill.
const WARM_UP: usize = 60;
/// Calls of each of the two blocks that are measured.
const BLOCK: usize = 200;
/// Bytes a call that count as a leak, of what is allocated.
const LEAK: f64 = 16.0;
/// Bytes that a block may make the process grow by.
const GROWTH: i64 = 2 << 20;
/// Bytes at which there is no need to go on.
const ENOUGH: i64 = 256 << 20;

pub(super) fn instances(subject: &Subject) -> Result<Found, String> {
    let config = subject.resolved()?;
    grows("`create` and `destroy`", subject.time / 3, || subject.made(&config).map(drop))
}

pub(super) fn calls(subject: &Subject) -> Result<Found, String> {
    let instance = subject.instance()?;
    let mut random = subject.random("leaks");
    let inputs = [1, 2, 1].map(|n| ordinary(subject.plugin.kind, &mut random, n, 32, 32));
    let mut turn = 0;
    grows("calls", subject.time / 3, || {
        turn += 1;
        subject.ask(&instance, &inputs[turn % 3], ORDINARY).map(drop)
    })
}

/// Bytes that are allocated and not freed, as the C library counts; Rust's own allocations are its, too.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn allocated() -> Option<i64> {
    // SAFETY: it only reads the allocator's own numbers.
    let info = unsafe { libc::mallinfo2() };
    i64::try_from(info.uordblks + info.hblkhd).ok()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn allocated() -> Option<i64> {
    None
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Whether memory is used up by `step`, of which there are fewer when time runs out.
fn grows(what: &str, time: Duration, mut step: impl FnMut() -> Result<(), String>) -> Result<Found, String> {
    let mb = |bytes: i64| bytes as f64 / f64::from(1 << 20);
    let (started, beginning) = (Instant::now(), signed(resident()));
    let mut all = 0;
    let mut block = |most: usize, part: u32| -> Result<usize, String> {
        let mut done = 0;
        while done < most && started.elapsed() < time * part / 4 {
            step()?;
            (done, all) = (done + 1, all + 1);
            if signed(resident()) - beginning > ENOUGH {
                let grown = mb(signed(resident()) - beginning);
                return Err(format!("{all} {what} made the process grow by {grown:.0} MB"));
            }
        }
        Ok(done)
    };
    block(WARM_UP, 1)?;
    let state = || (allocated().unwrap_or(0), signed(resident()));
    let before = state();
    let first = block(BLOCK, 2)?;
    let middle = state();
    let second = block(BLOCK, 4)?;
    let after = state();
    let count = first + second;
    if first < 20 || second < 20 {
        return Ok(Found::Skipped(format!(
            "only {count} {what} in {:.1} s",
            started.elapsed().as_secs_f64()
        )));
    }
    // Both blocks must grow: a cache that becomes full is none.
    let slow = ((middle.0 - before.0) as f64 / first as f64).min((after.0 - middle.0) as f64 / second as f64);
    if slow >= LEAK {
        return Err(format!(
            "each of {count} {what} leaves about {slow:.0} bytes allocated, after {WARM_UP} to warm up"
        ));
    }
    if (middle.1 - before.1).min(after.1 - middle.1) > GROWTH {
        return Err(format!("{count} {what} made the process grow by {:.1} MB", mb(after.1 - before.1)));
    }
    Ok(Found::Holds(format!("{count} {what}")))
}

//! Why a worker may have been killed. The main type is [`Watch`].

use std::fs;
use std::time::{Duration, Instant};

/// Time between two looks at a worker's memory.
const PERIOD: Duration = Duration::from_secs(1);

/// What a worker is watched for, from its start: whoever it is killed by says nothing.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Processes that the kernel had killed for want of memory before.
    before: Option<u64>,
    /// The most memory it was seen to have, in bytes.
    peak: Option<u64>,
    looked: Instant,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { before: kills(), peak: None, looked: Instant::now() }
    }

    /// Looks at the worker's memory, if the last look is a while ago.
    pub(crate) fn look(&mut self, worker: u32) {
        if self.looked.elapsed() >= PERIOD {
            self.looked = Instant::now();
            self.peak = peak(worker).or(self.peak);
        }
    }

    /// What to say of a worker that was killed, and not by us.
    pub(crate) fn reason(&self) -> String {
        let was = match (self.before, kills()) {
            (Some(before), Some(now)) => Some(now > before),
            _ => None,
        };
        reason(was, self.peak)
    }
}

fn reason(was_memory: Option<bool>, peak: Option<u64>) -> String {
    let why = match was_memory {
        Some(true) => "the kernel killed a process because memory was short",
        Some(false) => "somebody killed it, or a batch system did because it took too much memory or time",
        None => "it may have been killed because memory was short",
    };
    let peak = peak.map_or_else(String::new, |bytes| {
        format!("; it was seen with {:.1} GB of memory", bytes as f64 / 1e9)
    });
    format!(
        "{why}{peak}. Less memory is needed with a smaller training.batch_size, fewer run.workers (--jobs 1) or a lower \
         run.per_device"
    )
}

/// Processes that the kernel killed for want of memory, in this control group or on the machine.
fn kills() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let group = count(&format!("/sys/fs/cgroup{group}/memory.events"));
    let machine = count("/proc/vmstat");
    // Either grows where such a kill is counted; only whether the sum does is asked.
    group.or(machine).map(|_| group.unwrap_or(0) + machine.unwrap_or(0))
}

/// The line `oom_kill N` of a file.
fn count(path: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.trim().parse().ok())
}

/// The most memory that a process has had.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_says_what_is_known_and_what_to_do() {
        let short = reason(Some(true), Some(12_340_000_000));
        assert!(
            short.starts_with(
                "the kernel killed a process because memory was short; it was seen with 12.3 GB"
            )
        );
        assert!(
            reason(None, None).starts_with("it may have been killed because memory was short. Less memory")
        );
        assert!(!reason(Some(false), None).contains("kernel"));
        assert!(reason(None, None).contains("training.batch_size"));
        assert!(peak(std::process::id()).is_some_and(|bytes| bytes > 100_000));
    }
}

//! How much memory a task took. The main functions are [`begin`] and [`peak`].
//!
//! A worker does one task after another, so the kernel's mark of the most memory that the process ever had is set back
//! before each. What earlier tasks left in the allocator still counts: what is measured is what the process needed, not
//! what the trial would have needed alone. Where the kernel does not let itself be set back (Linux before 4.0, some
//! sandboxes), the peak is that of the process so far, an upper bound.

use std::fs;

/// Sets the kernel's mark back to what the process has now.
pub(crate) fn begin() {
    // Without permission the mark stays, which the doc above has thought of.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory, in bytes, that the process had since [`begin`]; `None` where the system does not tell.
pub(crate) fn peak() -> Option<u64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read() {
        assert_eq!(parse("VmPeak:\t 9 kB\nVmHWM:\t  1234 kB\nVmRSS:\t 7 kB\n"), Some(1234 * 1024));
        assert_eq!(parse("Name:\tx\n"), None);
    }

    #[test]
    fn what_was_used_and_given_back_counts_once_begun() {
        const SIZE: usize = 64 << 20;
        begin();
        let Some(before) = peak() else { return };
        let block = vec![1_u8; SIZE];
        assert!(block.iter().map(|byte| usize::from(*byte)).sum::<usize>() == SIZE);
        drop(block);
        let after = peak().unwrap();
        // Other tests of this process have memory, too.
        assert!(after >= before.max(SIZE as u64), "{before} {after}");
    }
}

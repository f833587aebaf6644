//! What decoded pictures may take of this machine. The main function is [`limits`].

use fovea_plan::{CacheSize, RunConfig};
use fovea_records::PictureLimits;
use std::fs;
use std::path::Path;

/// Most that `auto` gives a worker's memory.
const MEMORY: u64 = 4 << 30;
/// Most that `auto` gives a data set on disk.
const DISK: u64 = 16 << 30;

/// What each of so many workers may take.
pub(crate) fn limits(run: &RunConfig, workers: usize) -> PictureLimits {
    let memory = match run.memory_cache {
        CacheSize::Bytes(bytes) => bytes,
        // Where nobody tells, a worker must do with little: twice this is on every machine that trains.
        CacheSize::Auto => memory_share(free_memory().unwrap_or(MEMORY), workers),
    };
    let disk = match run.disk_cache {
        CacheSize::Bytes(bytes) => bytes,
        CacheSize::Auto => (free_disk(&run.cache).unwrap_or(0) / 2).min(DISK),
    };
    tracing::debug!(memory, disk, workers, "limits of decoded pictures");
    PictureLimits { memory, disk }
}

fn memory_share(free: u64, workers: usize) -> u64 {
    (free / 2 / (workers as u64).max(1)).min(MEMORY)
}

/// Bytes of memory that nobody uses, or that the control group of a container has left, if that is less.
fn free_memory() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let machine = available(&read("/proc/meminfo")?)?;
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|most| most.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    Some(machine.min(group.unwrap_or(u64::MAX)))
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Bytes that can be written to the disk on which a folder lies, or would lie once it is made.
fn free_disk(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail * found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::run_config;

    #[test]
    fn workers_share_half_of_what_is_free() {
        assert_eq!(memory_share(6 << 30, 3), 1 << 30);
        assert_eq!(memory_share(100 << 30, 2), MEMORY);
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   12 kB\n"), Some(12 << 10));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn what_is_asked_for_is_given_and_the_rest_fits_the_machine() {
        let asked = RunConfig {
            memory_cache: CacheSize::Bytes(7),
            disk_cache: CacheSize::Bytes(1 << 50),
            ..run_config()
        };
        assert_eq!(limits(&asked, 5), PictureLimits { memory: 7, disk: 1 << 50 });
        let dir = tempfile::tempdir().unwrap();
        let auto = RunConfig { cache: dir.path().join("not/there"), ..run_config() };
        let PictureLimits { memory, disk } = limits(&auto, 1);
        assert!(memory > 0 && memory <= MEMORY && disk > 0 && disk <= DISK, "{memory} {disk}");
    }
}

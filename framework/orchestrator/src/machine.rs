//! The computer that a run is on. The main function is [`machine`].

use fovea_records::provenance::Machine;
use std::fs;

/// The computer, as far as `/proc` and the processor tell.
#[must_use]
pub fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    Machine {
        system: format!("{} {}", std::env::consts::OS, kernel.trim()).trim_end().to_owned(),
        cpu: cpu(&read("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        instructions: instructions().into_iter().map(str::to_owned).collect(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: memory(&read("/proc/meminfo")),
    }
}

/// Seconds of processor time that this process took until now, and those of its children that have ended and been waited
/// for; `None` where the system does not tell.
#[must_use]
pub fn processor_seconds() -> Option<[f64; 2]> {
    cpu_times(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Bytes of memory that a process can have at the most, swap included: the machine's, or what its control group or its
/// own limit leaves of it; `None` where the system does not tell.
#[must_use]
pub fn most_memory() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let meminfo = read("/proc/meminfo")?;
    let swap = kibibytes(&meminfo, "SwapTotal:").unwrap_or(0);
    let machine = kibibytes(&meminfo, "MemTotal:")?.saturating_add(swap);
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|most| most.saturating_add(number("/sys/fs/cgroup/memory.swap.max").unwrap_or(swap).min(swap)));
    let own = rustix::process::getrlimit(rustix::process::Resource::As).current;
    Some(machine.min(group.unwrap_or(u64::MAX)).min(own.unwrap_or(u64::MAX)))
}

fn cpu_times(stat: &str) -> Option<[f64; 2]> {
    // Linux counts for programs in hundredths of a second, whatever its clock does.
    const TICKS: f64 = 100.0;
    // The name of the program, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(|field| field.parse::<f64>().ok());
    let mut next = || times.next().flatten();
    let [user, system, children_user, children_system] = [next()?, next()?, next()?, next()?];
    Some([(user + system) / TICKS, (children_user + children_system) / TICKS])
}

/// Model of the first core; processors of other makes than Intel's and AMD's do not say theirs.
fn cpu(cpuinfo: &str) -> Option<String> {
    let value =
        |line: &str| line.strip_prefix("model name")?.split_once(':').map(|(_, v)| v.trim().to_owned());
    cpuinfo.lines().find_map(value).filter(|name| !name.is_empty())
}

/// Bytes of memory.
fn memory(meminfo: &str) -> u64 {
    kibibytes(meminfo, "MemTotal:").unwrap_or(0)
}

/// Bytes of a line like `MemTotal: 2048 kB`.
fn kibibytes(meminfo: &str, key: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(key)?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok();
    meminfo.lines().find_map(value).map(|kibibytes| kibibytes.saturating_mul(1024))
}

/// Those by which the products of matrices, convolutions and BLAKE3 choose what they run, in the order of the alphabet.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn instructions() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => {
            [$(($name, std::is_x86_feature_detected!($name))),*]
        };
    }
    let known = present![
        "avx", "avx2", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl", "bmi2", "f16c", "fma",
        "sse4.1", "sse4.2"
    ];
    known.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

/// Those by which the products of matrices and convolutions choose what they run, in the order of the alphabet.
#[cfg(target_arch = "aarch64")]
fn instructions() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => {
            [$(($name, std::arch::is_aarch64_feature_detected!($name))),*]
        };
    }
    let known = present!["dotprod", "fcma", "fp16", "i8mm", "neon", "sve"];
    known.into_iter().filter_map(|(name, present)| present.then_some(name)).collect()
}

/// Of other processors nothing is asked.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn instructions() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_tells_is_read() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 207\nmodel name\t: Some(R) CPU @ 2 GHz\n";
        assert_eq!(cpu(cpuinfo).as_deref(), Some("Some(R) CPU @ 2 GHz"));
        assert_eq!(cpu("processor : 0\nCPU part : 0xd0c\n"), None);
        assert_eq!(memory("MemFree: 1 kB\nMemTotal:       2048 kB\n"), 2048 * 1024);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 300 100 20 0 4 0 99 1 2";
        assert_eq!(cpu_times(stat), Some([2.0, 4.0]));
        assert_eq!(cpu_times("7 (a) S 1"), None);
        let here = machine();
        assert!(
            here.cores > 0 && !here.cpu.is_empty() && here.system.starts_with(std::env::consts::OS),
            "{here:?}"
        );
        assert!(here.instructions.is_sorted());
    }
}

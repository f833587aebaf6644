//! Who works where. The main function is [`slots`].

use fovea_plan::{DeviceRequest, PerDevice, RunConfig};

/// Workers on one device that CPU threads are divided among before it is known how many fit.
const FEW: usize = 4;

/// A place for one worker process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number, from 0.
    pub index: usize,
    /// Where its workers compute.
    pub device: DeviceRequest,
    /// Their CPU threads.
    pub threads: usize,
}

/// The places for `tasks` trials: `run.per_device` on each of `run.devices`, else `run.workers` on `device`; `jobs` says
/// how many, whatever the run says. With `run.per_device = "auto"` there are as many as there are CPU cores, and memory
/// decides which of them work. Devices take turns, so that few workers are spread over all of them.
#[must_use]
pub fn slots(run: &RunConfig, device: DeviceRequest, jobs: Option<usize>, tasks: usize) -> Vec<Slot> {
    let own = [device];
    let devices = if run.devices.is_empty() { own.as_slice() } else { &run.devices };
    let asked = match run.per_device {
        PerDevice::Auto => cores().max(devices.len()),
        PerDevice::Count(_) if run.devices.is_empty() => run.workers,
        PerDevice::Count(count) => devices.len() * count,
    };
    let count = jobs.unwrap_or(asked).min(tasks).max(1);
    let together = match run.per_device {
        PerDevice::Auto => count.min(devices.len() * FEW),
        PerDevice::Count(_) => count,
    };
    let threads = threads_per_worker(run.threads, together);
    (0..count).map(|index| Slot { index, device: devices[index % devices.len()], threads }).collect()
}

/// CPU threads of a worker: as many as are asked for, else all, divided among the workers.
pub(crate) fn threads_per_worker(asked: usize, workers: usize) -> usize {
    if asked > 0 { asked } else { (cores() / workers).max(1) }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::run_config;

    fn devices(slots: &[Slot]) -> Vec<String> {
        slots.iter().map(|s| s.device.to_string()).collect()
    }

    #[test]
    fn without_devices_there_are_workers_on_the_plans_device() {
        let run = RunConfig { workers: 3, ..run_config() };
        assert_eq!(devices(&slots(&run, DeviceRequest::Cpu, None, 9)), ["cpu"; 3]);
        assert_eq!(slots(&run, DeviceRequest::Cpu, None, 2).len(), 2, "no more than there is to do");
        assert_eq!(slots(&run, DeviceRequest::Cpu, Some(5), 9).len(), 5);
        assert_eq!(slots(&run, DeviceRequest::Cpu, None, 0).len(), 1);
    }

    #[test]
    fn devices_take_turns() {
        let gpus = vec![DeviceRequest::Cuda(0), DeviceRequest::Cuda(1)];
        let run = RunConfig { devices: gpus, per_device: PerDevice::Count(2), ..run_config() };
        let all = slots(&run, DeviceRequest::Auto, None, 9);
        assert_eq!(devices(&all), ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]);
        assert_eq!(all.iter().map(|s| s.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(devices(&slots(&run, DeviceRequest::Auto, None, 2)), ["cuda:0", "cuda:1"]);
        assert_eq!(devices(&slots(&run, DeviceRequest::Auto, Some(3), 9)), ["cuda:0", "cuda:1", "cuda:0"]);
    }

    #[test]
    fn by_memory_there_are_places_for_all_that_may_ever_fit() {
        let run = RunConfig { per_device: PerDevice::Auto, workers: 1, ..run_config() };
        assert_eq!(slots(&run, DeviceRequest::Auto, None, 1000).len(), cores());
        assert_eq!(slots(&run, DeviceRequest::Auto, Some(3), 9).len(), 3);
        assert_eq!(slots(&run, DeviceRequest::Auto, None, 1).len(), 1);
    }

    #[test]
    fn threads_are_divided() {
        let run = run_config();
        let of = |jobs| slots(&run, DeviceRequest::Cpu, Some(jobs), 9)[0].threads;
        assert!(of(1) >= of(2));
        assert_eq!(slots(&RunConfig { threads: 3, ..run }, DeviceRequest::Cpu, Some(2), 9)[0].threads, 3);
    }
}

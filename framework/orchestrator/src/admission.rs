//! How many workers may be on a device at a time. The main type is [`Admission`].
//!
//! With `run.per_device = "auto"` a device has one worker first. Once that has shown what it needs, as many are admitted
//! as fit, by the largest use of any worker so far, with a tenth of the memory in reserve and without what other programs
//! have. Memory that grows later, or a worker that runs out of it, makes them fewer again.

use crate::memory::{GpuMemory, MemoryUse};
use crate::run::held;
use crate::slots::Slot;
use fovea_plan::{DeviceRequest, PerDevice};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Time between two looks at the memory, before it is known what a worker needs and afterwards.
const LOOKS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// Looks without an answer after which it is said that there is none.
const PATIENCE: usize = 4;

/// What is known of one device.
#[derive(Debug)]
struct Place {
    device: DeviceRequest,
    /// Workers that have a task.
    busy: usize,
    /// Workers that may have one.
    limit: usize,
    /// The same, as running out of memory has taught.
    ceiling: usize,
    /// The most that a worker was seen to have, MiB.
    peak: u64,
    /// Whether a worker has done everything that needs memory.
    is_warm: bool,
    /// The last worker of each slot, by process id.
    pids: BTreeMap<usize, u32>,
    unanswered: usize,
}

/// Lets workers begin tasks.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Vec<Mutex<Place>>,
    meter: Option<Arc<dyn GpuMemory>>,
    news: Mutex<Vec<String>>,
}

/// Leave for one worker to have a task, given back in the end.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    admission: &'a Admission,
    device: DeviceRequest,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.admission.leave(self.device);
    }
}

impl Admission {
    /// For these slots. With `auto`, a thread of its own looks at the memory for as long as this lives.
    pub(crate) fn start(slots: &[Slot], per_device: PerDevice, meter: Arc<dyn GpuMemory>) -> Arc<Self> {
        let admission = Arc::new(Self::new(slots, (per_device == PerDevice::Auto).then_some(meter)));
        if admission.meter.is_some() {
            let watched = Arc::downgrade(&admission);
            std::thread::spawn(move || watch(&watched));
        }
        admission
    }

    /// Without a meter everybody may begin.
    fn new(slots: &[Slot], meter: Option<Arc<dyn GpuMemory>>) -> Self {
        let mut devices: Vec<DeviceRequest> = Vec::new();
        for slot in slots {
            if !devices.contains(&slot.device) {
                devices.push(slot.device);
            }
        }
        let limit = if meter.is_some() { 1 } else { usize::MAX };
        let place = |device| Place {
            device,
            busy: 0,
            limit,
            ceiling: usize::MAX,
            peak: 0,
            is_warm: false,
            pids: BTreeMap::new(),
            unanswered: 0,
        };
        let places = devices.into_iter().map(|device| Mutex::new(place(device))).collect();
        Self { places, meter, news: Mutex::default() }
    }

    fn with<T>(&self, device: DeviceRequest, act: impl FnOnce(&mut Place) -> T) -> Option<T> {
        self.places.iter().map(held).find(|place| place.device == device).map(|mut place| act(&mut place))
    }

    /// Whether memory decides; else nobody ever waits.
    pub(crate) fn is_by_memory(&self) -> bool {
        self.meter.is_some()
    }

    /// Leave to have a task on this device, if there is room.
    pub(crate) fn enter(&self, device: DeviceRequest) -> Option<Permit<'_>> {
        self.enters(device).then(|| Permit { admission: self, device })
    }

    fn enters(&self, device: DeviceRequest) -> bool {
        let enters = self.with(device, |place| {
            let is_free = place.busy < place.limit;
            place.busy += usize::from(is_free);
            is_free
        });
        enters.unwrap_or(false)
    }

    fn leave(&self, device: DeviceRequest) {
        self.with(device, |place| place.busy -= 1);
    }

    /// Whether there are not too many by now.
    pub(crate) fn may_stay(&self, permit: &Permit<'_>) -> bool {
        self.with(permit.device, |place| place.busy <= place.limit).unwrap_or(false)
    }

    /// A slot has a new worker.
    pub(crate) fn has_worker(&self, slot: &Slot, pid: u32) {
        self.with(slot.device, |place| place.pids.insert(slot.index, pid));
    }

    /// A worker on this device has done all that needs memory.
    pub(crate) fn is_warm(&self, device: DeviceRequest) {
        self.with(device, |place| place.is_warm = true);
    }

    /// A worker on this device ran out of memory: if others share the device, there will be one fewer. `false`: it was
    /// alone, or memory does not decide.
    pub(crate) fn lower(&self, device: DeviceRequest) -> bool {
        let lowered = self.with(device, |place| {
            if place.busy < 2 || place.limit == usize::MAX {
                return None;
            }
            place.ceiling = place.busy - 1;
            place.limit = place.limit.min(place.ceiling);
            Some(place.limit)
        });
        let Some(limit) = lowered.flatten() else { return false };
        let workers = if limit == 1 { "one worker".to_owned() } else { format!("{limit} workers") };
        held(&self.news).push(format!("{device}: out of memory; {workers} at a time from now on"));
        true
    }

    /// Gives the room that a permit stands for to others, and waits until there is some again. `false` as soon as `wait`
    /// says so; the permit is the caller's either way.
    pub(crate) fn give_way(&self, device: DeviceRequest, mut wait: impl FnMut() -> bool) -> bool {
        self.leave(device);
        while !self.enters(device) {
            if !wait() {
                self.with(device, |place| place.busy += 1);
                return false;
            }
        }
        true
    }

    /// What became different since somebody asked last, in full sentences.
    pub(crate) fn news(&self) -> Vec<String> {
        std::mem::take(&mut held(&self.news))
    }

    /// Looks at every device; whether it is known what workers need on all of them.
    fn look(&self) -> bool {
        let Some(meter) = &self.meter else { return true };
        let mut all_known = true;
        for place in &self.places {
            let (device, before) = {
                let place = held(place);
                (place.device, place.pids.clone())
            };
            // The question takes time, in which nobody should wait.
            let answer = meter.read(device);
            let mut place = held(place);
            let news = place.learn(&before, answer);
            all_known &= place.is_warm && place.peak > 0;
            drop(place);
            held(&self.news).extend(news);
        }
        all_known
    }
}

impl Place {
    /// Learns from one look, and says what follows if anything does. `before` are the workers before it, of which some
    /// may have ended meanwhile.
    fn learn(&mut self, before: &BTreeMap<usize, u32>, answer: Result<MemoryUse, String>) -> Option<String> {
        let ours = |pid: &u32| before.values().chain(self.pids.values()).any(|own| own == pid);
        let (total, peak, others) = match &answer {
            Err(_) => (0, 0, 0),
            Ok(memory) => {
                let (own, foreign): (Vec<_>, Vec<_>) =
                    memory.processes.iter().partition(|(pid, _)| ours(pid));
                let peak = own.into_iter().map(|(_, used)| used).max().unwrap_or(0);
                (memory.total, peak, foreign.into_iter().map(|(_, used)| used).sum::<u64>())
            }
        };
        self.peak = self.peak.max(peak);
        if !self.is_warm {
            return None;
        }
        if self.peak == 0 {
            self.unanswered += 1;
            let why = answer.err().unwrap_or_else(|| "nvidia-smi does not list the worker".to_owned());
            let device = self.device;
            return (self.unanswered == PATIENCE)
                .then(|| format!("{device}: run.per_device = \"auto\" stays at one worker: {why}"));
        }
        if answer.is_err() {
            return None;
        }
        let room = (total - total / 10).saturating_sub(others);
        let fit = usize::try_from(room / self.peak).unwrap_or(usize::MAX).clamp(1, self.ceiling);
        if fit == self.limit {
            return None;
        }
        self.limit = fit;
        let (device, peak) = (self.device, self.peak);
        let elsewhere = if others > 0 { format!(", {others} in use by others") } else { String::new() };
        Some(format!("{device}: {fit} workers at a time: each needs {peak} MiB of {total}{elsewhere}"))
    }
}

fn watch(admission: &Weak<Admission>) {
    while let Some(all_known) = admission.upgrade().map(|admission| admission.look()) {
        std::thread::sleep(LOOKS[usize::from(all_known)]);
    }
}

/// Whether a worker's last words say that it ran out of memory.
pub(crate) fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_lowercase().replace(['_', '-', ' '], "");
    message.contains("outofmemory") || message.contains("memoryallocation")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{options, plan, run_config, trial};
    use crate::{RunOptions, Update};
    use fovea_plan::{RunConfig, Trial};
    use fovea_records::provenance::Gpu;
    use fovea_records::{RunStore, WorkerTask, store};
    use std::fs;
    use std::path::PathBuf;

    /// Answers what it was told to.
    #[derive(Clone, Debug, Default)]
    struct Told(Arc<Mutex<MemoryUse>>);

    impl GpuMemory for Told {
        fn read(&self, _: DeviceRequest) -> Result<MemoryUse, String> {
            Ok(held(&self.0).clone())
        }
    }

    const GPU: DeviceRequest = DeviceRequest::Cuda(0);

    fn slots() -> Vec<Slot> {
        (0..8).map(|index| Slot { index, device: GPU, threads: 1 }).collect()
    }

    fn admission() -> (Admission, Told) {
        let told = Told::default();
        (Admission::new(&slots(), Some(Arc::new(told.clone()))), told)
    }

    fn tell(told: &Told, processes: &[(u32, u64)]) {
        *held(&told.0) = MemoryUse { total: 10_000, processes: processes.to_vec() };
    }

    /// How many are let in.
    fn admitted(admission: &Admission) -> usize {
        std::iter::from_fn(|| admission.enter(GPU)).collect::<Vec<_>>().len()
    }

    #[test]
    fn one_worker_first_then_as_many_as_fit_beside_others() {
        let (admission, told) = admission();
        assert_eq!(admitted(&admission), 1);
        admission.has_worker(&slots()[0], 17);
        tell(&told, &[(17, 2000)]);
        assert!(!admission.look());
        assert_eq!(admitted(&admission), 1, "it has not shown yet what it needs");
        admission.is_warm(GPU);
        assert!(admission.look());
        assert_eq!(admitted(&admission), 4, "9000 of 10000 are given away");
        tell(&told, &[(17, 1000), (99, 4000)]);
        admission.look();
        assert_eq!(admitted(&admission), 2, "the peak counts, and so does what others have");
        let news = admission.news();
        assert!(
            news[1].contains("2 workers at a time: each needs 2000 MiB of 10000, 4000 in use"),
            "{news:?}"
        );
        assert!(admission.news().is_empty());
        tell(&told, &[(17, 20_000)]);
        admission.look();
        assert_eq!(admitted(&admission), 1, "one there is always");
    }

    #[test]
    fn without_memory_to_go_by_everybody_or_one_is_let_in() {
        let free = Admission::new(&slots(), None);
        let permits: Vec<_> = (0..8).filter_map(|_| free.enter(GPU)).collect();
        assert_eq!(permits.len(), 8);
        assert!(!free.lower(GPU), "that is a crash like any other");
        let (admission, told) = admission();
        tell(&told, &[(99, 10)]);
        admission.is_warm(GPU);
        (0..9).for_each(|_| assert!(!admission.look()));
        assert_eq!(admitted(&admission), 1);
        let news = admission.news();
        assert!(news.len() == 1 && news[0].contains("does not list the worker"), "{news:?}");
    }

    #[test]
    fn out_of_memory_makes_them_fewer_for_good() {
        let (admission, told) = admission();
        admission.has_worker(&slots()[0], 17);
        tell(&told, &[(17, 2000)]);
        admission.is_warm(GPU);
        admission.look();
        let mut others: Vec<_> = (0..2).filter_map(|_| admission.enter(GPU)).collect();
        let _own = admission.enter(GPU).unwrap();
        let mut asked = 0;
        assert!(admission.lower(GPU));
        let again = admission.give_way(GPU, || {
            asked += 1;
            others.truncate(if asked == 3 { 1 } else { 2 });
            true
        });
        assert!(again && asked == 3, "two go on, and it waits until one of them ends: {asked}");
        admission.look();
        let stays = admission.with(GPU, |place| (place.busy, place.limit));
        assert_eq!(stays, Some((2, 2)), "a look at the memory does not bring them back");
        assert!(admission.lower(GPU));
        drop(others.pop());
        assert_eq!(admission.with(GPU, |place| (place.busy, place.limit)), Some((1, 1)));
        assert!(!admission.lower(GPU), "it has the device for itself");
        for text in ["CUDA_ERROR_OUT_OF_MEMORY", "Out of memory", "OutOfMemory { .. }"] {
            assert!(is_out_of_memory(text), "{text}");
        }
        assert!(!is_out_of_memory("the worker process died (signal: 9)"));
    }
    /// What a worker wrote down as its process id is what it has memory under.
    #[derive(Debug)]
    struct Noted(PathBuf);

    impl GpuMemory for Noted {
        fn read(&self, _: DeviceRequest) -> Result<MemoryUse, String> {
            let pid = fs::read_to_string(&self.0).map_err(|e| e.to_string())?;
            let pid = pid.trim().parse().map_err(|_| "not written yet".to_owned())?;
            Ok(MemoryUse { total: 10_000, processes: vec![(pid, 3000)] })
        }

        fn describe(&self, _: DeviceRequest) -> Result<Gpu, String> {
            Ok(Gpu { model: "H100".to_owned(), driver: "550.1".to_owned() })
        }
    }

    /// Runs out of memory wherever another one is at work.
    const WORKER: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
while read -r task; do
    echo "$task" >> tasks
    if mkdir busy; then
        echo $$ > pid
        echo '{"event":"epoch","epoch":1,"epochs":1,"loss":1,"cross_entropy":1,"explanation":1,"skipped":0,"accuracy":1,"learning_rate":1,"seconds":1,"images_per_second":1}'
        sleep 1
        for trial in run/trials/*; do
            # The trials that have begun; what a worker leaves there is not looked into here.
            mkdir -p "$trial/checkpoint"
            for file in metrics.jsonl predictions.jsonl provenance.jsonl trace.jsonl checkpoint/model.safetensors; do
                test -e "$trial/$file" || : > "$trial/$file"
            done
        done
        rmdir busy
        echo '{"event":"finished","train_seconds":1,"eval_seconds":1}'
    else
        echo '{"event":"panicked","message":"CUDA_ERROR_OUT_OF_MEMORY"}'
        exit
    fi
done
"#;

    #[test]
    fn a_trial_that_finds_no_memory_waits_for_its_turn_and_does_not_fail() {
        let dir = tempfile::tempdir().unwrap();
        let trials = (0..4).map(|index| Trial { index, ..trial("a", index as u64, None) }).collect();
        let run = RunConfig { per_device: PerDevice::Auto, devices: vec![GPU], ..run_config() };
        let plan = plan(run, trials);
        let memory = Arc::new(Noted(dir.path().join("pid")));
        let options = RunOptions { jobs: Some(3), fail_fast: true, ..options(dir.path(), WORKER, memory) };
        let mut news = Vec::new();
        let mut observer = |update| {
            if let Update::Admission { message } = update {
                news.push(message);
            }
        };
        let summary =
            crate::run(&plan, &RunStore::new(dir.path().join("run")), &options, &mut observer).unwrap();
        assert_eq!((summary.done, summary.failed, summary.left), (4, Vec::new(), 0), "{news:?}");
        let tasks = store::read_lines::<WorkerTask>(&dir.path().join("tasks"), "task").unwrap();
        let gpu = |task: &WorkerTask| task.gpu.as_ref().is_some_and(|gpu| gpu.driver == "550.1");
        assert!(tasks.len() >= 4 && tasks.iter().all(gpu), "{tasks:?}");
        let hash = blake3::hash(WORKER.as_bytes()).to_hex().to_string();
        assert!(tasks.iter().all(|task| task.origin.program.blake3 == hash), "the program is what computes");
        assert!(!summary.crashes.is_empty() && run_config().retries == 0, "they were more than fit");
        assert!(news[0].contains("3 workers at a time: each needs 3000 MiB"), "{news:?}");
        assert!(news.iter().any(|line| line.contains("out of memory; one worker at a time")), "{news:?}");
    }
}

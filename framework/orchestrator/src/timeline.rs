//! Where the time of a run goes. The main type is [`Timeline`].

use crate::Update;
use fovea_records::TrialEvent;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Listens to a run and keeps when what happened.
#[derive(Clone, Debug)]
pub struct Timeline {
    begun: Instant,
    /// Tasks in progress, by id.
    open: BTreeMap<String, Task>,
    /// Spans in which a worker was at a task, since the beginning.
    busy: Vec<[Duration; 2]>,
    starts: Vec<WorkerStart>,
    tasks: usize,
}

/// A task in progress.
#[derive(Clone, Copy, Debug)]
struct Task {
    /// When it was given to a worker.
    given: Duration,
    fresh: bool,
    /// When its worker had everything that it needs and began.
    ready: Option<Duration>,
    /// Which of the starts is that of its worker.
    start: Option<usize>,
}

/// How a worker process came to its first task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerStart {
    /// From its start until it had read the task and built data set, network and plugins.
    pub ready: Duration,
    /// From its start until it had done its first training step; `None` where it had none to do.
    pub first_step: Option<Duration>,
}

impl Timeline {
    /// A timeline that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { begun: Instant::now(), open: BTreeMap::new(), busy: Vec::new(), starts: Vec::new(), tasks: 0 }
    }

    /// Takes note of what a run says, which happened now.
    pub fn note(&mut self, update: &Update) {
        self.note_at(update, self.begun.elapsed());
    }

    fn note_at(&mut self, update: &Update, now: Duration) {
        match update {
            Update::TaskStarted { task, fresh, .. } => {
                self.tasks += 1;
                let task_now = Task { given: now, fresh: *fresh, ready: None, start: None };
                self.open.insert(task.id.clone(), task_now);
            }
            Update::Event { task, event } => self.event(&task.id, event, now),
            // A worker that dies says nothing; that of a task that failed has said so before.
            Update::TaskCrashed { task, .. }
            | Update::TaskStopped { task }
            | Update::TaskPruned { task, .. }
            | Update::TaskEnded { task, .. } => self.end(&task.id, now),
            Update::Started { .. } | Update::Warning { .. } | Update::Admission { .. } => {}
        }
    }

    fn event(&mut self, id: &str, event: &TrialEvent, now: Duration) {
        match event {
            TrialEvent::Finished { .. }
            | TrialEvent::Failed { .. }
            | TrialEvent::Diverged { .. }
            | TrialEvent::Panicked { .. }
            | TrialEvent::Stopped => return self.end(id, now),
            _ => {}
        }
        let Some(task) = self.open.get_mut(id) else { return };
        match event {
            TrialEvent::Started { .. } if task.ready.is_none() => {
                task.ready = Some(now);
                if task.fresh {
                    task.start = Some(self.starts.len());
                    self.starts.push(WorkerStart { ready: now - task.given, first_step: None });
                }
            }
            TrialEvent::Step { .. } => {
                if let Some(start) = task.start.and_then(|index| self.starts.get_mut(index)) {
                    start.first_step.get_or_insert(now - task.given);
                }
            }
            _ => {}
        }
    }

    /// The worker is done with a task. What it does before it is ready is work, but not while the process itself begins.
    fn end(&mut self, id: &str, now: Duration) {
        let Some(task) = self.open.remove(id) else { return };
        let from = if task.fresh { task.ready.unwrap_or(now) } else { task.given };
        self.busy.push([from, now]);
    }

    /// Tasks that were given to workers, every attempt counted.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// Every worker process that came to be ready.
    #[must_use]
    pub fn worker_starts(&self) -> &[WorkerStart] {
        &self.starts
    }

    /// Times in which no worker was at a task: before the first one, and between two of them. That is what the run itself
    /// took for planning, starting processes and keeping records. Where several workers take turns, the time in which another
    /// one was at work does not count.
    #[must_use]
    pub fn gaps(&self) -> Vec<Duration> {
        let mut busy = self.busy.clone();
        busy.sort();
        let mut until = Duration::ZERO;
        let gap = |[from, to]: [Duration; 2]| {
            let gap = from.checked_sub(until);
            until = until.max(to);
            gap
        };
        busy.into_iter().filter_map(gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskLabel;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn label(id: &str) -> TaskLabel {
        TaskLabel { id: id.to_owned(), text: String::new(), is_stage: false }
    }

    fn given(id: &str, fresh: bool) -> Update {
        Update::TaskStarted { task: label(id), attempt: 1, fresh }
    }

    fn event(id: &str, event: TrialEvent) -> Update {
        Update::Event { task: label(id), event }
    }

    fn started() -> TrialEvent {
        TrialEvent::Started { device: "cpu".into(), from_epoch: 0, epochs: 1, origin: "scratch".into() }
    }

    fn stepped() -> TrialEvent {
        TrialEvent::Step { epoch: 0, step: 1, steps: 9, loss: 1.0, images_per_second: 1.0 }
    }

    fn finished() -> TrialEvent {
        TrialEvent::Finished { train_seconds: 1.0, eval_seconds: 1.0, peak_memory: None }
    }

    fn timeline(updates: &[(u64, Update)]) -> Timeline {
        let mut timeline = Timeline::begin();
        for (at, update) in updates {
            timeline.note_at(update, ms(*at));
        }
        timeline
    }

    #[test]
    fn gaps_and_the_start_of_a_process_are_the_runs_own_time() {
        let found = timeline(&[
            (10, given("a", true)),
            (40, event("a", started())),
            (70, event("a", stepped())),
            (90, event("a", stepped())),
            (140, event("a", finished())),
            // The next task goes to the same process, whose preparations are work.
            (145, given("b", false)),
            (160, event("b", started())),
            (170, event("b", stepped())),
            (200, event("b", finished())),
        ]);
        assert_eq!(found.gaps(), [ms(40), ms(5)]);
        assert_eq!(found.worker_starts(), [WorkerStart { ready: ms(30), first_step: Some(ms(60)) }]);
        assert_eq!(found.tasks(), 2);
    }

    #[test]
    fn time_in_which_another_worker_works_does_not_count() {
        let found = timeline(&[
            (0, given("a", true)),
            (10, event("a", started())),
            (15, given("b", true)),
            (50, event("b", started())),
            (55, event("a", stepped())),
            (60, event("b", finished())),
            (90, given("c", false)),
            (100, event("a", finished())),
            (120, event("c", TrialEvent::Failed { message: String::new() })),
            (121, Update::TaskStopped { task: label("c") }),
        ]);
        assert_eq!(found.gaps(), [ms(10)]);
        let start = |ready, first_step| WorkerStart { ready: ms(ready), first_step };
        assert_eq!(found.worker_starts(), [start(10, Some(ms(55))), start(35, None)]);
    }
}

//! Progress of a run: a live line a worker on a terminal, calm plain lines elsewhere. The main type is [`Progress`].

use crate::left::Estimate;
use crate::line::{self, bar, clock};
use crate::{output, terminal};
use console::style;
use fovea_orchestrator::{RunOptions, TaskLabel, Update};
use fovea_plan::Plan;
use fovea_records::{RunStore, TaskProgress, TrialEvent, TrialOutcome};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Time between two plain lines about a task.
const CALM: Duration = Duration::from_secs(10);
/// Time between two estimates of the time left.
const ESTIMATE: Duration = Duration::from_secs(1);

/// How much of a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Nothing until it ends.
    End,
    /// All of it.
    Live,
}

/// Shows updates of a run on stderr.
pub(crate) struct Progress {
    bars: Option<Bars>,
    detail: Detail,
    name: String,
    started: Instant,
    trials: usize,
    done: usize,
    failed: usize,
    pruned: usize,
    running: BTreeMap<String, Running>,
    estimate: Estimate,
    left: (Instant, Option<String>, f64),
    /// Warnings that were shown.
    warned: BTreeSet<String>,
}

/// A task that is being worked on.
struct Running {
    name: String,
    is_stage: bool,
    lane: usize,
    progress: TaskProgress,
    /// When a line about it was printed.
    told: Instant,
    accuracy: Option<f64>,
}

/// A line a worker, and one about the whole.
struct Bars {
    lanes: Vec<ProgressBar>,
    overall: ProgressBar,
}

impl Progress {
    /// Progress of this plan; nothing is shown yet.
    pub(crate) fn new(plan: &Plan, store: &RunStore, options: &RunOptions, detail: Detail) -> Self {
        let live = detail == Detail::Live && std::io::stderr().is_terminal();
        let started = Instant::now();
        Self {
            bars: live.then(|| Bars::new(started)),
            detail,
            name: plan.name.clone(),
            started,
            trials: plan.trials.len(),
            done: 0,
            failed: 0,
            pruned: 0,
            running: BTreeMap::new(),
            estimate: Estimate::new(plan, store, options),
            left: (started, None, 0.0),
            warned: BTreeSet::new(),
        }
    }

    /// Shows one update.
    pub(crate) fn show(&mut self, update: &Update) {
        match update {
            Update::Started { total, done, epochs } => {
                self.trials = *total;
                self.done = *done;
                if done < total {
                    self.line(&format!(
                        "{}: {total} trials, {done} done before, {epochs} epochs to train",
                        self.name
                    ));
                }
            }
            Update::Admission { message } => self.line(message),
            Update::Warning { message } => self.line(&format!("warning: {message}")),
            Update::TaskStarted { task, attempt, .. } => self.begins(task, *attempt),
            Update::Event { task, event } => self.event(&task.id, event),
            Update::TaskCrashed { task, message, retry_in } => {
                // Without a further attempt it is told as the task's end.
                if let Some(seconds) = retry_in {
                    let crashed = style("CRASHED:").for_stderr().red();
                    self.task_line(&task.id, &format!("{crashed} {message}; again in {seconds} s"));
                }
            }
            Update::TaskStopped { task } => {
                self.task_line(&task.id, "interrupted and saved");
                self.leaves(&task.id);
            }
            Update::TaskPruned { task, message } => self.pruned(task, message),
            Update::TaskEnded { task, outcome, seconds } => self.ended(task, outcome, *seconds),
        }
        self.refresh();
    }

    /// Clears the bars.
    pub(crate) fn end(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.lanes.iter().chain([&bars.overall]).for_each(ProgressBar::finish_and_clear);
        }
    }

    fn begins(&mut self, task: &TaskLabel, attempt: usize) {
        self.estimate.begins(&task.id);
        self.running.remove(&task.id);
        let lane = (0..).find(|lane| self.running.values().all(|r| r.lane != *lane)).unwrap_or(0);
        let running = Running {
            name: output::printable(&task.text).into_owned(),
            is_stage: task.is_stage,
            lane,
            progress: TaskProgress::new(lane),
            told: Instant::now(),
            accuracy: None,
        };
        self.running.insert(task.id.clone(), running);
        if attempt > 1 {
            self.task_line(&task.id, &format!("begins again (attempt {attempt})"));
        }
    }

    fn event(&mut self, id: &str, event: &TrialEvent) {
        let Some(running) = self.running.get_mut(id) else { return };
        running.progress.apply(event);
        match event {
            TrialEvent::Started { .. } => self.plain(id, &line::event(event).unwrap_or_default()),
            TrialEvent::Localizing { done, total } => {
                self.calmly(id, || format!("target boxes {done}/{total}"));
            }
            TrialEvent::Evaluating { what, done, total } => {
                self.calmly(id, || format!("evaluating {what}: {done}/{total} pictures"));
            }
            TrialEvent::Epoch(e) => {
                let is_last = e.epoch == running.progress.epochs;
                self.estimate.epoch(id, e.epoch, e.seconds);
                let text = line::event(event).unwrap_or_default();
                self.estimate_left();
                let left = self.left.1.as_ref().map_or_else(String::new, |left| format!("  left {left}"));
                if is_last {
                    self.plain(id, &(text + &left));
                } else {
                    self.calmly(id, || text + &left);
                }
            }
            // Every trial on the same data or weights has the same to say.
            TrialEvent::Warning { message } => {
                if self.warned.insert(message.clone()) {
                    self.task_line(id, &format!("{} {message}", style("warning:").for_stderr().yellow()));
                }
            }
            TrialEvent::Metric(row) => {
                let whole = row.noise.is_none() && row.subset.is_none() && row.epoch.is_none();
                if whole && row.metric == "accuracy" {
                    running.accuracy = Some(row.value);
                }
            }
            TrialEvent::Finished { eval_seconds, .. } => self.estimate.evaluation(id, *eval_seconds),
            TrialEvent::Step { .. }
            | TrialEvent::Diverged { .. }
            | TrialEvent::Failed { .. }
            | TrialEvent::Panicked { .. }
            | TrialEvent::Stopped => {}
        }
    }

    fn pruned(&mut self, task: &TaskLabel, message: &str) {
        self.estimate.ends(&task.id, true);
        self.pruned += 1;
        let pruned = style("pruned:").for_stderr().yellow();
        self.task_line(&task.id, &format!("{pruned} {message}{}", self.count()));
        self.leaves(&task.id);
    }

    /// `  [3/8]`: trials that ended.
    fn count(&self) -> String {
        format!("  [{}/{}]", self.done + self.failed + self.pruned, self.trials)
    }

    fn ended(&mut self, task: &TaskLabel, outcome: &TrialOutcome, seconds: f64) {
        self.estimate.ends(&task.id, *outcome == TrialOutcome::Done);
        match outcome {
            _ if task.is_stage => {}
            TrialOutcome::Done => self.done += 1,
            TrialOutcome::Diverged { .. } | TrialOutcome::Failed { .. } => self.failed += 1,
        }
        let count = if task.is_stage { String::new() } else { self.count() };
        let accuracy = self.running.get(&task.id).and_then(|running| running.accuracy);
        let accuracy = accuracy.map_or_else(String::new, |a| format!(", accuracy {:.1} %", a * 100.0));
        let red = |text| style(text).for_stderr().red();
        let text = match outcome {
            TrialOutcome::Done => format!("done in {}{accuracy}{count}", clock_fine(seconds)),
            TrialOutcome::Diverged { message } => format!("{} {message}{count}", red("DIVERGED:")),
            TrialOutcome::Failed { message } => format!("{} {message}{count}", red("FAILED:")),
        };
        self.task_line(&task.id, &text);
        self.leaves(&task.id);
    }

    /// Its worker has nothing to do for the moment.
    fn leaves(&mut self, id: &str) {
        let lane = self.running.remove(id).map(|running| running.lane);
        if let (Some(bars), Some(lane)) = (&self.bars, lane)
            && let Some(bar) = bars.lanes.get(lane)
        {
            bar.set_message("idle");
        }
    }

    /// Looks ahead again, if the last look is old.
    fn estimate_left(&mut self) {
        let (at, text, fraction) = &mut self.left;
        if text.is_some() && at.elapsed() < ESTIMATE {
            return;
        }
        let running = &self.running;
        let left = self.estimate.left(|id| running.get(id).map(|r| &r.progress));
        let elapsed = self.started.elapsed().as_secs_f64();
        *at = Instant::now();
        *fraction = left.map_or(0.0, |left| elapsed / (elapsed + left.seconds));
        // Until an evaluation has been timed the figure is a lower bound, and says so.
        let bound = |without| if without { ">" } else { "~" };
        *text = left.map(|left| format!("{}{}", bound(left.without_evaluation), clock(left.seconds)));
    }

    fn refresh(&mut self) {
        if self.bars.is_none() {
            return;
        }
        self.estimate_left();
        let Some(bars) = &mut self.bars else { return };
        let width = terminal::width().saturating_sub(1);
        for running in self.running.values() {
            bars.lane(running.lane).set_message(line::task(&running.name, &running.progress, width));
        }
        let trials = self.running.values().filter(|running| !running.is_stage).count();
        let failed = match self.failed {
            0 => String::new(),
            failed => format!("  {}", style(format!("{failed} failed")).for_stderr().red()),
        };
        let pruned = match self.pruned {
            0 => String::new(),
            pruned => format!("  {pruned} pruned"),
        };
        let (_, left, fraction) = &self.left;
        bars.overall.set_prefix(format!(
            "{} {}/{} done{failed}{pruned}  {trials} running",
            bar(*fraction, if width < 100 { 12 } else { 22 }),
            self.done,
            self.trials
        ));
        bars.overall.set_message(left.clone().unwrap_or_else(|| "?".to_owned()));
    }

    /// A line where there are no bars, at most one in a while for a task.
    fn calmly(&mut self, id: &str, text: impl FnOnce() -> String) {
        if self.running.get(id).is_some_and(|running| running.told.elapsed() >= CALM) {
            self.plain(id, &text());
        }
    }

    /// A line where there are no bars, which show the same.
    fn plain(&mut self, id: &str, text: &str) {
        if self.bars.is_none() {
            self.task_line(id, text);
        }
    }

    fn task_line(&mut self, id: &str, text: &str) {
        let Some(running) = self.running.get_mut(id) else { return };
        running.told = Instant::now();
        let line = format!("{:>7}  {}  {text}", clock(self.started.elapsed().as_secs_f64()), running.name);
        self.line(&line);
    }

    fn line(&self, text: &str) {
        if self.detail == Detail::Live {
            terminal::line(text);
        }
    }
}

/// Short times with a decimal.
fn clock_fine(seconds: f64) -> String {
    if seconds < 60.0 { format!("{seconds:.1} s") } else { clock(seconds) }
}

impl Bars {
    fn new(started: Instant) -> Self {
        let overall = terminal::bars().add(ProgressBar::new(0));
        let elapsed = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}", clock(started.elapsed().as_secs_f64()));
        };
        if let Ok(style) = ProgressStyle::with_template("{prefix}  elapsed {clock}  left {msg}") {
            overall.set_style(style.with_key("clock", elapsed));
        }
        overall.set_message("?");
        overall.enable_steady_tick(Duration::from_secs(1));
        Self { lanes: Vec::new(), overall }
    }

    fn lane(&mut self, lane: usize) -> &ProgressBar {
        while self.lanes.len() <= lane {
            let bar = terminal::bars().insert_before(&self.overall, ProgressBar::new(0));
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.lanes.push(bar);
        }
        &self.lanes[lane]
    }
}

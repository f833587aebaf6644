//! Progress of a run: live bars on a terminal, plain lines elsewhere. The main type is [`Progress`].

use fovea_orchestrator::{TaskLabel, Update};
use fovea_plan::Plan;
use fovea_records::{TrialEvent, TrialOutcome};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Time between two plain lines about evaluation.
const QUIET: Duration = Duration::from_secs(10);

/// Shows updates of a run on stderr.
pub(crate) struct Progress {
    bars: Option<Bars>,
    name: String,
    started: Instant,
    trials: usize,
    trials_done: usize,
    epochs: usize,
    epochs_done: usize,
    /// Seconds of finished epochs, and of evaluations with their number.
    training: f64,
    evaluating: (f64, usize),
    workers: usize,
    told: Instant,
    /// Warnings that were shown.
    warned: BTreeSet<String>,
}

struct Bars {
    multi: MultiProgress,
    overall: ProgressBar,
    tasks: BTreeMap<String, ProgressBar>,
}

impl Progress {
    /// Progress of this plan; nothing is shown yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            bars: std::io::stderr().is_terminal().then(Bars::new),
            name: plan.name.clone(),
            started: Instant::now(),
            trials: plan.trials.len(),
            trials_done: 0,
            epochs: 0,
            epochs_done: 0,
            training: 0.0,
            evaluating: (0.0, 0),
            workers: plan.run.workers.max(1),
            told: Instant::now(),
            warned: BTreeSet::new(),
        }
    }

    /// Shows one update.
    pub(crate) fn show(&mut self, update: &Update) {
        match update {
            Update::Started { total, done, epochs } => {
                self.trials = *total;
                self.trials_done = *done;
                self.epochs = *epochs;
                if done < total {
                    self.line(&format!(
                        "{}: {total} trials, {done} done before, {epochs} epochs to train",
                        self.name
                    ));
                }
            }
            Update::TaskStarted { task, attempt } => {
                let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                self.task_line(task, &format!("begins{again}"));
            }
            Update::Event { task, event } => self.event(task, event),
            Update::TaskCrashed { task, message, retry_in } => {
                let then = retry_in.map_or_else(String::new, |s| format!("; again in {s} s"));
                self.task_line(task, &format!("CRASHED: {message}{then}"));
            }
            Update::TaskStopped { task } => {
                self.remove_bar(task);
                self.task_line(task, "interrupted and saved");
            }
            Update::TaskEnded { task, outcome, seconds } => self.ended(task, outcome, *seconds),
        }
        self.refresh();
    }

    /// Clears the bars.
    pub(crate) fn end(&mut self) {
        if let Some(bars) = &self.bars {
            drop(bars.multi.clear());
        }
    }

    fn event(&mut self, task: &TaskLabel, event: &TrialEvent) {
        match event {
            TrialEvent::Started { device, from_epoch, epochs, origin } => {
                if origin == "checkpoint" {
                    self.epochs_done += from_epoch;
                }
                let from = if *from_epoch > 0 {
                    format!(", from epoch {from_epoch} ({origin})")
                } else {
                    String::new()
                };
                self.task_line(task, &format!("{epochs} epochs on {device}{from}"));
            }
            TrialEvent::Localizing { done, total } => {
                self.tick(task, &format!("target boxes {done}/{total}"));
            }
            TrialEvent::Step { epoch, step, steps, loss, images_per_second } => self.tick(
                task,
                &format!(
                    "epoch {} step {step}/{steps}  loss {loss:.4}  {images_per_second:.0} img/s",
                    epoch + 1
                ),
            ),
            TrialEvent::Epoch(e) => {
                self.epochs_done += 1;
                self.training += e.seconds;
                let explanation = e.explanation.map_or_else(String::new, |v| format!("  expl {v:.4}"));
                let skipped = if e.skipped > 0 { format!("  skipped {}", e.skipped) } else { String::new() };
                let left = self.left().map_or_else(String::new, |l| format!("  left {l}"));
                let text = format!(
                    "epoch {:>2}/{}  loss {:.4}  ce {:.4}{explanation}  acc {:.1} %{skipped}  {:.0} img/s",
                    e.epoch,
                    e.epochs,
                    e.loss,
                    e.cross_entropy,
                    e.accuracy * 100.0,
                    e.images_per_second
                );
                if self.bars.is_some() {
                    self.tick(task, &text);
                } else {
                    self.task_line(task, &format!("{text}{left}"));
                }
            }
            TrialEvent::Evaluating { what, done, total } => {
                let text = format!("evaluating {what}: {done}/{total} pictures");
                if self.bars.is_some() {
                    self.tick(task, &text);
                } else if self.told.elapsed() >= QUIET {
                    self.task_line(task, &text);
                }
            }
            // Every trial on the same data or weights has the same to say.
            TrialEvent::Warning { message } => {
                if self.warned.insert(message.clone()) {
                    self.task_line(task, &format!("warning: {message}"));
                }
            }
            TrialEvent::Finished { eval_seconds, .. } => {
                if !task.is_stage {
                    self.evaluating.0 += eval_seconds;
                    self.evaluating.1 += 1;
                }
            }
            TrialEvent::Metric(_)
            | TrialEvent::Diverged { .. }
            | TrialEvent::Failed { .. }
            | TrialEvent::Panicked { .. }
            | TrialEvent::Stopped => {}
        }
    }

    fn remove_bar(&mut self, task: &TaskLabel) {
        if let Some(bars) = &mut self.bars
            && let Some(bar) = bars.tasks.remove(&task.id)
        {
            bar.finish_and_clear();
        }
    }

    fn ended(&mut self, task: &TaskLabel, outcome: &TrialOutcome, seconds: f64) {
        self.remove_bar(task);
        if !task.is_stage {
            self.trials_done += 1;
        }
        let count =
            if task.is_stage { String::new() } else { format!("  [{}/{}]", self.trials_done, self.trials) };
        let text = match outcome {
            TrialOutcome::Done => format!("done in {seconds:.1} s{count}"),
            TrialOutcome::Diverged { message } => format!("DIVERGED: {message}{count}"),
            TrialOutcome::Failed { message } => format!("FAILED: {message}{count}"),
        };
        self.task_line(task, &text);
    }

    /// Time left, from epochs and evaluations so far; `None` while nothing is known.
    fn left(&self) -> Option<String> {
        if self.training <= 0.0 || self.epochs_done == 0 {
            return None;
        }
        let epoch = self.training / self.epochs_done as f64;
        let evaluation =
            if self.evaluating.1 > 0 { self.evaluating.0 / self.evaluating.1 as f64 } else { 0.0 };
        let open = self.trials.saturating_sub(self.trials_done) as f64;
        let ahead = epoch * self.epochs.saturating_sub(self.epochs_done) as f64 + evaluation * open;
        // Until an evaluation has been timed the figure is a lower bound, and says so.
        let bound = if self.evaluating.1 == 0 { ">" } else { "~" };
        Some(format!("{bound}{}", clock(ahead / self.workers as f64)))
    }

    fn refresh(&self) {
        if let Some(bars) = &self.bars {
            bars.overall.set_length(self.epochs as u64);
            bars.overall.set_position(self.epochs_done as u64);
            let left = self.left().unwrap_or_else(|| "?".to_owned());
            bars.overall.set_message(format!(
                "trials {}/{}  elapsed {}  left {left}",
                self.trials_done,
                self.trials,
                clock(self.started.elapsed().as_secs_f64())
            ));
        }
    }

    fn tick(&mut self, task: &TaskLabel, text: &str) {
        if let Some(bars) = &mut self.bars {
            bars.of(task).set_message(format!("{}  {text}", task.text));
        }
    }

    fn task_line(&mut self, task: &TaskLabel, text: &str) {
        self.told = Instant::now();
        self.line(&format!("{:>7}  {}  {text}", clock(self.started.elapsed().as_secs_f64()), task.text));
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => drop(bars.multi.println(text)),
            None => eprintln!("{text}"),
        }
    }
}

impl Bars {
    fn new() -> Self {
        let multi = MultiProgress::new();
        let overall = multi.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} epochs  {msg}") {
            overall.set_style(style.progress_chars("=> "));
        }
        Self { multi, overall, tasks: BTreeMap::new() }
    }

    fn of(&mut self, task: &TaskLabel) -> &ProgressBar {
        let (multi, overall) = (&self.multi, &self.overall);
        self.tasks.entry(task.id.clone()).or_insert_with(|| {
            let bar = multi.insert_before(overall, ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        })
    }
}

/// `7s`, `3m07s`, `2h05m`.
fn clock(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    match (total / 3600, total / 60 % 60, total % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn clocks() {
        assert_eq!([7.4, 187.0, 7500.0].map(clock), ["7s", "3m07s", "2h05m"]);
    }
}

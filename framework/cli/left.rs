//! How long a run will go on. The main type is [`Estimate`].

use fovea_orchestrator::run::stage_is_done;
use fovea_orchestrator::slots::slots;
use fovea_orchestrator::{RunOptions, TrialStatus};
use fovea_plan::{Plan, TrialConfig};
use fovea_records::{Phase, RunStore, TaskProgress};
use std::collections::BTreeMap;

/// What is left to do, and what things cost as far as they were timed.
///
/// The rest of the run is played through with mean times, in the order of the queue: a worker takes the first task
/// whose shared warm-up is trained, so that an idle worker, a long last trial and a warm-up that all wait for count.
pub(crate) struct Estimate {
    workers: usize,
    jobs: Vec<Job>,
    epochs: Means,
    evaluations: Means,
}

struct Job {
    id: String,
    /// The stage it is forked from.
    needs: Option<String>,
    /// Epochs that it trains: from, to.
    epochs: (usize, usize),
    /// Epochs below this have no explanation loss.
    warmup: usize,
    is_trial: bool,
    kind: Kind,
    open: bool,
}

/// Tasks of equal kind take equal time.
struct Kind {
    warmup: String,
    explained: String,
}

impl Kind {
    fn of(config: &TrialConfig) -> Self {
        let TrialConfig { dataset, input, model, training, loss, extractor, .. } = config;
        let warmup = format!("{dataset:?}{input:?}{model:?}{}", training.batch_size);
        Self { explained: format!("{warmup}{loss:?}{extractor:?}"), warmup }
    }
}

/// Mean seconds by kind; a kind that was not timed yet takes the mean of all.
#[derive(Default)]
struct Means(BTreeMap<String, (f64, usize)>);

impl Means {
    fn add(&mut self, kind: &str, seconds: f64) {
        let (sum, count) = self.0.entry(kind.to_owned()).or_default();
        *sum += seconds;
        *count += 1;
    }

    fn get(&self, kind: &str) -> Option<f64> {
        let mean = |(sum, count): (f64, usize)| (count > 0).then(|| sum / count as f64);
        let all = || mean(self.0.values().fold((0.0, 0), |(s, n), (sum, count)| (s + sum, n + count)));
        self.0.get(kind).copied().and_then(mean).or_else(all)
    }
}

/// Seconds left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Left {
    pub(crate) seconds: f64,
    /// Whether evaluations, of which none has been timed, are missing from it.
    pub(crate) without_evaluation: bool,
}

impl Estimate {
    /// Everything that is asked for and that the store does not have.
    pub(crate) fn new(plan: &Plan, store: &RunStore, options: &RunOptions) -> Self {
        let mut jobs: Vec<Job> = Vec::new();
        // A record that cannot be read is the run's to tell.
        let states = fovea_orchestrator::status(plan, store).unwrap_or_default();
        let forks_from = |trial| options.sharing.stage_of(trial);
        let asked = plan.trials.iter().enumerate().filter(|(_, trial)| options.selection.takes(trial));
        for (position, trial) in asked {
            let open = states.get(position).is_none_or(TrialStatus::is_pending);
            let stage = plan.stages.iter().find(|stage| Some(&stage.id) == forks_from(trial));
            let begin = stage.map_or(0, |stage| stage.epochs);
            if let Some(stage) = stage.filter(|s| open && jobs.iter().all(|job| job.id != s.id.as_str())) {
                jobs.push(Job {
                    id: stage.id.to_string(),
                    needs: None,
                    epochs: (0, stage.epochs),
                    warmup: stage.epochs,
                    is_trial: false,
                    kind: Kind::of(&stage.config),
                    open: !stage_is_done(store, plan, &stage.id),
                });
            }
            jobs.push(Job {
                id: trial.id.to_string(),
                needs: forks_from(trial).map(ToString::to_string),
                epochs: (begin, trial.config.training.epochs),
                warmup: trial.config.training.warmup_epochs,
                is_trial: true,
                kind: Kind::of(&trial.config),
                open,
            });
        }
        Self {
            workers: slots(&plan.run, plan.device, options.jobs, jobs.len()).len(),
            jobs,
            epochs: Means::default(),
            evaluations: Means::default(),
        }
    }

    /// An epoch (the count with it) of this task took so long.
    pub(crate) fn epoch(&mut self, task: &str, epoch: usize, seconds: f64) {
        if let Some(job) = self.jobs.iter().find(|job| job.id == task) {
            self.epochs.add(job.kind_of_epoch(epoch - 1), seconds);
        }
    }

    /// The evaluation of this task took so long.
    pub(crate) fn evaluation(&mut self, task: &str, seconds: f64) {
        if let Some(job) = self.jobs.iter().find(|job| job.id == task && job.is_trial) {
            self.evaluations.add(&job.kind.warmup, seconds);
        }
    }

    /// A task begins; so its stage, if it has one, is trained.
    pub(crate) fn begins(&mut self, task: &str) {
        let needs = self.jobs.iter().find(|job| job.id == task).and_then(|job| job.needs.clone());
        for job in &mut self.jobs {
            job.open = job.id == task || (job.open && Some(&job.id) != needs.as_ref());
        }
    }

    /// A task ended; those that needed a stage that failed never begin.
    pub(crate) fn ends(&mut self, task: &str, well: bool) {
        for job in &mut self.jobs {
            job.open &= job.id != task && (well || job.needs.as_deref() != Some(task));
        }
    }

    /// Time left; `None` while no epoch has been timed.
    pub(crate) fn left<'a>(&self, running: impl Fn(&str) -> Option<&'a TaskProgress>) -> Option<Left> {
        self.epochs.get("")?;
        let mut free = vec![0.0_f64; self.workers];
        let mut ready: BTreeMap<&str, f64> = BTreeMap::new();
        let mut waiting: Vec<&Job> = Vec::new();
        for job in self.jobs.iter().filter(|job| job.open) {
            let Some(progress) = running(&job.id) else {
                waiting.push(job);
                continue;
            };
            let worker = earliest(&free);
            free[worker] += self.seconds(job, Some(progress));
            ready.insert(&job.id, free[worker]);
        }
        let trained = |stage: &str| !self.jobs.iter().any(|job| job.open && job.id == stage);
        while !waiting.is_empty() {
            let worker = earliest(&free);
            let now = free[worker];
            let when = |job: &&Job| match job.needs.as_deref() {
                Some(stage) if !trained(stage) => ready.get(stage).copied(),
                _ => Some(0.0),
            };
            if let Some(next) = waiting.iter().position(|job| when(job).is_some_and(|at| at <= now)) {
                let job = waiting.remove(next);
                free[worker] += self.seconds(job, None);
                ready.insert(&job.id, free[worker]);
            } else {
                free[worker] = waiting.iter().filter_map(when).min_by(f64::total_cmp)?;
            }
        }
        let seconds = free.into_iter().fold(0.0, f64::max);
        Some(Left { seconds, without_evaluation: self.evaluations.get("").is_none() })
    }

    fn seconds(&self, job: &Job, progress: Option<&TaskProgress>) -> f64 {
        let (begin, end) = job.epochs;
        let (epoch, part, measured) = match progress.map(|p| (p, &p.phase)) {
            None | Some((_, Phase::Starting | Phase::Localizing)) => (begin, 0.0, 0.0),
            Some((p, Phase::Training)) => (p.epoch, p.done as f64 / p.total.max(1) as f64, 0.0),
            // Noise, which comes last, takes nearly all of the time.
            Some((p, Phase::Evaluating { .. })) => (end, 0.0, p.fraction()),
        };
        let of_epoch = |epoch| self.epochs.get(job.kind_of_epoch(epoch)).unwrap_or(0.0);
        let training: f64 = (epoch..end).map(of_epoch).sum();
        let begun = if epoch < end { part * of_epoch(epoch) } else { 0.0 };
        let evaluation = self.evaluations.get(&job.kind.warmup).filter(|_| job.is_trial).unwrap_or(0.0);
        training - begun + evaluation * (1.0 - measured)
    }
}

impl Job {
    fn kind_of_epoch(&self, epoch: usize) -> &str {
        if epoch < self.warmup { &self.kind.warmup } else { &self.kind.explained }
    }
}

/// The worker that is free first.
fn earliest(free: &[f64]) -> usize {
    (0..free.len()).min_by(|a, b| free[*a].total_cmp(&free[*b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stage of 2 epochs, three trials of 4 more that fork from it, and one of 6 alone.
    fn estimate(workers: usize) -> Estimate {
        let job = |id: &str, needs: Option<&str>, epochs, is_trial| Job {
            id: id.to_owned(),
            needs: needs.map(str::to_owned),
            epochs,
            warmup: 2,
            is_trial,
            kind: Kind { warmup: "w".into(), explained: "e".into() },
            open: true,
        };
        let jobs = vec![
            job("stage", None, (0, 2), false),
            job("a", Some("stage"), (2, 6), true),
            job("b", Some("stage"), (2, 6), true),
            job("c", Some("stage"), (2, 6), true),
            job("d", None, (0, 6), true),
        ];
        Estimate { workers, jobs, epochs: Means::default(), evaluations: Means::default() }
    }

    fn seconds(estimate: &Estimate) -> Option<f64> {
        estimate.left(|_| None).map(|left| left.seconds)
    }

    #[test]
    fn shared_stages_workers_and_evaluations_count() {
        let mut one = estimate(1);
        assert_eq!(seconds(&one), None, "nothing is known yet");
        one.epoch("d", 1, 1.0);
        assert_eq!(one.left(|_| None), Some(Left { seconds: 20.0, without_evaluation: true }));
        one.epoch("d", 3, 2.0);
        one.evaluation("d", 10.0);
        // 2 of the stage, 3 x (8 + 10), and 2 + 8 + 10.
        assert_eq!(seconds(&one), Some(76.0));

        let mut many = estimate(8);
        many.epoch("d", 1, 1.0);
        many.epoch("d", 3, 2.0);
        many.evaluation("d", 10.0);
        assert_eq!(seconds(&many), Some(20.0), "no more workers make the longest chain shorter");
        many.ends("d", true);
        many.ends("stage", true);
        assert_eq!(seconds(&many), Some(18.0));
        let half = TaskProgress {
            phase: Phase::Training,
            done: 1,
            total: 2,
            epoch: 5,
            epochs: 6,
            ..TaskProgress::default()
        };
        many.workers = 1;
        assert_eq!(many.left(|id| (id == "a").then_some(&half)).unwrap().seconds, 1.0 + 10.0 + 36.0);
        many.ends("a", true);
        many.begins("a");
        assert_eq!(seconds(&many), Some(54.0), "what is tried again is to be done again");
    }

    #[test]
    fn a_failed_stage_takes_its_trials_along() {
        let mut estimate = estimate(1);
        estimate.epoch("stage", 1, 1.0);
        estimate.ends("stage", false);
        assert_eq!(seconds(&estimate), Some(6.0));
    }
}

//! How long a plan will take, from how long earlier trials took. The main function is [`estimate`], the main type
//! [`Estimate`].
//!
//! A trial is its epochs of cross-entropy, its epochs with an explanation loss, and its evaluation. Each is the median
//! of what the most similar history has, with the 10 % and 90 % quantiles as the range. Computing boxes, which happens
//! once per data set and localizer, and starting worker processes are not counted.

use crate::history::{Sample, Workload};
use crate::slots::threads_per_worker;
use crate::standing::Standing;
use fovea_plan::{Plan, Stage, Trial, TrialConfig};
use fovea_records::StageId;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Add, Mul, Range};

/// Seconds, with the range that they may well be in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// What to expect.
    pub seconds: f64,
    /// Lower end of the range.
    pub low: f64,
    /// Upper end of the range.
    pub high: f64,
}

impl Seconds {
    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { seconds: f(self.seconds), low: f(self.low), high: f(self.high) }
    }

    fn max(self, other: Self) -> Self {
        Self {
            seconds: self.seconds.max(other.seconds),
            low: self.low.max(other.low),
            high: self.high.max(other.high),
        }
    }

    /// Median and 10 % to 90 % of values; `None` without any.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |q: f64| {
            let place = q * last as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self { seconds: at(0.5), low: at(0.1), high: at(0.9) })
    }
}

impl Add for Seconds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }
}

impl Mul<f64> for Seconds {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.map(|seconds| seconds * factor)
    }
}

/// What an estimate rests on, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Trials of the same model, data, input size, batch size and device.
    SameWork,
    /// A few steps, measured just now.
    Probe,
    /// The same work, on the same kind of device with another number of threads.
    OtherThreads,
    /// The same model on the same kind of device, scaled by pictures and their area.
    Scaled,
}

impl Basis {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::SameWork => "earlier trials of the same model, data, sizes and device",
            Self::Probe => "steps measured just now",
            Self::OtherThreads => "earlier trials of the same work on another number of threads",
            Self::Scaled => "earlier trials of the same model, scaled by pictures and their area",
        }
    }
}

/// Time of one task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TaskEstimate {
    /// Seconds.
    #[serde(flatten)]
    pub time: Seconds,
    /// What they rest on.
    pub basis: Basis,
}

/// Time of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Time of what is left of each trial, without the stage it shares; none where nothing is left or known.
    pub trials: Vec<Option<TaskEstimate>>,
    /// Time of each shared stage that is not trained yet, in plan order.
    pub stages: Vec<Option<TaskEstimate>>,
    /// Wall-clock time of everything, `run.workers` at a time; none while a part of it is unknown.
    pub total: Option<Seconds>,
    /// Trials that have to run and of which nothing is known.
    pub unknown: usize,
    /// Earlier trials and stages that were looked at.
    pub samples: usize,
}

/// What an estimate needs beside the plan.
pub struct Known<'a> {
    /// Where each trial stands.
    pub standings: &'a [Standing],
    /// The past.
    pub samples: &'a [Sample],
    /// The device in words, as trials record it; of a CPU, its kind (`cpu`).
    pub device: &'a str,
    /// Training pictures of a trial's data set, where no sample tells; `None`: unknown.
    pub pictures: &'a dyn Fn(&Trial) -> Option<f64>,
    /// Whether a stage is trained already.
    pub stage_done: &'a dyn Fn(&StageId) -> bool,
}

/// Estimates everything that a run of the plan would do.
#[must_use]
pub fn estimate(plan: &Plan, known: &Known<'_>) -> Estimate {
    let pending = known.standings.iter().filter(|s| s.is_pending()).count();
    let workers = plan.run.workers.clamp(1, pending.max(1));
    let oracle = Oracle { known, device: device(plan, known, workers), answers: RefCell::default() };
    let (mut sum, mut longest, mut unknown) = (Seconds::default(), Seconds::default(), 0);
    let mut needed: HashMap<&StageId, Option<TaskEstimate>> = HashMap::new();
    let mut trials = Vec::new();
    let stages: HashMap<&StageId, &Stage> = plan.stages.iter().map(|stage| (&stage.id, stage)).collect();
    for (trial, standing) in plan.trials.iter().zip(known.standings) {
        if !standing.is_pending() {
            trials.push(None);
            continue;
        }
        let stage = trial.stage.as_ref().and_then(|id| stages.get(id).copied());
        let shared = stage.map_or(0, |stage| stage.epochs);
        let total = trial.config.training.epochs;
        let from = standing.epochs_done.max(shared).min(total);
        let own = oracle.task(trial, from..total, true);
        trials.push(own);
        unknown += usize::from(own.is_none());
        let mut chain = own.map(|own| own.time).unwrap_or_default();
        sum = sum + chain;
        if let Some(stage) = stage
            && !(known.stage_done)(&stage.id)
            && standing.epochs_done < shared
        {
            let first = !needed.contains_key(&stage.id);
            let task = *needed.entry(&stage.id).or_insert_with(|| oracle.task(trial, 0..shared, false));
            let time = task.map(|task| task.time).unwrap_or_default();
            chain = chain + time;
            if first {
                sum = sum + time;
            }
        }
        longest = longest.max(chain);
    }
    Estimate {
        trials,
        stages: plan.stages.iter().map(|stage| needed.get(&stage.id).copied().flatten()).collect(),
        // No schedule is shorter than its longest chain, nor than all of it shared out evenly.
        total: (unknown == 0).then(|| longest.max(sum * (1.0 / workers as f64))),
        unknown,
        samples: known.samples.iter().filter(|sample| !sample.probed).count(),
    }
}

/// The device as records will name it.
fn device(plan: &Plan, known: &Known<'_>, workers: usize) -> String {
    if known.device != "cpu" {
        return known.device.to_owned();
    }
    let threads = threads_per_worker(plan.run.threads, workers);
    format!("cpu ({threads} thread{})", if threads == 1 { "" } else { "s" })
}

/// `cpu` or `cuda`.
fn kind(device: &str) -> &str {
    device.split([' ', ':']).next().unwrap_or(device)
}

struct Oracle<'a> {
    known: &'a Known<'a>,
    device: String,
    /// Answers by question: most trials of a grid are the same work.
    answers: RefCell<HashMap<Question, Option<TaskEstimate>>>,
}

/// What an answer depends on. Plugins by their places: those of a grid are shared, and asking twice does no harm.
#[derive(PartialEq, Eq, Hash)]
struct Question {
    plugins: [usize; 3],
    input: usize,
    batch: usize,
    passes: [usize; 3],
    warmup_epochs: usize,
    epochs: Range<usize>,
    evaluate: bool,
}

impl Question {
    fn new(config: &TrialConfig, epochs: &Range<usize>, evaluate: bool) -> Self {
        let TrialConfig { evaluation, training, .. } = config;
        Self {
            plugins: [config.model.place(), config.dataset.place(), config.loss.place()],
            input: config.input.size,
            batch: training.batch_size,
            passes: [evaluation.draws, evaluation.gaussian.len(), evaluation.l2.len()],
            warmup_epochs: training.warmup_epochs,
            epochs: epochs.clone(),
            evaluate,
        }
    }
}

/// A sample with what makes its seconds those of another workload.
struct Similar<'a> {
    sample: &'a Sample,
    training: f64,
    evaluation: f64,
}

impl Oracle<'_> {
    /// Time of some epochs of a trial, and of its evaluation.
    fn task(&self, trial: &Trial, epochs: Range<usize>, evaluate: bool) -> Option<TaskEstimate> {
        let question = Question::new(&trial.config, &epochs, evaluate);
        if let Some(answer) = self.answers.borrow().get(&question) {
            return *answer;
        }
        let workload = Workload::of(&serde_json::to_value(&trial.config).ok()?);
        let answer = self.answer(trial, &workload, epochs, evaluate);
        self.answers.borrow_mut().insert(question, answer);
        answer
    }

    fn answer(
        &self,
        trial: &Trial,
        workload: &Workload,
        epochs: Range<usize>,
        evaluate: bool,
    ) -> Option<TaskEstimate> {
        let (basis, similar) = self.similar(trial, workload)?;
        let training = &trial.config.training;
        let switch = if workload.loss == "none" { epochs.end } else { training.warmup_epochs };
        let switch = switch.clamp(epochs.start, epochs.end);
        let plain = (switch - epochs.start) as f64;
        let explained = (epochs.end - switch) as f64;
        let seconds = |of: &dyn Fn(&Sample) -> Vec<f64>, same_loss: bool| {
            let chosen = similar.iter().filter(|s| !same_loss || s.sample.workload.loss == workload.loss);
            Seconds::of(chosen.flat_map(|s| of(s.sample).into_iter().map(|v| v * s.training)).collect())
        };
        let of_plain = seconds(&|s| s.plain.clone(), false);
        let of_explained =
            seconds(&|s| s.explained.clone(), true).or_else(|| seconds(&|s| s.explained.clone(), false));
        let either = |first: Option<Seconds>, second: Option<Seconds>, count: f64| {
            if count > 0.0 { Some(first.or(second)? * count) } else { Some(Seconds::default()) }
        };
        let mut time = either(of_plain, of_explained, plain)? + either(of_explained, of_plain, explained)?;
        if evaluate {
            let found = similar.iter().filter_map(|s| Some(s.sample.evaluation? * s.evaluation)).collect();
            time = time + Seconds::of(found).unwrap_or_default();
        }
        Some(TaskEstimate { time, basis })
    }

    /// The samples that are most similar.
    fn similar(&self, trial: &Trial, workload: &Workload) -> Option<(Basis, Vec<Similar<'_>>)> {
        let fits = |basis: Basis, sample: &Sample| {
            let same_step = || sample.workload.same_step(workload);
            match basis {
                Basis::SameWork => same_step() && sample.device == self.device && !sample.probed,
                Basis::Probe => same_step() && sample.probed,
                Basis::OtherThreads => same_step(),
                Basis::Scaled => sample.workload.same_model(workload),
            }
        };
        let of_kind = || self.known.samples.iter().filter(|s| kind(&s.device) == kind(&self.device));
        let ladder = [Basis::SameWork, Basis::Probe, Basis::OtherThreads, Basis::Scaled];
        let (basis, found) = ladder.into_iter().find_map(|basis| {
            let found: Vec<&Sample> = of_kind().filter(|sample| fits(basis, sample)).collect();
            (!found.is_empty()).then_some((basis, found))
        })?;
        let pictures = || {
            let same_data = |sample: &&Sample| sample.workload.dataset == workload.dataset;
            let known = self.known.samples.iter().find(same_data).map(|sample| sample.pictures);
            known.or_else(|| (self.known.pictures)(trial))
        };
        let pictures = if basis == Basis::Scaled { Some(pictures()?) } else { None };
        let similar = found.into_iter().map(|sample| {
            let area = (workload.size / sample.workload.size).powi(2);
            let training = pictures.map_or(1.0, |pictures| pictures / sample.pictures * area);
            let evaluation = training * workload.passes / sample.workload.passes;
            Similar { sample, training, evaluation }
        });
        Some((basis, similar.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;
    use fovea_plan::{Overrides, PluginCatalog, PluginConfig, PluginIssue, PluginKind, load};
    use serde_json::{Value, json};

    /// Plugins without versions or files.
    struct Any;

    impl PluginCatalog for Any {
        fn resolve(
            &self,
            _: PluginKind,
            name: &str,
            config: Value,
        ) -> Result<PluginConfig, Vec<PluginIssue>> {
            Ok(PluginConfig {
                name: name.to_owned(),
                config,
                fingerprint: "v1".to_owned(),
                paths: Vec::new(),
            })
        }

        fn names(&self, _: PluginKind) -> Vec<String> {
            ["d", "m", "ground-truth", "threshold", "none", "ria"].map(str::to_owned).to_vec()
        }

        fn schema(&self, _: PluginKind, _: &str) -> Value {
            Value::Bool(true)
        }
    }

    const TEXT: &str = "dataset = \"d\"\nmodel = \"m\"\nrun.threads = 1\nrun.workers = 2\n\
                        [training]\nepochs = 10\nwarmup_epochs = 4\n[axes]\nloss = [\"none\", \"ria\"]\n";

    fn plan() -> Plan {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, TEXT).unwrap();
        load(&path, &Overrides::default(), &Any).unwrap()
    }

    fn sample(plan: &Plan) -> Sample {
        Sample {
            workload: Workload::of(&json!(plan.trials[1].config)),
            device: "cpu (1 thread)".to_owned(),
            plain: vec![1.0, 1.0, 3.0],
            explained: vec![2.0],
            pictures: 100.0,
            evaluation: Some(5.0),
            probed: false,
        }
    }

    fn estimated(plan: &Plan, standings: &[Standing], samples: &[Sample]) -> Estimate {
        let known =
            Known { standings, samples, device: "cpu", pictures: &|_| Some(200.0), stage_done: &|_| false };
        estimate(plan, &known)
    }

    fn standing(status: Word) -> Standing {
        Standing { status, reason: None, time: None, epochs_done: 0, earlier: None, changes: Vec::new() }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_shared_warm_up_counts_once_and_what_is_done_not_at_all() {
        let (plan, new) = (plan(), [standing(Word::New), standing(Word::New)]);
        let found = estimated(&plan, &new, &[sample(&plan)]);
        let trials: Vec<TaskEstimate> = found.trials.iter().flatten().copied().collect();
        assert!(trials.iter().all(|task| task.basis == Basis::SameWork));
        assert!(near(trials[0].time.seconds, 6.0 + 5.0), "six epochs of cross-entropy");
        assert!(near(trials[1].time.seconds, 12.0 + 5.0), "six epochs with a loss");
        assert!(near(found.stages[0].unwrap().time.seconds, 4.0));
        // Two workers: the warm-up and the longer trial, one after the other.
        let total = found.total.unwrap();
        assert!(near(total.seconds, 21.0) && total.high > total.seconds, "{total:?}");
        let found = estimated(&plan, &[standing(Word::Done), standing(Word::Done)], &[sample(&plan)]);
        assert_eq!((found.trials, found.total), (vec![None, None], Some(Seconds::default())));
    }

    #[test]
    fn other_data_scale_by_pictures_and_other_models_say_nothing() {
        let (plan, new) = (plan(), [standing(Word::New), standing(Word::New)]);
        let mut other = sample(&plan);
        other.workload.dataset = json!("other");
        other.workload.size /= 2.0;
        let found = estimated(&plan, &new, &[other.clone()]).trials[1].unwrap();
        assert_eq!(found.basis, Basis::Scaled);
        assert!(near(found.time.seconds, 17.0 * 2.0 * 4.0), "twice the pictures of four times the area");
        other.workload.model = json!("other");
        let found = estimated(&plan, &new, &[other]);
        assert_eq!((found.unknown, found.total), (2, None));
        let mut threads = sample(&plan);
        threads.device = "cpu (8 threads)".to_owned();
        assert_eq!(estimated(&plan, &new, &[threads]).trials[0].unwrap().basis, Basis::OtherThreads);
        let mut gpu = sample(&plan);
        gpu.device = "cuda:0".to_owned();
        assert_eq!(estimated(&plan, &new, &[gpu]).unknown, 2);
    }
}

//! `fovea bench sweep`: a sweep through worker processes. The main function beside `main` is [`observe`].

use super::options::{Timing, positive};
use super::output::show;
use crate::exit::Exit;
use crate::experiment::Experiment;
use crate::libraries::Libraries;
use crate::signals::stop_on_signals;
use crate::{Failure, Outcome, run};
use fovea_engine::bench::{Items, Measurement, Unit};
use fovea_engine::device;
use fovea_orchestrator::machine::processor_seconds;
use fovea_orchestrator::{RunSummary, Stop, Timeline, WorkerMessages};
use fovea_plan::{DeviceRequest, Plan};
use fovea_records::RunStore;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A sweep of four trials that share two warm-ups, one worker at a time: whatever time that worker is not at work for is the
/// run's own.
const SMALL: &str = r#"
name = "bench"
baseline = "loss=none"

[run]
workers = 1

[dataset]
name = "scenes"
size = 64
train = 600
test = 100

[input]
size = 64

[model]
name = "resnet-tiny"

[training]
epochs = 4
warmup_epochs = 2
batch_size = 32

[evaluation]
gaussian = [16, 64]
draws = 1

[axes]
loss = ["none", "ria"]
seed = [0, 1]
"#;

/// Arguments of `fovea bench sweep`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The experiment, which runs in a temporary directory [default: a small one of four trials].
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    /// Changes to it, as `fovea run` takes them: `training.epochs=3`.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Worker processes at a time [default: what the experiment says].
    #[arg(long, value_name = "N", value_parser = positive())]
    jobs: Option<usize>,
    /// Device: auto, cpu, cuda:N [default: what the experiment says].
    #[arg(long)]
    device: Option<DeviceRequest>,
    #[command(flatten)]
    timing: Timing,
}

/// One sweep, observed.
pub(super) struct Observed {
    plan: Plan,
    /// Seconds of everything but tables and report.
    wall: f64,
    /// Seconds until the plan was made.
    planning: f64,
    /// Seconds of tables and report.
    report: f64,
    /// Seconds of processor time: of this process, of its children.
    processor: Option<[f64; 2]>,
    pub(super) timeline: Timeline,
}

pub(super) fn main(args: &Args, messages: &WorkerMessages, libraries: &Libraries) -> Outcome {
    let stop = stop_on_signals()?;
    let mut changes = args.overrides.clone();
    changes.extend(args.timing.threads.map(|threads| format!("run.threads={threads}")));
    changes.extend(args.device.map(|device| format!("device={device}")));
    let mut sweeps = Vec::new();
    for _ in 0..args.timing.repeats(3) {
        let file = args.experiment.as_deref();
        sweeps.push(observe(file, &changes, args.jobs, messages, libraries, &stop)?);
    }
    show(&measurements(&sweeps, args), args.timing.json);
    Ok(Exit::Success)
}

/// Runs an experiment in a temporary directory, which is gone afterwards.
pub(super) fn observe(
    file: Option<&Path>,
    changes: &[String],
    jobs: Option<usize>,
    messages: &WorkerMessages,
    libraries: &Libraries,
    stop: &Stop,
) -> Result<Observed, Failure> {
    let files = |e: std::io::Error| Failure::new(Exit::Files, format!("cannot make a folder for a run: {e}"));
    let dir = tempfile::tempdir().map_err(files)?;
    let own = dir.path().join("bench.toml");
    if file.is_none() {
        std::fs::write(&own, SMALL).map_err(files)?;
    }
    let place = |key: &str, name: &str| format!("{key}={}", json!(dir.path().join(name)));
    let mut changes = changes.to_vec();
    changes.extend([place("run.dir", "run"), place("run.cache", "cache")]);
    let experiment = Experiment::changed(file.map_or(own, Path::to_owned), changes);

    let (before, started) = (processor_seconds(), Instant::now());
    let mut timeline = Timeline::begin();
    let plan = experiment.load(&libraries.registry)?;
    let planning = started.elapsed().as_secs_f64();
    let store = RunStore::new(&plan.run.dir);
    let options = run::options(libraries, messages.clone(), stop.clone())?;
    let options = fovea_orchestrator::RunOptions { jobs, ..options };
    let summary = fovea_orchestrator::run(&plan, &store, &options, &mut |update| timeline.note(&update))
        .map_err(|e| Failure::new(Exit::Files, e))?;
    let (wall, after) = (started.elapsed().as_secs_f64(), processor_seconds());
    check(&summary)?;
    let started = Instant::now();
    fovea_reports::build(&store)
        .map_err(|e| Failure::new(Exit::Files, format!("cannot write the report: {e}")))?;
    let report = started.elapsed().as_secs_f64();
    let processor = before
        .zip(after)
        .map(|([own, children], [own_now, children_now])| [own_now - own, children_now - children]);
    Ok(Observed { plan, wall, planning, report, processor, timeline })
}

/// Times of a sweep whose trials did not all come to their end mean nothing.
fn check(summary: &RunSummary) -> Result<(), Failure> {
    if let Some((trial, message)) = summary.failed.first() {
        return Err(Failure::new(Exit::TrialsFailed, format!("trial {trial} failed: {message}")));
    }
    if summary.left > 0 {
        return Err(Failure::new(Exit::Interrupted, "the sweep was interrupted; nothing is measured"));
    }
    Ok(())
}

fn measurements(sweeps: &[Observed], args: &Args) -> Vec<Measurement> {
    let Some(Observed { plan, timeline, .. }) = sweeps.first() else { return Vec::new() };
    let measurement = |what: &str, unit, items, values: Vec<f64>| Measurement {
        bench: "sweep",
        what: what.to_owned(),
        settings: settings(plan, args),
        device: device::name(plan.device),
        unit,
        items,
        values,
    };
    let seconds = |what, items, of: &dyn Fn(&Observed) -> f64| {
        measurement(what, Unit::Seconds, items, sweeps.iter().map(of).collect())
    };
    let gaps = |sweep: &Observed| sweep.timeline.gaps().iter().map(Duration::as_secs_f64).collect::<Vec<_>>();
    let idle = |sweep: &Observed| gaps(sweep).iter().sum::<f64>();
    let between = sweeps.iter().flat_map(|sweep| gaps(sweep).into_iter().skip(1)).collect();
    let own_share = |sweep: &Observed| {
        let [own, children] = sweep.processor?;
        Some(own / (own + children))
    };
    let timelines = || sweeps.iter().map(|sweep| &sweep.timeline);
    let [ready, first_step] = starts(timelines());
    let tasks = Some(Items { count: timeline.tasks(), of: "tasks" });
    let found = [
        seconds("wall-clock, without report", tasks, &|sweep| sweep.wall),
        measurement("worker start to ready", Unit::Seconds, None, ready),
        measurement("worker start to first step", Unit::Seconds, None, first_step),
        seconds("no worker at work", None, &idle),
        seconds("of this, before the first task", None, &|sweep| gaps(sweep).first().copied().unwrap_or(0.0)),
        seconds("of this, planning", None, &|sweep| sweep.planning),
        measurement("between two tasks", Unit::Seconds, None, between),
        measurement(
            "orchestrator's share of wall-clock",
            Unit::Share,
            None,
            sweeps.iter().map(|sweep| idle(sweep) / sweep.wall).collect(),
        ),
        measurement(
            "orchestrator's share of processor time",
            Unit::Share,
            None,
            sweeps.iter().filter_map(own_share).collect(),
        ),
        seconds("tables and report", None, &|sweep| sweep.report),
    ];
    found.into_iter().filter(|measurement| !measurement.values.is_empty()).collect()
}

/// Seconds from the start of workers until they were ready, and until their first step.
pub(super) fn starts<'a>(timelines: impl Iterator<Item = &'a Timeline>) -> [Vec<f64>; 2] {
    let starts: Vec<_> = timelines.flat_map(Timeline::worker_starts).collect();
    [
        starts.iter().map(|start| start.ready.as_secs_f64()).collect(),
        starts.iter().filter_map(|start| Some(start.first_step?.as_secs_f64())).collect(),
    ]
}

fn settings(plan: &Plan, args: &Args) -> Map<String, Value> {
    let workers = args.jobs.unwrap_or(plan.run.workers);
    let experiment = args.experiment.as_ref().map_or(json!("small"), |file| json!(file));
    let mut settings = Map::from_iter([
        ("experiment".to_owned(), experiment),
        ("trials".to_owned(), json!(plan.trials.len())),
        ("workers".to_owned(), json!(workers)),
        ("threads".to_owned(), json!(plan.run.threads)),
    ]);
    if !args.overrides.is_empty() {
        settings.insert("changes".to_owned(), json!(args.overrides));
    }
    settings
}

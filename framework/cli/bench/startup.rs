//! `fovea bench startup`: how long it takes until something begins.

use super::options::Timing;
use super::output::show;
use super::sweep::{observe, starts};
use crate::exit::Exit;
use crate::libraries::Libraries;
use crate::signals::stop_on_signals;
use crate::{Failure, Outcome};
use fovea_engine::bench::{Measurement, Unit, threads};
use fovea_orchestrator::WorkerMessages;
use serde_json::Map;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A trial that is over as soon as its worker has begun.
const ONE_STEP: [&str; 9] = [
    "seed=0",
    "loss=ria",
    "baseline=\"loss=ria\"",
    "dataset.train=32",
    "dataset.test=1",
    "training.epochs=1",
    "training.warmup_epochs=0",
    "evaluation.gaussian=[]",
    "evaluation.gallery=0",
];

/// Arguments of `fovea bench startup`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    timing: Timing,
}

pub(super) fn main(args: &Args, messages: &WorkerMessages, libraries: &Libraries) -> Outcome {
    args.timing.use_threads()?;
    let repeats = args.timing.repeats(10);
    let version = version_times(repeats)?;
    let stop = stop_on_signals()?;
    let changes: Vec<String> = ONE_STEP.map(str::to_owned).into();
    let threads = threads();
    let changes = [changes, vec![format!("run.threads={threads}")]].concat();
    let mut timelines = Vec::new();
    for _ in 0..repeats {
        timelines.push(observe(None, &changes, None, messages, libraries, &stop)?.timeline);
    }
    let [ready, first_step] = starts(timelines.iter());
    let plural = if threads == 1 { "" } else { "s" };
    let measurement = |(what, values): (&str, Vec<f64>)| Measurement {
        bench: "startup",
        what: what.to_owned(),
        settings: Map::new(),
        device: format!("cpu ({threads} thread{plural})"),
        unit: Unit::Seconds,
        items: None,
        values,
    };
    let found = [
        ("fovea --version", version),
        ("worker start to ready", ready),
        ("worker start to first step", first_step),
    ];
    show(&found.map(measurement), args.timing.json);
    Ok(Exit::Success)
}

/// Seconds of `fovea --version`, from its start until it has ended; the first time, which reads the file, does not count.
fn version_times(repeats: usize) -> Result<Vec<f64>, Failure> {
    let failed = |e: std::io::Error| Failure::new(Exit::Files, format!("cannot run `fovea --version`: {e}"));
    let binary = fovea_host::own_image().map_err(failed)?;
    let once = |_| {
        let started = Instant::now();
        let status = Command::new(&binary).arg("--version").stdout(Stdio::null()).status().map_err(failed)?;
        if !status.success() {
            return Err(Failure::new(Exit::Files, format!("`fovea --version` ended with {status}")));
        }
        Ok(started.elapsed().as_secs_f64())
    };
    let times: Vec<f64> = (0..=repeats).map(once).collect::<Result<_, _>>()?;
    Ok(times[1..].to_vec())
}

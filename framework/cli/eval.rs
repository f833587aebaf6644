//! `fovea eval RUN`: metrics of finished trials, without training.

use crate::exit::Exit;
use crate::output::{self, errln};
use crate::{Failure, Outcome, plan, report};
use fovea_api::Registry;
use fovea_engine::again::{Again, Measured};
use fovea_engine::catalog::Catalog;
use fovea_engine::device;
use fovea_engine::evaluate::later::{LATER, LaterMetric, find};
use fovea_plan::{DeviceRequest, EvaluationConfig};
use fovea_records::{Done, PlannedTrial, RunStore, TrialOutcome, metrics};
use fovea_reports::{Table, TableFormat, TableRequest};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Instant;

/// Shown under `fovea eval --help`.
const AFTER: &str = "\
Examples:
  fovea eval runs/quickstart --list
  fovea eval runs/quickstart --metrics nll,ece,accuracy-only-fg,accuracy-no-fg
  fovea eval runs/quickstart --metrics rfs l2=[1,2,4] gaussian=[] draws=1

Metrics of stored predictions need neither weights nor data; the others run the stored weights on the data set, which must
be what it was. Nothing in the trials' folders is changed: rows go to RUN/evals, from where tables and reports read them.
A trial that has been measured so already is left as it is.";

/// Arguments of `fovea eval`.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The run directory (`runs/quickstart`).
    run: PathBuf,
    /// Other evaluation settings than the trial's, as in an experiment's `[evaluation]`, the value in JSON:
    /// `gaussian=[10,20]`, `l2=[25]`, `draws=1`, `noise_images=100`, `splits=["val"]`.
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// What to measure, comma-separated; --list tells what there is.
    #[arg(long, short, value_delimiter = ',', required_unless_present = "list")]
    metrics: Vec<String>,
    /// Only this trial, by the beginning of its id; may be given several times.
    #[arg(long, value_name = "ID")]
    trial: Vec<String>,
    /// Device: auto, cpu, cuda:N.
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// List what can be measured.
    #[arg(long)]
    list: bool,
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    if args.list {
        list();
        return Ok(Exit::Success);
    }
    let store = report::open(&args.run)?;
    let wanted = args.metrics.iter().map(|name| metric(name)).collect::<Result<Vec<_>, _>>()?;
    let trials = chosen(&store, &args.trial)?;
    let changes = changes(&args.settings)?;
    let catalog = Catalog::new(registry.clone(), plan::base_dir());
    let device = device::open(args.device)?.device;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut again = Again::new(registry.clone(), &catalog, plan::base_dir(), device, version);

    let (mut measured, mut kept, mut failed, mut without) = (0, 0, 0, 0);
    for (place, trial) in trials.iter().enumerate() {
        let label =
            format!("[{}/{}] {} {}, seed {}", place + 1, trials.len(), trial.id, trial.variant, trial.seed);
        match one(&mut again, &store, trial, &wanted, &changes) {
            Ok(Step::Measured(text)) => {
                measured += 1;
                say(&format!("{label}: {text}"));
            }
            Ok(Step::Kept) => {
                kept += 1;
                say(&format!("{label}: measured before"));
            }
            Ok(Step::Without(why)) => {
                without += 1;
                say(&format!("{label}: {why}"));
            }
            Err(failure) if failure.exit == Exit::Usage => return Err(failure),
            Err(failure) => {
                failed += 1;
                errln!("{label}: {}", failure.message);
            }
        }
    }
    say(&summary(measured, kept, without, failed));
    if measured + kept > 0 {
        show(&store, &wanted)?;
    }
    Ok(if failed > 0 { Exit::TrialsFailed } else { Exit::Success })
}

/// What came of one trial.
enum Step {
    Measured(String),
    Kept,
    /// It has no weights and no predictions, and why.
    Without(String),
}

fn one(
    again: &mut Again<'_>,
    store: &RunStore,
    trial: &PlannedTrial,
    wanted: &[LaterMetric],
    changes: &Map<String, Value>,
) -> Result<Step, Failure> {
    let files = |e: &dyn std::fmt::Display| Failure::new(Exit::Files, e);
    let done = match store.done(&trial.id).map_err(|e| files(&e))? {
        None => return Ok(Step::Without("is not finished".to_owned())),
        Some(Done {
            ended: TrialOutcome::Diverged { message } | TrialOutcome::Failed { message }, ..
        }) => {
            return Ok(Step::Without(format!("has nothing to be measured: {message}")));
        }
        Some(done) => done,
    };
    let settings = settings(trial, changes)?;
    let json = serde_json::to_value(&settings).map_err(|e| files(&e))?;
    let before = store.read_later(&trial.id, &done).map_err(|e| files(&e))?;
    let is_known = |m: &&LaterMetric| before.iter().any(|b| b.row.metric == m.name && b.settings == json);
    let missing: Vec<LaterMetric> = wanted.iter().filter(|m| !is_known(m)).copied().collect();
    if missing.is_empty() {
        return Ok(Step::Kept);
    }
    let started = Instant::now();
    let found = again.measure(store, (&trial.id, &done), &missing, &settings, &|_| {})?;
    let same_settings = trial.config["evaluation"] == json;
    let text = told(&found, &missing, same_settings, started);
    store.add_later(&trial.id, &done, found.new).map_err(|e| files(&e))?;
    Ok(Step::Measured(text))
}

/// The values over everything, and whether what the record has, too, is the same.
fn told(found: &Measured, wanted: &[LaterMetric], same_settings: bool, started: Instant) -> String {
    let mut parts: Vec<String> = found
        .new
        .iter()
        .map(|later| &later.row)
        .filter(|row| row.subset.is_none() && (row.level.is_none()))
        .map(|row| {
            let noise = row.noise.as_ref().map_or_else(String::new, |noise| format!(", {noise}"));
            format!("{} {:.4} ({}{noise})", row.metric, row.value, row.split)
        })
        .collect();
    // The record's own mean over levels stands where levels are added to it.
    let at_levels = found.new.iter().filter(|later| later.row.level.is_some()).count();
    if parts.is_empty() && at_levels > 0 {
        parts.push(format!("{at_levels} values at noise levels"));
    }
    let differing: Vec<String> = found
        .recorded
        .iter()
        .filter(|(row, recorded)| row.value.to_bits() != recorded.to_bits())
        .map(|(row, recorded)| {
            format!("{} on {} is {} here and {recorded} there", row.metric, row.split, row.value)
        })
        .collect();
    if !found.recorded.is_empty() {
        parts.push(match differing.as_slice() {
            _ if !same_settings => format!(
                "{} values have a place in the trial's own record, which stands: other settings cannot replace it",
                found.recorded.len()
            ),
            [] => format!("{} values are in the trial's own record, and the same", found.recorded.len()),
            [first, ..] => format!(
                "{} of {} values that are in the trial's own record are not the same ({first}); the record stands",
                differing.len(),
                found.recorded.len()
            ),
        });
    }
    if parts.is_empty() {
        let names: Vec<&str> = wanted.iter().map(|metric| metric.name).collect();
        parts.push(format!("nothing to measure {} on: no masks, no groups or no noise", names.join(", ")));
    }
    format!("{} ({:.1} s)", parts.join("; "), started.elapsed().as_secs_f64())
}

fn summary(measured: usize, kept: usize, without: usize, failed: usize) -> String {
    let mut parts = vec![format!("{measured} {} measured", if measured == 1 { "trial" } else { "trials" })];
    let others = [(kept, "measured before"), (without, "without results"), (failed, "failed")];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    parts.join(", ")
}

/// The metrics by variant, as `fovea table` shows them.
fn show(store: &RunStore, wanted: &[LaterMetric]) -> Result<(), Failure> {
    let names: Vec<String> = wanted.iter().map(|metric| metric.name.to_owned()).collect();
    let command = format!("fovea table {} --metric {}", store.root().display(), names.join(","));
    let request = TableRequest {
        metrics: names,
        by: "variant".to_owned(),
        command: command.clone(),
        ..TableRequest::default()
    };
    let table = Table::new(std::slice::from_ref(store), &request)?.render(TableFormat::Markdown)?;
    output::print(&format!("\n{}\n", String::from_utf8_lossy(&table)));
    say(&format!("again: {command}; the report has them with `fovea report {}`", store.root().display()));
    Ok(())
}

/// A line for the terminal, or for whatever reads it.
fn say(line: &str) {
    output::print(&format!("{line}\n"));
}

fn list() {
    for metric in LATER {
        let Some(definition) = metrics::definition(metric.name) else { continue };
        let needs = if metric.part.is_stored() { "predictions" } else { "weights and data" };
        output::print(&format!("{:<22} {needs:<18} {}\n", metric.name, definition.doc));
    }
}

fn metric(name: &str) -> Result<LaterMetric, Failure> {
    find(name).ok_or_else(|| {
        let known: Vec<&str> = LATER.iter().map(|metric| metric.name).collect();
        Failure::new(
            Exit::Usage,
            format!("--metrics: there is no metric `{name}`; there are {}", known.join(", ")),
        )
    })
}

/// The planned trials whose ids begin so; all without beginnings.
fn chosen(store: &RunStore, beginnings: &[String]) -> Result<Vec<PlannedTrial>, Failure> {
    let plan = store.read_plan().map_err(|e| Failure::new(Exit::Files, e))?;
    for beginning in beginnings {
        if !plan.trials.iter().any(|trial| trial.id.as_str().starts_with(beginning.as_str())) {
            let run = store.root().display();
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "--trial: no trial of {run} has an id that begins with `{beginning}`; `fovea ls {run}` lists them"
                ),
            ));
        }
    }
    let is_chosen = |trial: &PlannedTrial| {
        beginnings.is_empty() || beginnings.iter().any(|b| trial.id.as_str().starts_with(b.as_str()))
    };
    Ok(plan.trials.into_iter().filter(is_chosen).collect())
}

/// `KEY=VALUE` texts, with or without `evaluation.` before the key.
fn changes(texts: &[String]) -> Result<Map<String, Value>, Failure> {
    let change = |text: &String| {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{text}: write KEY=VALUE, as in `draws=1` or `l2=[25,50]`"))
        })?;
        let key = key.strip_prefix("evaluation.").unwrap_or(key);
        Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
    };
    texts.iter().map(change).collect()
}

/// The trial's evaluation settings with the changes.
fn settings(trial: &PlannedTrial, changes: &Map<String, Value>) -> Result<EvaluationConfig, Failure> {
    let mut settings = trial.config["evaluation"].clone();
    if let Value::Object(settings) = &mut settings {
        settings.extend(changes.clone());
    }
    let settings: EvaluationConfig = serde_json::from_value(settings)
        .map_err(|e| Failure::new(Exit::Usage, format!("the settings of the evaluation are wrong: {e}")))?;
    if settings.batch_size == 0 || settings.draws == 0 {
        return Err(Failure::new(Exit::Usage, "batch_size and draws must be at least 1"));
    }
    Ok(settings)
}

//! `fovea rerun TRIAL`: one trial again, from its record alone.

use crate::exit::Exit;
use crate::output::{errln, print};
use crate::progress::{Detail, Progress};
use crate::reruns::{Changed, Place, Whose};
use crate::words::duration;
use crate::{Failure, Outcome, verdicts};
use fovea_api::Registry;
use fovea_audit::TrialRecord;
use fovea_audit::judge::judge;
use fovea_audit::rerun::{self, new_folder};
use fovea_audit::verify::{RERUNS, TOLERANCE};
use fovea_orchestrator::WorkerMessages;
use fovea_records::{Finding, RunStore, TrialOutcome, Verdict, locate_trial, place};
use std::path::PathBuf;

/// Arguments of `fovea rerun`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The trial: RUN/ID (runs/quickstart/3f2a), where the beginning of the id is enough, or its folder; or the run, with
    /// --trial.
    run: PathBuf,
    /// Beginning of the trial's id.
    #[arg(long, value_name = "ID")]
    trial: Option<PathBuf>,
    /// Folder for what comes of it, a run directory with one trial; by default RUN/reruns/ID-N.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Load the libraries that the records of an unpacked bundle name, which runs their code. Without this, only those of
    /// --plugin-path are.
    #[arg(long)]
    trust_libraries: bool,
    #[command(flatten)]
    changed: Changed,
    /// How far a metric may be off to be called the same: a fraction, for fractions; counts as a part of what is counted.
    #[arg(long, value_name = "X", default_value_t = TOLERANCE)]
    tolerance: f64,
}

pub(crate) fn main(args: &Args, messages: WorkerMessages, paths: &[PathBuf], registry: &Registry) -> Outcome {
    let instead = args.changed.instead()?;
    let dir = match &args.trial {
        Some(trial) => locate_trial(trial, Some(&args.run))?,
        None => locate_trial(&args.run, None)?,
    };
    let record = TrialRecord::in_folder(&dir)?;
    let whose = Whose::of(&record.store, false, args.trust_libraries);
    let place = Place::new(std::slice::from_ref(&record), whose, messages, paths, registry)?;
    place.with_bench(instead, |bench| {
        let ready = rerun::prepare(&record, bench).map_err(|unready| {
            Failure::new(
                Exit::Files,
                format!("trial {} cannot be run again: {}", record.id, unready.reasons.join(" ")),
            )
        })?;
        let failed = |e| Failure::new(Exit::Files, format!("cannot make a folder for the rerun: {e}"));
        let out = match &args.out {
            Some(out) if out.join("plan.json").exists() => {
                let message = format!("{} holds a run already; name another folder", out.display());
                return Err(Failure::new(Exit::Usage, message));
            }
            Some(out) => {
                place::run_dir(out)?;
                out.clone()
            }
            None => new_folder(&record.store.root().join(RERUNS), record.id.as_str()).map_err(failed)?,
        };
        let store = RunStore::new(&out);
        if record.seconds() > 0.0 {
            errln!(
                "{}: it took {} when it was recorded, on {}",
                record.label(),
                duration(record.seconds()),
                record.device_name()
            );
        }
        let plan = rerun::plan(&[&ready], &ready, &store, bench, 1);
        let mut progress = Progress::new(&plan, &store, &rerun::options(&ready, bench, 1), Detail::Live);
        let summary = rerun::run(&[&ready], &store, bench, 1, &mut |update| progress.show(&update));
        progress.end();
        let summary = summary?;
        if summary.left > 0 {
            errln!("interrupted; what was done is in {}", out.display());
            return Ok(Exit::Interrupted);
        }
        let folder = store.trial_dir(&record.id);
        print(&format!("trial {} was trained again: {}\n", record.id, folder.display()));
        if let Some((_, message)) = summary.failed.first() {
            return Err(Failure::new(Exit::TrialsFailed, message));
        }
        let recorded = record.done.as_ref().map(|done| &done.ended);
        if recorded != Some(&TrialOutcome::Done) || summary.diverged > 0 {
            print("there is nothing to compare: one of the two did not end with a trained network\n");
            return Ok(if summary.diverged > 0 { Exit::TrialsFailed } else { Exit::Success });
        }
        let verdict = judge(&record, &store, args.tolerance)?;
        print(&verdicts::text(&record, &verdict));
        Ok(exit(&verdict))
    })
}

/// What a script is told.
fn exit(verdict: &Verdict) -> Exit {
    match verdict.finding {
        Finding::BitExact | Finding::WithinTolerance => Exit::Success,
        Finding::Diverged | Finding::Tampered => Exit::NotReproduced,
        Finding::NotRun => Exit::Files,
    }
}

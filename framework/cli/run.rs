//! `fovea run FILE`: the main job.

use crate::exit::Exit;
use crate::experiment::Experiment;
use crate::libraries::Libraries;
use crate::output::{errln, outln};
use crate::progress::{Detail, Progress};
use crate::signals::stop_on_signals;
use crate::{Failure, Outcome, build_info, plan, report};
use fovea_orchestrator::memory::NvidiaSmi;
use fovea_orchestrator::{
    OrchestratorError, RunOptions, RunSummary, Selection, Shard, Sharing, Stop, WorkerMessages,
};
use fovea_plan::Plan;
use fovea_records::RunStore;
use std::path::Path;
use std::sync::Arc;

/// Arguments of `fovea run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) experiment: Experiment,
    /// Show nothing until the run ends: then the table, the report, and what failed.
    #[arg(short, long)]
    quiet: bool,
    /// Write every trial's curves for TensorBoard, too, to `RUN/trials/ID/tensorboard`; as `run.tensorboard=true`.
    #[arg(long)]
    tensorboard: bool,
    /// Run these trials only: part of a label (`loss=ria`, `seed 0`), a pattern for all of it (`loss=*iou`), or the first
    /// digits of an id. May be given several times; the report still covers all trials.
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Run part M of N of the trials; other parts may run at the same time in the same directory. A trial stays in its
    /// part when others are added; trials that share a warm-up are in the same part.
    #[arg(long, value_name = "M/N")]
    shard: Option<Shard>,
    /// Worker processes at a time; instead of `run.workers`, or of `run.per_device` on each of `run.devices`.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Stop at the first trial that fails; the others are saved where they are. By default they go on.
    #[arg(long)]
    fail_fast: bool,
    /// Train every trial alone from its first step, without a warm-up that others share. The results are the same, bit
    /// for bit; it is there to check that, and to measure what sharing saves.
    #[arg(long)]
    no_sharing: bool,
}

pub(crate) fn main(args: &Args, messages: WorkerMessages, libraries: &Libraries) -> Outcome {
    let mut plan = args.experiment.load(&libraries.registry)?;
    plan.run.tensorboard |= args.tensorboard;
    let selection = select(args, &plan)?;
    for device in plan::devices(&plan) {
        fovea_engine::device::check(device).map_err(|e| Failure::new(Exit::Device, e))?;
    }
    plan::check_precision(&plan, plan.trials.iter().filter(|trial| selection.takes(trial)))?;
    let options = RunOptions {
        selection,
        jobs: args.jobs.map(usize::from),
        fail_fast: args.fail_fast,
        sharing: if args.no_sharing { Sharing::Nothing } else { Sharing::Stages },
        ..options(libraries, messages, stop_on_signals()?)?
    };
    let store = RunStore::new(&plan.run.dir);
    let detail = if args.quiet { Detail::End } else { Detail::Live };
    let mut progress = Progress::new(&plan, &store, &options, detail);
    let result = fovea_orchestrator::run(&plan, &store, &options, &mut |update| progress.show(&update));
    progress.end();
    let summary = result.map_err(|e| match e {
        OrchestratorError::Store(_) | OrchestratorError::Spawn { .. } | OrchestratorError::Config { .. } => {
            Failure::new(Exit::Files, e)
        }
    })?;
    let interrupted = options.stop.requested() && summary.left > 0;
    // Whoever interrupts is in a hurry: the report can be had later.
    if !interrupted {
        if summary.ran == 0 && summary.left == 0 {
            match summary.pruned {
                0 => outln!("{}: all {} trials are done", plan.name, chosen(&summary)),
                pruned => outln!(
                    "{}: all {} trials are done or pruned ({pruned}); without run.prune those go on",
                    plan.name,
                    chosen(&summary)
                ),
            }
        }
        report::write_if_new(&store)?;
    }
    tell_troubles(&summary, store.root());
    if interrupted {
        errln!(
            "interrupted: {} of {} trials are done; the same command goes on where this one stopped, \
             `fovea report {}` shows what there is",
            summary.done,
            chosen(&summary),
            store.root().display()
        );
        return Ok(Exit::Interrupted);
    }
    if summary.failed.is_empty() && summary.diverged == 0 {
        Ok(Exit::Success)
    } else {
        Ok(Exit::TrialsFailed)
    }
}

/// Options of a run of every trial by this very program.
pub(crate) fn options(
    libraries: &Libraries,
    messages: WorkerMessages,
    stop: Stop,
) -> Result<RunOptions, Failure> {
    let binary = fovea_host::own_image()
        .map_err(|e| Failure::new(Exit::Files, format!("cannot find the fovea program: {e}")))?;
    Ok(RunOptions {
        binary,
        base_dir: plan::base_dir(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        program: build_info::program(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        selection: Selection::default(),
        jobs: None,
        fail_fast: false,
        sharing: Sharing::Stages,
        memory: Arc::new(NvidiaSmi),
        stop,
        messages,
        plugins: libraries.for_tasks.clone(),
    })
}

fn select(args: &Args, plan: &Plan) -> Result<Selection, Failure> {
    let selection = Selection { only: args.only.clone(), shard: args.shard };
    let Some(pattern) = selection.unmatched(plan) else { return Ok(selection) };
    let mut variants: Vec<&str> = plan.trials.iter().map(|t| t.variant.as_str()).collect();
    variants.dedup();
    let more = if variants.len() > 10 { ", ..." } else { "" };
    variants.truncate(10);
    let known = variants.join("; ");
    Err(Failure::new(
        Exit::Usage,
        format!("no trial matches --only `{pattern}`; the variants are: {known}{more}"),
    ))
}

/// `4`, or `2 (of 4 planned)` where not all were asked for.
fn chosen(summary: &RunSummary) -> String {
    if summary.total == summary.planned {
        summary.total.to_string()
    } else {
        format!("{} chosen (of {} planned)", summary.total, summary.planned)
    }
}

/// What crashed and went on, and what failed.
fn tell_troubles(summary: &RunSummary, run: &Path) {
    let failed = |id: &str| summary.failed.iter().any(|(trial, _)| trial.as_str() == id);
    for crash in summary.crashes.iter().filter(|crash| !failed(&crash.task.id)) {
        let task = &crash.task;
        errln!(
            "crashed and tried again: {} ({}), attempt {}: {}",
            task.text,
            task.id,
            crash.attempt,
            crash.message
        );
    }
    for (trial, message) in &summary.failed {
        errln!("failed: trial {trial}: {message}\n  more: fovea logs {}", run.join(trial.as_str()).display());
    }
    if !summary.failed.is_empty() {
        let left = if summary.left > 0 {
            format!(" and {} were not run to the end", summary.left)
        } else {
            String::new()
        };
        let (failed, total) = (summary.failed.len(), chosen(summary));
        errln!("{failed} of {total} trials failed{left}; the same command tries them again");
    }
}

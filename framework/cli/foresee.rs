//! How long a plan will take: what the orchestrator reads of earlier trials, and what the engine measures for `--probe`.

use crate::exit::Exit;
use crate::output::errln;
use crate::{Failure, plan};
use fovea_api::Registry;
use fovea_engine::{device, probe};
use fovea_orchestrator::Standing;
use fovea_orchestrator::estimate::{Basis, Estimate, Known, estimate};
use fovea_orchestrator::history::{self, Probe, Sample, Workload};
use fovea_orchestrator::run::stage_is_done;
use fovea_plan::{Plan, Trial};
use fovea_records::{RunStore, StageId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// What is known of the time ahead.
pub(crate) struct Foreseen {
    pub(crate) estimate: Estimate,
    /// What was measured, one of each kind of step.
    pub(crate) probes: Vec<Probed>,
}

/// One measurement.
pub(crate) struct Probed {
    /// Model, batch and size, for reading.
    pub(crate) what: String,
    /// Device in words.
    pub(crate) device: String,
    /// Median seconds of a step, cross-entropy only and with RIA.
    pub(crate) step_seconds: [f64; 2],
    /// Training pictures of an epoch.
    pub(crate) pictures: usize,
}

/// Estimates the time of everything that is pending. With `measure`, measures first what the past does not tell.
pub(crate) fn foresee(
    plan: &Plan,
    store: &RunStore,
    standings: &[Standing],
    measure: bool,
    registry: &Registry,
) -> Result<Foreseen, Failure> {
    let models: HashSet<&str> = plan.trials.iter().map(|trial| trial.config.model.name.as_str()).collect();
    let models: Vec<&str> = models.into_iter().collect();
    let mut samples = history::collect(&history::beside(store.root()), &models);
    let device = device::name(plan.device);
    // Opening a data set lists its files: once each, and only where no earlier trial tells.
    let counted: RefCell<HashMap<String, Option<f64>>> = RefCell::default();
    let pictures = |trial: &Trial| {
        let key = format!("{:?}", trial.config.dataset);
        let count = || Some(probe::pictures(&trial.config, &plan::base_dir(), registry).ok()?.train as f64);
        *counted.borrow_mut().entry(key).or_insert_with(count)
    };
    let done: HashSet<&StageId> =
        plan.stages.iter().map(|stage| &stage.id).filter(|id| stage_is_done(store, plan, id)).collect();
    let stage_done = |id: &_| done.contains(id);
    let known = |samples: &[Sample]| {
        estimate(
            plan,
            &Known { standings, samples, device: &device, pictures: &pictures, stage_done: &stage_done },
        )
    };
    let mut foreseen = Foreseen { estimate: known(&samples), probes: Vec::new() };
    if measure {
        let workers = plan.run.workers.clamp(1, standings.iter().filter(|s| s.is_pending()).count().max(1));
        for (trial, standing, task) in with_bases(plan, standings, &foreseen.estimate) {
            let measured = task.is_some_and(|task| task == Basis::SameWork);
            let config = serde_json::to_value(&trial.config).map_err(|e| Failure::new(Exit::Usage, e))?;
            let workload = Workload::of(&config);
            let again = samples.iter().any(|s| s.probed && s.workload.same_step(&workload));
            if !standing.is_pending() || measured || again {
                continue;
            }
            let (probe, probed) = measure_one(plan, trial, workers, registry)?;
            samples.push(Sample::of_probe(&config, probe));
            foreseen.probes.push(probed);
        }
        foreseen.estimate = known(&samples);
    }
    Ok(foreseen)
}

/// Each trial with where it stands and what its estimate rests on.
fn with_bases<'a>(
    plan: &'a Plan,
    standings: &'a [Standing],
    estimate: &Estimate,
) -> Vec<(&'a Trial, &'a Standing, Option<Basis>)> {
    let bases = estimate.trials.iter().map(|task| task.map(|task| task.basis));
    plan.trials
        .iter()
        .zip(standings)
        .zip(bases)
        .map(|((trial, standing), basis)| (trial, standing, basis))
        .collect()
}

/// Times the steps of a trial.
fn measure_one(
    plan: &Plan,
    trial: &Trial,
    workers: usize,
    registry: &Registry,
) -> Result<(Probe, Probed), Failure> {
    let config = &trial.config;
    let (batch, size) = (config.training.batch_size, config.input.size);
    let what = format!("{} batch {batch} size {size}", config.model.name);
    errln!("measuring {what} ...");
    let counted = probe::pictures(config, &plan::base_dir(), registry)?;
    let [plain, explained] = probe::steps(config, plan.device, registry)?;
    // On a CPU the workers share what one process, which the probe is, has for itself.
    let slowdown =
        if plan.run.threads == 0 || !plain.device.starts_with("cpu") { workers as f64 } else { 1.0 };
    let probed = Probed {
        what,
        device: plain.device.clone(),
        step_seconds: [plain.median(), explained.median()],
        pictures: counted.train,
    };
    let probe = Probe {
        device: plain.device,
        plain: plain.values,
        explained: explained.values,
        pictures: counted.train,
        forwards: counted.forwards,
        slowdown,
    };
    Ok((probe, probed))
}

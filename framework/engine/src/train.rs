//! The training loop. The main type is [`Trainer`].
//!
//! Where the device computes by itself, the host launches work and waits only where it has to know a number. A step
//! with boxes has one such place: component labelling needs the heatmaps, and the way back needs the labels. (There is
//! nothing to compute meanwhile: the cross-entropy's way back is that of the sum of both losses, and doing it on its own
//! would double it.) What a step measured is needed for records alone, so it is read in the next step, once the heatmaps
//! of that, or its logits, are on their way: one wait a batch instead of two, and none between two batches, so that the
//! next pictures are copied to the device and the next forward pass is launched while the way back is computed.
//! [`launch`] and [`Launched`] are the two halves; a step that records need at once is waited for at once.

use crate::checkpoint::{Checkpoint, Progress};
use crate::data::loader::{Batch, Prepared, TrainLoader};
use crate::data::targets::Targets;
use crate::device::is_cpu;
use crate::digest;
use crate::epoch::{EpochEnd, PartialEpoch};
use crate::objective::{Objective, cross_entropy, label_tensor, network_input};
use crate::reach::Reach;
use crate::schedule::learning_rate;
use crate::{Emit, EngineError};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::{DynClassifier, Key, LossInputs, Mode, PluginError};
use fovea_plan::TrialConfig;
use fovea_records::trace::TraceWriter;
use fovea_records::{EpochSummary, MetricRow, TraceLine, TrialEvent};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time between two [`TrialEvent::Step`].
const STEP_EVENTS: Duration = Duration::from_millis(250);

/// A network in training.
pub struct Trainer<'a> {
    /// The trial.
    pub config: &'a TrialConfig,
    /// The network.
    pub model: Box<dyn DynClassifier>,
    /// Its optimizer.
    pub optimizer: ModuleOptimizer,
    /// How far it is.
    pub progress: Progress,
    /// Autodiff device.
    pub device: Device,
    /// What it computed so far.
    pub trace: TraceWriter,
    /// Where events go.
    pub emit: Emit<'a>,
    /// Set when training is to stop after the step in progress.
    pub stop: &'a AtomicBool,
}

/// What one step measured.
#[derive(Clone, Copy, Debug)]
pub struct StepResult {
    /// Objective.
    pub loss: f64,
    /// Cross-entropy.
    pub cross_entropy: f64,
    /// Explanation loss, mean over valid pictures.
    pub explanation: Option<f64>,
    /// Pictures with an explanation loss.
    pub valid: usize,
    /// Pictures classified correctly.
    pub correct: usize,
}

/// Called with the network and the number of epochs done; gives further rows of the training curves.
pub type AfterEpoch<'a> = &'a mut dyn FnMut(&dyn DynClassifier, usize) -> Result<Vec<MetricRow>, EngineError>;

/// A step whose numbers are still on the device.
pub struct Launched {
    /// Objective, cross-entropy, explanation loss if there is one, logits: one transfer for everything that is shown or
    /// checked.
    numbers: Tensor<1>,
    explained: bool,
    valid: usize,
    classes: usize,
    labels: Vec<usize>,
}

impl Launched {
    /// What it measured, once the device is done with it.
    #[must_use]
    pub fn wait(self) -> StepResult {
        let host: Vec<f32> = self.numbers.into_data().iter::<f32>().collect();
        let head = if self.explained { 3 } else { 2 };
        let rows = host[head..].chunks_exact(self.classes).zip(&self.labels);
        let correct = rows.filter(|(row, label)| argmax(row) == **label).count();
        StepResult {
            loss: f64::from(host[0]),
            cross_entropy: f64::from(host[1]),
            explanation: self.explained.then(|| f64::from(host[2])),
            valid: self.valid,
            correct,
        }
    }
}

/// One step of the optimizer on one batch: `alpha L_CE`, plus `beta L_expl` when there is an objective.
///
/// # Errors
/// When a plugin fails.
pub fn step(
    model: &mut dyn DynClassifier,
    optimizer: &mut ModuleOptimizer,
    batch: Batch,
    objective: Option<&Objective<'_>>,
    settings: &StepSettings,
    device: &Device,
) -> Result<StepResult, PluginError> {
    let (launched, _) = launch(model, optimizer, batch, objective, settings, device, None)?;
    Ok(launched.wait())
}

/// The same, but its numbers are not waited for; those of the step before are read on the way, where that costs least.
///
/// # Errors
/// When a plugin fails.
pub fn launch(
    model: &mut dyn DynClassifier,
    optimizer: &mut ModuleOptimizer,
    batch: Batch,
    objective: Option<&Objective<'_>>,
    settings: &StepSettings,
    device: &Device,
    before: Option<Launched>,
) -> Result<(Launched, Option<StepResult>), PluginError> {
    let here = || launch_here(model, optimizer, batch, objective, settings, device, before);
    if is_cpu(device) {
        // On a thread of the pool: from outside, every operation would wake one and wait for it.
        rayon::scope(|_| here())
    } else {
        // A GPU orders work by the thread that launches it.
        here()
    }
}

fn launch_here(
    model: &mut dyn DynClassifier,
    optimizer: &mut ModuleOptimizer,
    batch: Batch,
    objective: Option<&Objective<'_>>,
    settings: &StepSettings,
    device: &Device,
    before: Option<Launched>,
) -> Result<(Launched, Option<StepResult>), PluginError> {
    let n = batch.labels.len();
    let size = settings.size;
    let mut batch = batch;
    let images = TensorData::new(std::mem::take(&mut batch.images), [n, 3, size, size]);
    let images = Tensor::<4>::from_data(images, device);
    let pass = model.forward(network_input(images, settings.normalize), Mode::Train);
    let labels = label_tensor(&batch.labels, device);
    let logits = pass.logits.clone();
    let entropy = cross_entropy(logits.clone(), labels);
    let term = objective.map(|o| o.explanation(pass, &batch)).transpose()?;
    let valid = term.as_ref().map_or(0, |t| t.valid);
    let explanation = term.and_then(|t| t.mean);
    let weighted = entropy.clone().mul_scalar(settings.alpha);
    let total = match &explanation {
        Some(expl) => weighted + expl.clone().mul_scalar(settings.beta),
        None => weighted,
    };
    let before = before.map(Launched::wait);
    let gradients = total.backward();
    model.step(optimizer, settings.learning_rate, gradients);

    let classes = logits.dims()[1];
    let mut parts = vec![total.detach(), entropy.detach()];
    let explained = explanation.is_some();
    parts.extend(explanation.map(Tensor::detach));
    parts.push(logits.detach().reshape([n * classes]));
    let numbers = Tensor::cat(parts, 0);
    Ok((Launched { numbers, explained, valid, classes, labels: batch.labels }, before))
}

/// Numbers of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// Side of the network input.
    pub size: usize,
    /// Whether inputs are normalised by ImageNet's statistics.
    pub normalize: bool,
    /// Weight of the cross-entropy.
    pub alpha: f64,
    /// Weight of the explanation loss.
    pub beta: f64,
    /// Learning rate.
    pub learning_rate: f64,
}

/// Position of the largest value; the first one where several are equal.
#[must_use]
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = i;
        }
    }
    best
}

impl Trainer<'_> {
    /// Trains until `until` epochs are done, saving after every epoch, and between two steps when asked to stop.
    ///
    /// `after_epoch` is called before the checkpoint is written, and may add rows to the progress.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] once stopped and saved; others when a picture cannot be read, a plugin fails, a
    /// checkpoint cannot be written, or the loss diverges.
    pub fn train(
        &mut self,
        until: usize,
        loader: TrainLoader<'_>,
        objective: Option<&Objective<'_>>,
        checkpoint: &Checkpoint,
        after_epoch: AfterEpoch<'_>,
    ) -> Result<(), EngineError> {
        let objective = objective.filter(|o| o.loss.inputs() != LossInputs::Nothing);
        while self.progress.epoch < until {
            let epoch = self.progress.epoch;
            let active = objective.filter(|_| epoch >= self.config.training.warmup_epochs);
            // Nobody looks at targets without an objective; and a warm-up is to be the same whether it is shared or not.
            let loader = match active {
                Some(_) => loader,
                None => TrainLoader { targets: None, with_masks: false, ..loader },
            };
            let done = self.progress.partial.step;
            let started = Instant::now();
            let summary = std::thread::scope(|scope| {
                self.epoch(epoch, loader.epoch(epoch, done, scope), active, loader.steps())
            })?;
            self.progress.seconds += started.elapsed().as_secs_f64();
            let Some(summary) = summary else {
                self.progress.partial.seconds += started.elapsed().as_secs_f64();
                // Before the first new step everything is on disk already, or there is nothing to lose.
                if self.progress.partial.step > done {
                    self.save(checkpoint)?;
                }
                return Err(EngineError::Stopped);
            };
            self.progress.epoch += 1;
            self.progress.partial = PartialEpoch::default();
            if active.is_some() {
                let reach = Reach {
                    pictures: loader.source.dataset().len("train").unwrap_or(0),
                    targets: loader.targets.map_or(0, Targets::usable),
                    class: self.config.cam.target_class,
                };
                if let Some(message) = reach.warning(&summary, &self.progress.epochs) {
                    (self.emit)(TrialEvent::Warning { message });
                }
            }
            self.progress.rows.extend(rows_of(&summary, loader.source.dataset().len("train").unwrap_or(0)));
            self.progress.epochs.push(summary.clone());
            let rows = after_epoch(self.model.as_ref(), self.progress.epoch)?;
            self.progress.rows.extend(rows);
            self.save(checkpoint)?;
            (self.emit)(TrialEvent::Epoch(summary));
        }
        Ok(())
    }

    /// Saves the trace, then the checkpoint: one that is there has all its steps in the trace.
    fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), EngineError> {
        self.trace.save()?;
        checkpoint.save(self.model.as_ref(), &self.optimizer, &self.progress)
    }

    /// Adds a step to the trace; the network, too, when the number of steps is a power of two or `last`.
    fn trace(
        &mut self,
        step: usize,
        batch: String,
        result: &StepResult,
        last: bool,
    ) -> Result<(), EngineError> {
        // The numbers were f32 before they were summed over an epoch.
        let (cross_entropy, explanation) =
            (result.cross_entropy as f32, result.explanation.map(|value| value as f32));
        self.trace.add(&TraceLine::Step { step, batch, cross_entropy, explanation })?;
        if is_milestone(step) || last {
            let tensors = digest::of_tensors(&self.model.tensors());
            self.trace.add(&TraceLine::Network { step, tensors })?;
        }
        Ok(())
    }

    /// The steps that are left of an epoch; `None` when it was asked to stop before the last of them.
    fn epoch(
        &mut self,
        epoch: usize,
        batches: impl Iterator<Item = Result<Prepared, fovea_api::DataError>>,
        objective: Option<&Objective<'_>>,
        steps: usize,
    ) -> Result<Option<EpochSummary>, EngineError> {
        let training = &self.config.training;
        let mut at =
            Course { epoch, steps, started: Instant::now(), told: None, seen: self.progress.partial.seen };
        let before = self.progress.partial;
        let mut rate = training.optimizer.learning_rate;
        let mut flying: Option<(Launched, Flight)> = None;
        let mut batches = (before.step..).zip(batches);
        loop {
            let asked = Instant::now();
            let Some((index, prepared)) = batches.next() else { break };
            self.progress.partial.waited += asked.elapsed().as_secs_f64();
            if self.stop.load(Ordering::Relaxed) {
                if let Some((launched, flight)) = flying.take() {
                    self.land(&mut at, flight, &launched.wait())?;
                }
                return Ok(None);
            }
            let Prepared { batch, hash } = prepared?;
            let images = batch.labels.len();
            let global = epoch * steps + index;
            rate = learning_rate(training, global, steps);
            // Dropout draws from the device's generator, so it too must be a function of (seed, step).
            self.device.seed(Key::new(self.config.seed).purpose("device").index(global).seed());
            let settings = StepSettings {
                size: self.config.input.size,
                normalize: self.config.input.normalize,
                alpha: training.alpha,
                beta: training.beta,
                learning_rate: rate,
            };
            let (earlier, flight) = flying.take().unzip();
            let model = self.model.as_mut();
            let (launched, earlier) =
                launch(model, &mut self.optimizer, batch, objective, &settings, &self.device, earlier)?;
            if let Some((flight, result)) = flight.zip(earlier) {
                self.land(&mut at, flight, &result)?;
            }
            let flight = Flight { index, images, batch: hash };
            if is_milestone(global + 1) || index + 1 == steps {
                // The network is written down as it is after this step.
                self.land(&mut at, flight, &launched.wait())?;
            } else {
                flying = Some((launched, flight));
            }
        }
        let waited = self.progress.partial.waited;
        tracing::debug!(epoch, waited, seconds = at.started.elapsed().as_secs_f64(), "waited for pictures");
        Ok(Some(self.progress.partial.summary(EpochEnd {
            epoch: epoch + 1,
            epochs: training.epochs,
            explained: objective.is_some(),
            learning_rate: rate,
            seconds: before.seconds + at.started.elapsed().as_secs_f64(),
        })))
    }

    /// Writes down what a step measured.
    fn land(&mut self, at: &mut Course, flight: Flight, result: &StepResult) -> Result<(), EngineError> {
        let Flight { index, images, batch } = flight;
        let Course { epoch, steps, started, .. } = *at;
        if !result.loss.is_finite() {
            return Err(EngineError::Diverged { epoch, step: index, loss: result.loss.to_string() });
        }
        self.trace(epoch * steps + index + 1, batch, result, index + 1 == steps)?;
        self.progress.partial.add(result, images);
        // The first one at once: whoever watches sees that training has begun.
        if at.told.is_none_or(|told| told.elapsed() >= STEP_EVENTS) || index + 1 == steps {
            at.told = Some(Instant::now());
            let seen = self.progress.partial.seen - at.seen;
            (self.emit)(TrialEvent::Step {
                epoch,
                step: index + 1,
                steps,
                loss: result.loss,
                images_per_second: seen as f64 / started.elapsed().as_secs_f64().max(1e-9),
            });
        }
        Ok(())
    }
}

/// An epoch in progress.
struct Course {
    epoch: usize,
    steps: usize,
    started: Instant,
    /// When the last event was sent, if one was.
    told: Option<Instant>,
    /// Pictures that an earlier process has seen.
    seen: usize,
}

/// A step that was launched, by what its records need beside its numbers.
struct Flight {
    /// Position in the epoch.
    index: usize,
    images: usize,
    /// Hash of its batch.
    batch: String,
}

/// Whether the trace has the network as it is after this many steps.
fn is_milestone(step: usize) -> bool {
    step.is_power_of_two()
}

/// The training curve's points of an epoch. Times are left out: equal trials have equal metric files.
fn rows_of(summary: &EpochSummary, count: usize) -> Vec<MetricRow> {
    let row = |metric: &str, value: f64| MetricRow::new("train", metric, value, count).epoch(summary.epoch);
    let mut rows = vec![
        row("loss", summary.loss),
        row("cross-entropy", summary.cross_entropy),
        row("accuracy", summary.accuracy),
        row("learning-rate", summary.learning_rate),
    ];
    if let Some(explanation) = summary.explanation {
        rows.push(row("explanation-loss", explanation));
    }
    if summary.explanation.is_some() || summary.skipped > 0 {
        rows.push(row("skipped", summary.skipped as f64));
    }
    rows
}

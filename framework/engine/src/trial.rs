//! A whole stage or trial. The main function is `run_task`.

use crate::checkpoint::{Checkpoint, Loaded, Progress, weights_path, write_safetensors};
use crate::data::loader::TrainLoader;
use crate::data::packs::Packs;
use crate::data::source::Source;
use crate::data::targets::Targets;
use crate::device::{self, OpenDevice};
use crate::evaluate::{Evaluation, Evaluator};
use crate::objective::Objective;
use crate::train::Trainer;
use crate::unchanged::Used;
use crate::{Emit, EngineError, memory, precision, provenance, schedule, unchanged};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use fovea_api::{
    BBox, BoxExtractor, Boxes, BuildContext, BuiltModel, DynClassifier, Explanation, ExplanationLoss,
    HeatmapView, ImageView, Localization, Localizer, LossInputs, ModelContext, NamedTensor, PluginError,
    Registry, notice,
};
use fovea_plan::{PluginConfig, Precision, TrialConfig};
use fovea_records::trace::TraceWriter;
use fovea_records::{MetricRow, StageId, TaskKind, TrialEvent, WorkerTask, store};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What a task works with, built from its configuration; the network, which changes, is apart.
struct Job<'a> {
    task: &'a WorkerTask,
    config: TrialConfig,
    device: OpenDevice,
    registry: &'a Registry,
    source: Source,
    localizer: Box<dyn Localizer>,
    extractor: Box<dyn BoxExtractor>,
    loss: Box<dyn ExplanationLoss>,
    emit: Emit<'a>,
    stop: &'a AtomicBool,
}

/// In place of the plugins that a warm-up by cross-entropy does not use.
struct Unused;

impl Unused {
    fn error() -> PluginError {
        PluginError::new("warm-up", "a stage was asked for explanations")
    }
}

impl Localizer for Unused {
    fn localize(&self, _: &[ImageView<'_>]) -> Result<Vec<Option<Localization>>, PluginError> {
        Err(Self::error())
    }
}

impl BoxExtractor for Unused {
    fn hard(&self, _: &[HeatmapView<'_>]) -> Result<Vec<Option<BBox>>, PluginError> {
        Err(Self::error())
    }

    fn extract(&self, _: Tensor<3>) -> Result<Boxes, PluginError> {
        Err(Self::error())
    }
}

impl ExplanationLoss for Unused {
    fn inputs(&self) -> LossInputs {
        LossInputs::Nothing
    }

    fn loss(&self, _: &Explanation) -> Result<Tensor<1>, PluginError> {
        Err(Self::error())
    }
}

/// A panic's payload: the task was asked to stop outside of training.
#[derive(Debug)]
pub(crate) struct StoppedOutsideTraining;

/// Ends the task, outside of training, once it is to stop.
fn end_if(stop: &AtomicBool) {
    if stop.load(Ordering::Relaxed) {
        std::panic::resume_unwind(Box::new(StoppedOutsideTraining));
    }
}

/// Refuses weights that are NaN or infinite.
fn finite_weights(tensors: &[NamedTensor]) -> Result<(), EngineError> {
    for NamedTensor { name, data, .. } in tensors {
        let bad = data.iter::<f32>().filter(|value| !value.is_finite()).count();
        if bad > 0 {
            let found = format!(
                "{bad} of {} weights of `{name}` are NaN or infinite after the last step of training",
                data.num_elements()
            );
            return Err(EngineError::NotFinite { found, after: None });
        }
    }
    Ok(())
}

/// A network with its optimizer and how far both are.
struct State {
    model: Box<dyn DynClassifier>,
    optimizer: ModuleOptimizer,
    progress: Progress,
    trace: TraceWriter,
}

/// Does a task: resumes what an earlier attempt left, else forks from the stage, else begins from scratch.
///
/// Once `stop` is set, training finishes its step and saves; outside of training the task ends by a panic that carries
/// [`StoppedOutsideTraining`], as there is nothing to save: every artefact appears whole or not at all.
///
/// # Errors
/// Every [`EngineError`]; the text is what the user reads.
pub(crate) fn run_task(
    task: &WorkerTask,
    registry: &Registry,
    emit: Emit<'_>,
    stop: &AtomicBool,
) -> Result<(), EngineError> {
    let _span = tracing::info_span!("task", id = task.id).entered();
    memory::begin();
    let (job, model) = Job::build(task, registry, emit, stop)?;
    job.check(model.model.as_ref())?;
    let epochs = match task.kind {
        TaskKind::Stage { epochs } => epochs,
        TaskKind::Trial => job.config.training.epochs,
    };
    let state = job.begin(model, epochs)?;
    let targets = job.targets()?;
    job.unchanged(&Used::Built(job.source.dataset()))?;
    let state = job.train(state, targets.as_ref(), epochs)?;
    // The loss of a step says nothing of what the step itself did to the weights.
    finite_weights(&state.model.tensors())?;
    let train_seconds = state.progress.seconds;
    let started = Instant::now();
    if task.kind == TaskKind::Trial {
        job.finish(&state, targets.map_or_else(Vec::new, |t| t.quality("train")))?;
    }
    job.unchanged(&Used::All(job.source.dataset()))?;
    let eval_seconds = started.elapsed().as_secs_f64();
    emit(TrialEvent::Finished { train_seconds, eval_seconds, peak_memory: memory::peak() });
    Ok(())
}

impl<'a> Job<'a> {
    fn build(
        task: &'a WorkerTask,
        registry: &'a Registry,
        emit: Emit<'a>,
        stop: &'a AtomicBool,
    ) -> Result<(Self, BuiltModel), EngineError> {
        let config: TrialConfig = serde_json::from_value(task.config.clone()).map_err(|e| {
            let advice = "plan and worker must be of one version";
            EngineError::Config(format!("the worker cannot read the trial's configuration: {e}; {advice}"))
        })?;
        unchanged::check(task, &config, registry, &Used::Nothing)?;
        let device = device::open(task.device.parse().map_err(EngineError::Device)?)?;
        let products = precision::kept(config.training.precision, &device)?;
        if let Some(products) = products.filter(|_| config.training.precision == Precision::F32) {
            let message =
                format!("training.precision is \"f32\", and {} multiplies in {products}", device.name);
            emit(TrialEvent::Warning { message });
        }
        let context = BuildContext {
            base_dir: task.base_dir.clone(),
            device: device.device.clone(),
            registry: registry.clone(),
        };
        let settings = |plugin: &PluginConfig| plugin.config.clone();
        let dataset = registry.build_dataset(&config.dataset.name, settings(&config.dataset), &context)?;
        let model = ModelContext {
            classes: dataset.classes().len(),
            input_size: config.input.size,
            seed: config.seed,
            device: device.device.clone().autodiff(),
            precision: precision::of_layers(config.training.precision),
            base_dir: task.base_dir.clone(),
        };
        let model = registry.build_model(&config.model.name, settings(&config.model), &model)?;
        let (localizer, extractor, loss): (
            Box<dyn Localizer>,
            Box<dyn BoxExtractor>,
            Box<dyn ExplanationLoss>,
        ) = match task.kind {
            // Nothing that they do could matter, so nothing that they do wrong may cost the trials that share it.
            TaskKind::Stage { .. } => (Box::new(Unused), Box::new(Unused), Box::new(Unused)),
            TaskKind::Trial => (
                registry.build_localizer(&config.localizer.name, settings(&config.localizer), &context)?,
                registry.build_extractor(&config.extractor.name, settings(&config.extractor), &context)?,
                registry.build_loss(&config.loss.name, settings(&config.loss), &context)?,
            ),
        };
        let limits = task.pictures;
        let place = (task.cache_dir.as_path(), limits.disk);
        let found = Packs::open(dataset.as_ref(), &config.dataset, place, &|| end_if(stop));
        for message in found.warnings {
            emit(TrialEvent::Warning { message });
        }
        let memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
        let source = Source::new(dataset, memory).with_packs(found.packs);
        Ok((Self { task, config, device, registry, source, localizer, extractor, loss, emit, stop }, model))
    }

    /// Data and weights are those of the task's identity still; and what plugins left to be told is told.
    fn unchanged(&self, used: &Used<'_>) -> Result<(), EngineError> {
        for message in notice::take() {
            (self.emit)(TrialEvent::Warning { message });
        }
        unchanged::check(self.task, &self.config, self.registry, used)
    }

    /// What was asked of data and evaluation is checked before hours of training, not after.
    fn check(&self, model: &dyn DynClassifier) -> Result<(), EngineError> {
        for message in self.source.dataset().warnings() {
            (self.emit)(TrialEvent::Warning { message });
        }
        if self.source.dataset().len("train").unwrap_or(0) == 0 {
            let name = &self.config.dataset.name;
            return Err(EngineError::Config(format!("data set `{name}` has no training pictures")));
        }
        let evaluator = self.evaluator(model, self.emit);
        evaluator.noise_split(&evaluator.splits()?)?;
        Ok(())
    }

    /// As `emit`, for work outside of training: it ends the task once it is to stop.
    fn emit_or_stop(&self, event: TrialEvent) {
        (self.emit)(event);
        end_if(self.stop);
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(&self.task.dir)
    }

    /// Puts the newest sound checkpoint into the network, of the task itself or of its stage; else nothing. What is damaged
    /// is told: it costs training again what came after the one before.
    fn load(
        &self,
        model: &mut dyn DynClassifier,
    ) -> Result<Option<(ModuleOptimizer, Progress, &'static str)>, EngineError> {
        let own = (self.checkpoint(), "checkpoint");
        let stage = self.task.stage_dir.as_ref().map(|dir| (Checkpoint::new(dir), "stage"));
        let fresh = || schedule::optimizer(&self.config.training);
        for (checkpoint, origin) in std::iter::once(own).chain(stage) {
            let Loaded { state, damage } = checkpoint.load(model, &fresh);
            for problem in &damage {
                let message = format!(
                    "a checkpoint is damaged, so what was trained since the one before is trained again, with the same \
                     result: {problem}"
                );
                (self.emit)(TrialEvent::Warning { message });
            }
            // Those of the stage are for the run to mend: other trials may be reading them.
            if origin == "checkpoint" && !damage.is_empty() {
                checkpoint.set_damaged_aside()?;
            }
            if let Some((optimizer, progress)) = state {
                return Ok(Some((optimizer, progress, origin)));
            }
        }
        Ok(None)
    }

    /// The state from which training goes on.
    fn begin(&self, built: BuiltModel, epochs: usize) -> Result<State, EngineError> {
        let BuiltModel { mut model, head_replaced } = built;
        let stage_dir = self.task.stage_dir.as_deref();
        let scratch = || (schedule::optimizer(&self.config.training), Progress::default(), "scratch");
        let (optimizer, progress, origin) = self.load(model.as_mut())?.unwrap_or_else(scratch);
        tracing::info!(origin, epoch = progress.epoch, stage = ?self.task.stage_dir, "training begins");
        (self.emit)(TrialEvent::Started {
            device: self.device.name.clone(),
            from_epoch: progress.epoch,
            epochs,
            origin: origin.to_owned(),
        });
        // A checkpoint replaces every weight, so that what the model was built from no longer matters.
        if let Some(replaced) = head_replaced.filter(|_| origin == "scratch") {
            let message = format!("model {}: {replaced}", self.config.model.name);
            (self.emit)(TrialEvent::Warning { message });
        }
        let shared = stage_dir.filter(|_| origin == "stage");
        let trace = self.record(&progress, shared)?;
        Ok(State { model, optimizer, progress, trace })
    }

    /// Writes down what this process rests on, and opens the trace where training goes on; `shared` is the folder of the
    /// stage that the trial forks from.
    fn record(&self, progress: &Progress, shared: Option<&Path>) -> Result<TraceWriter, EngineError> {
        let dir = &self.task.dir;
        let line = provenance::line(self.task, &self.config, &self.device, progress, self.registry);
        let stage = shared.and_then(|stage_dir| {
            let name = stage_dir.file_name()?.to_str()?;
            Some((serde_json::from_value::<StageId>(name.into()).ok()?, stage_dir))
        });
        fovea_records::provenance::begin(dir, stage, line)?;
        let images = self.source.dataset().len("train").unwrap_or(0);
        let steps = progress.epoch * images.div_ceil(self.config.training.batch_size) + progress.partial.step;
        Ok(TraceWriter::begin(dir, shared.unwrap_or(dir), steps)?)
    }

    /// The localizer's boxes on the training pictures, where the loss needs any.
    fn targets(&self) -> Result<Option<Targets>, EngineError> {
        if self.task.kind != TaskKind::Trial || self.loss.inputs() == LossInputs::Nothing {
            return Ok(None);
        }
        let targets = Targets::compute(
            &self.source,
            "train",
            self.localizer.as_ref(),
            (&self.config.dataset, &self.config.localizer),
            self.loss.wants_masks(),
            &self.task.cache_dir,
            &|event| self.emit_or_stop(event),
        )?;
        self.check_targets(&targets)?;
        Ok(Some(targets))
    }

    /// A loss over nothing would leave a network trained by cross-entropy alone under another name.
    fn check_targets(&self, targets: &Targets) -> Result<(), EngineError> {
        let (localizer, loss) = (&self.config.localizer.name, &self.config.loss.name);
        let (usable, total) = (targets.usable(), targets.len());
        if usable == 0 && targets.boxed() > 0 {
            return Err(EngineError::Config(format!(
                "loss `{loss}` asks for target masks, and localizer `{localizer}` gives boxes without masks ({} of {total} \
                 training pictures have a box, none has a mask), so there is nothing to train towards; localizer \
                 `ground-truth` gives masks",
                targets.boxed()
            )));
        }
        if usable == 0 {
            let objects = targets.pictures_with_object();
            let advice = if objects == 0 {
                "`fovea data check` says what is wrong with the masks"
            } else {
                "`fovea localize --overlay` shows what it finds"
            };
            return Err(EngineError::Config(format!(
                "loss `{loss}` asks for target boxes, and localizer `{localizer}` finds none in any of the {total} training \
                 pictures ({objects} of them have a mask with an object in it), so there is nothing to train towards; {advice}"
            )));
        }
        if 2 * usable < total {
            let what = if self.loss.wants_masks() { "box with a mask" } else { "box" };
            (self.emit)(TrialEvent::Warning {
                message: format!(
                    "localizer `{localizer}` finds a {what} in {usable} of {total} training pictures only; the others are \
                     trained by cross-entropy alone"
                ),
            });
        }
        Ok(())
    }

    fn evaluator<'b>(&'b self, model: &'b dyn DynClassifier, emit: Emit<'b>) -> Evaluator<'b> {
        Evaluator {
            config: &self.config,
            model,
            source: &self.source,
            extractor: self.extractor.as_ref(),
            device: &self.device.device,
            emit,
        }
    }

    fn train(&self, state: State, targets: Option<&Targets>, epochs: usize) -> Result<State, EngineError> {
        let config = &self.config;
        // On a CPU training itself wants the other half; beside a GPU all there is to do is to keep it busy.
        let at_hand = self.task.threads / if self.device.name.starts_with("cpu") { 2 } else { 1 };
        let loader = TrainLoader {
            source: &self.source,
            targets,
            with_masks: targets.is_some() && self.loss.wants_masks(),
            augmentation: &config.augmentation,
            size: config.input.size,
            batch_size: config.training.batch_size,
            seed: config.seed,
            threads: at_hand.clamp(1, 8),
        };
        let objective = targets.map(|_| Objective {
            loss: self.loss.as_ref(),
            extractor: self.extractor.as_ref(),
            cam: &config.cam,
            size: config.input.size,
        });
        let State { model, optimizer, progress, trace } = state;
        let device = self.device.device.clone().autodiff();
        let mut trainer =
            Trainer { config, model, optimizer, progress, device, trace, emit: self.emit, stop: self.stop };
        let mut validate = |model: &dyn DynClassifier, epoch: usize| self.validate(model, epoch);
        trainer.train(epochs, loader, objective.as_ref(), &self.checkpoint(), &mut validate)?;
        let Trainer { model, optimizer, progress, trace, .. } = trainer;
        Ok(State { model, optimizer, progress, trace })
    }

    /// Accuracy on the validation split, where there is one: a point of the training curve, never a choice of epoch.
    fn validate(&self, model: &dyn DynClassifier, epoch: usize) -> Result<Vec<MetricRow>, EngineError> {
        let count = self.source.dataset().len("val").unwrap_or(0);
        if count == 0 {
            return Ok(Vec::new());
        }
        let labels: Vec<usize> = (0..count).map(|i| self.source.meta("val", i).label).collect();
        let model = model.evaluation_copy();
        let predicted =
            self.evaluator(model.as_ref(), self.emit).predict("val").map_err(|error| match error {
                EngineError::NotFinite { found, .. } => {
                    let found = format!("validation after epoch {epoch}: {found}");
                    EngineError::NotFinite { found, after: Some(epoch) }
                }
                other => other,
            })?;
        let right = predicted.iter().zip(&labels).filter(|(p, l)| p == l).count();
        Ok(vec![MetricRow::new("val", "accuracy", right as f64 / count as f64, count).epoch(epoch)])
    }

    /// Evaluates and leaves every artefact. What only resuming needs stays until the orchestrator has marked the trial as done.
    fn finish(&self, state: &State, quality: Vec<MetricRow>) -> Result<(), EngineError> {
        let dir = &self.task.dir;
        write_safetensors(&weights_path(dir), &state.model.tensors())?;
        let model = state.model.evaluation_copy();
        let emit = |event| self.emit_or_stop(event);
        let evaluator = self.evaluator(model.as_ref(), &emit);
        let splits = evaluator.splits()?;
        let split = evaluator.noise_split(&splits)?;
        let known = self.source.dataset().splits().iter().map(|s| s.name.as_str());
        known.filter(|&s| s != split && !splits.iter().any(|t| t == s)).for_each(|s| self.source.forget(s));
        let Evaluation { rows, records } = evaluator.run()?;
        evaluator.gallery(&split, self.localizer.as_ref(), &dir.join("gallery"))?;
        for row in rows.iter().chain(&quality) {
            (self.emit)(TrialEvent::Metric(row.clone()));
        }
        let all: Vec<MetricRow> = state.progress.rows.iter().cloned().chain(quality).chain(rows).collect();
        store::write_lines(&dir.join("predictions.jsonl"), &records)?;
        store::write_lines(&dir.join("metrics.jsonl"), &all)?;
        Ok(())
    }
}

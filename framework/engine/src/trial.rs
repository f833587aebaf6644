//! A whole stage or trial. The main function is [`run_task`].

use crate::checkpoint::{Checkpoint, Progress, write_safetensors};
use crate::data::loader::TrainLoader;
use crate::data::source::{DEFAULT_CACHE_BYTES, Source};
use crate::data::targets::Targets;
use crate::evaluate::{Evaluation, Evaluator};
use crate::objective::Objective;
use crate::train::Trainer;
use crate::{Emit, EngineError, device, schedule};
use burn::tensor::Device;
use fovea_api::{
    BoxExtractor, BuildContext, DynClassifier, ExplanationLoss, Localizer, LossInputs, ModelContext, Registry,
};
use fovea_plan::TrialConfig;
use fovea_records::{MetricRow, TaskKind, TrialEvent, WorkerTask, store};
use std::time::Instant;

/// Everything a trial is made of, built from its configuration.
struct Parts {
    config: TrialConfig,
    device: Device,
    device_name: String,
    source: Source,
    model: Box<dyn DynClassifier>,
    localizer: Box<dyn Localizer>,
    extractor: Box<dyn BoxExtractor>,
    loss: Box<dyn ExplanationLoss>,
}

impl Parts {
    fn build(task: &WorkerTask, registry: &Registry) -> Result<Self, EngineError> {
        let config: TrialConfig = serde_json::from_value(task.config.clone()).map_err(|e| {
            EngineError::Config(format!("the worker cannot read the trial's configuration: {e}; plan and worker must be of one version"))
        })?;
        let request = task.device.parse().map_err(|e| EngineError::Device(e))?;
        let open = device::open(request)?;
        let context = BuildContext {
            base_dir: task.base_dir.clone(),
            device: open.device.clone(),
            registry: registry.clone(),
        };
        let dataset =
            registry.build_dataset(&config.dataset.name, config.dataset.config.clone(), &context)?;
        let model = ModelContext {
            classes: dataset.classes().len(),
            input_size: config.input.size,
            seed: config.seed,
            device: open.device.clone().autodiff(),
        };
        Ok(Self {
            model: registry.build_model(&config.model.name, config.model.config.clone(), &model)?,
            localizer: registry.build_localizer(
                &config.localizer.name,
                config.localizer.config.clone(),
                &context,
            )?,
            extractor: registry.build_extractor(
                &config.extractor.name,
                config.extractor.config.clone(),
                &context,
            )?,
            loss: registry.build_loss(&config.loss.name, config.loss.config.clone(), &context)?,
            source: Source::new(dataset, DEFAULT_CACHE_BYTES),
            device: open.device,
            device_name: open.name,
            config,
        })
    }

    fn evaluator<'a>(&'a self, model: &'a dyn DynClassifier, emit: Emit<'a>) -> Evaluator<'a> {
        Evaluator {
            config: &self.config,
            model,
            source: &self.source,
            extractor: self.extractor.as_ref(),
            device: &self.device,
            emit,
        }
    }
}

/// Does a task: resumes what an earlier attempt left, else forks from the stage, else begins from scratch.
///
/// # Errors
/// Every [`EngineError`]; the text is what the user reads.
pub fn run_task(task: &WorkerTask, registry: &Registry, emit: Emit<'_>) -> Result<(), EngineError> {
    let mut parts = Parts::build(task, registry)?;
    for message in parts.source.dataset().warnings() {
        emit(TrialEvent::Warning { message });
    }
    if parts.source.dataset().len("train").unwrap_or(0) == 0 {
        let name = &parts.config.dataset.name;
        return Err(EngineError::Config(format!("data set `{name}` has no training pictures")));
    }
    let epochs = match task.kind {
        TaskKind::Stage { epochs } => epochs,
        TaskKind::Trial => parts.config.training.epochs,
    };

    // What was asked of the evaluation is checked before hours of training, not after.
    {
        let evaluator = parts.evaluator(parts.model.as_ref(), emit);
        evaluator.noise_split(&evaluator.splits()?)?;
    }

    let own = Checkpoint::new(task.dir.join("checkpoint"));
    let stage =
        task.stage_dir.as_ref().map(|d| Checkpoint::new(d.join("checkpoint"))).filter(Checkpoint::exists);
    let fresh = schedule::optimizer(&parts.config.training);
    let (optimizer, progress, origin) = if own.exists() {
        let (optimizer, progress) = own.load(parts.model.as_mut(), fresh)?;
        (optimizer, progress, "checkpoint".to_owned())
    } else if let Some(stage) = stage {
        let (optimizer, progress) = stage.load(parts.model.as_mut(), fresh)?;
        (optimizer, progress, "stage".to_owned())
    } else {
        (fresh, Progress::default(), "scratch".to_owned())
    };
    emit(TrialEvent::Started {
        device: parts.device_name.clone(),
        from_epoch: progress.epoch,
        epochs,
        origin,
    });

    let with_loss = task.kind == TaskKind::Trial && parts.loss.inputs() != LossInputs::Nothing;
    let targets = if with_loss {
        let identity = (&parts.config.dataset, &parts.config.localizer);
        Some(Targets::compute(
            &parts.source,
            "train",
            parts.localizer.as_ref(),
            identity,
            parts.loss.wants_masks(),
            &task.cache_dir,
            emit,
        )?)
    } else {
        None
    };

    let placeholder = parts.model.evaluation_copy();
    let model = std::mem::replace(&mut parts.model, placeholder);
    let (model, progress) =
        train(&parts, model, optimizer, progress, targets.as_ref(), epochs, task, &own, emit)?;
    if task.kind == TaskKind::Trial {
        let started = Instant::now();
        let rows = targets.map_or_else(Vec::new, |t| t.quality("train"));
        finish(&parts, model.as_ref(), &progress, rows, task, emit)?;
        own.clear()?;
        emit(TrialEvent::Finished {
            train_seconds: progress.seconds,
            eval_seconds: started.elapsed().as_secs_f64(),
        });
    } else {
        emit(TrialEvent::Finished { train_seconds: progress.seconds, eval_seconds: 0.0 });
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the state of a trial that only this module passes on")]
fn train(
    parts: &Parts,
    model: Box<dyn DynClassifier>,
    optimizer: burn::optim::ModuleOptimizer,
    progress: Progress,
    targets: Option<&Targets>,
    epochs: usize,
    task: &WorkerTask,
    checkpoint: &Checkpoint,
    emit: Emit<'_>,
) -> Result<(Box<dyn DynClassifier>, Progress), EngineError> {
    let config = &parts.config;
    let loader = TrainLoader {
        source: &parts.source,
        targets,
        with_masks: targets.is_some() && parts.loss.wants_masks(),
        augmentation: &config.augmentation,
        size: config.input.size,
        batch_size: config.training.batch_size,
        seed: config.seed,
        threads: (task.threads / 2).clamp(1, 8),
    };
    let objective = targets.map(|_| Objective {
        loss: parts.loss.as_ref(),
        extractor: parts.extractor.as_ref(),
        cam: &config.cam,
        size: config.input.size,
    });
    let validation: Vec<usize> = match parts.source.dataset().len("val") {
        Some(count) => (0..count).map(|i| parts.source.meta("val", i).label).collect(),
        None => Vec::new(),
    };
    let mut validate = |model: &dyn DynClassifier, epoch: usize| -> Result<Vec<MetricRow>, EngineError> {
        if validation.is_empty() {
            return Ok(Vec::new());
        }
        let model = model.evaluation_copy();
        let silent = |_: TrialEvent| {};
        let (predicted, _) = parts.evaluator(model.as_ref(), &silent).predict("val", &validation)?;
        let right = predicted.iter().zip(&validation).filter(|(p, l)| p == l).count();
        let accuracy = right as f64 / validation.len() as f64;
        Ok(vec![MetricRow::new("val", "accuracy", accuracy, validation.len()).epoch(epoch)])
    };
    let mut trainer =
        Trainer { config, model, optimizer, progress, device: parts.device.clone().autodiff(), emit };
    trainer.train(epochs, loader, objective.as_ref(), checkpoint, &mut validate)?;
    Ok((trainer.model, trainer.progress))
}

/// Evaluates and leaves every artefact.
fn finish(
    parts: &Parts,
    model: &dyn DynClassifier,
    progress: &Progress,
    quality: Vec<MetricRow>,
    task: &WorkerTask,
    emit: Emit<'_>,
) -> Result<(), EngineError> {
    write_safetensors(&task.dir.join("checkpoint").join("model.safetensors"), &model.tensors())?;
    let model = model.evaluation_copy();
    let evaluator = parts.evaluator(model.as_ref(), emit);
    let Evaluation { rows, records } = evaluator.run()?;
    let split = evaluator.noise_split(&evaluator.splits()?)?;
    evaluator.gallery(&split, parts.localizer.as_ref(), &task.dir.join("gallery"))?;
    for row in rows.iter().chain(&quality) {
        emit(TrialEvent::Metric(row.clone()));
    }
    let all: Vec<MetricRow> = progress.rows.iter().cloned().chain(quality).chain(rows).collect();
    store::write_lines(&task.dir.join("predictions.jsonl"), &records)?;
    store::write_lines(&task.dir.join("metrics.jsonl"), &all)?;
    Ok(())
}

//! Finished trials measured anew. The main type is [`Again`].

use crate::data::source::{DEFAULT_CACHE_BYTES, Source};
use crate::evaluate::Evaluator;
use crate::evaluate::later::{LaterMetric, Part, stored};
use crate::explain::network;
use crate::trained::TrainedTrial;
use crate::{Emit, EngineError, precision};
use burn::tensor::Device;
use fovea_api::{BuildContext, Registry};
use fovea_plan::{EvaluationConfig, PluginCatalog, PluginConfig, PluginKind};
use fovea_records::{Done, LaterRow, MetricRow, RunStore, TrialId};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Artefacts that metrics are computed from.
const WEIGHTS: &str = "checkpoint/model.safetensors";
const PREDICTIONS: &str = "predictions.jsonl";

/// Measures finished trials, one after the other. Data sets stay open between trials that share them.
pub struct Again<'a> {
    /// The plugins.
    pub registry: Registry,
    /// What tells a plugin's fingerprint.
    pub catalog: &'a dyn PluginCatalog,
    /// Relative paths in plugin configurations start here.
    pub base_dir: PathBuf,
    /// Device without autodiff.
    pub device: Device,
    /// Version of Fovea, for the records.
    pub version: String,
    open: Option<(PluginConfig, Source)>,
}

/// What was measured of a trial.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Rows that are new.
    pub new: Vec<LaterRow>,
    /// Rows that its own record has, too, with the value there.
    pub recorded: Vec<(MetricRow, f64)>,
}

impl<'a> Again<'a> {
    /// With nothing open yet.
    #[must_use]
    pub fn new(
        registry: Registry,
        catalog: &'a dyn PluginCatalog,
        base_dir: PathBuf,
        device: Device,
        version: String,
    ) -> Self {
        Self { registry, catalog, base_dir, device, version, open: None }
    }

    /// Measures `metrics` of a trial under `settings`, from its stored predictions where they are enough, else with its
    /// weights.
    ///
    /// # Errors
    /// When its records, weights or pictures cannot be read or are not what they were, a plugin fails, or the data set has
    /// no such split.
    pub fn measure(
        &mut self,
        store: &RunStore,
        (id, done): (&TrialId, &Done),
        metrics: &[LaterMetric],
        settings: &EvaluationConfig,
        emit: Emit<'_>,
    ) -> Result<Measured, EngineError> {
        let parts: BTreeSet<Part> = metrics.iter().map(|metric| metric.part).collect();
        let (stored_parts, network_parts): (Vec<Part>, Vec<Part>) =
            parts.into_iter().partition(|p| p.is_stored());
        let mut rows: Vec<(MetricRow, &str)> = Vec::new();
        if !stored_parts.is_empty() {
            unchanged(store, id, done, PREDICTIONS)?;
            let records = store.read_predictions(id)?;
            let found = stored_parts.into_iter().flat_map(|part| stored::rows(part, &records));
            rows.extend(found.map(|row| (row, PREDICTIONS)));
        }
        if !network_parts.is_empty() {
            unchanged(store, id, done, WEIGHTS)?;
            let found = self.with_network(store, id, &network_parts, settings, emit)?;
            rows.extend(found.into_iter().map(|row| (row, WEIGHTS)));
        }
        rows.retain(|(row, _)| metrics.iter().any(|metric| metric.name == row.metric));

        let own = store.read_metrics(id)?;
        let mut measured = Measured::default();
        for (row, artefact) in rows {
            if let Some(old) = own.iter().find(|old| old.measures_the_same(&row)) {
                measured.recorded.push((row, old.value));
                continue;
            }
            measured.new.push(LaterRow {
                row,
                of: done.artefacts.get(artefact).cloned().unwrap_or_default(),
                settings: serde_json::to_value(settings).unwrap_or_default(),
                version: self.version.clone(),
            });
        }
        Ok(measured)
    }

    fn with_network(
        &mut self,
        store: &RunStore,
        id: &TrialId,
        parts: &[Part],
        settings: &EvaluationConfig,
        emit: Emit<'_>,
    ) -> Result<Vec<MetricRow>, EngineError> {
        let trial = TrainedTrial::open(&store.trial_dir(id))?;
        let model = trial.model_config(Some(&trial.weights));
        let TrainedTrial { mut config, weights } = trial;
        let context = BuildContext {
            base_dir: self.base_dir.clone(),
            device: self.device.clone(),
            registry: self.registry.clone(),
        };
        let extractor = &config.extractor;
        let extractor = self.registry.build_extractor(&extractor.name, extractor.config.clone(), &context)?;
        let name = config.model.name.clone();
        // As it was measured at its end: in the precision that it was trained in.
        let precision = precision::of_layers(config.training.precision);
        let size = config.input.size;
        let dataset = PluginConfig::clone(&config.dataset);
        config.evaluation = settings.clone();
        let source = self.source(&dataset, &context)?;
        let classes = source.dataset().classes().len();
        let built =
            network(&context.registry, (&name, &model, precision), Some(classes), size, &context.device)?;
        if let Some(replaced) = built.head_replaced {
            let message =
                format!("{}: {replaced}; the data set is not the one it was trained on", weights.display());
            return Err(EngineError::Checkpoint(message));
        }
        let model = built.model.evaluation_copy();
        let evaluator = Evaluator {
            config: &config,
            model: model.as_ref(),
            source,
            extractor: extractor.as_ref(),
            device: &context.device,
            emit,
        };
        evaluator.later(parts)
    }

    /// The data set as it was when the trial ran.
    fn source(&mut self, wanted: &PluginConfig, context: &BuildContext) -> Result<&Source, EngineError> {
        let open = self.open.take().filter(|(config, _)| config == wanted);
        let open = match open {
            Some(open) => open,
            None => {
                let now = self.catalog.resolve(PluginKind::Dataset, &wanted.name, wanted.config.clone());
                let now = now.map_err(|issues| {
                    let messages: Vec<String> = issues.into_iter().map(|issue| issue.message).collect();
                    EngineError::Config(format!("data set {}: {}", wanted.name, messages.join("; ")))
                })?;
                if now.fingerprint != wanted.fingerprint {
                    return Err(EngineError::Config(format!(
                        "data set {} is not what the trial was trained and measured on: its fingerprint was {} and is {}",
                        wanted.name, wanted.fingerprint, now.fingerprint
                    )));
                }
                let dataset = self.registry.build_dataset(&wanted.name, wanted.config.clone(), context)?;
                (wanted.clone(), Source::new(dataset, DEFAULT_CACHE_BYTES))
            }
        };
        Ok(&self.open.insert(open).1)
    }
}

/// Refuses an artefact that is not what it was when the trial ended.
fn unchanged(store: &RunStore, id: &TrialId, done: &Done, artefact: &str) -> Result<(), EngineError> {
    let path = store.trial_dir(id).join(artefact);
    let bytes = std::fs::read(&path)
        .map_err(|e| EngineError::Checkpoint(format!("cannot read {}: {e}", path.display())))?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    match done.artefacts.get(artefact) {
        Some(recorded) if *recorded == hash => Ok(()),
        _ => Err(EngineError::Checkpoint(format!(
            "{} is not the file that the trial left: its BLAKE3 is another than in DONE.json",
            path.display()
        ))),
    }
}

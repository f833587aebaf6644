//! All there is to know of one trial. The main type is [`Dossier`]; [`open`] collects it.

use crate::ledger::{Ledger, Past};
use crate::standing::{Standing, Word, read_config, standings};
use crate::survey;
use fovea_plan::PluginKind;
use fovea_records::{Done, PlannedTrial, Provenance, RunPlan, RunStore, StoreError, TrialId};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A trial with its past.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dossier {
    /// Its folder.
    pub dir: PathBuf,
    /// Its id.
    pub id: TrialId,
    /// The label of its variant; none when it is in no plan any more.
    pub variant: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// Where it stands.
    pub standing: Standing,
    /// What happened to it.
    pub past: Past,
    /// How it ended, if it is done.
    pub done: Option<Done>,
    /// Final accuracy by split, fractions.
    pub accuracy: BTreeMap<String, f64>,
    /// Whether origins were recorded: earlier versions did not.
    pub origins_known: bool,
    /// Its resolved configuration, a key at a time.
    pub values: Vec<ConfigValue>,
    /// What it rests on beside its configuration, a process that trained each; earlier versions recorded none.
    pub provenance: Vec<Provenance>,
    /// What it left.
    pub artefacts: Vec<Artefact>,
}

/// One key of a resolved configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigValue {
    /// Dotted key, as in the experiment file; `dataset fingerprint` and the like, which no file says, with a space.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Where it was given; none: a default.
    pub origin: Option<String>,
}

/// A file that a finished trial left.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Artefact {
    /// Path within the trial's folder.
    pub path: String,
    /// Its BLAKE3.
    pub blake3: String,
    /// Its size; none when it is gone.
    pub bytes: Option<u64>,
}

/// Collects what is known of the trial in `dir`, a folder below `RUN/trials`.
///
/// # Errors
/// When a record cannot be read.
pub fn open(dir: &Path) -> Result<Dossier, StoreError> {
    let run = dir.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let store = RunStore::new(run);
    let plan = store.read_plan()?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let planned = plan.trials.iter().find(|trial| trial.id.as_str() == name).cloned();
    let variant = planned.as_ref().map(|trial| trial.variant.clone());
    let trial = planned.map_or_else(|| unplanned(dir, &name), Ok)?;
    let alone = RunPlan { trials: vec![trial.clone()], ..plan };
    let standing = standings(&alone, &store)?.remove(0);
    // What is damaged is told by its standing, and is no reason not to show the rest.
    let done = store.done(&trial.id).unwrap_or_default();
    let metrics = store.read_metrics(&trial.id);
    let standing = match &metrics {
        Err(error) if standing.status == Word::Done => standing.damaged(error),
        _ => standing,
    };
    let artefacts = done.iter().flat_map(|done| &done.artefacts).map(|(path, blake3)| Artefact {
        bytes: dir.join(path).metadata().ok().map(|metadata| metadata.len()),
        path: path.clone(),
        blake3: blake3.clone(),
    });
    Ok(Dossier {
        dir: dir.to_owned(),
        past: Ledger::read(&store)?.of(&trial.id),
        accuracy: survey::accuracy(&metrics.unwrap_or_default()),
        variant,
        seed: trial.seed,
        standing,
        origins_known: !trial.origins.is_empty(),
        values: values(&trial),
        provenance: store.read_provenance(&trial.id)?,
        artefacts: artefacts.collect(),
        done,
        id: trial.id,
    })
}

/// A trial of an earlier plan, as far as its own folder tells.
fn unplanned(dir: &Path, name: &str) -> Result<PlannedTrial, StoreError> {
    let path = dir.join("trial.toml");
    let invalid =
        |message: String| StoreError::Corrupt { path: path.clone(), line: 1, what: "trial", message };
    let id = serde_json::from_value(name.into()).map_err(|e| invalid(e.to_string()))?;
    let config = read_config(dir).ok_or_else(|| invalid("it is missing or no TOML".to_owned()))?;
    Ok(PlannedTrial {
        id,
        index: 0,
        variant: String::new(),
        group: None,
        seed: config["seed"].as_u64().unwrap_or_default(),
        axes: Vec::new(),
        stage: None,
        config,
        origins: BTreeMap::new(),
    })
}

fn values(trial: &PlannedTrial) -> Vec<ConfigValue> {
    let mut values = Vec::new();
    for (section, value) in trial.config.as_object().into_iter().flatten() {
        if PluginKind::from_key(section).is_some() {
            let mut add = |key: String, value: &Value| add(trial, key, value, &mut values);
            add(format!("{section}.name"), &value["name"]);
            add(section.clone(), &value["config"]);
            add(format!("{section} fingerprint"), &value["fingerprint"]);
        } else {
            add(trial, section.clone(), value, &mut values);
        }
    }
    values
}

fn add(trial: &PlannedTrial, key: String, value: &Value, values: &mut Vec<ConfigValue>) {
    if let Value::Object(table) = value {
        for (below, value) in table {
            add(trial, format!("{key}.{below}"), value, values);
        }
    } else {
        let fingerprint = || key.ends_with(" fingerprint").then(|| "computed".to_owned());
        let origin = trial.origins.get(&key).cloned().or_else(fingerprint);
        values.push(ConfigValue { key, value: value.clone(), origin });
    }
}

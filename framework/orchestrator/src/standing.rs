//! Where each trial of a plan stands, and why. The main functions are [`standings`] and [`plan_standings`], the main
//! type is [`Standing`].
//!
//! [`TrialStatus`] is what a run acts on; this is what a person wants to know: a trial that is about to be trained
//! although one of the same name is done says what became different since.

use crate::changes::{Change, changes};
use crate::ledger::{Ledger, Past};
use crate::status::{TrialStatus, status_of};
use fovea_plan::{Plan, Trial};
use fovea_records::prune::Asha;
use fovea_records::{PlannedTrial, RunPlan, RunStore, StoreError, TrialId, TrialOutcome, checkpoint};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Never begun.
    New,
    /// Never begun as it is now; a trial of the same variant and seed was, under another configuration.
    Stale,
    /// Begun, and a run holds the directory.
    Running,
    /// Begun and not ended; it goes on from its last epoch.
    Interrupted,
    /// It ended with an error and will be tried again.
    Failed,
    /// Its loss became non-finite; it would do so again.
    Diverged,
    /// Others did better, so it was given up; it goes on under another rule.
    Pruned,
    /// Marked as done, but an artefact is gone: it runs again.
    Damaged,
    /// Done, every artefact in place.
    Done,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::New => "new",
            Self::Stale => "stale",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Diverged => "diverged",
            Self::Pruned => "pruned",
            Self::Damaged => "damaged",
            Self::Done => "done",
        })
    }
}

/// Where a trial stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// In one word.
    pub status: Word,
    /// Why, in words; nothing for what is new, running or done.
    pub reason: Option<String>,
    /// When it ended, or was begun if it has not ended; seconds since the Unix epoch.
    pub time: Option<f64>,
    /// Epochs that need not be trained again.
    pub epochs_done: usize,
    /// The trial of the same variant and seed that it takes the place of, if it is stale.
    pub earlier: Option<TrialId>,
    /// What is different from that trial.
    pub changes: Vec<Change>,
}

impl Standing {
    /// The same, of a trial whose records turn out to be unreadable.
    #[must_use]
    pub fn damaged(self, why: &dyn fmt::Display) -> Self {
        Self { status: Word::Damaged, reason: Some(why.to_string()), ..self }
    }

    /// Whether a run has to do something.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !matches!(self.status, Word::Done | Word::Diverged | Word::Pruned)
    }
}

/// Where every trial of a recorded plan stands, in plan order. Changes nothing on disk.
///
/// # Errors
/// When the journal or a DONE marker cannot be read.
pub fn standings(plan: &RunPlan, store: &RunStore) -> Result<Vec<Standing>, StoreError> {
    let trials: Vec<Asked<'_>> = plan.trials.iter().map(Asked::Recorded).collect();
    stand(&trials, &plan.axes, plan.prune.as_ref(), store)
}

/// As [`standings`], of a plan that need not be recorded.
///
/// # Errors
/// As those of [`standings`].
pub fn plan_standings(plan: &Plan, store: &RunStore) -> Result<Vec<Standing>, StoreError> {
    let trials: Vec<Asked<'_>> = plan.trials.iter().map(Asked::Planned).collect();
    stand(&trials, &plan.axes, plan.run.prune.as_ref(), store)
}

/// A trial that is asked about.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Recorded(&'a PlannedTrial),
    Planned(&'a Trial),
}

impl<'a> Asked<'a> {
    fn id(self) -> &'a TrialId {
        match self {
            Self::Recorded(trial) => &trial.id,
            Self::Planned(trial) => &trial.id,
        }
    }

    fn variant(self) -> &'a str {
        match self {
            Self::Recorded(trial) => &trial.variant,
            Self::Planned(trial) => &trial.variant,
        }
    }

    fn seed(self) -> u64 {
        match self {
            Self::Recorded(trial) => trial.seed,
            Self::Planned(trial) => trial.config.seed,
        }
    }

    fn epochs(self) -> u64 {
        match self {
            Self::Recorded(trial) => trial.config["training"]["epochs"].as_u64().unwrap_or_default(),
            Self::Planned(trial) => trial.config.training.epochs as u64,
        }
    }

    fn config(self) -> Cow<'a, Value> {
        match self {
            Self::Recorded(trial) => Cow::Borrowed(&trial.config),
            Self::Planned(trial) => Cow::Owned(serde_json::to_value(&trial.config).unwrap_or_default()),
        }
    }
}

fn stand(
    trials: &[Asked<'_>],
    axes: &[String],
    rule: Option<&Asha>,
    store: &RunStore,
) -> Result<Vec<Standing>, StoreError> {
    let ledger = Ledger::read(store)?;
    let held = store.holder().is_some();
    let folders = trial_folders(store);
    let earlier = Earlier::read(trials, axes, &folders, store);
    let of = |trial: &Asked<'_>| {
        let past = ledger.of(trial.id());
        // Most trials of a large plan have left nothing, so nothing has to be looked for.
        let begun = folders.contains(trial.id().as_str()) || past != Past::default();
        let status = if begun { status_of(trial.id(), store, &past, rule)? } else { TrialStatus::New };
        Ok(standing(*trial, store, past, status, held, &earlier))
    };
    trials.iter().map(of).collect()
}

/// Names of the folders of trials.
fn trial_folders(store: &RunStore) -> HashSet<String> {
    let entries = fs::read_dir(store.root().join("trials")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn standing(
    trial: Asked<'_>,
    store: &RunStore,
    past: Past,
    status: TrialStatus,
    held: bool,
    earlier: &Earlier<'_>,
) -> Standing {
    let ended = past.ended.as_ref().map(|end| end.time).or(past.pruned.as_ref().map(|pruned| pruned.time));
    let mut standing = Standing {
        status: Word::New,
        reason: None,
        time: ended.or(past.last_started),
        epochs_done: 0,
        earlier: None,
        changes: Vec::new(),
    };
    let failed = past.ended.map(|end| end.outcome);
    let (word, reason) = match status {
        TrialStatus::Done => (Word::Done, None),
        TrialStatus::Diverged(message) => (Word::Diverged, Some(message)),
        TrialStatus::Pruned(message) => {
            standing.epochs_done = epochs_done(&store.trial_dir(trial.id()));
            (Word::Pruned, Some(message))
        }
        TrialStatus::Damaged(message) => (Word::Damaged, Some(message)),
        TrialStatus::New | TrialStatus::Interrupted => {
            if earlier.folders.contains(trial.id().as_str()) {
                standing.epochs_done = epochs_done(&store.trial_dir(trial.id()));
            }
            let done = standing.epochs_done;
            let progress = || format!("{done} of {} epochs are done", trial.epochs());
            match failed {
                Some(TrialOutcome::Failed { message }) if standing.epochs_done > 0 => {
                    (Word::Failed, Some(format!("{message} ({})", progress())))
                }
                Some(TrialOutcome::Failed { message }) => (Word::Failed, Some(message)),
                _ if past.last_started.is_none() && standing.epochs_done == 0 => (Word::New, None),
                _ if held => (Word::Running, None),
                _ => (Word::Interrupted, Some(progress())),
            }
        }
    };
    standing.status = word;
    standing.reason = reason;
    if word == Word::New
        && let Some((id, changes)) = earlier.of(trial)
    {
        standing.status = Word::Stale;
        standing.reason = Some(said(&changes));
        standing.earlier = Some(id);
        standing.changes = changes;
    }
    standing
}

fn said(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "this version of Fovea names the same configuration otherwise".to_owned();
    }
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Epochs of the newest checkpoint.
fn epochs_done(dir: &Path) -> usize {
    checkpoint::saved(dir).first().map_or(0, |newest| newest.mark.epoch)
}

/// A trial that is in the run directory and not in the plan.
struct EarlierTrial {
    id: TrialId,
    /// Label in the last plan, if it is in that.
    variant: Option<String>,
    config: Value,
}

/// Trials of earlier plans that were begun, by seed.
struct Earlier<'a> {
    axes: &'a [String],
    folders: &'a HashSet<String>,
    by_seed: HashMap<u64, Vec<EarlierTrial>>,
}

impl<'a> Earlier<'a> {
    /// What cannot be read is left out: it cannot explain anything.
    fn read(
        trials: &[Asked<'_>],
        axes: &'a [String],
        folders: &'a HashSet<String>,
        store: &RunStore,
    ) -> Self {
        let planned: HashSet<&str> = trials.iter().map(|trial| trial.id().as_str()).collect();
        let mut by_seed: HashMap<u64, Vec<EarlierTrial>> = HashMap::new();
        let unplanned: Vec<&String> =
            folders.iter().filter(|name| !planned.contains(name.as_str())).collect();
        if unplanned.is_empty() {
            return Self { axes, folders, by_seed };
        }
        let last = store.read_plan().map(|plan| plan.trials).unwrap_or_default();
        let last: HashMap<&str, &PlannedTrial> = last.iter().map(|t| (t.id.as_str(), t)).collect();
        for name in unplanned {
            let dir = store.root().join("trials").join(name);
            if !dir.join("DONE.json").exists() && !dir.join("events.jsonl").exists() {
                continue;
            }
            let Ok(id) = serde_json::from_value(Value::from(name.as_str())) else { continue };
            let Some(config) = read_config(&dir) else { continue };
            let variant = last.get(name.as_str()).map(|trial| trial.variant.clone());
            let seed = config["seed"].as_u64().unwrap_or_default();
            by_seed.entry(seed).or_default().push(EarlierTrial { id, variant, config });
        }
        Self { axes, folders, by_seed }
    }

    /// The trial that this one takes the place of: of the same seed, and either the same variant in the last plan or
    /// the same values of all axes; of several, the one that is least different.
    fn of(&self, trial: Asked<'_>) -> Option<(TrialId, Vec<Change>)> {
        let candidates = self.by_seed.get(&trial.seed())?;
        let config = trial.config();
        let candidates = candidates.iter().filter(|earlier| {
            earlier.variant.as_deref() == Some(trial.variant())
                || self.axes.iter().all(|axis| at(&earlier.config, axis) == at(&config, axis))
        });
        candidates
            .map(|earlier| (earlier.id.clone(), changes(&earlier.config, &config)))
            .min_by_key(|(id, changes)| (changes.len(), id.clone()))
    }
}

/// The `trial.toml` of a folder as JSON; unlike the typed one, also that of another version.
pub(crate) fn read_config(dir: &Path) -> Option<Value> {
    toml_edit::de::from_str(&fs::read_to_string(dir.join("trial.toml")).ok()?).ok()
}

/// The value of an axis in a resolved configuration. Of a plugin only its name and own keys count: its version and its
/// data may be what changed.
fn at(config: &Value, axis: &str) -> Value {
    let mut keys = axis.split('.');
    let section = &config[keys.next().unwrap_or_default()];
    let plugin = section["fingerprint"].is_string();
    let rest: Vec<&str> = keys.collect();
    match (plugin, rest.as_slice()) {
        (true, [] | ["name"]) => section["name"].clone(),
        (true, below) => below.iter().fold(&section["config"], |value, key| &value[*key]).clone(),
        (false, below) => below.iter().fold(section, |value, key| &value[*key]).clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_records::{Done, JournalEntry, store};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn planned(loss: &str, epochs: usize) -> PlannedTrial {
        let plugin = json!({ "name": loss, "config": {}, "fingerprint": "v1" });
        let config = json!({ "seed": 0, "loss": plugin, "training": { "epochs": epochs } });
        PlannedTrial {
            id: TrialId::of(&config.to_string()),
            index: 0,
            variant: format!("loss={loss}"),
            group: None,
            seed: 0,
            axes: Vec::new(),
            stage: None,
            config,
            origins: BTreeMap::new(),
        }
    }

    fn plan(epochs: usize) -> RunPlan {
        RunPlan {
            prune: None,
            name: "x".to_owned(),
            question: None,
            smoke: false,
            axes: vec!["loss".to_owned(), "seed".to_owned()],
            label_axes: Vec::new(),
            command: String::new(),
            baseline: None,
            references: Vec::new(),
            trials: ["none", "ria"].map(|loss| planned(loss, epochs)).to_vec(),
        }
    }

    fn leave(store: &RunStore, trial: &PlannedTrial) {
        let text = toml_edit::ser::to_string_pretty(&trial.config).unwrap();
        store::write_atomic(&store.trial_dir(&trial.id).join("trial.toml"), text.as_bytes()).unwrap();
    }

    fn done(store: &RunStore, trial: &PlannedTrial) {
        leave(store, trial);
        let done = Done {
            ended: TrialOutcome::Done,
            version: "0".to_owned(),
            device: "cpu".to_owned(),
            train_seconds: 1.0,
            eval_seconds: 1.0,
            peak_memory: None,
            artefacts: BTreeMap::new(),
        };
        for name in store::ARTEFACTS.iter().filter(|name| **name != "trial.toml") {
            store::write_atomic(&store.trial_dir(&trial.id).join(name), b"").unwrap();
        }
        store.mark_done(&trial.id, done).unwrap();
    }

    #[test]
    fn a_trial_whose_configuration_changed_is_stale_and_says_what() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path());
        let (old, new) = (plan(12), plan(14));
        assert!(standings(&old, &store).unwrap().iter().all(|s| s.status == Word::New));
        store.write_plan(&old).unwrap();
        done(&store, &old.trials[0]);
        assert_eq!(standings(&old, &store).unwrap()[0].status, Word::Done);
        for _ in 0..2 {
            let found = standings(&new, &store).unwrap();
            assert_eq!(found[0].status, Word::Stale);
            assert_eq!(found[0].reason.as_deref(), Some("training.epochs 12 -> 14"));
            assert_eq!(found[0].earlier.as_ref(), Some(&old.trials[0].id));
            assert_eq!(found[1].status, Word::New, "it was never begun");
            // Once the new plan is the last one, the values of the axes tell.
            store.write_plan(&new).unwrap();
        }
    }

    #[test]
    fn a_failure_says_what_and_when_and_an_interruption_how_far() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path());
        let plan = plan(12);
        let id = plan.trials[0].id.clone();
        let started = JournalEntry::TrialStarted { time: 1.0, trial: id.clone(), attempt: 1 };
        store::append_line(&dir.path().join("journal.jsonl"), &started).unwrap();
        let checkpoint = store.trial_dir(&id).join("checkpoint/epoch-00005/progress.json");
        store::write_atomic(&checkpoint, b"{}").unwrap();
        let of = |plan: &RunPlan| standings(plan, &store).unwrap().remove(0);
        assert_eq!((of(&plan).status, of(&plan).epochs_done), (Word::Interrupted, 5));
        assert_eq!(of(&plan).reason.as_deref(), Some("5 of 12 epochs are done"));
        let lock = store.lock().unwrap();
        assert_eq!(of(&plan).status, Word::Running);
        drop(lock);
        let outcome = TrialOutcome::Failed { message: "no memory".to_owned() };
        let ended = JournalEntry::TrialFinished { time: 9.0, trial: id, outcome, seconds: 8.0 };
        store.journal(&ended).unwrap();
        let failed = of(&plan);
        assert_eq!((failed.status, failed.time), (Word::Failed, Some(9.0)));
        assert_eq!(failed.reason.as_deref(), Some("no memory (5 of 12 epochs are done)"));
        assert!(failed.is_pending());
    }
}

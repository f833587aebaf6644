//! How far a run is, from its files alone. The main type is [`Overview`].

use crate::prune::{Asha, Pruned};
use crate::{
    JournalEntry, PlannedTrial, RunPlan, RunStore, StageId, StoreError, TaskProgress, TrialId, TrialOutcome,
    progress,
};
use std::collections::BTreeMap;

/// How far a trial is.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialState {
    /// Not begun.
    Waiting,
    /// A worker has it in hand.
    Running(TaskProgress),
    /// Begun, and nobody goes on: the run was stopped.
    Interrupted,
    /// Done.
    Done,
    /// Its loss became non-finite.
    Diverged(String),
    /// It was given up because others did better.
    Pruned(String),
    /// It failed; the next run tries it again.
    Failed(String),
}

/// A run at one moment.
#[derive(Clone, Debug)]
pub struct Overview {
    /// What it consists of.
    pub plan: RunPlan,
    /// The `fovea run` that is at work, or several with a part each: [`RunStore::holder`].
    pub holder: Option<String>,
    /// When the newest `fovea run` began, seconds since the Unix epoch.
    pub since: Option<f64>,
    /// Every trial with its state, in grid order.
    pub trials: Vec<(PlannedTrial, TrialState)>,
    /// Lines of the journal that cannot be read, in words.
    pub problems: Vec<String>,
    /// Stages that are being trained, with the number of trials that wait for each.
    pub stages: Vec<(StageId, usize, TaskProgress)>,
}

impl Overview {
    /// Reads the run as it is now. Nothing is written, and nothing is locked for longer than a moment.
    ///
    /// # Errors
    /// When there is no plan or a record cannot be read.
    pub fn read(store: &RunStore) -> Result<Self, StoreError> {
        let plan = store.read_plan()?;
        let holder = store.holder();
        let lines = store.journal_lines()?;
        let (problems, journal) = (lines.problems(), lines.values);
        let since = journal.iter().rev().find_map(|entry| match entry {
            JournalEntry::RunStarted { time, .. } => Some(*time),
            _ => None,
        });
        let last = last_words(&journal);
        let mut trials = Vec::with_capacity(plan.trials.len());
        for trial in &plan.trials {
            let last = last.get(&trial.id).copied().flatten();
            let state = state(store, &trial.id, holder.is_some(), last, plan.prune.as_ref())?;
            trials.push((trial.clone(), state));
        }
        let mut users: BTreeMap<&StageId, usize> = BTreeMap::new();
        for stage in plan.trials.iter().filter_map(|trial| trial.stage.as_ref()) {
            *users.entry(stage).or_default() += 1;
        }
        let mut stages = Vec::new();
        for (id, users) in users.into_iter().filter(|_| holder.is_some()) {
            stages.extend(progress::read(&store.stage_dir(id))?.map(|p| (id.clone(), users, p)));
        }
        Ok(Self { holder, since, trials, stages, problems, plan })
    }

    /// How many trials are in a state like this.
    #[must_use]
    pub fn count(&self, is: impl Fn(&TrialState) -> bool) -> usize {
        self.trials.iter().filter(|(_, state)| is(state)).count()
    }
}

/// How a trial ended.
#[derive(Clone, Copy)]
enum Last<'a> {
    Finished(&'a TrialOutcome),
    Pruned(&'a Pruned),
}

/// What the journal says last of every trial that was begun: how it ended, if it did.
fn last_words(journal: &[JournalEntry]) -> BTreeMap<&TrialId, Option<Last<'_>>> {
    let mut last = BTreeMap::new();
    for entry in journal {
        match entry {
            JournalEntry::TrialStarted { trial, .. } => drop(last.insert(trial, None)),
            JournalEntry::TrialFinished { trial, outcome, .. } => {
                last.insert(trial, Some(Last::Finished(outcome)));
            }
            JournalEntry::TrialPruned { trial, pruned, .. } => {
                last.insert(trial, Some(Last::Pruned(pruned)));
            }
            _ => {}
        }
    }
    last
}

fn state(
    store: &RunStore,
    id: &TrialId,
    held: bool,
    last: Option<Last<'_>>,
    rule: Option<&Asha>,
) -> Result<TrialState, StoreError> {
    let dir = store.trial_dir(id);
    if let Some(progress) = progress::read(&dir)?.filter(|_| held) {
        return Ok(TrialState::Running(progress));
    }
    let done = match store.done(id) {
        Err(error @ StoreError::Corrupt { .. }) => {
            return Ok(TrialState::Failed(format!("{error}; `fovea run` trains the trial again")));
        }
        done => done?,
    };
    Ok(match (done.map(|done| done.ended), last) {
        (Some(TrialOutcome::Diverged { message }), _) => TrialState::Diverged(message),
        (Some(_), _) => TrialState::Done,
        (None, Some(Last::Finished(TrialOutcome::Failed { message }))) => TrialState::Failed(message.clone()),
        (None, Some(Last::Pruned(pruned))) if rule == Some(&pruned.rule) => {
            TrialState::Pruned(pruned.to_string())
        }
        (None, _) if dir.join("events.jsonl").exists() => TrialState::Interrupted,
        (None, _) => TrialState::Waiting,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::ProgressFile;
    use crate::{TrialEvent, store};

    fn planned(name: &str) -> PlannedTrial {
        PlannedTrial {
            id: TrialId::of(name),
            index: 0,
            variant: name.to_owned(),
            group: None,
            seed: 0,
            axes: Vec::new(),
            stage: Some(StageId::of("stage")),
            config: serde_json::Value::Null,
            origins: Default::default(),
        }
    }

    #[test]
    fn states_follow_from_files() {
        let dir = tempfile::tempdir().unwrap();
        let store = RunStore::new(dir.path());
        let trials: Vec<PlannedTrial> = ["waiting", "running", "failed"].map(planned).to_vec();
        let [waiting, running, failed] = [0, 1, 2].map(|i| trials[i].id.clone());
        let plan = RunPlan {
            prune: None,
            name: "x".into(),
            question: None,
            smoke: false,
            axes: Vec::new(),
            label_axes: Vec::new(),
            command: String::new(),
            baseline: None,
            references: Vec::new(),
            trials,
        };
        store.write_plan(&plan).unwrap();
        let lock = store.lock().unwrap();
        let event = TrialEvent::Warning { message: "w".into() };
        for id in [&waiting, &running, &failed] {
            std::fs::create_dir_all(store.trial_dir(id)).unwrap();
        }
        store::append_line(&store.trial_dir(&running).join("events.jsonl"), &event).unwrap();
        let outcome = TrialOutcome::Failed { message: "no disk".into() };
        store.journal(&JournalEntry::TrialStarted { time: 1.0, trial: failed.clone(), attempt: 1 }).unwrap();
        store
            .journal(&JournalEntry::TrialFinished { time: 1.0, trial: failed, outcome, seconds: 1.0 })
            .unwrap();
        std::fs::create_dir_all(store.stage_dir(&StageId::of("stage"))).unwrap();
        let stage = ProgressFile::begin(&store.stage_dir(&StageId::of("stage")), 1);
        let file = ProgressFile::begin(&store.trial_dir(&running), 0);
        let overview = Overview::read(&store).unwrap();
        assert_eq!(overview.trials[0].1, TrialState::Waiting);
        assert!(matches!(overview.trials[1].1, TrialState::Running(_)));
        assert_eq!(overview.trials[2].1, TrialState::Failed("no disk".into()));
        assert_eq!(overview.stages.iter().map(|(_, users, _)| *users).collect::<Vec<_>>(), [3]);
        assert_eq!(overview.holder, Some(format!("pid {}", std::process::id())));
        // A killed run leaves the file behind; without a holder it means nothing.
        drop(lock);
        let overview = Overview::read(&store).unwrap();
        assert_eq!((overview.holder, overview.stages.len()), (None, 0));
        assert_eq!(overview.trials[1].1, TrialState::Interrupted);
        drop((file, stage));
    }
}

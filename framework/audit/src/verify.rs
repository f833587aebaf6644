//! Trials of a run checked against their records. The main function is [`verify`].

use crate::error::io;
use crate::integrity::{Knowledge, flaws, unlike_siblings};
use crate::judge::{blank, judge};
use crate::rerun::{Bench, Ready, Unready, completed, new_folder, prepare, run};
use crate::sample::sample;
use crate::{AuditError, TrialRecord};
use fovea_orchestrator::Update;
use fovea_plan::{DeviceRequest, TrialConfig};
use fovea_records::{Finding, RunPlan, RunStore, StoreError, TrialId, TrialOutcome, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use fovea_orchestrator::gc::RERUNS;

/// Metrics may be off by this where nothing else is said: a point of accuracy.
pub const TOLERANCE: f64 = 0.01;

/// What is to be checked, and how.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The trials; empty: all of the plan.
    pub trials: Vec<TrialId>,
    /// How many of them are run again; none: all.
    pub sample: Option<usize>,
    /// Which ones, if not all.
    pub seed: u64,
    /// How far metrics may be off.
    pub tolerance: f64,
    /// Whether trials are run again at all.
    pub rerun: bool,
    /// Workers at a time; none: as many as the recorded threads leave room for.
    pub jobs: Option<usize>,
    /// Files that a bundle leaves out on purpose, by path within the run.
    pub left_out: BTreeSet<String>,
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Step<'a> {
    /// The records were checked.
    Records {
        /// Trials that have ended and whose records are what was written.
        sound: usize,
        /// Trials whose records are not.
        flawed: usize,
    },
    /// Reruns begin.
    Reruns {
        /// How many.
        trials: usize,
        /// How long they took when they were recorded, all together, seconds.
        seconds: f64,
        /// Workers at a time.
        jobs: usize,
    },
    /// Something happens in a rerun.
    Update(&'a Update),
    /// A trial is checked.
    Verdict(&'a TrialRecord, &'a Verdict),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The verdicts, in the order in which they were found.
    pub verdicts: Vec<Verdict>,
    /// Trials that have not ended, by where they stand (`new`, `failed`, `pruned`).
    pub unfinished: BTreeMap<String, usize>,
    /// Trials whose loss became non-finite, which left nothing to compare.
    pub diverged: usize,
    /// Sound trials that were not drawn.
    pub not_drawn: usize,
    /// Trials that were to be run again when it was stopped.
    pub left: usize,
    /// Folders of reruns that were kept because they differ.
    pub kept: Vec<PathBuf>,
}

impl Checked {
    /// How many have this finding.
    #[must_use]
    pub fn count(&self, finding: Finding) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.finding == finding).count()
    }
}

/// Whoever watches.
pub type Observer<'o> = dyn FnMut(Step<'_>) + Send + 'o;

/// What a check has at hand.
struct Check<'a, 'o> {
    store: &'a RunStore,
    options: &'a VerifyOptions,
    bench: &'a Bench<'a>,
    observer: &'a mut Observer<'o>,
    /// What was found earlier.
    known: BTreeMap<TrialId, Verdict>,
    checked: Checked,
}

/// Checks the records of all trials, then runs trials again and compares. Every verdict is added to the run.
///
/// # Errors
/// When the run cannot be read, or reruns cannot be started. What is wrong with a trial is a verdict.
pub fn verify(
    store: &RunStore,
    plan: &RunPlan,
    options: &VerifyOptions,
    bench: &Bench<'_>,
    observer: &mut Observer<'_>,
) -> Result<Checked, AuditError> {
    let known = store.read_verdicts()?;
    let mut check = Check { store, options, bench, observer, known, checked: Checked::default() };
    let sound = check.records(plan)?;
    let drawn = check.draw(sound);
    if options.rerun {
        check.reruns(drawn)?;
    } else {
        for record in drawn {
            let reason = "Its record is sound; it was not run again, as was asked.".to_owned();
            let verdict = check.verdict(&record, Finding::NotRun, vec![reason]);
            check.add(&record, verdict)?;
        }
    }
    Ok(check.checked)
}

impl Check<'_, '_> {
    /// Checks records, and gives back those that are sound and of which there is something to run again.
    fn records(&mut self, plan: &RunPlan) -> Result<Vec<TrialRecord>, AuditError> {
        let ids: Vec<TrialId> = match self.options.trials.as_slice() {
            [] => plan.trials.iter().map(|trial| trial.id.clone()).collect(),
            chosen => chosen.to_vec(),
        };
        let catalog = (self.bench.catalog)(&self.bench.here);
        let complete = |config: &TrialConfig| completed(config, catalog.as_ref());
        let knowledge = Knowledge { left_out: &self.options.left_out, complete: &complete };
        let standings: BTreeMap<TrialId, String> = self.standings(plan);
        let mut found: Vec<(TrialRecord, Vec<String>)> = Vec::new();
        for id in ids {
            let (record, mut problems) = TrialRecord::open_damaged(self.store, plan, &id);
            problems.extend(flaws(&record, &knowledge)?);
            if record.done.is_some() || !problems.is_empty() {
                found.push((record, problems));
            } else {
                let standing = standings.get(&record.id).map_or("not finished", String::as_str);
                *self.checked.unfinished.entry(standing.to_owned()).or_default() += 1;
            }
        }
        let records: Vec<TrialRecord> = found.iter().map(|(record, _)| record.clone()).collect();
        // A trace that cannot be read is told with its trial below.
        for (at, problem) in unlike_siblings(&records).unwrap_or_default() {
            found[at].1.push(problem);
        }
        let (sound, flawed): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, problems)| problems.is_empty());
        (self.observer)(Step::Records { sound: sound.len(), flawed: flawed.len() });
        for (record, problems) in flawed {
            let verdict = self.verdict(&record, Finding::Tampered, problems);
            self.add(&record, verdict)?;
        }
        let is_done =
            |record: &TrialRecord| record.done.as_ref().is_some_and(|d| d.ended == TrialOutcome::Done);
        let (done, diverged): (Vec<_>, Vec<_>) =
            sound.into_iter().map(|(record, _)| record).partition(|record| is_done(record));
        self.checked.diverged = diverged.len();
        Ok(done)
    }

    /// Where each trial of the plan stands, in one word; nothing where the journal cannot be read.
    fn standings(&self, plan: &RunPlan) -> BTreeMap<TrialId, String> {
        let standings = fovea_orchestrator::standings(plan, self.store).unwrap_or_default();
        let words = standings.into_iter().map(|standing| standing.status.to_string());
        plan.trials.iter().map(|trial| trial.id.clone()).zip(words).collect()
    }

    /// The trials to be run again.
    fn draw(&mut self, sound: Vec<TrialRecord>) -> Vec<TrialRecord> {
        let Some(count) = self.options.sample.filter(|count| *count < sound.len()) else { return sound };
        let variant = |record: &TrialRecord| record.planned.as_ref().map(|planned| planned.variant.clone());
        let trials: Vec<(TrialId, String)> =
            sound.iter().map(|record| (record.id.clone(), variant(record).unwrap_or_default())).collect();
        let drawn = sample(&trials, count, self.options.seed);
        self.checked.not_drawn = sound.len() - drawn.len();
        sound.into_iter().filter(|record| drawn.contains(&record.id)).collect()
    }

    /// Runs trials again, those of one device and number of threads together.
    fn reruns(&mut self, records: Vec<TrialRecord>) -> Result<(), AuditError> {
        let mut groups: BTreeMap<(String, usize, PathBuf), Vec<(TrialRecord, Ready)>> = BTreeMap::new();
        for record in records {
            match prepare(&record, self.bench) {
                Ok(ready) => {
                    let key = (ready.device.to_string(), ready.threads, ready.base_dir.clone());
                    groups.entry(key).or_default().push((record, ready));
                }
                Err(Unready { reasons, changes }) => {
                    let verdict = self.verdict(&record, Finding::NotRun, reasons);
                    self.add(&record, Verdict { changes, ..verdict })?;
                }
            }
        }
        for group in groups.into_values() {
            if self.bench.stop.requested() {
                self.checked.left += group.len();
            } else {
                self.group(&group)?;
            }
        }
        Ok(())
    }

    fn group(&mut self, group: &[(TrialRecord, Ready)]) -> Result<(), AuditError> {
        let Some((_, first)) = group.first() else { return Ok(()) };
        let jobs = self.options.jobs.unwrap_or_else(|| room(first)).min(group.len());
        let seconds = group.iter().map(|(record, _)| record.seconds()).sum();
        (self.observer)(Step::Reruns { trials: group.len(), seconds, jobs });
        let parent = self.store.root().join(RERUNS);
        let scratch = RunStore::new(new_folder(&parent, "verify").map_err(io("create", parent.clone()))?);
        let ready: Vec<&Ready> = group.iter().map(|(_, ready)| ready).collect();
        let before = self.checked.verdicts.len();
        let mut problem: Option<AuditError> = None;
        let bench = self.bench;
        let result = run(&ready, &scratch, bench, jobs, &mut |update| {
            (self.observer)(Step::Update(&update));
            let Update::TaskEnded { task, outcome, .. } = &update else { return };
            let ended = group.iter().find(|(record, _)| record.id.as_str() == task.id);
            if let Some((record, ready)) = ended
                && let Err(error) = self.ended(record, ready, &scratch, outcome)
            {
                problem.get_or_insert(error);
            }
        });
        let verdicts = &self.checked.verdicts[before..];
        self.checked.left += group.len() - verdicts.len();
        let differ = |verdict: &&Verdict| verdict.finding != Finding::BitExact;
        if verdicts.iter().any(|verdict| differ(&verdict)) {
            for verdict in verdicts.iter().filter(|verdict| !differ(verdict)) {
                remove(scratch.trial_dir(&verdict.trial))?;
            }
            self.checked.kept.push(scratch.root().to_owned());
        } else {
            remove(scratch.root().to_owned())?;
            // Only when nothing else is kept there.
            let _ = std::fs::remove_dir(&parent);
        }
        result?;
        problem.map_or(Ok(()), Err)
    }

    fn ended(
        &mut self,
        record: &TrialRecord,
        ready: &Ready,
        scratch: &RunStore,
        outcome: &TrialOutcome,
    ) -> Result<(), AuditError> {
        let verdict = match outcome {
            TrialOutcome::Done => match judge(record, scratch, self.options.tolerance) {
                Err(problem @ StoreError::Corrupt { .. }) => {
                    self.verdict(record, Finding::Tampered, vec![format!("{problem}.")])
                }
                verdict => verdict?,
            },
            TrialOutcome::Diverged { message } => {
                let reason = format!("The rerun did not end: {message}.");
                self.verdict(record, Finding::Diverged, vec![reason])
            }
            TrialOutcome::Failed { message } => {
                let reason = format!("The rerun failed: {message}.");
                self.verdict(record, Finding::NotRun, vec![reason])
            }
        };
        let mut changes = ready.changes.clone();
        changes.retain(|change| !verdict.changes.iter().any(|known| known.what == change.what));
        changes.extend(verdict.changes);
        self.add(record, Verdict { changes, ..verdict })
    }

    fn verdict(&self, record: &TrialRecord, finding: Finding, reasons: Vec<String>) -> Verdict {
        blank(record, finding, self.options.tolerance, reasons)
    }

    /// Records a verdict and tells it. That a trial could not be run again does not take back what was found earlier.
    fn add(&mut self, record: &TrialRecord, verdict: Verdict) -> Result<(), AuditError> {
        let is_news = verdict.finding != Finding::NotRun
            || (self.options.rerun
                && self.known.get(&record.id).is_none_or(|known| known.finding == Finding::NotRun));
        if is_news {
            self.store.add_verdict(&verdict)?;
        }
        (self.observer)(Step::Verdict(record, &verdict));
        self.checked.verdicts.push(verdict);
        Ok(())
    }
}

/// Workers that the recorded threads leave room for.
fn room(ready: &Ready) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match ready.device {
        DeviceRequest::Cpu if ready.threads > 0 => (cores / ready.threads).max(1),
        _ => 1,
    }
}

fn remove(folder: PathBuf) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", folder)(error)),
        _ => Ok(()),
    }
}

//! Which task is next. The main type is [`Queue`].

use fovea_records::{StageId, TrialId};
use std::collections::BTreeMap;

/// A task that may be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Train this stage.
    Stage(StageId),
    /// Run this trial (its position in the plan).
    Trial(usize),
    /// Nothing now, but tasks in progress may free some.
    Wait,
    /// Nothing any more.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum StageState {
    Missing,
    Running,
    Done,
}

/// A trial to be done.
#[derive(Clone, Debug)]
pub struct QueuedTrial {
    /// Position in the plan.
    pub index: usize,
    /// Its id.
    pub id: TrialId,
    /// The stage it forks from.
    pub stage: Option<StageId>,
}

/// Pending trials in the order of their turns; a stage comes right before the first trial that needs it.
#[derive(Clone, Debug)]
pub struct Queue {
    waiting: Vec<QueuedTrial>,
    stages: BTreeMap<StageId, StageState>,
}

impl Queue {
    /// A queue of `trials`; `stage_done` tells which stages have their checkpoint already.
    #[must_use]
    pub fn new(trials: Vec<QueuedTrial>, stage_done: impl Fn(&StageId) -> bool) -> Self {
        let stages = trials
            .iter()
            .filter_map(|t| t.stage.clone())
            .map(|id| {
                let state = if stage_done(&id) { StageState::Done } else { StageState::Missing };
                (id, state)
            })
            .collect();
        Self { waiting: trials, stages }
    }

    /// Whether every trial was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the next task.
    pub fn take(&mut self) -> Next {
        if self.waiting.is_empty() {
            return Next::Nothing;
        }
        for position in 0..self.waiting.len() {
            let state = self.waiting[position].stage.as_ref().and_then(|s| self.stages.get_mut(s));
            match state {
                None | Some(StageState::Done) => {
                    return Next::Trial(self.waiting.remove(position).index);
                }
                Some(state @ StageState::Missing) => {
                    *state = StageState::Running;
                    let stage = self.waiting[position].stage.clone();
                    return stage.map_or(Next::Wait, Next::Stage);
                }
                Some(StageState::Running) => {}
            }
        }
        Next::Wait
    }

    /// A stage was trained: its trials may go.
    pub fn stage_done(&mut self, id: &StageId) {
        self.stages.insert(id.clone(), StageState::Done);
    }

    /// A stage failed: its trials leave the queue and are given back.
    pub fn stage_failed(&mut self, id: &StageId) -> Vec<QueuedTrial> {
        let (lost, kept) =
            std::mem::take(&mut self.waiting).into_iter().partition(|t| t.stage.as_ref() == Some(id));
        self.waiting = kept;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(index: usize, stage: Option<&str>) -> QueuedTrial {
        QueuedTrial { index, id: TrialId::of(&index.to_string()), stage: stage.map(StageId::of) }
    }

    #[test]
    fn a_stage_comes_before_its_trials_and_others_do_not_wait() {
        let a = StageId::of("a");
        let trials = vec![trial(0, Some("a")), trial(1, Some("a")), trial(2, None), trial(3, Some("b"))];
        let mut queue = Queue::new(trials, |id| *id == StageId::of("b"));
        assert_eq!(queue.take(), Next::Stage(a.clone()));
        assert_eq!(queue.take(), Next::Trial(2));
        assert_eq!(queue.take(), Next::Trial(3));
        assert_eq!(queue.take(), Next::Wait);
        queue.stage_done(&a);
        assert_eq!(queue.take(), Next::Trial(0));
        assert_eq!(queue.take(), Next::Trial(1));
        assert_eq!(queue.take(), Next::Nothing);
    }

    #[test]
    fn a_failed_stage_takes_its_trials_along() {
        let mut queue = Queue::new(vec![trial(0, Some("a")), trial(1, None), trial(2, Some("a"))], |_| false);
        assert_eq!(queue.take(), Next::Stage(StageId::of("a")));
        let lost = queue.stage_failed(&StageId::of("a"));
        assert_eq!(lost.iter().map(|t| t.index).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(queue.take(), Next::Trial(1));
        assert_eq!(queue.take(), Next::Nothing);
    }
}

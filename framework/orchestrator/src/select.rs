//! Which trials of a plan a run is about. The main type is [`Selection`].

use fovea_plan::{Plan, Trial};
use fovea_records::{RunLock, RunStore, StoreError};
use std::fmt;
use std::str::FromStr;

/// Fewer hex digits than this are no prefix of an id, as too many labels have them.
const SHORTEST_PREFIX: usize = 4;

/// The trials that are asked for; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// A trial has to match one of these, if there are any: part of its label (`loss=ria`, `seed 0`), a pattern for
    /// all of it (`loss=*iou`), or the first digits of its id.
    pub only: Vec<String>,
    /// The part of the plan that is run here.
    pub shard: Option<Shard>,
}

impl Selection {
    /// Whether a trial is asked for.
    #[must_use]
    pub fn takes(&self, trial: &Trial) -> bool {
        let wanted = self.only.is_empty() || self.only.iter().any(|pattern| matches(pattern, trial));
        wanted && self.shard.is_none_or(|shard| shard.takes(trial))
    }

    /// The first of `only` that no trial matches: a typing error.
    #[must_use]
    pub fn unmatched(&self, plan: &Plan) -> Option<&str> {
        let unmatched = |pattern: &&String| !plan.trials.iter().any(|trial| matches(pattern, trial));
        self.only.iter().find(unmatched).map(String::as_str)
    }
}

fn matches(pattern: &str, trial: &Trial) -> bool {
    let label = format!("{}, seed {}", trial.variant, trial.config.seed);
    if pattern.contains(['*', '?']) {
        return glob(pattern, &trial.variant) || glob(pattern, &label);
    }
    let is_prefix = pattern.len() >= SHORTEST_PREFIX && trial.id.as_str().starts_with(pattern);
    is_prefix || label.contains(pattern)
}

/// Whether all of `text` matches; `*` stands for any text, `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.any(|at| glob(rest, &text[at..]))
        }
        Some(wanted) => {
            let mut text = text.chars();
            text.next().is_some_and(|c| wanted == '?' || wanted == c) && glob(chars.as_str(), text.as_str())
        }
    }
}

/// Part `index` of `count` of a plan, from 1.
///
/// A trial's part follows from its id, so it stays where it is when trials are added; trials that share a warm-up go by
/// its id instead, so that it is trained in one part alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// Takes the lock on this part of a run.
    pub(crate) fn lock(self, store: &RunStore) -> Result<RunLock, StoreError> {
        store.lock_part(self.index, self.count)
    }

    fn takes(self, trial: &Trial) -> bool {
        // A warm-up that no other trial shares yet may be shared by one that is added.
        let warm_up = trial.stage.clone().or_else(|| trial.warm_up());
        let id = warm_up.as_ref().map_or(trial.id.as_str(), |stage| stage.as_str());
        // The digits are those of a cryptographic hash: they are evenly spread.
        u64::from_str_radix(id, 16).unwrap_or(0) % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(m, n)| Some((m.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index, count }),
            _ => Err("expected M/N with M from 1 to N, for example 2/4".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::trial;

    fn only(pattern: &str) -> Selection {
        Selection { only: vec![pattern.to_owned()], shard: None }
    }

    #[test]
    fn only_takes_parts_of_labels_patterns_and_ids() {
        let ria = trial("loss=ria, cam=raw", 1, None);
        for pattern in ["ria", "loss=ria", "seed 1", "loss=*", "*, seed ?", &ria.id.as_str()[..6]] {
            assert!(only(pattern).takes(&ria), "{pattern}");
        }
        for pattern in ["iou", "seed 10", "loss", "ria*", "*cam", "?", &ria.id.as_str()[..3]] {
            let expected = pattern == "loss";
            assert_eq!(only(pattern).takes(&ria), expected, "{pattern}");
        }
        assert!(Selection::default().takes(&ria));
    }

    #[test]
    fn shards_are_a_partition_and_keep_sharers_of_a_warm_up_together() {
        let trials: Vec<_> = (0..200).map(|seed| trial("a", seed, None)).collect();
        let shards: Vec<Shard> = (1..=3).map(|m| format!("{m}/3").parse().unwrap()).collect();
        for t in &trials {
            assert_eq!(shards.iter().filter(|s| s.takes(t)).count(), 1);
        }
        for shard in &shards {
            let size = trials.iter().filter(|t| shard.takes(t)).count();
            assert!((40..=95).contains(&size), "shard {shard} has {size} of 200");
        }
        let sharers = [trial("a", 0, Some("warm-up")), trial("b", 1, Some("warm-up"))];
        for shard in &shards {
            assert_eq!(shard.takes(&sharers[0]), shard.takes(&sharers[1]));
        }
    }

    #[test]
    fn a_trial_stays_in_its_part_when_others_come_to_share_its_warm_up() {
        let alone: Vec<_> = (0..40).map(|seed| trial("a", seed, None)).collect();
        for shard in (1..=3).map(|m| format!("{m}/3").parse::<Shard>().unwrap()) {
            for alone in &alone {
                let shared = Trial { stage: alone.warm_up(), ..alone.clone() };
                assert!(shared.stage.is_some());
                assert_eq!(shard.takes(alone), shard.takes(&shared));
            }
        }
    }

    #[test]
    fn shards_are_parsed_and_shown() {
        assert_eq!("2/4".parse::<Shard>().unwrap().to_string(), "2/4");
        for text in ["", "2", "0/4", "5/4", "1/0", "a/b", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}

//! Which trials to run again. The main function is [`sample`].

use fovea_records::TrialId;
use std::collections::BTreeMap;

/// `count` of the trials, given with the label of their variant: every variant one before any has two, which ones depends
/// on `seed` and nothing else. In the order in which they were given.
pub(crate) fn sample(trials: &[(TrialId, String)], count: usize, seed: u64) -> Vec<TrialId> {
    let key = |text: &str| {
        let mut hasher = blake3::Hasher::new_derive_key("fovea 2026 verify sample v1");
        hasher.update(&seed.to_le_bytes()).update(text.as_bytes());
        hasher.finalize().to_hex().to_string()
    };
    let mut drawn: Vec<(usize, String)> = trials.iter().map(|(id, _)| key(id.as_str())).enumerate().collect();
    drawn.sort_by(|a, b| a.1.cmp(&b.1));
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut turns: Vec<(usize, String, usize)> = Vec::new();
    for (at, _) in drawn {
        let variant = trials[at].1.as_str();
        let turn = taken.entry(variant).or_default();
        turns.push((*turn, key(variant), at));
        *turn += 1;
    }
    turns.sort();
    let mut chosen: Vec<usize> = turns.into_iter().take(count).map(|(.., at)| at).collect();
    chosen.sort_unstable();
    chosen.into_iter().map(|at| trials[at].0.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn trials() -> Vec<(TrialId, String)> {
        let grid = ["a", "b", "c"].into_iter().flat_map(|v| (0..4).map(move |seed| (v, seed)));
        grid.map(|(v, seed)| (TrialId::of(&format!("{v} {seed}")), v.to_owned())).collect()
    }

    #[test]
    fn every_variant_has_one_before_any_has_two() {
        let trials = trials();
        for seed in 0..20 {
            let chosen = sample(&trials, 3, seed);
            let variants: BTreeSet<&String> =
                trials.iter().filter(|(id, _)| chosen.contains(id)).map(|(_, v)| v).collect();
            assert_eq!((chosen.len(), variants.len()), (3, 3), "seed {seed}");
        }
        let all: Vec<TrialId> = trials.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(sample(&trials, 99, 0), all);
    }

    #[test]
    fn the_seed_decides() {
        let trials = trials();
        assert_eq!(sample(&trials, 3, 1), sample(&trials, 3, 1));
        assert!((0..20).any(|seed| sample(&trials, 3, seed) != sample(&trials, 3, 1)));
    }
}

//! What training scripts wrap around the tensors of a network. The main functions are [`unwrapped`] and [`fitted`].

use std::collections::{BTreeMap, BTreeSet};

/// Tables that hold a network's tensors, whatever lies beside them, the best first: of a teacher and its student the teacher,
/// and weights as they are before any average of them.
const TABLES: [&str; 8] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "teacher",
    "student",
    "params",
    "ema_state_dict",
    "params_ema",
];

/// Names of a network, or of a part that holds all of it, in whatever holds it. As tables only beside what is no network.
const HOLDERS: [&str; 10] =
    ["model", "module", "_orig_mod", "net", "network", "backbone", "encoder", "ema", "model_ema", "weights"];

/// What lies beside a network in a checkpoint of training.
const BESIDE: [&str; 16] = [
    "optimizer",
    "optimizer_state_dict",
    "optimizer_states",
    "optim",
    "lr_scheduler",
    "scheduler",
    "lr_schedulers",
    "scaler",
    "epoch",
    "args",
    "hyper_parameters",
    "callbacks",
    "loops",
    "ema",
    "model_ema",
    "dino_loss",
];

fn first(name: &str) -> &str {
    name.split_once('.').map_or(name, |(first, _)| first)
}

/// The prefix, with its dot, below which the tensors of the network are, as far as that can be said without the network:
/// wrappers are taken off one after the other as long as there are any.
pub(super) fn unwrapped<'a>(names: &(impl Iterator<Item = &'a str> + Clone)) -> String {
    let mut prefix = String::new();
    // Nobody wraps deeper.
    for _ in 0..8 {
        let below = || names.clone().filter_map(|name| name.strip_prefix(prefix.as_str()));
        let firsts: BTreeSet<&str> = below().map(first).collect();
        let has = |word: &&&str| {
            firsts.contains(**word) && below().any(|name| name.starts_with(&format!("{word}.")))
        };
        let alone = |word: &&&str| firsts.iter().all(|other| *other == **word || BESIDE.contains(other));
        let table = TABLES.iter().find(has);
        let Some(word) = table.or_else(|| HOLDERS.iter().filter(has).find(alone)) else { break };
        prefix = format!("{prefix}{word}.");
    }
    prefix
}

/// The names again as the network has them, where that is not so yet: below whatever prefix most of its own are found, or
/// with one that was taken off.
pub(super) fn fitted<T>(
    tensors: BTreeMap<String, T>,
    expected: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, T> {
    let score = |rename: &dyn Fn(&str) -> Option<String>| {
        tensors.keys().filter(|name| rename(name).is_some_and(|name| expected(&name))).count()
    };
    let now = score(&|name| Some(name.to_owned()));
    let without = prefixes(tensors.keys().map(String::as_str)).into_iter().map(|prefix| {
        let score = score(&|name| Some(name.strip_prefix(prefix)?.to_owned()));
        (score, prefix.to_owned(), false)
    });
    let with = HOLDERS.iter().map(|word| {
        let prefix = format!("{word}.");
        (score(&|name| Some(format!("{prefix}{name}"))), prefix, true)
    });
    let best = without.chain(with).max_by_key(|(score, ..)| *score);
    let Some((_, prefix, add)) = best.filter(|(score, ..)| *score > now) else { return tensors };
    let renamed = tensors.into_iter().filter_map(|(name, tensor)| match add {
        true => Some((format!("{prefix}{name}"), tensor)),
        false => Some((name.strip_prefix(&prefix)?.to_owned(), tensor)),
    });
    renamed.collect()
}

/// What names begin with, up to a dot; few, since a network's own parts need no fitting.
fn prefixes<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for name in names {
        found.extend(name.match_indices('.').take(4).map(|(dot, _)| &name[..=dot]));
        if found.len() > 200 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_taken_off_alone_and_stacked() {
        for (names, prefix) in [
            (&["fc.weight", "conv1.weight"][..], ""),
            (&["state_dict.fc.weight", "epoch"], "state_dict."),
            (&["model_state_dict.module.fc.weight", "optimizer.state.0.exp_avg"], "model_state_dict.module."),
            (&["state_dict.model._orig_mod.fc.weight"], "state_dict.model._orig_mod."),
            (&["model.fc.weight", "model_ema.module.fc.weight", "lr_scheduler.x"], "model."),
            (&["student.backbone.x", "teacher.backbone.x"], "teacher.backbone."),
            (&["net.fc.weight"], "net."),
            // Parts of one network are left together.
            (&["encoder.conv.weight", "head.weight"], ""),
            (&["backbone.conv1.weight", "fc.weight"], ""),
            // A tensor may be called like a table.
            (&["weights", "bias"], ""),
        ] {
            assert_eq!(unwrapped(&names.iter().copied()), prefix, "{names:?}");
        }
    }

    #[test]
    fn names_are_fitted_to_the_network() {
        let fit = |names: &[&str], own: &[&str]| -> Vec<String> {
            let tensors = names.iter().map(|name| ((*name).to_owned(), ())).collect();
            fitted(tensors, &|name| own.contains(&name)).into_keys().collect()
        };
        assert_eq!(
            fit(&["backbone.conv1.weight", "fc.weight"], &["conv1.weight", "bn1.weight"]),
            ["conv1.weight"]
        );
        assert_eq!(fit(&["a.b.x", "a.b.y", "c"], &["x", "y"]), ["x", "y"]);
        // A network whose own layer is called `encoder` has its prefix again.
        assert_eq!(fit(&["conv.weight"], &["encoder.conv.weight"]), ["encoder.conv.weight"]);
        assert_eq!(fit(&["x", "z"], &["x", "y"]), ["x", "z"], "what fits best stays");
    }
}

//! How good the target boxes were that trials learned from. The main type is [`TargetTable`].

use crate::format::mean_sd;
use crate::run::{Run, Status};
use crate::stats::Stats;
use crate::summary::{Key, Summary};
use fovea_records::Unit;
use serde::Serialize;

/// More variants than this are counted, not named.
const MOST_NAMES: usize = 4;

/// A table with one row for each localizer, data set and split; `ground-truth` reaches 100 % by definition.
#[derive(Debug, Serialize)]
pub(crate) struct TargetTable {
    rows: Vec<TargetRow>,
}

#[derive(Debug, Serialize)]
struct TargetRow {
    localizer: String,
    /// Whose targets these were.
    variants: String,
    split: String,
    cor_loc: String,
    iou: String,
    /// Pictures with a true box.
    pictures: usize,
    trials: usize,
}

impl TargetTable {
    /// Gathers what done trials recorded; `None` where nothing was, because no loss needed boxes or no mask is known.
    pub(crate) fn new(run: &Run, summary: &Summary) -> Option<Self> {
        let mut rows = Vec::new();
        for split in &summary.splits {
            let cor_loc = summary.values(&Key::clean(split, "cor-loc"));
            let iou = summary.values(&Key::clean(split, "target-iou"));
            let measured = |&place: &usize| run.trials[place].status == Status::Done && iou[place].is_some();
            let all: Vec<usize> = (0..run.trials.len()).filter(measured).collect();
            // Trials that differ in their losses only share their boxes.
            for group in grouped(&all, |place| {
                let config = &run.trials[place].planned.config;
                (config.get("dataset"), config.get("localizer"))
            }) {
                let first = &run.trials[group[0]];
                let stats = |values: &[Option<f64>], unit| {
                    let stats = Stats::of(group.iter().filter_map(|&place| values[place]));
                    stats.map_or("-".to_owned(), |stats| mean_sd(unit, &stats))
                };
                let name = first.planned.config.pointer("/localizer/name").and_then(|name| name.as_str());
                let count = first.rows.iter().find(|r| r.split == *split && r.metric == "target-iou");
                rows.push(TargetRow {
                    localizer: name.unwrap_or("-").to_owned(),
                    variants: if group.len() == all.len() {
                        "all that use boxes".to_owned()
                    } else {
                        names(run, &group)
                    },
                    split: split.clone(),
                    cor_loc: stats(cor_loc, Unit::Fraction),
                    iou: stats(iou, Unit::Number),
                    pictures: count.map_or(0, |row| row.count),
                    trials: group.len(),
                });
            }
        }
        (!rows.is_empty()).then_some(Self { rows })
    }
}

/// Trials with the same key, in order of appearance.
fn grouped<K: PartialEq>(trials: &[usize], key: impl Fn(usize) -> K) -> Vec<Vec<usize>> {
    let mut groups: Vec<(K, Vec<usize>)> = Vec::new();
    for &place in trials {
        let own = key(place);
        match groups.iter_mut().find(|(other, _)| *other == own) {
            Some((_, group)) => group.push(place),
            None => groups.push((own, vec![place])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn names(run: &Run, trials: &[usize]) -> String {
    let mut names: Vec<&str> =
        trials.iter().map(|&place| run.variants[run.trials[place].variant].label.as_str()).collect();
    names.dedup();
    match names.split_at_checked(MOST_NAMES) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join("; "), rest.len()),
        _ => names.join("; "),
    }
}

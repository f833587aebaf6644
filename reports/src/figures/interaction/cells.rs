//! What lies where two axes cross. The main types are [`Grid`] and [`Cells`].

use crate::run::{Run, Status};
use crate::stats::Stats;
use std::collections::{BTreeSet, HashMap};

/// Two axes that are crossed, as planned.
#[derive(Debug)]
pub(super) struct Grid {
    /// Key of the axis whose values are rows.
    pub(super) first: String,
    /// Key of the axis whose values are columns.
    pub(super) second: String,
    /// Values of the first: numbers ascending, names in the order of the grid.
    pub(super) rows: Vec<String>,
    /// Values of the second.
    pub(super) columns: Vec<String>,
    /// The axes, but the seed, whose values do not follow from the two and each other.
    pub(super) others: Vec<String>,
}

impl Grid {
    /// `None` where the axes are not crossed: no two values of one were planned with the same two of the other.
    pub(super) fn new(run: &Run, first: &str, second: &str) -> Option<Self> {
        let planned: Vec<Vec<&str>> =
            run.trials.iter().map(|t| settings(&run.axes, &t.planned.axes)).collect();
        let place = |axis: &str| run.axes.iter().position(|a| a == axis);
        let (a, b) = (place(first)?, place(second)?);
        // Points that were added to a grid may lack an axis: an empty value is no value.
        let both = planned.iter().filter(|t| !t[a].is_empty() && !t[b].is_empty());
        let points: Vec<(&str, &str)> = both.map(|t| (t[a], t[b])).collect();
        if !crossed(&points) {
            return None;
        }
        Some(Self {
            first: first.to_owned(),
            second: second.to_owned(),
            rows: ordered(points.iter().map(|p| p.0)),
            columns: ordered(points.iter().map(|p| p.1)),
            others: free(&run.axes, &planned, [a, b]),
        })
    }

    /// The last part of a key, where the other does not end alike.
    pub(super) fn short(&self, axis: &str) -> String {
        let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
        if last(&self.first) == last(&self.second) { axis.to_owned() } else { last(axis) }
    }
}

/// Values of all axes for one trial, in their order; empty where it has none.
fn settings<'a>(axes: &[String], own: &'a [(String, String)]) -> Vec<&'a str> {
    axes.iter().map(|axis| own.iter().find(|(a, _)| a == axis).map_or("", |(_, v)| v.as_str())).collect()
}

/// Whether some two values of each side occur in all four combinations.
fn crossed(points: &[(&str, &str)]) -> bool {
    let mut by_row: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for (row, column) in points {
        by_row.entry(row).or_default().insert(column);
    }
    let rows: Vec<&BTreeSet<&str>> = by_row.values().collect();
    rows.iter().enumerate().any(|(i, a)| rows[..i].iter().any(|b| a.intersection(b).count() > 1))
}

/// Values without repetition: numbers by size, others as they appear.
fn ordered<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut known = BTreeSet::new();
    for value in values {
        if known.insert(value) {
            seen.push(value);
        }
    }
    let numbers: Option<Vec<f64>> = seen.iter().map(|v| v.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let mut order: Vec<usize> = (0..seen.len()).collect();
        order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
        seen = order.into_iter().map(|i| seen[i]).collect();
    }
    seen.into_iter().map(str::to_owned).collect()
}

/// Axes, but the pair and the seed, that are no function of all that is left: axes that move together with others
/// (`[[zip]]`, the name of an ablation) say nothing beyond these.
fn free(axes: &[String], planned: &[Vec<&str>], pair: [usize; 2]) -> Vec<String> {
    let mut kept: Vec<usize> = (0..axes.len()).collect();
    for axis in 0..axes.len() {
        if pair.contains(&axis) || axes[axis] == "seed" {
            continue;
        }
        let rest: Vec<usize> = kept.iter().copied().filter(|k| *k != axis).collect();
        let mut values: HashMap<Vec<&str>, &str> = HashMap::new();
        let follows = planned.iter().all(|trial| {
            let key = rest.iter().map(|&k| trial[k]).collect();
            *values.entry(key).or_insert(trial[axis]) == trial[axis]
        });
        if follows {
            kept = rest;
        }
    }
    kept.into_iter().filter(|k| !pair.contains(k) && axes[*k] != "seed").map(|k| axes[k].clone()).collect()
}

/// Trials by cell.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    /// By row and column, trials that are averaged.
    places: Vec<Vec<Vec<usize>>>,
    values: &'a [&'a [Option<f64>]],
    /// Trials in all cells.
    pub(super) trials: usize,
    /// Seeds of these.
    pub(super) seeds: usize,
    /// Finished trials whose setting of the rest not every cell has.
    pub(super) left_aside: usize,
    /// Whether cells average over different settings of the rest.
    pub(super) uneven: bool,
    /// Whether some cell is empty.
    pub(super) missing: bool,
}

impl<'a> Cells<'a> {
    /// Sorts the done trials that have all of `values` (one slice a number, by trial) into cells. Where cells have different
    /// settings of the rest (other axes and seed), those that all measured cells share are kept, if there are any.
    pub(super) fn new(run: &Run, grid: &Grid, values: &'a [&'a [Option<f64>]]) -> Option<Self> {
        let index = |names: &[String]| -> HashMap<String, usize> {
            names.iter().cloned().enumerate().map(|(i, n)| (n, i)).collect()
        };
        let (rows, columns) = (index(&grid.rows), index(&grid.columns));
        let mut found: Vec<(usize, usize, Vec<&str>, usize)> = Vec::new();
        for (position, trial) in run.trials.iter().enumerate() {
            if trial.status != Status::Done || values.iter().any(|v| v[position].is_none()) {
                continue;
            }
            let of = |axis: &str| {
                trial.planned.axes.iter().find(|(a, _)| a == axis).map_or("", |(_, v)| v.as_str())
            };
            let (Some(&row), Some(&column)) = (rows.get(of(&grid.first)), columns.get(of(&grid.second)))
            else {
                continue;
            };
            let rest = grid.others.iter().map(|axis| of(axis)).chain([of("seed")]).collect();
            found.push((row, column, rest, position));
        }
        let mut settings: HashMap<(usize, usize), BTreeSet<&[&str]>> = HashMap::new();
        for (row, column, rest, _) in &found {
            settings.entry((*row, *column)).or_default().insert(rest);
        }
        let mut common: BTreeSet<&[&str]> = settings.values().next()?.clone();
        let same = settings.values().all(|s| *s == common);
        for own in settings.values() {
            common.retain(|setting| own.contains(setting));
        }
        let kept = |rest: &[&str]| same || common.is_empty() || common.contains(rest);
        let mut places = vec![vec![Vec::new(); grid.columns.len()]; grid.rows.len()];
        let mut seeds = BTreeSet::new();
        let mut trials = 0;
        for (row, column, rest, position) in &found {
            if kept(rest) {
                places[*row][*column].push(*position);
                seeds.insert(run.trials[*position].planned.seed);
                trials += 1;
            }
        }
        Some(Self {
            missing: places.iter().flatten().any(Vec::is_empty),
            places,
            values,
            trials,
            seeds: seeds.len(),
            left_aside: found.len() - trials,
            uneven: !same && common.is_empty(),
        })
    }

    /// Mean and number of trials of each cell, by row and column, for one of the numbers.
    pub(super) fn means(&self, number: usize) -> Vec<Vec<Option<(f64, usize)>>> {
        let mean = |places: &Vec<usize>| {
            Stats::of(places.iter().filter_map(|&p| self.values[number][p])).map(|s| (s.mean, s.n))
        };
        self.places.iter().map(|row| row.iter().map(mean).collect()).collect()
    }
}

//! The columns of a table. The main type is [`Column`].

use super::request::{Source, TableError, TableRequest, metrics_of};
use super::rows::By;
use crate::summary::Key;
use fovea_records::{Direction, Unit, metrics};

/// What a table shows when nothing is asked for.
const DEFAULT: [&str; 3] = ["accuracy", "rfs", "box-iou"];

/// A number of each row.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) metric: String,
    pub(super) split: String,
    /// Noise kind; where rows are levels, they have it.
    pub(super) noise: Option<String>,
    pub(super) unit: Unit,
    pub(super) direction: Direction,
    /// Label of the metric.
    pub(super) label: String,
}

impl Column {
    /// Where it was measured: the split, and the noise where `columns` differ in it.
    pub(super) fn place(&self, columns: &[Self]) -> String {
        let same = |c: &Self| c.noise.is_none() || c.noise == self.noise;
        match &self.noise {
            Some(noise) if !columns.iter().all(same) => format!("{}, {noise}", self.split),
            _ => self.split.clone(),
        }
    }

    /// The columns that are asked for.
    pub(super) fn all(sources: &[Source], request: &TableRequest, by: &By) -> Result<Vec<Self>, TableError> {
        let recorded = metrics_of(sources);
        let keys = || sources.iter().flat_map(|s| &s.summary.keys);
        for metric in &request.metrics {
            if !recorded.contains(metric) && metrics::definition(metric).is_none() {
                return Err(TableError::unknown("metric", metric, recorded));
            }
        }
        let mut splits: Vec<String> = Vec::new();
        for split in sources.iter().flat_map(|s| &s.summary.splits) {
            if !splits.contains(split) {
                splits.push(split.clone());
            }
        }
        for split in &request.splits {
            if !splits.contains(split) {
                return Err(TableError::unknown("split", split, splits));
            }
        }
        for noise in &request.noises {
            let mut noises: Vec<String> = keys().filter_map(|k| k.noise.clone()).collect();
            noises.sort();
            noises.dedup();
            if !noises.contains(noise) {
                return Err(TableError::unknown("noise", noise, noises));
            }
        }
        let fits = |key: &&Key| {
            by.shows(key)
                && (request.splits.is_empty() || request.splits.contains(&key.split))
                && (request.noises.is_empty()
                    || key.noise.as_ref().is_none_or(|n| request.noises.contains(n)))
        };
        let wanted: Vec<String> = match request.metrics.is_empty() {
            false => request.metrics.clone(),
            true => DEFAULT
                .iter()
                .filter(|m| keys().filter(fits).any(|k| k.metric == **m))
                .map(|m| (*m).to_owned())
                .collect(),
        };
        let mut columns: Vec<Self> = Vec::new();
        for metric in &wanted {
            let mut own: Vec<Self> = Vec::new();
            for key in keys().filter(fits).filter(|k| k.metric == *metric) {
                let noise = key.noise.clone().filter(|_| !matches!(by, By::Level));
                if !own.iter().any(|c| c.split == key.split && c.noise == noise) {
                    own.push(Self::new(metric, &key.split, noise));
                }
            }
            let tested = own.iter().any(|c| !of_training(&c.split));
            if request.splits.is_empty() && tested {
                own.retain(|c| !of_training(&c.split));
            }
            own.sort_by_key(|c| (splits.iter().position(|s| *s == c.split), c.noise.clone()));
            if own.is_empty() {
                return Err(nothing(metric, sources, request, by));
            }
            columns.extend(own);
        }
        if columns.is_empty() {
            return Err(TableError::Nothing(format!(
                "there is nothing to show by {by}; name metrics with --metric, of {}",
                recorded.join(", ")
            )));
        }
        Ok(columns)
    }

    fn new(metric: &str, split: &str, noise: Option<String>) -> Self {
        let definition = metrics::definition(metric);
        Self {
            metric: metric.to_owned(),
            split: split.to_owned(),
            noise,
            unit: definition.map_or(Unit::Number, |d| d.unit),
            direction: definition.map_or(Direction::Neutral, |d| d.direction),
            label: definition.map_or(metric, |d| d.label).to_owned(),
        }
    }
}

fn of_training(split: &str) -> bool {
    matches!(split, "train" | "val")
}

fn nothing(metric: &str, sources: &[Source], request: &TableRequest, by: &By) -> TableError {
    let keys = || sources.iter().flat_map(|s| &s.summary.keys);
    let unique = |values: Vec<String>| {
        let mut values = values;
        values.sort();
        values.dedup();
        values.join(", ")
    };
    let here = unique(keys().filter(|k| by.shows(k)).map(|k| k.metric.clone()).collect());
    let splits =
        unique(keys().filter(|k| k.metric == metric && by.shows(k)).map(|k| k.split.clone()).collect());
    TableError::Nothing(if !keys().any(|k| k.metric == metric) {
        format!("no done trial recorded `{metric}`. Recorded: {}.", metrics_of(sources).join(", "))
    } else if splits.is_empty() {
        let here = if here.is_empty() { "none are".to_owned() } else { format!("these are: {here}") };
        format!("`{metric}` is not recorded by {by}; {here}.")
    } else {
        let asked: Vec<&str> = request.splits.iter().chain(&request.noises).map(String::as_str).collect();
        format!("`{metric}` is not recorded on {}; it is on: {splits}.", asked.join(", "))
    })
}

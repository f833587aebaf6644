//! Polars tables from rows of any kind. The main type is [`Frame`].

use crate::run::{Counts, Status};
use polars::prelude::*;

/// A table under construction: one row per element, one column per call.
pub(crate) struct Frame<'a, T> {
    rows: &'a [T],
    columns: Vec<Column>,
}

impl<'a, T> Frame<'a, T> {
    /// A table of these rows, without columns yet.
    pub(crate) fn new(rows: &'a [T]) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// A column of words; empty where there is none.
    pub(crate) fn text<'b>(mut self, name: &str, value: impl Fn(&'a T) -> Option<&'b str>) -> Self
    where
        'a: 'b,
    {
        let values: Vec<Option<&str>> = self.rows.iter().map(value).collect();
        self.columns.push(Column::new(name.into(), values));
        self
    }

    /// A column of numbers; empty where there is none.
    pub(crate) fn number(mut self, name: &str, value: impl Fn(&'a T) -> Option<f64>) -> Self {
        self.columns.push(Column::new(name.into(), self.rows.iter().map(value).collect::<Vec<_>>()));
        self
    }

    /// A column of whole numbers; empty where there is none.
    pub(crate) fn count(mut self, name: &str, value: impl Fn(&'a T) -> Option<usize>) -> Self {
        let values: Vec<Option<u64>> = self.rows.iter().map(|row| value(row).map(|v| v as u64)).collect();
        self.columns.push(Column::new(name.into(), values));
        self
    }

    /// Two columns with the ends of an interval.
    pub(crate) fn interval(self, names: [&str; 2], value: impl Fn(&'a T) -> Option<(f64, f64)>) -> Self {
        let [low, high] = names;
        self.number(low, |row| value(row).map(|i| i.0)).number(high, |row| value(row).map(|i| i.1))
    }

    /// Columns that say what became of the trials behind each row: `planned` is the sum of the others, `missing` those
    /// not run yet or running.
    pub(crate) fn counts(self, of: impl Fn(&'a T) -> Counts) -> Self {
        self.count("planned", |row| Some(of(row).planned()))
            .count("done", |row| Some(of(row).of(Status::Done)))
            .count("failed", |row| Some(of(row).of(Status::Failed)))
            .count("diverged", |row| Some(of(row).of(Status::Diverged)))
            .count("pruned", |row| Some(of(row).of(Status::Pruned)))
            .count("missing", |row| Some(of(row).of(Status::Pending)))
    }

    /// As told, if `condition` holds.
    pub(crate) fn when(self, condition: bool, add: impl FnOnce(Self) -> Self) -> Self {
        if condition { add(self) } else { self }
    }

    /// The table.
    pub(crate) fn finish(self) -> PolarsResult<DataFrame> {
        DataFrame::new(self.rows.len(), self.columns)
    }
}

//! Published numbers beside the run's own. The main type is [`References`].

use crate::format::{difference, mean_sd, value};
use crate::run::Run;
use crate::stats::Stats;
use crate::summary::{self, Key, Summary};
use crate::text::aligned;
use fovea_records::{Reference, Unit, metrics};
use serde::Serialize;

/// Said under the table, on the page and in the terminal.
const NOTE: &str = "Fractions in per cent; difference: ours minus published. Numbers compare only where data, model and \
                    schedule are those of the source.";

/// A published number and what this run measured in its place.
#[derive(Debug)]
pub(crate) struct Compared<'a> {
    /// What is published.
    pub(crate) published: &'a Reference,
    /// What was measured here.
    pub(crate) ours: Option<Stats>,
    unit: Unit,
    label: String,
}

/// Everything that the experiment gives as published.
#[derive(Debug)]
pub(crate) struct References<'a>(pub(crate) Vec<Compared<'a>>);

/// The table in text, for the page.
#[derive(Debug, Serialize)]
pub(crate) struct ReferenceTable {
    /// One line per number, cells in the order of the headings.
    rows: Vec<[String; 7]>,
    headings: [&'static str; 7],
    note: &'static str,
}

impl<'a> References<'a> {
    /// Looks up what the run has measured.
    pub(crate) fn new(run: &'a Run, summary: &Summary) -> Self {
        let compared = run.references.iter().map(|published| {
            let Reference { split, metric, noise, level, .. } = published;
            let definition = metrics::definition(metric);
            let name = definition.map_or(metric.as_str(), |d| d.label);
            let level = |noise: &String| match level {
                Some(level) => format!(", {noise} {level}"),
                None => format!(", {noise}"),
            };
            let noise_text = noise.as_ref().map(level).unwrap_or_default();
            let key = match noise {
                Some(noise) => Key::noisy(split, metric, noise, published.level),
                None => Key::clean(split, metric),
            };
            let variant = run.variants.iter().position(|variant| variant.name == published.variant);
            Compared {
                published,
                ours: variant.and_then(|variant| summary::stats(run, variant, summary.values(&key))),
                unit: definition.map_or(Unit::Number, |d| d.unit),
                label: format!("{name} on {split}{noise_text}"),
            }
        });
        Self(compared.collect())
    }

    /// The table; `None` where the experiment gives no published numbers.
    pub(crate) fn table(&self) -> Option<ReferenceTable> {
        let rows: Vec<[String; 7]> = self.0.iter().map(Compared::cells).collect();
        let headings = ["variant", "metric", "published", "ours", "n", "difference", "source"];
        (!rows.is_empty()).then_some(ReferenceTable { rows, headings, note: NOTE })
    }
}

impl Compared<'_> {
    fn cells(&self) -> [String; 7] {
        let published = match self.published.sd {
            Some(sd) => format!("{} ± {}", value(self.unit, self.published.value), value(self.unit, sd)),
            None => value(self.unit, self.published.value),
        };
        [
            self.published.variant.clone(),
            self.label.clone(),
            published,
            self.ours.map_or("not measured".to_owned(), |ours| mean_sd(self.unit, &ours)),
            self.ours.map_or("0".to_owned(), |ours| ours.n.to_string()),
            self.difference().map_or("-".to_owned(), |d| difference(self.unit, d)),
            self.published.source.clone(),
        ]
    }

    /// Ours minus the published number.
    pub(crate) fn difference(&self) -> Option<f64> {
        self.ours.map(|ours| ours.mean - self.published.value)
    }
}

impl ReferenceTable {
    /// The table as plain text with aligned columns.
    pub(crate) fn render(&self) -> String {
        let mut lines = vec![self.headings.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(|row| row.to_vec()));
        format!("{}{}\n", aligned(&lines, 1, |column| matches!(column, 0 | 1 | 6)), self.note)
    }
}

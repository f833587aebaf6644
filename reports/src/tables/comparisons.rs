//! How variants differ from the baseline, in every number. The main type is [`Compared`].

use super::Frame;
use crate::compare::{Comparison, PicturePairs};
use crate::run::{Counts, GROUP, Run, Variant};
use crate::stats::{Mcnemar, Stats, holm};
use crate::summary::{Key, Summary, Variants};
use polars::prelude::*;
use rayon::prelude::*;

/// Every variant against the baseline in every number of the final evaluation.
pub(super) struct Compared<'a> {
    run: &'a Run,
    /// By number, then by variant.
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    variant: &'a Variant,
    counts: Counts,
    key: &'a Key,
    comparison: Option<Comparison>,
    /// Adjusted over the variants that are compared in this number.
    holm: Option<f64>,
    family: usize,
}

impl Line<'_> {
    fn stats(&self) -> Option<Stats> {
        self.comparison.as_ref().map(|c| c.stats)
    }

    fn pictures(&self) -> Option<&PicturePairs> {
        self.comparison.as_ref().and_then(|c| c.pictures.as_ref())
    }

    fn discordant(&self) -> Option<Mcnemar> {
        self.pictures().and_then(PicturePairs::discordant)
    }
}

impl<'a> Compared<'a> {
    /// Compares.
    pub(super) fn of(run: &'a Run, summary: &'a Summary) -> Self {
        let variants = Variants::new(run);
        let lines = summary.keys.par_iter().flat_map_iter(|key| {
            let values = summary.values(key);
            let compared: Vec<Option<Comparison>> =
                (0..run.variants.len()).map(|v| variants.compare(v, key, values)).collect();
            let p_values: Vec<Option<f64>> = compared.iter().map(|c| c.as_ref().and_then(|c| c.t)).collect();
            let family = p_values.iter().flatten().count();
            let places = compared.into_iter().zip(holm::adjust(&p_values)).enumerate();
            places.map(move |(place, (comparison, holm))| {
                let variant = &run.variants[place];
                Line { variant, counts: run.counts(&variant.trials), key, comparison, holm, family }
            })
        });
        Self { run, lines: lines.collect() }
    }

    /// The comparison of one variant in one number, both by place.
    pub(super) fn get(&self, key: usize, variant: usize) -> Option<&Comparison> {
        self.lines[key * self.run.variants.len() + variant].comparison.as_ref()
    }

    /// One line per variant and number that is compared, and where trials are missing, also that cannot be.
    pub(super) fn table(&self) -> PolarsResult<DataFrame> {
        let run = self.run;
        let baseline = run.baseline.map(|b| run.variants[b].name.as_str());
        let shown = |line: &&Line<'_>| {
            Some(line.variant.name.as_str()) != baseline
                && !line.key.is_cost()
                && (line.comparison.is_some() || line.counts.without_numbers().is_some())
        };
        let mut lines: Vec<&Line<'_>> = self.lines.iter().filter(shown).collect();
        let order = |line: &Line<'_>| run.variants.iter().position(|v| std::ptr::eq(v, line.variant));
        lines.sort_by_cached_key(|line| order(line));
        Frame::new(&lines)
            .text("variant", |l| Some(&l.variant.name))
            .when(run.is_joined(), |f| f.text("run", |l| Some(&run.sources[l.variant.source].label)))
            .when(run.has_groups(), |f| f.text(GROUP, |l| l.variant.group.as_deref()))
            .text("baseline", |_| baseline)
            .text("split", |l| Some(&l.key.split))
            .text("metric", |l| Some(&l.key.metric))
            .text("noise", |l| l.key.noise.as_deref())
            .number("level", |l| l.key.level.map(|l| l.0))
            .text("subset", |l| l.key.subset.as_deref())
            .count("n", |l| Some(l.stats().map_or(0, |s| s.n)))
            .number("delta", |l| l.stats().map(|s| s.mean))
            .number("sd", |l| l.stats().and_then(|s| s.sd))
            .interval(["low_95", "high_95"], |l| l.stats().and_then(|s| s.interval()))
            .interval(["boot_low_95", "boot_high_95"], |l| l.comparison.as_ref().and_then(|c| c.bootstrap))
            .number("p_t", |l| l.comparison.as_ref().and_then(|c| c.t))
            .number("p_wilcoxon", |l| l.comparison.as_ref().and_then(|c| c.wilcoxon))
            .number("p_sign_flip", |l| l.comparison.as_ref().and_then(|c| c.sign_flip))
            .number("p_holm", |l| l.holm)
            .count("family", |l| Some(l.family))
            .count("pictures", |l| l.pictures().map(|p| p.stats.n))
            .number("picture_delta", |l| l.pictures().map(|p| p.stats.mean))
            .interval(["picture_low_95", "picture_high_95"], |l| {
                l.pictures().and_then(|p| p.stats.interval())
            })
            .number("p_pictures", |l| l.pictures().and_then(|p| p.t))
            .count("discordant", |l| l.discordant().map(|m| m.discordant() as usize))
            .count("gained", |l| l.discordant().map(|m| m.gained as usize))
            .count("lost", |l| l.discordant().map(|m| m.lost as usize))
            .number("p_mcnemar", |l| l.pictures().and_then(PicturePairs::mcnemar_p))
            .counts(|l| l.counts)
            .finish()
    }

    /// McNemar's test of every accuracy, for each seed by itself; adjusted over all lines of a split.
    pub(super) fn mcnemar(&self) -> PolarsResult<DataFrame> {
        let mut rows: Vec<(&Line<'_>, u64, Mcnemar, Option<f64>)> = Vec::new();
        for line in &self.lines {
            let seeds = line.pictures().map(|p| p.mcnemar.as_slice()).unwrap_or_default();
            rows.extend(seeds.iter().map(|(seed, counts)| (line, *seed, *counts, None)));
        }
        for split in rows.chunk_by_mut(|a, b| a.0.key.split == b.0.key.split) {
            let p_values: Vec<Option<f64>> = split.iter().map(|row| Some(row.2.exact())).collect();
            for (row, adjusted) in split.iter_mut().zip(holm::adjust(&p_values)) {
                row.3 = adjusted;
            }
        }
        let baseline = self.run.baseline.map(|b| self.run.variants[b].name.as_str());
        Frame::new(&rows)
            .text("variant", |(l, ..)| Some(&l.variant.name))
            .text("baseline", |_| baseline)
            .text("split", |(l, ..)| Some(&l.key.split))
            .count("seed", |(_, seed, ..)| Some(*seed as usize))
            .count("discordant", |(_, _, m, _)| Some(m.discordant() as usize))
            .count("gained", |(_, _, m, _)| Some(m.gained as usize))
            .count("lost", |(_, _, m, _)| Some(m.lost as usize))
            .number("p_exact", |(_, _, m, _)| Some(m.exact()))
            .number("chi_square", |(_, _, m, _)| Some(m.chi_square()))
            .number("p_chi_square", |(_, _, m, _)| Some(m.chi_square_p()))
            .number("p_holm", |(.., adjusted)| *adjusted)
            .finish()
    }
}

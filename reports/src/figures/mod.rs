//! Figures, each as SVG and as PNG. The main type is [`Figure`].
//!
//! A figure is a [`sheet::Sheet`] of panels: plain data, made by one file per figure from the summary. `sheet` knows
//! how to lay panels out, `panel` and `axis` what is in one, `pen` how to put a stroke on a plotters backend, `look` which
//! colour belongs to which variant, `scale` which to which number.

pub(crate) mod look;
pub(crate) mod pen;

mod axis;
mod bars;
mod cost;
mod curves;
mod deltas;
mod interaction;
mod noise;
mod panel;
mod scale;
mod scatter;
mod sheet;

use crate::ReportError;
use crate::measures::Measure;
use crate::run::Run;
use crate::summary::Summary;
use fovea_records::RunStore;
use fovea_records::store::write_atomic;
use look::Looks;
use rayon::prelude::*;
use sheet::{Entry, Sheet};

/// With more variants than this, the legend names the first ones.
const MOST_NAMED: usize = 60;

/// What figures are made from.
pub(crate) struct Material<'a> {
    /// The run.
    pub(crate) run: &'a Run,
    /// Every number.
    pub(crate) summary: &'a Summary,
    /// The headline numbers.
    pub(crate) measures: &'a [Measure],
    /// How variants are drawn.
    pub(crate) looks: Looks,
}

impl Material<'_> {
    /// The legend of some variants, those of a group below its name.
    fn legend(&self, variants: impl IntoIterator<Item = usize>) -> Vec<Entry> {
        let variants: Vec<usize> = variants.into_iter().collect();
        let mut legend = Vec::new();
        let mut group = None;
        for &variant in variants.iter().take(MOST_NAMED) {
            let own = &self.run.variants[variant].group;
            if self.run.has_groups() && group.as_ref() != Some(own) {
                legend.push(Entry::Group(own.clone().unwrap_or_else(|| "in no group".to_owned())));
                group = Some(own.clone());
            }
            legend.push(Entry::Look(self.looks.of(variant), self.run.variants[variant].name.clone()));
        }
        if variants.len() > MOST_NAMED {
            let rest = variants.len() - MOST_NAMED;
            legend.push(Entry::Rest(format!("… and {rest} more, in the order of the results table")));
        }
        legend
    }
}

/// What is to be drawn, and what is said below it.
pub(crate) struct Draft {
    /// File name without extension.
    name: String,
    /// Heading in the page.
    title: String,
    /// What is seen, in sentences.
    caption: String,
    /// The panels.
    sheet: Sheet,
}

/// A figure as drawn.
#[derive(Debug)]
pub(crate) struct Figure {
    /// File name without extension.
    pub(crate) name: String,
    /// Heading in the page.
    pub(crate) title: String,
    /// What is seen, in sentences.
    pub(crate) caption: String,
    /// SVG for inlining: no background, ink in the text's colour.
    pub(crate) inline_svg: String,
}

/// Every figure that the records allow, and a sentence for each that they do not.
pub(crate) struct Figures {
    /// What was drawn.
    pub(crate) drawn: Vec<Figure>,
    /// What was left out, and why.
    pub(crate) omitted: Vec<String>,
}

/// Draws all figures and writes them below `report/figures/`.
pub(crate) fn draw(
    store: &RunStore,
    run: &Run,
    summary: &Summary,
    measures: &[Measure],
) -> Result<Figures, ReportError> {
    let material = Material { run, summary, measures, looks: Looks::new(run) };
    let mut drafts = Vec::new();
    let mut omitted = Vec::new();
    let all = noise::drafts(&material).into_iter().chain([
        curves::draft(&material),
        scatter::draft(&material),
        cost::draft(&material),
        deltas::draft(&material),
    ]);
    for result in all.chain(interaction::drafts(&material)).chain(bars::drafts(&material)) {
        match result {
            Ok(draft) => drafts.push(draft),
            Err(sentence) => omitted.push(sentence),
        }
    }
    look::register_fonts().map_err(|message| ReportError::Figure { name: "fonts".to_owned(), message })?;
    let dir = store.report_dir().join("figures");
    let drawn = drafts
        .into_par_iter()
        .map(|draft| {
            let failed = |message| ReportError::Figure { name: draft.name.clone(), message };
            let svg = sheet::svg(&draft.sheet).map_err(failed)?;
            let png = sheet::png(&draft.sheet).map_err(failed)?;
            write_atomic(&dir.join(format!("{}.svg", draft.name)), sheet::on_paper(&svg).as_bytes())?;
            write_atomic(&dir.join(format!("{}.png", draft.name)), &png)?;
            let inline_svg = sheet::inline(&draft.sheet, &svg, &draft.title);
            Ok(Figure { name: draft.name, title: draft.title, caption: draft.caption, inline_svg })
        })
        .collect::<Result<_, ReportError>>()?;
    Ok(Figures { drawn, omitted })
}

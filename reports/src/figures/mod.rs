//! Figures, each as SVG and as PNG. The main type is [`Figure`].
//!
//! A figure is a [`sheet::Sheet`] of panels: plain data, made by one file per figure from the summary. `sheet` knows
//! how to lay panels out, `pen` how to put a stroke on a plotters backend, `look` which colour belongs to which variant.

pub(crate) mod look;
pub(crate) mod pen;

mod curves;
mod deltas;
mod noise;
mod scatter;
mod sheet;

use crate::ReportError;
use crate::measures::Measure;
use crate::run::Run;
use crate::summary::Summary;
use fovea_records::RunStore;
use fovea_records::store::write_atomic;
use rayon::prelude::*;
use sheet::Sheet;

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
    let mut drafts = Vec::new();
    let mut omitted = Vec::new();
    for result in noise::drafts(run, summary).into_iter().chain([
        curves::draft(run),
        scatter::draft(run, measures),
        deltas::draft(run, measures),
    ]) {
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
            let inline_svg = sheet::inline(&svg, &draft.title);
            Ok(Figure { name: draft.name, title: draft.title, caption: draft.caption, inline_svg })
        })
        .collect::<Result<_, ReportError>>()?;
    Ok(Figures { drawn, omitted })
}

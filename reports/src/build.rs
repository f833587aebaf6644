//! From records to tables and a report. The main function is [`build`].

use crate::answer::Answer;
use crate::reference::References;
use crate::run::{Run, Status};
use crate::summary::Summary;
use crate::targets::TargetTable;
use crate::text::ResultsTable;
use crate::{ReportError, figures, gallery, html, measures, stamp, tables};
use fovea_records::RunStore;
use std::path::PathBuf;

/// What was written, and what to say about it in the terminal.
#[derive(Clone, Debug)]
pub struct ReportSummary {
    /// The page.
    pub index: PathBuf,
    /// Results as plain text with aligned columns, one line per variant, and published numbers where there are any;
    /// ends with a newline.
    pub table: String,
    /// Planned trials.
    pub trials: usize,
    /// Trials with results.
    pub done: usize,
    /// Trials that diverged or failed, those with unreadable records included.
    pub failed: usize,
}

/// Writes `tables/` and `report/` of a run from its records. Works at any moment of the run's life: whatever is
/// missing is left out with a sentence, and records that cannot be read are listed as problems.
///
/// # Errors
/// When `plan.json` cannot be read, or a table, a figure or the page cannot be made or written.
pub fn build(store: &RunStore) -> Result<ReportSummary, ReportError> {
    // Records that come while the report is made are not in it.
    let records = store.digest()?;
    let run = Run::load(store)?;
    let summary = Summary::of(&run);
    let measures = measures::headline(&run, &summary);
    let table = ResultsTable::new(&run, &measures);
    let references = References::new(&run, &summary);

    tables::write(store, &run, &summary, &references)?;
    let figures = figures::draw(store, &run, &summary, &measures)?;
    let mut problems = run.problems.clone();
    let galleries = gallery::draw(store, &run, &mut problems)?;
    let index = html::write(
        store,
        &html::Contents {
            run: &run,
            answer: Answer::new(&run, &measures),
            results: &table,
            references: references.table(),
            targets: TargetTable::new(&run, &summary),
            figures,
            galleries,
            problems,
        },
    )?;
    let written = ReportSummary {
        index,
        table: match references.table() {
            Some(references) => format!("{}\n{}", table.render(), references.render()),
            None => table.render(),
        },
        trials: run.trials.len(),
        done: run.count(Status::Done),
        failed: run.count(Status::Diverged) + run.count(Status::Failed),
    };
    stamp::leave(store, records, &written)?;
    Ok(written)
}

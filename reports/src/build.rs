//! From records to tables and a report. The main function is [`build`].

use crate::answer::{Answer, Tests};
use crate::page::{Block, Failure, Leaderboard, Links, Live, ProvenanceView, Verification};
use crate::reference::References;
use crate::run::{Run, Status};
use crate::summary::Summary;
use crate::targets::TargetTable;
use crate::text::ResultsTable;
use crate::{ReportError, figures, gallery, html, measures, stamp, tables};
use fovea_records::RunStore;
use std::path::{Path, PathBuf};

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
    /// Records that could not be read, in sentences: what they would have told is left out.
    pub problems: Vec<String>,
}

/// How a report is made, and where.
#[derive(Clone, Debug, Default)]
pub struct ReportOptions {
    /// Folder for `tables/` and `report/` instead of the run's own.
    pub out: Option<PathBuf>,
    /// The user's template for the page instead of the built-in one.
    pub template: Option<PathBuf>,
}

/// Writes `tables/` and `report/` of a run from its records. Works at any moment of the run's life: whatever is
/// missing is left out with a sentence, and records that cannot be read are listed as problems.
///
/// # Errors
/// When `plan.json` cannot be read, or a table, a figure or the page cannot be made or written.
pub fn build(store: &RunStore) -> Result<ReportSummary, ReportError> {
    build_with(std::slice::from_ref(store), &ReportOptions::default())
}

/// As [`build`], over one run or several, whose variants stand in one table and are compared with the baseline of the
/// first. What several runs leave goes to [`ReportOptions::out`], or to [`beside`] the first.
///
/// # Errors
/// As those of [`build`], and when the user's template cannot be read or filled in.
pub fn build_with(stores: &[RunStore], options: &ReportOptions) -> Result<ReportSummary, ReportError> {
    let template = html::Template::read(options.template.as_deref())?;
    let own = match stores {
        [store] if options.out.is_none() => Some(store),
        _ => None,
    };
    // Records that come while the report is made are not in it.
    let records = own.map(RunStore::digest).transpose()?;
    let target = match (own, &options.out) {
        (Some(store), _) => store.clone(),
        (None, Some(out)) => RunStore::new(out),
        (None, None) => RunStore::new(beside(stores)),
    };
    let store = &target;
    let run = Run::load(stores)?;
    let summary = Summary::of(&run);
    let measures = measures::headline(&run, &summary);
    let tests = Tests::of(&run, &measures);
    let table = ResultsTable::new(&run, &measures);
    let references = References::new(&run, &summary);
    let links = Links::new(&store.report_dir(), &run);
    let provenance = ProvenanceView::new(&run, &links);

    tables::write(store, &run, &summary, &references)?;
    let figures = figures::draw(store, &run, &summary, &measures)?;
    let mut problems = run.problems.clone();
    let galleries = gallery::draw(store, &run, &mut problems)?;
    let index = html::write(
        store,
        &template,
        &html::Contents {
            run: &run,
            answer: Answer::new(&run, &measures, &tests),
            results: &table,
            leaderboard: Leaderboard::new(&run, &measures, &tests),
            blocks: Block::all(&run, &measures, &tests, &links, &provenance),
            failures: Failure::all(&run, &links),
            live: Live::of(&run, &links),
            verification: Verification::of(&run, &links),
            provenance,
            links,
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
        problems: run.problems.clone(),
    };
    // What could not be read now may be readable the next time, without a change in any record.
    if let Some(records) = records.filter(|_| written.problems.is_empty()) {
        stamp::leave(store, records, &written)?;
    }
    Ok(written)
}

/// Where the report of several runs goes unless told otherwise: beside the first, in a folder named after all.
#[must_use]
pub fn beside(stores: &[RunStore]) -> PathBuf {
    let name = |store: &RunStore| {
        let root = std::path::absolute(store.root()).unwrap_or_else(|_| store.root().to_owned());
        root.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let names: Vec<String> = stores.iter().map(name).collect();
    let first = stores.first().map_or(Path::new(""), RunStore::root);
    first.parent().unwrap_or(Path::new("")).join(names.join("+"))
}

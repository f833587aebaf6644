//! Whether a report is still that of its records: making it again takes seconds for a large run, and a run of which
//! everything is done would do so for nothing. The main type is [`Stamp`].

use crate::{ReportError, ReportSummary};
use fovea_records::{RunStore, store};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Contents of `report/stamp.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    /// Version of Fovea that made the report.
    version: String,
    /// [`RunStore::digest`] from before it was made.
    records: String,
    table: String,
    trials: usize,
    done: usize,
    failed: usize,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn path(store: &RunStore) -> PathBuf {
    store.report_dir().join("stamp.json")
}

/// Notes of which records a report was made.
pub(crate) fn leave(store: &RunStore, records: String, summary: &ReportSummary) -> Result<(), ReportError> {
    let ReportSummary { table, trials, done, failed, .. } = summary;
    let (version, table) = (VERSION.to_owned(), table.clone());
    let stamp = Stamp { version, records, table, trials: *trials, done: *done, failed: *failed };
    Ok(store::write_json(&path(store), &stamp)?)
}

/// The report that is there, if it was made of these very records by this version of Fovea.
#[must_use]
pub fn current(store: &RunStore) -> Option<ReportSummary> {
    let Stamp { version, records, table, trials, done, failed } =
        store::read_json(&path(store), "stamp of a report").ok()?;
    let index = store.report_dir().join("index.html");
    let same = version == VERSION && index.exists() && store.tables_dir().exists();
    (same && store.digest().is_ok_and(|now| now == records)).then_some(ReportSummary {
        index,
        table,
        trials,
        done,
        failed,
        problems: Vec::new(),
    })
}

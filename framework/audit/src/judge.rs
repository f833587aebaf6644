//! The verdict on a rerun. The main function is [`judge`].

use crate::TrialRecord;
use crate::circumstances::{THREADS, differences};
use crate::compare::{Comparison, compare};
use crate::reasons::{likely, sentence};
use fovea_plan::DeviceRequest;
use fovea_records::verdict::Change;
use fovea_records::{Finding, RunStore, StoreError, Verdict, now};
use std::collections::BTreeMap;

/// A verdict that says no more than this.
pub(crate) fn blank(record: &TrialRecord, finding: Finding, tolerance: f64, reasons: Vec<String>) -> Verdict {
    Verdict {
        time: now(),
        trial: record.id.clone(),
        finding,
        departure: None,
        metrics: BTreeMap::new(),
        tolerance,
        changes: Vec::new(),
        reasons,
    }
}

/// Compares a finished rerun in the run directory `scratch` with the record.
///
/// # Errors
/// When a record cannot be read.
pub fn judge(record: &TrialRecord, scratch: &RunStore, tolerance: f64) -> Result<Verdict, StoreError> {
    let rerun = TrialRecord {
        planned: None,
        done: scratch.done(&record.id)?,
        provenance: scratch.read_provenance(&record.id)?,
        store: scratch.clone(),
        id: record.id.clone(),
    };
    let comparison = compare(record, &rerun)?;
    let is_within = comparison.is_within(tolerance);
    let Comparison { departure, metrics, traced } = comparison;
    let changes = differences(record, &rerun);
    let finding = match &departure {
        None => Finding::BitExact,
        Some(_) if is_within => Finding::WithinTolerance,
        Some(_) => Finding::Diverged,
    };
    let on_gpu = [record, &rerun].iter().any(|of| matches!(of.device(), Some(DeviceRequest::Cuda(_))));
    let mut reasons = match &departure {
        Some(departure) => likely(departure, &changes, on_gpu, record.last_process().is_some()),
        None => without_effect(&changes),
    };
    if let Some(measurement) = metrics.unpaired {
        reasons.push(format!("Only one of the two has {measurement}."));
    }
    if !traced && departure.is_some() {
        reasons
            .push("No trace was recorded, so the step where they left each other is not known.".to_owned());
    }
    let mut verdict = blank(record, finding, tolerance, reasons);
    (verdict.departure, verdict.metrics, verdict.changes) = (departure, metrics.largest, changes);
    Ok(verdict)
}

/// What was another and made no difference, as far as somebody may have wondered.
fn without_effect(changes: &[Change]) -> Vec<String> {
    let threads = changes.iter().find(|change| change.what == THREADS);
    threads.map(|change| format!("{} The bits are the same.", sentence(change))).into_iter().collect()
}

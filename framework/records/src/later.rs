//! Metrics that were measured after a trial had ended. The main type is [`LaterRow`].
//!
//! `RUN/evals/<id>.jsonl` lies beside the trials, whose folders are never written to once they are done. A row says by
//! hash which artefact it was computed from, so that it is forgotten when the trial is run anew and ends elsewhere.

use crate::{Done, MetricRow, RunStore, StoreError, TrialId, store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// A metric row with what it was computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaterRow {
    /// The row.
    pub row: MetricRow,
    /// BLAKE3 of the artefact that it was computed from: the weights, or the stored predictions.
    pub of: String,
    /// The evaluation settings that it was measured with (`fovea_plan::EvaluationConfig`).
    pub settings: Value,
    /// Version of Fovea that measured it.
    pub version: String,
}

impl LaterRow {
    /// Whether it says something of a trial that ended so.
    #[must_use]
    pub fn is_of(&self, done: &Done) -> bool {
        done.artefacts.values().any(|hash| *hash == self.of)
    }
}

impl RunStore {
    /// Where rows of a trial that were measured later are.
    #[must_use]
    pub fn later_path(&self, id: &TrialId) -> PathBuf {
        self.root().join("evals").join(format!("{id}.jsonl"))
    }

    /// The rows of a finished trial that were measured later; those of an earlier end of it are left out.
    ///
    /// # Errors
    /// When a line is no such row.
    pub fn read_later(&self, id: &TrialId, done: &Done) -> Result<Vec<LaterRow>, StoreError> {
        let mut rows: Vec<LaterRow> = store::read_lines(&self.later_path(id), "later metric row")?;
        rows.retain(|row| row.is_of(done));
        Ok(rows)
    }

    /// Adds rows to a finished trial's, in place of those of the same metric and conditions.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn add_later(&self, id: &TrialId, done: &Done, rows: Vec<LaterRow>) -> Result<(), StoreError> {
        let mut all = self.read_later(id, done)?;
        all.retain(|old| !rows.iter().any(|new| new.row.measures_the_same(&old.row)));
        all.extend(rows);
        store::write_lines(&self.later_path(id), &all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrialOutcome;
    use std::collections::BTreeMap;

    fn row(metric: &str, value: f64, of: &str) -> LaterRow {
        let row = MetricRow::new("test", metric, value, 3).noise("l2", Some(25.0));
        LaterRow { row, of: of.to_owned(), settings: Value::Null, version: "1".to_owned() }
    }

    #[test]
    fn rows_are_replaced_and_those_of_other_weights_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (store, id) = (RunStore::new(dir.path()), TrialId::of("x"));
        let done = |hash: &str| Done {
            ended: TrialOutcome::Done,
            version: "1".to_owned(),
            device: "cpu".to_owned(),
            train_seconds: 1.0,
            eval_seconds: 1.0,
            peak_memory: None,
            artefacts: BTreeMap::from([("checkpoint/model.safetensors".to_owned(), hash.to_owned())]),
        };
        store.add_later(&id, &done("a"), vec![row("rfs", 0.1, "a"), row("ece", 0.2, "a")]).unwrap();
        store.add_later(&id, &done("a"), vec![row("rfs", 0.3, "a")]).unwrap();
        let values = |hash: &str| -> Vec<f64> {
            store.read_later(&id, &done(hash)).unwrap().iter().map(|r| r.row.value).collect()
        };
        assert_eq!(values("a"), [0.2, 0.3]);
        assert_eq!(values("b"), [0.0; 0]);
    }
}

//! The one pass over the pictures of a split as they are. The main type is [`Clean`].

use super::Evaluator;
use super::explain::Explained;
use crate::EngineError;

/// What a network says of the pictures of a split: whatever is measured of them comes from this pass.
pub(super) struct Clean {
    /// Logits, a row a picture.
    pub(super) logits: Vec<Vec<f32>>,
    /// Their heatmaps against their masks, where they were asked for.
    pub(super) explained: Option<Explained>,
}

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Logits.
    Logits,
    /// Heatmaps, too.
    Heatmaps,
}

impl Evaluator<'_> {
    /// Passes the pictures of a split through the network; `what` says for what, in progress events.
    ///
    /// # Errors
    /// When a picture cannot be read or a plugin fails.
    pub(super) fn clean(&self, split: &str, purpose: Purpose, what: &str) -> Result<Clean, EngineError> {
        let count = self.source.dataset().len(split).unwrap_or(0);
        let indices: Vec<usize> = (0..count).collect();
        let mut logits = Vec::with_capacity(count);
        let mut explained = (purpose == Purpose::Heatmaps).then(Explained::default);
        self.batches(split, &indices, |batch| {
            match &mut explained {
                None => logits.extend(self.logits(batch.images)?),
                Some(explained) => {
                    let (rows, heatmaps) = self.heatmaps(batch.images)?;
                    explained.add(&batch.samples, &heatmaps, self.config.input.size, self.extractor)?;
                    logits.extend(rows);
                }
            }
            self.progress(what, logits.len(), count);
            Ok(())
        })?;
        Ok(Clean { logits, explained })
    }
}

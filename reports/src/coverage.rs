//! How much of the training pictures an explanation loss reached. The main type is [`Coverage`].

use crate::run::{Run, Status, Trial};

/// Shares above this are shown as whole: a CAM that is zero on a picture in a thousand is no news.
const WHOLE: f64 = 0.995;

/// The column's heading, two lines.
pub(crate) const HEADING: [&str; 2] = ["explained", "pictures"];

/// The column in a sentence.
pub(crate) const DOC: &str = "Training pictures with an explanation loss in the last epoch, per cent; the others had no \
                              target box or a CAM that is zero everywhere.";

/// Share of the training pictures that had an explanation loss in the last epoch, by variant; what a loss over few of them
/// says is said of few.
pub(crate) struct Coverage(Vec<Option<f64>>);

impl Coverage {
    /// Of the trials that are done; `None` where every variant with an explanation loss reached all of its pictures.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let mean = |trials: &Vec<usize>| {
            let trials = trials.iter().map(|&t| &run.trials[t]).filter(|t| t.status == Status::Done);
            let shares: Vec<f64> = trials.filter_map(share).collect();
            (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
        };
        let shares: Vec<Option<f64>> = run.variants.iter().map(|variant| mean(&variant.trials)).collect();
        shares.iter().flatten().any(|share| *share < WHOLE).then_some(Self(shares))
    }

    /// The share of a variant; `None` where its training has no explanation loss.
    pub(crate) fn share(&self, variant: usize) -> Option<f64> {
        self.0[variant]
    }

    /// The same in per cent.
    pub(crate) fn text(&self, variant: usize) -> Option<String> {
        self.share(variant).map(|share| format!("{:.1}", 100.0 * share))
    }
}

fn share(trial: &Trial) -> Option<f64> {
    let skipped = trial.rows.iter().filter(|row| row.split == "train" && row.metric == "skipped");
    let last = skipped.max_by_key(|row| row.epoch)?;
    (last.count > 0).then(|| 1.0 - last.value / last.count as f64)
}

//! Metric rows and what each metric means. The main type is [`MetricRow`].
//!
//! A metric declares its unit and its direction once, in [`DEFINITIONS`]; tables and plots read them from there.

use serde::{Deserialize, Serialize};

/// One measured number of one trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// Split it was measured on (`train`, `val`, `test`, `test-unbiased`, ...).
    pub split: String,
    /// Name of the metric, one of [`DEFINITIONS`].
    pub metric: String,
    /// Noise kind (`gaussian`, `l2`) for metrics under noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<String>,
    /// Noise level, in the unit of the noise kind (`gaussian`: sigma of 255; `l2`: epsilon). `None` under noise
    /// means the mean over levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// Class or group the value is restricted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// Epoch (1-based: after that many epochs) for training curves; `None` for the final evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<usize>,
    /// The value; fractions, not per cent.
    pub value: f64,
    /// How many pictures it is computed over.
    pub count: usize,
}

impl MetricRow {
    /// A row of the final evaluation without noise.
    #[must_use]
    pub fn new(split: &str, metric: &str, value: f64, count: usize) -> Self {
        Self {
            split: split.to_owned(),
            metric: metric.to_owned(),
            noise: None,
            level: None,
            subset: None,
            epoch: None,
            value,
            count,
        }
    }

    /// Whether both are the same metric under the same conditions; the values may differ.
    #[must_use]
    pub fn measures_the_same(&self, other: &Self) -> bool {
        fn key(row: &MetricRow) -> impl PartialEq {
            let level = row.level.map(f64::to_bits);
            (&row.split, &row.metric, &row.noise, level, &row.subset, row.epoch)
        }
        key(self) == key(other)
    }

    /// Restricts the row to a noise kind and level.
    #[must_use]
    pub fn noise(mut self, kind: &str, level: Option<f64>) -> Self {
        self.noise = Some(kind.to_owned());
        self.level = level;
        self
    }

    /// Restricts the row to a class or group.
    #[must_use]
    pub fn subset(mut self, name: &str) -> Self {
        self.subset = Some(name.to_owned());
        self
    }

    /// Makes the row a point of a training curve.
    #[must_use]
    pub fn epoch(mut self, epoch: usize) -> Self {
        self.epoch = Some(epoch);
        self
    }
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// A description, neither good nor bad.
    Neutral,
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// In 0..=1 (or -1..=1), shown in per cent.
    Fraction,
    /// A plain number, shown with three decimals.
    Number,
    /// Pictures per second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// A count.
    Count,
    /// Bytes, shown in MiB or GiB.
    Bytes,
}

/// What a metric means, declared once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDef {
    /// Name in [`MetricRow::metric`].
    pub name: &'static str,
    /// Label for tables and axes.
    pub label: &'static str,
    /// Unit of the values.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
    /// One sentence for readers of a report.
    pub doc: &'static str,
}

const fn def(
    name: &'static str,
    label: &'static str,
    unit: Unit,
    direction: Direction,
    doc: &'static str,
) -> MetricDef {
    MetricDef { name, label, unit, direction, doc }
}

/// Every metric that Fovea writes, in the order in which tables show them.
pub const DEFINITIONS: &[MetricDef] = &[
    def(
        "accuracy",
        "accuracy",
        Unit::Fraction,
        Direction::Higher,
        "Fraction of pictures classified correctly. With a subset: within that class or group.",
    ),
    def(
        "balanced-accuracy",
        "balanced accuracy",
        Unit::Fraction,
        Direction::Higher,
        "Mean of the per-class accuracies.",
    ),
    def(
        "worst-group-accuracy",
        "worst-group accuracy",
        Unit::Fraction,
        Direction::Higher,
        "Accuracy in the group where it is lowest.",
    ),
    def(
        "top-5-accuracy",
        "top-5 accuracy",
        Unit::Fraction,
        Direction::Higher,
        "Fraction of pictures whose class is among the five most probable ones.",
    ),
    def(
        "nll",
        "negative log-likelihood",
        Unit::Number,
        Direction::Lower,
        "Mean of -ln p of the true class (cross-entropy on the split).",
    ),
    def(
        "brier",
        "Brier score",
        Unit::Number,
        Direction::Lower,
        "Mean squared distance of the class probabilities from the truth, summed over classes (0 to 2).",
    ),
    def(
        "ece",
        "calibration error",
        Unit::Number,
        Direction::Lower,
        "Expected calibration error (Guo et al., 2017): mean distance of confidence and accuracy over 15 equal bins.",
    ),
    def(
        "accuracy-only-fg",
        "accuracy, object alone",
        Unit::Fraction,
        Direction::Higher,
        "Accuracy with everything but the object black (Only-FG of Xiao et al., 2021).",
    ),
    def(
        "accuracy-no-fg",
        "accuracy, object removed",
        Unit::Fraction,
        Direction::Lower,
        "Accuracy with the object black (No-FG of Xiao et al., 2021): what the background gives away.",
    ),
    def(
        "accuracy-fg",
        "accuracy, noise in foreground",
        Unit::Fraction,
        Direction::Neutral,
        "a_fg: accuracy with noise on the object.",
    ),
    def(
        "accuracy-bg",
        "accuracy, noise in background",
        Unit::Fraction,
        Direction::Higher,
        "a_bg: accuracy with noise outside the object.",
    ),
    def(
        "rfs",
        "RFS",
        Unit::Number,
        Direction::Higher,
        "Relative foreground sensitivity, a_bg - a_fg (Eq. 10): above 0, noise on the object hurts more than noise around it.",
    ),
    def(
        "rfs-normalised",
        "RFS (normalised)",
        Unit::Number,
        Direction::Higher,
        "(a_bg - a_fg) / (2 min(a, 1 - a)) with a their mean; 0 where the denominator is 0.",
    ),
    def(
        "stability-fg",
        "stability, noise in foreground",
        Unit::Fraction,
        Direction::Neutral,
        "Fraction of pictures whose predicted class is the same with noise on the object.",
    ),
    def(
        "stability-bg",
        "stability, noise in background",
        Unit::Fraction,
        Direction::Higher,
        "Fraction of pictures whose predicted class is the same with noise outside the object.",
    ),
    def(
        "box-iou",
        "box IoU with object",
        Unit::Number,
        Direction::Higher,
        "IoU of the Grad-CAM box with the tight box of the true mask.",
    ),
    def(
        "mask-iou",
        "mask IoU at 0.5",
        Unit::Number,
        Direction::Higher,
        "IoU of the heatmap above 0.5 with the true mask.",
    ),
    def(
        "energy-inside",
        "energy inside object",
        Unit::Number,
        Direction::Higher,
        "Share of the heatmap's mass on the object.",
    ),
    def(
        "delta-density",
        "delta density",
        Unit::Number,
        Direction::Higher,
        "Mean heatmap on the object minus mean heatmap outside it.",
    ),
    def(
        "average-precision",
        "CAM average precision",
        Unit::Number,
        Direction::Higher,
        "Average precision of the heatmap as a detector of object pixels.",
    ),
    def(
        "pointing-game",
        "pointing game",
        Unit::Fraction,
        Direction::Higher,
        "Fraction of pictures whose heatmap has its maximum on the object.",
    ),
    def(
        "zero-cam",
        "pictures with zero CAM",
        Unit::Count,
        Direction::Lower,
        "Pictures whose CAM is zero everywhere: counted, not averaged in.",
    ),
    def(
        "cor-loc",
        "CorLoc",
        Unit::Fraction,
        Direction::Higher,
        "Fraction of pictures where the localizer's box has IoU >= 0.5 with the object's.",
    ),
    def(
        "target-iou",
        "target box IoU",
        Unit::Number,
        Direction::Higher,
        "Mean IoU of the localizer's boxes with the tight boxes of the masks.",
    ),
    def(
        "loss",
        "loss",
        Unit::Number,
        Direction::Lower,
        "Training objective alpha L_CE + beta L_expl, mean over the epoch.",
    ),
    def("cross-entropy", "cross-entropy", Unit::Number, Direction::Lower, "L_CE, mean over the epoch."),
    def(
        "explanation-loss",
        "explanation loss",
        Unit::Number,
        Direction::Lower,
        "L_expl, mean over the epoch's valid pictures.",
    ),
    def(
        "skipped",
        "pictures skipped by L_expl",
        Unit::Count,
        Direction::Lower,
        "Pictures of the epoch without target box or with zero CAM.",
    ),
    def(
        "learning-rate",
        "learning rate",
        Unit::Number,
        Direction::Neutral,
        "Learning rate at the end of the epoch.",
    ),
    def(
        "images-per-second",
        "training speed",
        Unit::PerSecond,
        Direction::Higher,
        "Training pictures per second of the epoch.",
    ),
    def("seconds", "training time", Unit::Seconds, Direction::Lower, "Time spent in training."),
    def(
        "peak-memory",
        "peak memory",
        Unit::Bytes,
        Direction::Lower,
        "The most main memory that the worker process had during the trial, what earlier trials left in it included.",
    ),
];

/// The declaration of a metric by its name.
#[must_use]
pub fn definition(name: &str) -> Option<&'static MetricDef> {
    DEFINITIONS.iter().find(|d| d.name == name)
}

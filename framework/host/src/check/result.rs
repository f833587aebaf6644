//! What comes out. The main type is [`Report`].

use serde::Serialize;

/// How a property stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It was not asked.
    Skip,
}

/// A property of a plugin, or of the library as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// Kind and name of the plugin; none for the library.
    pub plugin: Option<String>,
    /// Name of the property.
    pub property: String,
    /// What it asks.
    pub asks: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, with which input; or a remark; or why it was not asked.
    pub message: String,
    /// What to do, where it does not hold.
    pub remedy: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// All properties of a library.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// BLAKE3 of its contents; empty where it cannot be read.
    pub blake3: String,
    /// Seed of the inputs.
    pub seed: u64,
    /// Numbers of properties that hold, do not hold, were not asked.
    pub passed: usize,
    /// Those that do not hold.
    pub failed: usize,
    /// Those that were not asked.
    pub skipped: usize,
    /// One by one.
    pub results: Vec<Checked>,
}

impl Report {
    pub(super) fn new(file: String, blake3: String, seed: u64, results: Vec<Checked>) -> Self {
        let count = |verdict| results.iter().filter(|checked| checked.verdict == verdict).count();
        let (passed, failed, skipped) = (count(Verdict::Pass), count(Verdict::Fail), count(Verdict::Skip));
        Self { file, blake3, seed, passed, failed, skipped, results }
    }

    /// Whether no property fails.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failed == 0
    }
}

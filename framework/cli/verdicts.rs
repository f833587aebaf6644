//! Verdicts as text.

use console::{StyledObject, style};
use fovea_audit::TrialRecord;
use fovea_records::metrics::definition;
use fovea_records::{Finding, Unit, Verdict};

/// Columns that sentences are broken at.
const WIDTH: usize = 100;

/// Digits of an id that are shown.
const ID: usize = 8;

/// A verdict: a line, and what there is to say of it below.
pub(crate) fn text(record: &TrialRecord, verdict: &Verdict) -> String {
    let word = style(verdict.finding.words());
    let word = match verdict.finding {
        Finding::BitExact => word.green(),
        Finding::WithinTolerance | Finding::NotRun => word.yellow(),
        Finding::Diverged | Finding::Tampered => word.red(),
    };
    let mut text = line(record, &word);
    if let Some(departure) = &verdict.departure {
        let place = match departure.step {
            Some(step) => format!("step {step}, {}", departure.what),
            None => departure.what.clone(),
        };
        text += &paragraph(&format!(
            "first difference: {place}: recorded {}, rerun {}",
            departure.recorded, departure.rerun
        ));
        if let Some((step, tensor)) = &departure.tensor {
            text += &paragraph(&format!("first tensor that differs: {tensor}, after step {step}"));
        }
    }
    if !verdict.metrics.is_empty() {
        let largest: Vec<String> = verdict
            .metrics
            .iter()
            .map(|(metric, value)| format!("{metric} {}", difference(metric, *value)))
            .collect();
        text += &paragraph(&format!("largest differences, rerun minus recorded: {}", largest.join(", ")));
    }
    for reason in &verdict.reasons {
        text += &paragraph(reason);
    }
    // Those that are not among the reasons already; where nothing differs, sources beside the program do not matter.
    let is_exact = verdict.finding == Finding::BitExact;
    let told = |what: &str| {
        let is_source = ["commit", "uncommitted changes"].contains(&what);
        let in_reasons = verdict.reasons.iter().any(|r| r.to_lowercase().contains(&what.to_lowercase()));
        in_reasons || (is_exact && is_source)
    };
    let others: Vec<String> = verdict
        .changes
        .iter()
        .filter(|change| !told(&change.what))
        .map(|change| {
            format!("{} (recorded {}, now {})", change.what, head(&change.recorded), head(&change.now))
        })
        .collect();
    if !others.is_empty() && verdict.finding != Finding::Tampered {
        text += &paragraph(&format!("also changed: {}", others.join("; ")));
    }
    text
}

/// The beginning of a long value; `--json` has all of it.
fn head(value: &str) -> String {
    match value.char_indices().nth(WIDTH / 2) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

/// A trial with one word about it.
pub(crate) fn line(record: &TrialRecord, word: &StyledObject<&str>) -> String {
    let id: String = record.id.as_str().chars().take(ID).collect();
    format!("  {word:<16}  {id}  {}\n", record.label())
}

/// A difference of a metric: points for fractions.
pub(crate) fn difference(metric: &str, value: f64) -> String {
    match definition(metric).map(|metric| metric.unit) {
        Some(Unit::Fraction) => format!("{:+.2} points", 100.0 * value),
        Some(Unit::Count) => format!("{value:+}"),
        _ => format!("{value:+.2e}"),
    }
}

/// Indented, broken between words.
pub(crate) fn paragraph(text: &str) -> String {
    let indent = " ".repeat(6);
    let mut lines = String::new();
    let mut line = indent.clone();
    for word in text.split_whitespace() {
        if line.len() > indent.len() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &line;
            lines.push('\n');
            line = format!("{indent}  ");
        }
        if !line.ends_with(' ') {
            line.push(' ');
        }
        line += word;
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words() {
        let text = paragraph(&"word ".repeat(40));
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(text.split_whitespace().count(), 40);
        assert_eq!(paragraph("a b"), "      a b\n");
    }

    #[test]
    fn fractions_are_told_in_points() {
        assert_eq!(difference("accuracy", -0.0125), "-1.25 points");
        assert_eq!(difference("zero-cam", 2.0), "+2");
        assert_eq!(difference("rfs", 0.001), "+1.00e-3");
    }
}

//! The findings in words, generated from the numbers. The main type is [`Answer`].

use crate::compare::{Comparison, PicturePairs};
use crate::format::{difference, minus, p_value, plural, value};
use crate::measures::{Measure, MeasureKind};
use crate::run::{Run, Status};
use crate::stats::holm;
use fovea_records::Unit;
use serde::Serialize;
use std::collections::HashMap;

/// More variants than this are not put into words one by one.
const MOST_VARIANTS: usize = 12;

/// More variants than this that cannot be told from the baseline are named in one sentence.
const MOST_ALIKE: usize = 3;

/// What the run says about its question.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// Paragraphs about the whole run and its baseline.
    pub(crate) lead: Vec<String>,
    /// One item per variant that is compared with the baseline.
    pub(crate) findings: Vec<Told>,
    /// How to read the findings.
    pub(crate) caveat: Option<String>,
}

/// What is told of one variant.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// What these seeds show.
    pub(crate) text: String,
    /// What they do not.
    pub(crate) rest: Option<String>,
}

impl Told {
    fn plain(text: String) -> Self {
        Self { text, rest: None }
    }
}

impl Answer {
    /// Puts the headline numbers into words.
    pub(crate) fn new(run: &Run, measures: &[Measure], tests: &Tests) -> Self {
        let mut lead = Vec::new();
        let open = run.trials.len() - run.count(Status::Done);
        if measures.is_empty() {
            lead.push("No trial has been measured yet, so there is no answer yet.".to_owned());
            return Self { lead, findings: Vec::new(), caveat: None };
        }
        if run.smoke {
            lead.push(
                "A smoke run shows that the experiment runs from data to report; it answers nothing."
                    .to_owned(),
            );
            return Self { lead, findings: Vec::new(), caveat: None };
        }
        if open > 0 {
            lead.push(format!(
                "This report covers {} of {} planned trials; the others have no numbers (see Status).",
                run.count(Status::Done),
                run.trials.len()
            ));
        }
        if run.is_joined() {
            lead.push(
                "Variants of different runs differ in every setting listed under Configuration, not in their names alone."
                    .to_owned(),
            );
        }
        if let Some(sentence) = run.baseline.and_then(|b| baseline_sentence(run, measures, b)) {
            lead.push(sentence);
        }
        let compared: Vec<usize> = (0..run.variants.len()).filter(|&v| Some(v) != run.baseline).collect();
        let found = compared.iter().filter_map(|&v| Finding::new(run, measures, tests, v));
        let (mut alike, mut others): (Vec<Finding<'_>>, Vec<Finding<'_>>) =
            found.partition(Finding::shows_nothing);
        if alike.len() <= MOST_ALIKE {
            others.append(&mut alike);
            others.sort_by_key(|finding| finding.variant);
        }
        let mut findings: Vec<Told> = others.iter().take(MOST_VARIANTS).map(Finding::text).collect();
        if others.len() > MOST_VARIANTS {
            let left = others.len() - MOST_VARIANTS;
            findings.push(Told::plain(format!("The other {left} that differ are in the table.")));
        }
        findings.extend(together(&alike));
        let shared = || measures.iter().flat_map(|m| m.deltas.iter().flatten()).map(|d| d.n);
        let caveat = match (shared().min(), shared().max()) {
            (Some(_), Some(most)) if most < 2 => Some(
                "Differences are paired by seed. McNemar's test is over the pictures: it speaks of these trained \
                 networks, not of what other seeds would give."
                    .to_owned(),
            ),
            (Some(fewest), Some(_)) => {
                let mut text = format!(
                    "Differences are paired by seed; brackets are 95 % Student t intervals of the mean difference; p is \
                     of the paired t test, after Holm's correction over the {} made here. Other tests and bootstrap \
                     intervals are in tables/comparisons.csv, tests by picture in tables/mcnemar.csv.",
                    plural(tests.seeds, "comparison")
                );
                if fewest < 5 {
                    text.push_str(" With so few seeds the intervals are wide: only large effects can be told from chance.");
                }
                if fewest < 6 {
                    // All differences of one sign are 2 of 2^n patterns.
                    text.push_str(&format!(
                        " With {} no rank or sign-flip test can fall below {}, so the t test alone speaks here, and it \
                         assumes normal differences.",
                        plural(fewest, "seed"),
                        p_value(2_f64.powi(1 - fewest as i32))
                    ));
                }
                Some(text)
            }
            _ => None,
        };
        Self { lead, findings, caveat }
    }
}

fn baseline_sentence(run: &Run, measures: &[Measure], baseline: usize) -> Option<String> {
    let mean = |m: &Measure| m.stats[baseline].map(|s| minus(&value(m.unit, s.mean)));
    let accuracies: Vec<String> = measures
        .iter()
        .filter(|m| m.kind == MeasureKind::Accuracy)
        .filter_map(|m| Some(format!("{} % on {}", mean(m)?, m.split)))
        .collect();
    if accuracies.is_empty() {
        return None;
    }
    let mut sentence = format!(
        "The baseline {} classifies {} correctly",
        run.variants[baseline].label,
        accuracies.join(" and ")
    );
    let find = |kind| measures.iter().find(|m| m.kind == kind);
    if let Some(gap) = find(MeasureKind::Gap).and_then(mean) {
        sentence.push_str(&format!(", a gap of {gap} points"));
    }
    if let Some(rfs) = find(MeasureKind::Rfs).and_then(mean) {
        sentence.push_str(&format!("; its RFS under Gaussian noise is {rfs}"));
    }
    if let Some(iou) = find(MeasureKind::BoxIou).and_then(mean) {
        sentence.push_str(&format!(" and its Grad-CAM boxes overlap the object with an IoU of {iou}"));
    }
    sentence.push('.');
    Some(sentence)
}

/// The measures that findings are about, in the order of the sentences.
fn told(measures: &[Measure]) -> impl Iterator<Item = (usize, &Measure)> {
    [MeasureKind::Rfs, MeasureKind::Accuracy, MeasureKind::Gap, MeasureKind::BoxIou]
        .into_iter()
        .flat_map(move |kind| measures.iter().enumerate().filter(move |(_, m)| m.kind == kind))
}

/// p-values of all findings together, adjusted by Holm.
pub(crate) struct Tests {
    /// Of the paired t tests, by (measure, variant).
    pub(crate) adjusted: HashMap<(usize, usize), f64>,
    /// How many of them there are.
    pub(crate) seeds: usize,
    /// Of McNemar's exact tests where one seed is shared, by (measure, variant).
    pictures: HashMap<(usize, usize), f64>,
}

impl Tests {
    /// Adjusts.
    pub(crate) fn of(run: &Run, measures: &[Measure]) -> Self {
        let all = |p: &dyn Fn(&Comparison) -> Option<f64>| -> HashMap<(usize, usize), f64> {
            let places: Vec<(usize, usize)> =
                told(measures).flat_map(|(m, _)| (0..run.variants.len()).map(move |v| (m, v))).collect();
            let raw: Vec<Option<f64>> =
                places.iter().map(|&(m, v)| measures[m].comparisons[v].as_ref().and_then(p)).collect();
            let adjusted = holm::adjust(&raw);
            places.into_iter().zip(adjusted).filter_map(|(place, p)| Some((place, p?))).collect()
        };
        let adjusted = all(&|c| c.t);
        let pictures = all(&|c| c.pictures.as_ref().and_then(PicturePairs::mcnemar_p));
        Self { seeds: adjusted.len(), adjusted, pictures }
    }
}

/// One sentence about those that cannot be told from the baseline, if there are any.
fn together(alike: &[Finding<'_>]) -> Option<Told> {
    let first = alike.first()?;
    let mut names: Vec<String> = alike.iter().take(MOST_VARIANTS).map(|f| f.name.to_owned()).collect();
    if alike.len() > names.len() {
        names.push(format!("{} more", alike.len() - names.len()));
    }
    let (count, baseline) = (alike.len(), first.baseline);
    let names = names.join("; ");
    Some(Told {
        text: format!("{count} variants cannot be told from {baseline} (p after Holm): {names}."),
        rest: Some("Their differences and intervals stand with the trials of each.".to_owned()),
    })
}

/// What can be said of one variant.
struct Finding<'a> {
    variant: usize,
    name: &'a str,
    baseline: &'a str,
    seeds: usize,
    /// Told from no change after Holm's correction.
    clear: Vec<String>,
    /// Not told from it, though the interval of this number alone leaves 0 out.
    doubtful: Vec<String>,
    /// Intervals that contain 0.
    unchanged: Vec<String>,
    /// Equal with every seed.
    same: Vec<String>,
    /// Differences without any test.
    plain: Vec<String>,
    /// Pictures that one is right on and the other is not, for a single seed.
    pictures: Vec<String>,
}

impl<'a> Finding<'a> {
    fn new(run: &'a Run, measures: &[Measure], tests: &Tests, variant: usize) -> Option<Self> {
        let deltas =
            || told(measures).filter_map(|(m, measure)| Some((m, measure, measure.deltas[variant]?)));
        let mut finding = Self {
            variant,
            name: &run.variants[variant].label,
            baseline: &run.variants[run.baseline?].label,
            seeds: deltas().map(|(.., d)| d.n).min().unwrap_or(0),
            clear: Vec::new(),
            doubtful: Vec::new(),
            unchanged: Vec::new(),
            same: Vec::new(),
            plain: Vec::new(),
            pictures: Vec::new(),
        };
        for (place, measure, delta) in deltas() {
            let points = if measure.unit == Unit::Fraction { " points" } else { "" };
            let phrase = &measure.phrase;
            let signed = |number: f64| minus(&difference(measure.unit, number));
            let change = format!("{}{points}", signed(delta.mean));
            match (delta.interval(), tests.adjusted.get(&(place, variant))) {
                (Some((low, high)), Some(&p)) => {
                    let interval = format!("[{}, {}]", signed(low), signed(high));
                    if p < 0.05 {
                        let verb = if delta.mean > 0.0 { "raises" } else { "lowers" };
                        let size = value(measure.unit, delta.mean.abs());
                        finding
                            .clear
                            .push(format!("{verb} {phrase} by {size}{points} {interval} ({})", p_value(p)));
                    } else if low <= 0.0 && high >= 0.0 {
                        let most = value(measure.unit, low.abs().max(high.abs()));
                        finding
                            .unchanged
                            .push(format!("{phrase} ({change}, within ±{most}, {})", p_value(p)));
                    } else {
                        finding.doubtful.push(format!("{phrase} ({change} {interval}, {})", p_value(p)));
                    }
                }
                (Some(_), None) if delta.mean == 0.0 => finding.same.push(phrase.clone()),
                (Some(_), None) => finding.plain.push(format!("{phrase} {change} with every seed")),
                (None, _) => finding.plain.push(format!("{phrase} {change}")),
            }
            let single = measure.comparisons[variant].as_ref().and_then(|c| c.pictures.as_ref());
            if let (Some(counts), Some(&p)) =
                (single.and_then(PicturePairs::discordant), tests.pictures.get(&(place, variant)))
            {
                finding.pictures.push(format!(
                    "on {} it is right on {} that the baseline gets wrong, and wrong on {} that the baseline gets \
                     right (McNemar's exact {})",
                    measure.split,
                    plural(counts.gained as usize, "picture"),
                    counts.lost,
                    p_value(p)
                ));
            }
        }
        Some(finding)
    }

    /// Whether tests were made and none of them tells it from the baseline.
    fn shows_nothing(&self) -> bool {
        let tested = !self.doubtful.is_empty() || !self.unchanged.is_empty();
        self.seeds > 1 && tested && self.clear.is_empty() && self.plain.is_empty()
    }

    fn text(&self) -> Told {
        let Self { name, baseline, .. } = self;
        let seeds = plural(self.seeds, "seed");
        if self.seeds == 0 {
            return Told::plain(format!(
                "{name} shares no finished seed with {baseline}, so nothing can be said of it yet."
            ));
        }
        if self.seeds == 1 {
            let mut text = format!(
                "Against {baseline} with a single seed, {name} has {}. From one seed no interval and no p-value can be \
                 given: another seed may say the opposite.",
                list(&self.plain)
            );
            if !self.pictures.is_empty() {
                text += &format!(" Of these two networks alone, {}, after Holm.", list(&self.pictures));
            }
            return Told::plain(text);
        }
        let told = [&self.clear, &self.doubtful, &self.unchanged, &self.plain];
        if told.iter().all(|list| list.is_empty()) {
            return Told::plain(format!(
                "{name} has the very numbers of {baseline} with every seed ({seeds})."
            ));
        }
        let mut parts = Vec::new();
        let all = format!("over {baseline} ({seeds}, p after Holm)");
        if !self.clear.is_empty() {
            parts.push(list(&self.clear));
        }
        if !self.plain.is_empty() {
            parts.push(format!("changes {}: no spread, so no p-value", list(&self.plain)));
        }
        let text = match parts.is_empty() {
            true => format!("{name} cannot be told from {baseline} ({seeds}, p after Holm)."),
            false => format!("{name} {} {all}.", parts.join("; it ")),
        };
        let mut rest = Vec::new();
        if !self.doubtful.is_empty() {
            rest.push(format!(
                "Not told from chance after Holm's correction, though the interval leaves 0 out: {}.",
                list(&self.doubtful)
            ));
        }
        if !self.same.is_empty() {
            rest.push(format!("The same with every seed: {}.", list(&self.same)));
        }
        if !self.unchanged.is_empty() {
            rest.push(format!("No change shown: {}.", list(&self.unchanged)));
        }
        Told { text, rest: (!rest.is_empty()).then(|| rest.join(" ")) }
    }
}

fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, clear: &[&str], unchanged: &[&str]) -> Finding<'static> {
        let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Finding {
            variant: 0,
            name: name.to_owned().leak(),
            baseline: "loss=none",
            seeds: 3,
            clear: texts(clear),
            doubtful: Vec::new(),
            unchanged: texts(unchanged),
            same: Vec::new(),
            plain: Vec::new(),
            pictures: Vec::new(),
        }
    }

    #[test]
    fn many_variants_that_show_nothing_are_named_in_one_sentence() {
        let nothing = |name: &str| finding(name, &[], &["RFS (0.001, within 0.020, p = 1)"]);
        assert!(nothing("a").shows_nothing());
        assert!(!finding("a", &["raises RFS by 0.1"], &["accuracy"]).shows_nothing());
        assert!(!finding("a", &[], &[]).shows_nothing(), "the very numbers of the baseline are worth a word");
        assert!(!Finding { seeds: 1, ..nothing("a") }.shows_nothing());

        let alike: Vec<Finding<'_>> = (0..14).map(|i| nothing(&format!("v{i}"))).collect();
        let told = together(&alike).unwrap();
        assert_eq!(
            told.text,
            "14 variants cannot be told from loss=none (p after Holm): v0; v1; v2; v3; v4; v5; v6; v7; v8; v9; v10; \
             v11; 2 more."
        );
        assert!(together(&[]).is_none());
    }
}

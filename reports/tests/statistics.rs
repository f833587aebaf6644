//! Every statistic beside SciPy's or statsmodels' (tests/peers/statistics_golden.py; versions in the golden data).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use fovea_reports::stats::{Mcnemar, Paired, Stats, bootstrap, holm};
use serde_json::Value;

/// Relative.
const TOLERANCE: f64 = 1e-10;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/statistics/statistics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Largest relative deviation so far, by statistic.
#[derive(Default)]
struct Deviations(std::collections::BTreeMap<&'static str, (f64, usize)>);

impl Deviations {
    fn see(&mut self, what: &'static str, ours: f64, theirs: f64, scale: f64) {
        let off = (ours - theirs).abs() / theirs.abs().max(scale).max(f64::MIN_POSITIVE);
        assert!(off <= TOLERANCE, "{what}: {ours}, not {theirs}: off by {off:e}");
        let entry = self.0.entry(what).or_default();
        *entry = (entry.0.max(off), entry.1 + 1);
    }

    fn both(&mut self, what: &'static str, ours: Option<(f64, f64)>, theirs: &Value, scale: f64) {
        assert_eq!(ours.is_none(), theirs.is_null(), "{what}: {ours:?}, not {theirs}");
        if let Some((low, high)) = ours {
            let theirs = numbers(theirs);
            self.see(what, low, theirs[0], scale);
            self.see(what, high, theirs[1], scale);
        }
    }

    fn one(&mut self, what: &'static str, ours: Option<f64>, theirs: &Value) {
        assert_eq!(ours.is_none(), theirs.is_null(), "{what}: {ours:?}, not {theirs}");
        if let Some(ours) = ours {
            self.see(what, ours, theirs.as_f64().unwrap(), 0.0);
        }
    }

    fn print(&self) {
        for (what, (off, count)) in &self.0 {
            println!("{what:<14} {count:>4} numbers, off by at most {off:.1e}");
        }
    }
}

#[test]
fn samples_agree_with_scipy() {
    let mut seen = Deviations::default();
    for case in golden()["samples"].as_array().unwrap() {
        let values = numbers(&case["values"]);
        let stats = Stats::of(values.iter().copied()).unwrap();
        // Means and ends of intervals near zero are exact to the last digits of the values themselves.
        let scale = stats.min.abs().max(stats.max.abs());
        seen.see("mean", stats.mean, case["mean"].as_f64().unwrap(), scale);
        seen.one("sd", stats.sd, &case["sd"]);
        seen.both("t interval", stats.interval(), &case["interval"], scale);
        seen.both("BCa interval", bootstrap::interval(&values), &case["bootstrap"], scale);
        let paired = Paired(&values);
        seen.both("t and p", paired.t(), &case["t"], 0.0);
        seen.one("Wilcoxon p", paired.wilcoxon(), &case["wilcoxon"]);
        seen.one("sign-flip p", paired.sign_flip(), &case["sign_flip"]);
    }
    seen.print();
}

#[test]
fn discordant_pictures_agree_with_statsmodels() {
    let mut seen = Deviations::default();
    for case in golden()["mcnemar"].as_array().unwrap() {
        let count = |name: &str| case[name].as_u64().unwrap();
        let table = Mcnemar { gained: count("gained"), lost: count("lost") };
        seen.one("exact p", Some(table.exact()), &case["exact"]);
        seen.one("chi square", Some(table.chi_square()), &case["chi_square"]);
        seen.one("chi square p", Some(table.chi_square_p()), &case["chi_square_p"]);
    }
    seen.print();
    let pairs = [(true, true), (true, false), (false, true), (false, false), (false, true)];
    assert_eq!(Mcnemar::of(pairs), Mcnemar { gained: 2, lost: 1 });
}

#[test]
fn families_agree_with_statsmodels() {
    let mut seen = Deviations::default();
    for case in golden()["holm"].as_array().unwrap() {
        let given: Vec<Option<f64>> = numbers(&case["p"]).into_iter().map(Some).collect();
        for (ours, theirs) in holm::adjust(&given).into_iter().zip(numbers(&case["adjusted"])) {
            seen.see("Holm", ours.unwrap(), theirs, 0.0);
        }
    }
    seen.print();
    // What has no p-value does not count.
    assert_eq!(holm::adjust(&[None, Some(0.01), None, Some(0.5)]), [None, Some(0.02), None, Some(0.5)]);
}

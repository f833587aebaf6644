//! Ranges as the values of an axis. The main function is [`expand`].
//!
//! `{ range = [0.0, 1.0], steps = 5 }`, `{ range = [0, 10], step = 2 }` and `{ logspace = [1e-4, 1e-1], steps = 4 }`,
//! both ends included. Values are rounded to what one would write by hand, so that a trial of a range is the trial of
//! that list: 0.1 + 0.2 is 0.3 here.

use crate::errors::{At, Issue, did_you_mean};
use crate::shape::found;
use serde_json::{Map, Number, Value};

/// Longer ranges are a mistake; the grid has a limit of its own.
const MOST_VALUES: f64 = 100_000.0;
/// Significant digits of the largest value that are kept: fewer than the rounding errors reach.
const DIGITS: i32 = 12;
const KEYS: [&str; 4] = ["range", "logspace", "steps", "step"];

/// Whether a table is a range and not a table of axes or a value.
pub(crate) fn is_range(table: &Map<String, Value>) -> bool {
    table.contains_key("range") || table.contains_key("logspace")
}

/// The values of a range. The path of an issue begins at the range.
pub(crate) fn expand(table: &Map<String, Value>) -> Result<Vec<Value>, Issue> {
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let issue = Issue::new(vec![key.clone()], At::Key, format!("`{key}` is no key of a range"));
        return Err(issue.help(did_you_mean(key, &KEYS, "keys")));
    }
    let key = if table.contains_key("range") { "range" } else { "logspace" };
    let (begin, end, integers) = ends(key, &table[key])?;
    let values = match (key, table.get("steps"), table.get("step")) {
        ("range", Some(steps), None) => {
            let last = count(steps)? - 1;
            (0..=last).map(|i| begin + (end - begin) * (i as f64) / (last as f64)).collect()
        }
        ("range", None, Some(step)) => stepped(begin, end, step)?,
        ("logspace", Some(steps), None) => {
            let last = count(steps)? - 1;
            let ratio = (end / begin).ln();
            (0..=last).map(|i| round(begin * (ratio * (i as f64) / (last as f64)).exp(), 0.0)).collect()
        }
        ("range", ..) => {
            let message = "a range needs either `steps`, how many values it has, or `step`, the difference of neighbours";
            let help = "for example { range = [0.0, 1.0], steps = 5 } or { range = [0, 10], step = 2 }";
            return Err(Issue::new(Vec::new(), At::Value, message).help(help.to_owned()));
        }
        _ => {
            let message = "a logspace needs `steps`, how many values it has, and nothing else";
            let help = "for example { logspace = [1e-4, 1e-1], steps = 4 }";
            return Err(Issue::new(Vec::new(), At::Value, message).help(help.to_owned()));
        }
    };
    let mut values = written(values, begin.abs().max(end.abs()), integers);
    // Both ends are as the user wrote them, with however many digits.
    if let (Some(first), Some(begin)) = (values.first_mut(), table[key].get(0)) {
        first.clone_from(&like(begin, first));
    }
    if let (Some(last), Some(end)) = (values.last_mut(), table[key].get(1)) {
        last.clone_from(&like(end, last));
    }
    Ok(values)
}

/// A number, whole if `other` is.
fn like(number: &Value, other: &Value) -> Value {
    match other.is_f64() {
        true => number.as_f64().map_or_else(|| number.clone(), Value::from),
        false => number.clone(),
    }
}

/// `start`, `start + step`, ... before `stop`, as the command line's `range(start, stop, step)` has it, which is
/// Hydra's and Python's.
pub(crate) fn half_open(start: f64, stop: f64, step: f64, integers: bool) -> Result<Vec<Value>, String> {
    let count = (stop - start) / step;
    if !(count.is_finite() && count > 0.0) {
        return Err("it has no values: the step does not lead from the start to the stop".to_owned());
    }
    if count > MOST_VALUES {
        return Err(format!("it has {count:.0} values; at most {MOST_VALUES} are planned"));
    }
    // A stop that is met but for rounding is not included.
    let count = (count - 1e-9).ceil() as usize;
    let values = (0..count).map(|i| start + step * i as f64).collect();
    Ok(written(values, start.abs().max(stop.abs()), integers))
}

/// Both ends, and whether both are whole numbers.
fn ends(key: &str, value: &Value) -> Result<(f64, f64, bool), Issue> {
    let issue = |message: String| Err(Issue::new(vec![key.to_owned()], At::Value, message));
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let Some(&[begin, end]) = numbers.as_deref() else {
        return issue(format!("`{key}` is a list of two numbers, its first and its last value"));
    };
    if begin == end {
        return issue("both ends are equal, so there is only one value".to_owned());
    }
    if key == "logspace" && (begin <= 0.0 || end <= 0.0) {
        return issue("both ends of a logspace lie above 0".to_owned());
    }
    let integers = value.as_array().is_some_and(|list| list.iter().all(|end| !end.is_f64()));
    Ok((begin, end, integers))
}

/// How many values, at least the two ends.
fn count(steps: &Value) -> Result<u64, Issue> {
    let issue = |message: String| Issue::new(vec!["steps".to_owned()], At::Value, message);
    match steps.as_u64() {
        Some(count) if count as f64 > MOST_VALUES => {
            Err(issue(format!("the axis has {count} values; at most {MOST_VALUES} trials are planned")))
        }
        Some(count) if count >= 2 => Ok(count),
        Some(_) => Err(issue("`steps` counts the values, both ends among them: at least 2".to_owned())),
        None => Err(issue(format!("expected a whole number of at least 2, found {}", found(steps)))),
    }
}

fn stepped(begin: f64, end: f64, step: &Value) -> Result<Vec<f64>, Issue> {
    let issue = |message: String| Issue::new(vec!["step".to_owned()], At::Value, message);
    let Some(number) = step.as_f64() else {
        return Err(issue(format!("expected a number, found {}", found(step))));
    };
    let exact = (end - begin) / number;
    if !exact.is_finite() || exact <= 0.0 {
        return Err(issue(format!("steps of {step} do not lead from {begin} to {end}")));
    }
    if exact > MOST_VALUES {
        return Err(issue(format!(
            "the axis has {exact:.0} values; at most {MOST_VALUES} trials are planned"
        )));
    }
    if (exact - exact.round()).abs() > 1e-6 {
        let scale = begin.abs().max(end.abs());
        let [before, after] = [exact.floor(), exact.ceil()].map(|n| round(begin + n * number, scale));
        let message = format!("steps of {step} from {begin} miss {end}, and both ends are included");
        return Err(
            issue(message).help(format!("end at {before} or {after}, or give the number of values as steps"))
        );
    }
    Ok((0..=exact.round() as u64).map(|i| begin + number * i as f64).collect())
}

/// Values as one would write them: whole numbers where all are and the ends were.
fn written(values: Vec<f64>, scale: f64, integers: bool) -> Vec<Value> {
    let values: Vec<f64> = values.into_iter().map(|value| round(value, scale)).collect();
    let integers = integers && values.iter().all(|value| value.fract() == 0.0);
    let number = |value: f64| match integers {
        true => Value::from(value as i64),
        false => Number::from_f64(value).map_or(Value::Null, Value::Number),
    };
    values.into_iter().map(number).collect()
}

/// The nearest decimal of [`DIGITS`] digits, counted from the first of `scale`, or of the value where that is larger.
fn round(value: f64, scale: f64) -> f64 {
    // Whole numbers have no digits to spare.
    if value.fract() == 0.0 {
        return value + 0.0;
    }
    let magnitude = value.abs().max(scale);
    if magnitude == 0.0 {
        return 0.0;
    }
    let decimals = (DIGITS - 1 - magnitude.log10().floor() as i32).max(0) as usize;
    let rounded: f64 = format!("{value:.decimals$}").parse().unwrap_or(value);
    // -0.0 is equal to 0.0 but not written like it.
    if rounded == 0.0 { 0.0 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values(range: &Value) -> String {
        serde_json::to_string(&expand(range.as_object().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn values_are_those_one_would_write() {
        assert_eq!(values(&json!({ "range": [0.0, 1.0], "steps": 5 })), "[0.0,0.25,0.5,0.75,1.0]");
        assert_eq!(values(&json!({ "range": [0, 10], "step": 2 })), "[0,2,4,6,8,10]");
        assert_eq!(values(&json!({ "range": [0, 10], "steps": 3 })), "[0,5,10]");
        assert_eq!(values(&json!({ "range": [0, 1], "steps": 3 })), "[0.0,0.5,1.0]");
        assert_eq!(values(&json!({ "range": [0.1, 0.5], "step": 0.1 })), "[0.1,0.2,0.3,0.4,0.5]");
        assert_eq!(
            values(&json!({ "range": [0.3, -0.3], "step": -0.1 })),
            "[0.3,0.2,0.1,0.0,-0.1,-0.2,-0.3]"
        );
        assert_eq!(values(&json!({ "logspace": [1e-4, 1e-1], "steps": 4 })), "[0.0001,0.001,0.01,0.1]");
        assert_eq!(values(&json!({ "logspace": [1, 1000], "steps": 4 })), "[1,10,100,1000]");
        assert_eq!(values(&json!({ "range": [1e-9, 3e-9], "steps": 3 })), "[1e-9,2e-9,3e-9]");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ranges_have_their_ends_and_their_length_and_grow(
            begin in -1e6..1e6f64, end in -1e6..1e6f64, steps in 2..200usize,
        ) {
            prop_assume!((begin - end).abs() > 1e-3);
            let found = expand(json!({ "range": [begin, end], "steps": steps }).as_object().unwrap()).unwrap();
            check(&found, begin, end, steps)?;
            let (begin, end) = (begin.abs() + 1e-9, end.abs() + 1e-9);
            prop_assume!(begin / end > 1.001 || end / begin > 1.001);
            let found = expand(json!({ "logspace": [begin, end], "steps": steps }).as_object().unwrap()).unwrap();
            check(&found, begin, end, steps)?;
        }

        #[test]
        fn whole_steps_are_whole_numbers(begin in -1_000_000_000_000_000..1_000_000_000_000_000i64, step in 1..1000i64, count in 1..100i64, down in any::<bool>()) {
            let step = if down { -step } else { step };
            let table = json!({ "range": [begin, begin + step * count], "step": step });
            let expected: Vec<Value> = (0..=count).map(|i| Value::from(begin + step * i)).collect();
            prop_assert_eq!(expand(table.as_object().unwrap()).unwrap(), expected);
        }
    }

    fn check(found: &[Value], begin: f64, end: f64, steps: usize) -> Result<(), TestCaseError> {
        let found: Vec<f64> = found.iter().map(|value| value.as_f64().unwrap()).collect();
        prop_assert_eq!((found.len(), found[0], found[steps - 1]), (steps, begin, end));
        prop_assert!(found.windows(2).all(|pair| (pair[0] < pair[1]) == (begin < end) && pair[0] != pair[1]));
        Ok(())
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (range, expected) in [
            (json!({ "range": [0, 1] }), ": a range needs either `steps`"),
            (json!({ "range": [0, 1], "steps": 2, "step": 1 }), ": a range needs either `steps`"),
            (json!({ "range": [0], "steps": 2 }), "range: `range` is a list of two numbers"),
            (json!({ "range": [1, 1], "steps": 2 }), "range: both ends are equal"),
            (json!({ "range": [0, 1], "steps": 1 }), "steps: `steps` counts the values"),
            (json!({ "range": [0, 1], "steps": 1_000_000_000 }), "steps: the axis has 1000000000 values"),
            (json!({ "range": [0, 1], "step": 1e-9 }), "step: the axis has 1000000000 values"),
            (json!({ "range": [0, 10], "step": 3 }), "step: steps of 3 from 0 miss 10"),
            (json!({ "range": [10, 0], "step": 3 }), "step: steps of 3 do not lead from 10 to 0"),
            (json!({ "range": [0, 1], "stpes": 3 }), "stpes: `stpes` is no key of a range"),
            (json!({ "logspace": [0, 1], "steps": 3 }), "logspace: both ends of a logspace lie above 0"),
            (json!({ "logspace": [1, 2], "step": 1 }), ": a logspace needs `steps`"),
        ] {
            let issue = expand(range.as_object().unwrap()).unwrap_err();
            let shown = format!("{}: {}", issue.path.join("."), issue.message);
            assert!(shown.starts_with(expected), "{range}: {shown}");
        }
    }

    #[test]
    fn the_command_lines_range_leaves_its_stop_out() {
        let shown = |values: Result<Vec<Value>, String>| serde_json::to_string(&values.unwrap()).unwrap();
        assert_eq!(shown(half_open(0.0, 10.0, 2.0, true)), "[0,2,4,6,8]");
        assert_eq!(shown(half_open(0.0, 0.3, 0.1, false)), "[0.0,0.1,0.2]");
        assert_eq!(shown(half_open(3.0, 0.0, -1.0, true)), "[3,2,1]");
        assert!(half_open(0.0, 1.0, -1.0, true).is_err() && half_open(0.0, 1e9, 1.0, true).is_err());
    }
}

//! What benchmarks print. The main function is [`show`].

use crate::output;
use crate::{build_info, plan};
use fovea_engine::bench::{Measurement, Unit, threads};
use fovea_orchestrator::machine::machine;
use fovea_orchestrator::source;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Prints measurements for reading, or as JSON, one object a line.
pub(super) fn show(found: &[Measurement], as_json: bool) {
    if as_json {
        let circumstances = circumstances();
        let lines: Vec<String> =
            found.iter().map(|measurement| object(measurement, &circumstances).to_string()).collect();
        output::print(&(lines.join("\n") + "\n"));
    } else {
        output::print(&text(found));
    }
}

/// What the numbers rest on beside the settings.
fn circumstances() -> Map<String, Value> {
    let (machine, program) = (machine(), build_info::program());
    let commit = source::commit(&plan::base_dir());
    let entries = [
        ("threads", json!(threads())),
        ("cpu", json!(machine.cpu)),
        ("cores", json!(machine.cores)),
        ("system", json!(machine.system)),
        ("version", json!(program.version)),
        // That of the work tree in which the command was given; the program does not know its own.
        ("commit", json!(commit)),
        ("compiler", json!(program.compiler)),
        ("features", json!(program.features)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn object(measurement: &Measurement, circumstances: &Map<String, Value>) -> Value {
    let mut object = json!(measurement);
    let [low, high] = measurement.quartiles();
    object["median"] = json!(measurement.median());
    object["quartiles"] = json!([low, high]);
    object["interquartile_range"] = json!(high - low);
    object["per_second"] = json!(measurement.per_second());
    for (key, value) in circumstances {
        object[key] = value.clone();
    }
    object
}

/// For reading: settings once, then a line for each thing measured.
fn text(found: &[Measurement]) -> String {
    let mut text = String::new();
    let width = found.iter().map(|measurement| measurement.what.chars().count()).max().unwrap_or(0);
    let mut before: Option<&Measurement> = None;
    for measurement in found {
        let Measurement { bench, what, settings, device, values, .. } = measurement;
        if before.is_none_or(|before| before.settings != *settings || before.device != *device) {
            let _ = writeln!(text, "{bench}{}, {device}", words_of(settings));
        }
        before = Some(measurement);
        let [low, high] = measurement.quartiles().map(|value| number(value, measurement.unit));
        let median = number(measurement.median(), measurement.unit);
        let times = if values.len() == 1 { "once".to_owned() } else { format!("{} times", values.len()) };
        let spread = if values.len() == 1 { String::new() } else { format!(" ({low} to {high})") };
        let rate = match (measurement.per_second(), measurement.items) {
            (Some(rate), Some(items)) => format!("  {rate:.1} {} a second", items.of),
            _ => String::new(),
        };
        let _ = writeln!(text, "  {what:width$}  {median}{spread}{rate}, {times}");
    }
    text
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds if value < 0.01 => format!("{:.3} ms", value * 1000.0),
        Unit::Seconds => format!("{value:.4} s"),
        Unit::Share => format!("{:.2} %", value * 100.0),
    }
}

fn words_of(settings: &Map<String, Value>) -> String {
    let word = |(key, value): (&String, &Value)| match value {
        Value::String(value) => format!(" {key}={value}"),
        Value::Object(inner) if inner.is_empty() => String::new(),
        value => format!(" {key}={value}"),
    };
    settings.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fovea_engine::bench::Items;

    fn measurement(what: &str, unit: Unit, items: Option<Items>, values: &[f64]) -> Measurement {
        Measurement {
            bench: "step",
            what: what.to_owned(),
            settings: Map::from_iter([
                ("model".to_owned(), json!("resnet18")),
                ("batch".to_owned(), json!(8)),
            ]),
            device: "cpu (2 threads)".to_owned(),
            unit,
            items,
            values: values.to_vec(),
        }
    }

    #[test]
    fn text_has_settings_once_and_a_line_each() {
        let items = Some(Items { count: 8, of: "pictures" });
        let found = [
            measurement("none", Unit::Seconds, items, &[0.2, 0.1, 0.3]),
            measurement("ria", Unit::Seconds, items, &[0.4]),
            measurement("idle", Unit::Share, None, &[0.01, 0.02]),
        ];
        let expected = "\
step model=resnet18 batch=8, cpu (2 threads)
  none  0.2000 s (0.1500 s to 0.2500 s)  40.0 pictures a second, 3 times
  ria   0.4000 s  20.0 pictures a second, once
  idle  1.50 % (1.25 % to 1.75 %), 2 times
";
        assert_eq!(text(&found), expected);
    }

    #[test]
    fn objects_have_every_time_and_the_circumstances() {
        let found = measurement("none", Unit::Seconds, None, &[0.2, 0.1, 0.3]);
        let object = object(&found, &circumstances());
        assert_eq!(object["values"], json!([0.2, 0.1, 0.3]));
        assert_eq!((&object["median"], &object["unit"]), (&json!(0.2), &json!("seconds")));
        assert_eq!(object["settings"]["batch"], 8);
        assert!(object["cpu"].is_string() && object["threads"].is_u64() && object["per_second"].is_null());
    }
}

//! What names trials and stages: the text that is hashed.
//!
//! Canonical text is JSON with sorted keys and no whitespace. Numbers are as the typed configuration writes them, so
//! `beta = 1` and `beta = 1.0` are one trial.

use crate::{Precision, TrialConfig};
use fovea_records::{StageId, TrialId};
use serde::Serialize;
use serde_json::Value;

/// Whether a value is one that identities leave out, like an absent one: the default of a key that is younger than they
/// are. `key` is dotted: `training.precision`.
#[must_use]
pub fn is_left_out(key: &str, value: &Value) -> bool {
    key == "training.precision" && *value == json(&Precision::default())
}

/// What a section of a trial's configuration is called in the text, and what it says there.
pub(crate) fn section(name: &str, value: &Value) -> String {
    let mut text = format!("{}:", Value::from(name));
    let left_out = |(key, value): (&String, &Value)| is_left_out(&format!("{name}.{key}"), value);
    if value.as_object().is_some_and(|table| table.iter().any(left_out)) {
        let mut value = value.clone();
        if let Value::Object(table) = &mut value {
            table.retain(|key, value| !left_out((key, value)));
        }
        canonical(&value, &mut text);
    } else if value.get("paths").is_some() {
        let mut value = value.clone();
        leave_out_paths(&mut value);
        canonical(&value, &mut text);
    } else {
        canonical(value, &mut text);
    }
    text
}

/// The same as far as it has a say in the trial's warm-up stage: the CE-only epochs, which target boxes, the
/// explanation loss and its weight cannot influence.
pub(crate) fn warm_up_section(name: &str, value: &Value) -> Option<String> {
    match name {
        "augmentation" | "dataset" | "input" | "model" | "seed" => Some(section(name, value)),
        "training" => {
            let mut training = value.clone();
            if let Value::Object(training) = &mut training {
                training.shift_remove("beta");
            }
            Some(section(name, &training))
        }
        _ => None,
    }
}

/// The text of a whole configuration, from its sections in the order of their names.
pub(crate) fn whole<'a>(sections: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::with_capacity(2048);
    for section in sections {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(section);
    }
    text.push('}');
    text
}

/// The identity of a trial.
pub(crate) fn trial_id(config: &TrialConfig) -> TrialId {
    TrialId::of(&whole(named(config, |name, value| Some(section(name, value))).iter().map(String::as_str)))
}

/// The identity of the trial's warm-up stage.
pub(crate) fn stage_id(config: &TrialConfig) -> StageId {
    StageId::of(&whole(named(config, warm_up_section).iter().map(String::as_str)))
}

/// The texts of the sections, in the order of their names.
fn named(config: &TrialConfig, text: impl Fn(&str, &Value) -> Option<String>) -> Vec<String> {
    let json = json(config);
    let mut sections: Vec<(&String, &Value)> = json.as_object().into_iter().flatten().collect();
    sections.sort_by_key(|(name, _)| *name);
    sections.into_iter().filter_map(|(name, value)| text(name, value)).collect()
}

/// Removes from a plugin's section where its files are; the fingerprint says what is in them.
fn leave_out_paths(section: &mut Value) {
    let Some(section) = section.as_object_mut() else { return };
    let Some(Value::Array(paths)) = section.shift_remove("paths") else { return };
    if let Some(Value::Object(config)) = section.get_mut("config") {
        for path in paths.iter().filter_map(Value::as_str) {
            config.shift_remove(path);
        }
    }
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("configurations have text keys only, which is all that JSON asks")
}

fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            list(entries, ['{', '}'], text, |(key, value), text| {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                canonical(value, text);
            });
        }
        Value::Array(values) => list(values, ['[', ']'], text, canonical),
        other => text.push_str(&other.to_string()),
    }
}

fn list<T>(
    items: impl IntoIterator<Item = T>,
    [open, close]: [char; 2],
    text: &mut String,
    write: impl Fn(T, &mut String),
) {
    text.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        write(item, text);
    }
    text.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PluginConfig, Shared, TrainingConfig};
    use serde_json::json;

    fn plugin(name: &str, config: Value) -> Shared<PluginConfig> {
        let (name, fingerprint) = (name.to_owned(), "v1".to_owned());
        PluginConfig { name, config, fingerprint, paths: Vec::new() }.into()
    }

    fn config() -> TrialConfig {
        TrialConfig {
            seed: 0,
            dataset: plugin("scenes", json!({ "train": 10, "bias": 0.9 })),
            input: Default::default(),
            augmentation: Default::default(),
            model: plugin("resnet18", json!({})),
            localizer: plugin("ground-truth", json!({})),
            extractor: plugin("threshold", json!({ "threshold": 0.5 })),
            loss: plugin("ria", json!({ "lambda": 0.1 })),
            cam: Default::default(),
            training: TrainingConfig::default(),
            evaluation: Default::default(),
        }
    }

    #[test]
    fn canonical_text_has_sorted_keys_and_no_whitespace() {
        let text = |value: &Value| {
            let mut text = String::new();
            canonical(value, &mut text);
            text
        };
        assert_eq!(
            text(&json!({ "b": [{ "d": 1.0, "c": 2 }], "a": "x y" })),
            r#"{"a":"x y","b":[{"c":2,"d":1.0}]}"#
        );
    }

    #[test]
    fn identities_are_pinned() {
        // If this fails, every finished trial on users' disks is orphaned: bump the domain in fovea-records and say so
        // in the CHANGELOG.
        assert_eq!(trial_id(&config()).as_str(), "4a5b4c7e81df3f27");
        assert_eq!(stage_id(&config()).as_str(), "4f10059e1060a3c2");
    }

    #[test]
    fn order_of_keys_does_not_matter_but_everything_else_does() {
        let mut other = config();
        other.dataset.config = json!({ "bias": 0.9, "train": 10 });
        assert_eq!(trial_id(&config()), trial_id(&other));
        other.dataset.fingerprint = "v2".to_owned();
        assert_ne!(trial_id(&config()), trial_id(&other));
    }

    #[test]
    fn the_default_of_a_younger_key_leaves_identities_as_they_were() {
        let mut other = config();
        assert!(json(&other)["training"].get("precision").is_some());
        for precision in [Precision::Tf32, Precision::Bf16] {
            other.training.precision = precision;
            assert_ne!(trial_id(&config()), trial_id(&other));
            assert_ne!(stage_id(&config()), stage_id(&other));
        }
        other.training.precision = Precision::F32;
        assert_eq!(trial_id(&config()), trial_id(&other));
    }

    #[test]
    fn data_may_be_moved() {
        let at = |root: &str| {
            let mut config = config();
            config.dataset = plugin("folder", json!({ "root": root, "on_bad_image": "error" }));
            config.dataset.paths = vec!["root".to_owned()];
            config
        };
        assert_eq!(trial_id(&at("/a")), trial_id(&at("/b")));
        assert_eq!(stage_id(&at("/a")), stage_id(&at("/b")));
        let mut other = at("/a");
        other.dataset.fingerprint = "v1 other pictures".to_owned();
        assert_ne!(trial_id(&at("/a")), trial_id(&other));
    }

    #[test]
    fn stages_ignore_what_only_the_explanation_loss_reads() {
        let mut other = config();
        other.loss = plugin("none", json!({}));
        other.localizer = plugin("center-box", json!({}));
        other.extractor = plugin("moments", json!({}));
        other.training.beta = 7.0;
        other.evaluation.draws = 9;
        other.cam.detach_alpha = true;
        assert_eq!(stage_id(&config()), stage_id(&other));
        other.training.alpha = 2.0;
        assert_ne!(stage_id(&config()), stage_id(&other));
    }
}

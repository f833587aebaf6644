//! Descriptions, configurations and instances: properties of all kinds.

use super::property::{Found, HOLDS};
use super::subject::Subject;
use crate::config;
use serde_json::{Value, json};

/// Longest summary that a list of plugins has room for.
const SUMMARY: usize = 200;

pub(super) fn description(subject: &Subject) -> Result<Found, String> {
    let plugin = &subject.plugin;
    let schema = &plugin.schema;
    if !plugin.version.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("the version is `{}`, and one like `1.0.0` is expected", plugin.version));
    }
    let summary = plugin.summary.trim();
    if summary.is_empty() || summary.contains('\n') || summary.chars().count() > SUMMARY {
        return Err(format!(
            "the summary is `{summary}`, and a line of 1 to {SUMMARY} characters is expected"
        ));
    }
    if schema["type"] != json!("object") {
        return Err(format!("the schema's type is {}, and \"object\" is expected", schema["type"]));
    }
    if !(schema["properties"].is_null() || schema["properties"].is_object()) {
        return Err("the schema's `properties` are no object".to_owned());
    }
    for key in &plugin.path_keys {
        if schema["properties"][key].is_null() {
            return Err(format!("path_keys names `{key}`, which is no property of the schema"));
        }
    }
    let silent: Vec<&str> = properties(schema)
        .filter(|(_, property)| property["description"].is_null())
        .map(|(key, _)| key.as_str())
        .collect();
    if silent.is_empty() {
        return Ok(HOLDS);
    }
    Ok(Found::Holds(format!("without a description in the schema: {}", silent.join(", "))))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

pub(super) fn defaults(subject: &Subject) -> Result<Found, String> {
    let once = subject.resolved().map_err(|error| {
        let hint = if subject.config == json!({}) { " (--config gives what has no default)" } else { "" };
        format!("{error}{hint}")
    })?;
    let twice = config::resolve(&subject.plugin, &once, &subject.base_dir)
        .map_err(|issues| format!("resolved to {once}, which is then refused: {}", words(&issues)))?;
    if once != twice {
        return Err(format!("resolved to {once}, and that to {twice}"));
    }
    for (key, property) in properties(&subject.plugin.schema) {
        let Some(default) = property.get("default").filter(|_| subject.config.get(key).is_none()) else {
            continue;
        };
        let found = &once[key];
        let near = match (default.as_f64(), found.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs(),
            _ => default == found,
        };
        if !near {
            return Err(format!(
                "the schema says that `{key}` is {default} where it is not given, and it is {found}"
            ));
        }
    }
    Ok(Found::Holds(once.to_string()))
}

fn words(issues: &[fovea_api::ConfigIssue]) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Whether a configuration with this value is refused, and the key named.
fn refused(subject: &Subject, key: &str, value: Value) -> Result<(), String> {
    let mut config = subject.config.clone();
    let shown = format!("`{key}` = {value}");
    if let Some(table) = config.as_object_mut() {
        table.insert(key.to_owned(), value);
    }
    let Err(issues) = config::resolve(&subject.plugin, &config, &subject.base_dir) else {
        return Err(format!("{shown} is accepted"));
    };
    let names = |issue: &fovea_api::ConfigIssue| {
        issue.path.iter().any(|part| part == key) || issue.message.contains(key)
    };
    if issues.iter().any(names) {
        return Ok(());
    }
    Err(format!("{shown} is refused, but no issue names the key: {}", words(&issues)))
}

pub(super) fn unknown_key(subject: &Subject) -> Result<Found, String> {
    if subject.plugin.schema["additionalProperties"] == json!(true) {
        return Ok(Found::Skipped("the schema allows any key".to_owned()));
    }
    for key in ["no-such-key", "schlüssel"] {
        refused(subject, key, json!(1))?;
    }
    Ok(HOLDS)
}

/// Types that a property allows; empty where that is not said.
fn types(root: &Value, schema: &Value) -> Vec<String> {
    let target = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    if let Some(target) = target {
        return types(root, target);
    }
    let of = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut found: Vec<String> = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    found.extend(schema["enum"].as_array().into_iter().flatten().map(|value| of(value).to_owned()));
    found.extend(schema.get("const").map(|value| of(value).to_owned()));
    for several in ["anyOf", "oneOf", "allOf"] {
        found.extend(schema[several].as_array().into_iter().flatten().flat_map(|one| types(root, one)));
    }
    found
}

pub(super) fn wrong_type(subject: &Subject) -> Result<Found, String> {
    let schema = &subject.plugin.schema;
    let mut asked = 0;
    for (key, property) in properties(schema) {
        let allowed = types(schema, property);
        let wrong = [("object", json!({"x": 1})), ("string", json!("text")), ("boolean", json!(true))];
        for (name, value) in wrong {
            if !allowed.is_empty() && !allowed.iter().any(|allowed| allowed == name) {
                refused(subject, key, value)?;
                asked += 1;
            }
        }
    }
    Ok(if asked == 0 { Found::Skipped("it has no configuration".to_owned()) } else { HOLDS })
}

pub(super) fn out_of_range(subject: &Subject) -> Result<Found, String> {
    let schema = &subject.plugin.schema;
    let mut asked = 0;
    for (key, property) in properties(schema) {
        let bounds = [("minimum", -1), ("maximum", 1), ("exclusiveMinimum", 0), ("exclusiveMaximum", 0)];
        for (word, step) in bounds {
            let beyond = match &property[word] {
                bound if bound.is_i64() => {
                    bound.as_i64().and_then(|bound| bound.checked_add(step)).map(|n| json!(n))
                }
                bound => bound.as_f64().map(|bound| json!(bound + step as f64)),
            };
            if let Some(beyond) = beyond {
                refused(subject, key, beyond)?;
                asked += 1;
            }
        }
    }
    Ok(if asked == 0 { Found::Skipped("the schema has no bounds".to_owned()) } else { HOLDS })
}

pub(super) fn create(subject: &Subject) -> Result<Found, String> {
    let config = subject.resolved()?;
    let [first, second, third] = [subject.made(&config)?, subject.made(&config)?, subject.made(&config)?];
    drop(second);
    std::thread::scope(|scope| scope.spawn(move || drop(first)).join())
        .map_err(|_| "a thread that frees an instance panicked".to_owned())?;
    drop(third);
    Ok(HOLDS)
}

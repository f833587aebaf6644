//! Configurations of loaded plugins. The main function is [`resolve`].

use crate::call::{Written, call, str_of};
use crate::library::LoadedPlugin;
use fovea_abi::raw::FOVEA_BAD_CONFIG;
use fovea_api::ConfigIssue;
use fovea_api::registry::nearest;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Checks a configuration and fills in defaults: by the plugin's own `resolve`, or by its schema.
///
/// # Errors
/// Everything that is wrong with it.
pub fn resolve(plugin: &LoadedPlugin, config: &Value, base_dir: &Path) -> Result<Value, Vec<ConfigIssue>> {
    let whole = |message: String| vec![ConfigIssue::at("", format!("{}: {message}", plugin.title()))];
    let Some(resolve) = plugin.raw.resolve else {
        let mut issues = Vec::new();
        let root = &plugin.schema;
        let config = by_schema(root, root, config, &mut Vec::new(), &mut issues);
        return if issues.is_empty() { Ok(config) } else { Err(issues) };
    };
    let base = base_dir.to_str().ok_or_else(|| whole("the current folder's name is not UTF-8".to_owned()))?;
    let text = config.to_string();
    let mut written = Written::default();
    let outcome = call(plugin, "resolve", |error| {
        let sink = written.sink();
        // SAFETY: all arguments live for the call.
        unsafe { resolve(str_of(&text), str_of(base), &raw const sink, error) }
    });
    let answer = written.text().map_err(&whole)?;
    match outcome {
        Ok(()) => match serde_json::from_str(&answer) {
            Ok(config @ Value::Object(_)) => Ok(config),
            Ok(_) => Err(whole("`resolve` wrote something else than a JSON object".to_owned())),
            Err(error) => Err(whole(format!("`resolve` wrote what is no JSON: {error}"))),
        },
        Err(failure) if failure.status == FOVEA_BAD_CONFIG => {
            let issues: Vec<Issue> = serde_json::from_str(&answer).unwrap_or_default();
            if issues.is_empty() {
                Err(whole(failure.message))
            } else {
                Err(issues.into_iter().map(Issue::into).collect())
            }
        }
        Err(failure) => Err(whole(failure.message)),
    }
}

/// An issue as plugins write it.
#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    path: Vec<String>,
    message: String,
    #[serde(default)]
    suggestion: Option<String>,
}

impl From<Issue> for ConfigIssue {
    fn from(issue: Issue) -> Self {
        Self { path: issue.path, message: issue.message, suggestion: issue.suggestion }
    }
}

/// Hash of the files that the configuration names; empty where it names none.
///
/// # Errors
/// When a file cannot be read.
pub fn files_hash(plugin: &LoadedPlugin, config: &Value, base_dir: &Path) -> Result<String, ConfigIssue> {
    let mut hasher = blake3::Hasher::new();
    let mut any = false;
    for key in &plugin.path_keys {
        let one = std::slice::from_ref(&config[key]);
        let paths = config[key].as_array().map_or(one, Vec::as_slice);
        for path in paths.iter().filter_map(Value::as_str) {
            let issue = |path: &Path, e: std::io::Error| {
                ConfigIssue::at(key, format!("cannot read `{}`: {e}", path.display()))
            };
            let top = base_dir.join(path);
            let mut files = Vec::new();
            below(&top, &mut files).map_err(|e| issue(&top, e))?;
            for file in files {
                let opened = std::fs::File::open(&file).map_err(|e| issue(&file, e))?;
                let within = file.strip_prefix(&top).unwrap_or(&file);
                let contents =
                    blake3::Hasher::new().update_reader(opened).map_err(|e| issue(&file, e))?.finalize();
                hasher.update(key.as_bytes()).update(&[0]).update(within.as_os_str().as_encoded_bytes());
                hasher.update(&[0]).update(contents.as_bytes());
                any = true;
            }
        }
    }
    Ok(if any { format!("files={}", hasher.finalize().to_hex()) } else { String::new() })
}

/// The file, or all files below the folder, sorted.
fn below(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| below(entry, files))
}

/// The configuration without the keys that say where files are.
pub(crate) fn without_paths(plugin: &LoadedPlugin, config: &Value) -> Value {
    let mut config = config.clone();
    if let Value::Object(table) = &mut config {
        table.retain(|key, _| !plugin.path_keys.contains(key));
    }
    config
}

/// Checks `value` by `schema` and fills in defaults. Of JSON Schema, it knows what the header names, and nested tables,
/// lists and references.
fn by_schema(
    root: &Value,
    schema: &Value,
    value: &Value,
    path: &mut Vec<String>,
    issues: &mut Vec<ConfigIssue>,
) -> Value {
    let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    if let Some(target) = reference.and_then(|pointer| root.pointer(pointer)) {
        return by_schema(root, target, value, path, issues);
    }
    let mut issue = |message: String, suggestion: Option<String>| {
        issues.push(ConfigIssue { path: path.clone(), message, suggestion });
    };
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        let words: Vec<String> = allowed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let near = value.as_str().and_then(|word| nearest(word, &words)).map(str::to_owned);
        let list: Vec<String> = allowed.iter().map(shown).collect();
        issue(format!("{} is none of {}", shown(value), list.join(", ")), near);
        return value.clone();
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_a(value, name)) {
        issue(format!("{} is expected, {} was found", types.join(" or "), shown(value)), None);
        return value.clone();
    }
    if let Some(number) = value.as_f64() {
        type Wrong = fn(f64, f64) -> bool;
        let bounds: [(&str, &str, Wrong); 4] = [
            ("minimum", "at least", |n, bound| n < bound),
            ("maximum", "at most", |n, bound| n > bound),
            ("exclusiveMinimum", "more than", |n, bound| n <= bound),
            ("exclusiveMaximum", "less than", |n, bound| n >= bound),
        ];
        for (key, words, wrong) in bounds {
            if let Some(bound) = schema[key].as_f64().filter(|bound| wrong(number, *bound)) {
                issue(format!("{} is not {words} {bound}", shown(value)), None);
            }
        }
    }
    match value {
        Value::Object(table) => Value::Object(table_by_schema(root, schema, table, path, issues)),
        Value::Array(list) if schema["items"].is_object() => {
            let item = |(index, value): (usize, &Value)| {
                path.push(index.to_string());
                let value = by_schema(root, &schema["items"], value, path, issues);
                path.pop();
                value
            };
            Value::Array(list.iter().enumerate().map(item).collect())
        }
        other => other.clone(),
    }
}

fn table_by_schema(
    root: &Value,
    schema: &Value,
    table: &Map<String, Value>,
    path: &mut Vec<String>,
    issues: &mut Vec<ConfigIssue>,
) -> Map<String, Value> {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let known: Vec<String> = properties.keys().cloned().collect();
    let mut resolved = Map::new();
    for (key, value) in table {
        path.push(key.clone());
        match properties.get(key) {
            Some(property) => {
                resolved.insert(key.clone(), by_schema(root, property, value, path, issues));
            }
            None if schema["additionalProperties"] == Value::Bool(true) => {
                resolved.insert(key.clone(), value.clone());
            }
            None => {
                let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let suggestion = nearest(key, &known).map(str::to_owned);
                issues.push(ConfigIssue {
                    path: path.clone(),
                    message: format!("unknown key; known: {list}"),
                    suggestion,
                });
            }
        }
        path.pop();
    }
    let required = schema["required"].as_array();
    for (key, property) in properties.iter().filter(|(key, _)| !table.contains_key(*key)) {
        if let Some(default) = property.get("default") {
            resolved.insert(key.clone(), default.clone());
        } else if required.is_some_and(|required| required.iter().any(|name| name == key)) {
            let mut path = path.clone();
            path.push(key.clone());
            let what = property["description"].as_str().map_or_else(String::new, |text| format!(": {text}"));
            issues.push(ConfigIssue { path, message: format!("missing{what}"), suggestion: None });
        }
    }
    resolved
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(config: &Value) -> Result<Value, Vec<String>> {
        let schema = json!({
            "type": "object",
            "properties": {
                "margin": { "type": "number", "minimum": 0, "exclusiveMaximum": 0.5, "default": 0.1 },
                "mode": { "enum": ["tight", "loose"], "default": "tight" },
                "weights": { "type": ["string", "null"], "default": null },
                "sides": { "type": "array", "items": { "type": "integer" }, "default": [] },
                "count": { "$ref": "#/$defs/count" },
            },
            "required": ["count"],
            "$defs": { "count": { "type": "integer", "minimum": 1 } },
        });
        let mut issues = Vec::new();
        let config = by_schema(&schema, &schema, config, &mut Vec::new(), &mut issues);
        let say = |issue: ConfigIssue| {
            let near = issue.suggestion.as_ref().map_or_else(String::new, |near| format!(" ({near})"));
            format!("{issue}{near}")
        };
        if issues.is_empty() { Ok(config) } else { Err(issues.into_iter().map(say).collect()) }
    }

    #[test]
    fn defaults_come_from_the_schema_and_every_mistake_is_named() {
        let expected = json!({"count": 2, "margin": 0.1, "mode": "tight", "weights": null, "sides": []});
        assert_eq!(checked(&json!({"count": 2})).unwrap(), expected);
        let wrong = json!({"margin": 0.5, "mode": "tigth", "sides": [1, "x"], "weigths": "a"});
        assert_eq!(
            checked(&wrong).unwrap_err(),
            [
                "margin: 0.5 is not less than 0.5",
                "mode: \"tigth\" is none of \"tight\", \"loose\" (tight)",
                "sides.1: integer is expected, \"x\" was found",
                "weigths: unknown key; known: margin, mode, weights, sides, count (weights)",
                "count: missing",
            ]
        );
    }
}

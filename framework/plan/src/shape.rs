//! The shape a document must have, compiled from the schema of [`ExperimentSpec`]. The main type is [`Shape`].
//!
//! Serde stops at the first thing it dislikes; walking the shape finds all of them, with the keys that lead there and
//! the words that would have been right.

use crate::cache_size::{self, CacheSize};
use crate::errors::{At, Issue, did_you_mean};
use crate::spec::ExperimentSpec;
use schemars::JsonSchema;
use serde_json::{Map, Value};

/// What may stand at a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// A table of these keys; `open` tables take others too (a plugin's own, which its catalog checks).
    Table { fields: Vec<(String, Shape)>, open: bool },
    /// A list; `length` where it is fixed.
    List { item: Box<Shape>, length: Option<usize> },
    /// A whole number, at least 0 if not `signed`.
    Integer { signed: bool },
    /// A whole number of at least 0, or the word `auto`.
    CountOrAuto,
    /// The size of a cache, as [`CacheSize`] reads it.
    Size,
    /// Any number.
    Number,
    /// `true` or `false`.
    Bool,
    /// Free text.
    Text,
    /// One of these words.
    Choice(Vec<String>),
    /// Anything.
    Any,
}

impl Shape {
    /// The shape of a whole document.
    pub(crate) fn of_experiment() -> Self {
        Self::of::<ExperimentSpec>()
    }

    /// The shape of a type's table.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        let schema = schemars::schema_for!(T).to_value();
        let definitions = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
        Self::compile(&schema, &definitions)
    }

    fn compile(schema: &Value, definitions: &Map<String, Value>) -> Self {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
        if let Some(definition) = reference.and_then(|name| definitions.get(name)) {
            return Self::compile(definition, definitions);
        }
        let words = |list: &Value, key: Option<&str>| {
            let word =
                |value: &Value| key.map_or(Some(value), |key| value.get(key))?.as_str().map(str::to_owned);
            list.as_array().map(|list| list.iter().filter_map(word).collect::<Vec<_>>())
        };
        if let Some(words) = schema.get("enum").and_then(|list| words(list, None)) {
            return Self::Choice(words);
        }
        if let Some(words) = schema.get("oneOf").and_then(|list| words(list, Some("const"))) {
            return Self::Choice(words);
        }
        if schema.pointer("/anyOf/1/const").is_some_and(|word| word == "auto") {
            return Self::CountOrAuto;
        }
        if schema.pointer("/anyOf/1/const").is_some_and(|none| none == 0) {
            return Self::Size;
        }
        // An optional table is any of itself and null.
        let any = schema.get("anyOf").and_then(Value::as_array).and_then(|any| any.first());
        if let Some(table) = any.filter(|table| table.get("$ref").is_some()) {
            return Self::compile(table, definitions);
        }
        // Optional fields have the types [T, "null"]; TOML has no null.
        let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
        match kind {
            Some("object") => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let fields = properties.into_iter().flatten();
                Self::Table {
                    fields: fields.map(|(key, s)| (key.clone(), Self::compile(s, definitions))).collect(),
                    open: schema.get("additionalProperties") != Some(&Value::Bool(false)),
                }
            }
            Some("array") => Self::List {
                item: Box::new(
                    schema.get("items").map_or(Self::Any, |item| Self::compile(item, definitions)),
                ),
                length: schema
                    .get("maxItems")
                    .and_then(Value::as_u64)
                    .and_then(|length| usize::try_from(length).ok()),
            },
            Some("integer") => Self::Integer { signed: schema.get("minimum").is_none() },
            Some("number") => Self::Number,
            Some("boolean") => Self::Bool,
            Some("string") => Self::Text,
            _ => Self::Any,
        }
    }

    /// What may stand at a path, or the issue with the path. Below an open table anything may.
    pub(crate) fn at(&self, path: &[String]) -> Result<&Shape, Issue> {
        let mut shape = self;
        for (depth, key) in path.iter().enumerate() {
            let Self::Table { fields, open } = shape else {
                return match shape {
                    Self::Any => Ok(shape),
                    _ => {
                        let message = format!("`{}` is no table, it has no keys", path[..depth].join("."));
                        Err(Issue::new(path.to_vec(), At::Key, message))
                    }
                };
            };
            shape = match fields.iter().find(|(name, _)| name == key) {
                Some((_, shape)) => shape,
                None if *open => return Ok(&Self::Any),
                None => return Err(self.unknown_key(fields, path[..=depth].to_vec())),
            };
        }
        Ok(shape)
    }

    fn unknown_key(&self, fields: &[(String, Shape)], path: Vec<String>) -> Issue {
        let key = path.last().map_or("", String::as_str);
        let known: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let mut elsewhere = Vec::new();
        self.find(key, &mut Vec::new(), &mut elsewhere);
        let near = crate::errors::nearest(key, known.iter().copied());
        let help = match elsewhere.as_slice() {
            [] => did_you_mean(key, &known, "keys"),
            _ if near.is_some() => did_you_mean(key, &known, "keys"),
            places => Some(format!("did you mean `{}`?", places.join("` or `"))),
        };
        Issue::new(path, At::Key, "unknown key").help(help)
    }

    /// Full paths at which a key of this name is known.
    fn find(&self, key: &str, path: &mut Vec<String>, found: &mut Vec<String>) {
        if let Self::Table { fields, open: false } = self {
            for (name, shape) in fields {
                path.push(name.clone());
                if name == key {
                    found.push(path.join("."));
                }
                shape.find(key, path, found);
                path.pop();
            }
        }
    }

    /// Collects what is wrong with `value`, and takes it out, so that the rest can still be read.
    pub(crate) fn check(&self, value: &mut Value, issues: &mut Vec<Issue>, pruned: &mut Vec<Vec<String>>) {
        let mut walk = Walk { root: self, issues, pruned };
        walk.check(self, value, None);
    }
}

/// The keys that lead to a value. Only those of an issue are ever written down.
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    key: &'a str,
}

impl Path<'_> {
    fn keys(&self) -> Vec<String> {
        let mut keys = Self::of(self.above);
        keys.push(self.key.to_owned());
        keys
    }

    /// The keys of a path that may be empty.
    fn of(path: Option<&Self>) -> Vec<String> {
        path.map(Self::keys).unwrap_or_default()
    }
}

struct Walk<'a> {
    root: &'a Shape,
    issues: &'a mut Vec<Issue>,
    pruned: &'a mut Vec<Vec<String>>,
}

impl Walk<'_> {
    /// Whether the value may stay.
    fn check(&mut self, shape: &Shape, value: &mut Value, path: Option<&Path<'_>>) -> bool {
        match (shape, value) {
            (_, Value::Null) => false,
            (Shape::Table { fields, open }, Value::Object(table)) => {
                table.retain(|key, value| {
                    let path = Path { above: path, key };
                    let keep = match fields.iter().find(|(name, _)| name == key) {
                        Some((_, shape)) => self.check(shape, value, Some(&path)),
                        None if *open => true,
                        None => {
                            self.issues.push(self.root.unknown_key(fields, path.keys()));
                            false
                        }
                    };
                    if !keep {
                        self.pruned.push(path.keys());
                    }
                    keep
                });
                true
            }
            (Shape::List { item, length }, Value::Array(list)) => {
                if let Some(length) = length
                    && list.len() != *length
                {
                    let message = format!("expected a list of {length} values, found {}", list.len());
                    self.issues.push(Issue::new(Path::of(path), At::Value, message));
                    return false;
                }
                let mut keep = true;
                for (index, value) in list.iter_mut().enumerate() {
                    let key = index.to_string();
                    keep &= self.check(item, value, Some(&Path { above: path, key: &key }));
                }
                keep
            }
            (Shape::Integer { signed }, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                let keep = *signed || number.is_u64();
                if !keep {
                    self.issues.push(Issue::new(
                        Path::of(path),
                        At::Value,
                        format!("must not be negative, found {number}"),
                    ));
                }
                keep
            }
            (Shape::Choice(words), Value::String(word)) => {
                let keep = words.contains(word);
                if !keep {
                    let known: Vec<&str> = words.iter().map(String::as_str).collect();
                    let issue = Issue::new(Path::of(path), At::Value, format!("unknown value `{word}`"));
                    self.issues.push(issue.help(did_you_mean(word, &known, "values")));
                }
                keep
            }
            (Shape::CountOrAuto, Value::Number(number)) if number.is_u64() => true,
            (Shape::CountOrAuto, Value::String(word)) if word == "auto" => true,
            (Shape::Size, Value::Number(number)) if number.as_u64() == Some(0) => true,
            (Shape::Size, Value::String(size)) if size.parse::<CacheSize>().is_ok() => true,
            (Shape::Number, Value::Number(_))
            | (Shape::Bool, Value::Bool(_))
            | (Shape::Text, Value::String(_))
            | (Shape::Any, _) => true,
            (_, value) => {
                let message = format!("expected {}, found {}", expected(shape), found(value));
                let help = match shape {
                    Shape::Choice(words) => Some(format!("known values: {}", words.join(", "))),
                    _ => None,
                };
                self.issues.push(Issue::new(Path::of(path), At::Value, message).help(help));
                false
            }
        }
    }
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Table { .. } => "a table",
        Shape::List { .. } => "a list",
        Shape::Integer { .. } => "a whole number",
        Shape::CountOrAuto => "a whole number or \"auto\"",
        Shape::Size => cache_size::EXPECTED,
        Shape::Number => "a number",
        Shape::Bool => "true or false",
        Shape::Text => "text in quotes",
        Shape::Choice(_) => "a word in quotes",
        Shape::Any => "anything",
    }
}

/// A value in words.
pub(crate) fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(mut value: Value) -> (Vec<String>, Value) {
        let (mut issues, mut pruned) = (Vec::new(), Vec::new());
        Shape::of_experiment().check(&mut value, &mut issues, &mut pruned);
        let say = |issue: &Issue| {
            format!("{}: {} / {}", issue.path.join("."), issue.message, issue.help.as_deref().unwrap_or("-"))
        };
        (issues.iter().map(say).collect(), value)
    }

    #[test]
    fn everything_wrong_is_found_and_taken_out() {
        let (issues, rest) = check(json!({
            "name": 3,
            "epochs": 4,
            "training": { "epohcs": 3, "batch_size": -1, "alpha": 1, "optimizer": { "name": "adm", "momentum": "x" } },
            "augmentation": { "crop_scale": [0.5], "flip": true },
            "evaluation": { "gaussian": [1, "two"], "draws": 1.5 },
            "cam": { "target_class": 3 },
            "run": { "per_device": "many", "memory_cache": 4, "disk_cache": "4 gib" },
            "loss": { "name": "ria", "own": [1] },
        }));
        assert_eq!(
            issues,
            [
                "name: expected text in quotes, found 3 / -",
                "epochs: unknown key / did you mean `training.epochs`?",
                "training.epohcs: unknown key / did you mean `epochs`?",
                "training.batch_size: must not be negative, found -1 / -",
                "training.optimizer.name: unknown value `adm` / did you mean `adam`?",
                "training.optimizer.momentum: expected a number, found the text \"x\" / -",
                "augmentation.crop_scale: expected a list of 2 values, found 1 / -",
                "augmentation.flip: expected a number, found true / -",
                "evaluation.gaussian.1: expected a number, found the text \"two\" / -",
                "evaluation.draws: expected a whole number, found 1.5 / -",
                "cam.target_class: expected a word in quotes, found 3 / known values: predicted, ground-truth, ground-truth-if-correct",
                "run.per_device: expected a whole number or \"auto\", found the text \"many\" / -",
                "run.memory_cache: expected a size such as \"4GiB\", 0 for none, or \"auto\", found 4 / -",
            ]
        );
        assert_eq!(
            rest,
            json!({
                "training": { "alpha": 1, "optimizer": {} }, "augmentation": {}, "evaluation": {}, "cam": {},
                "run": { "disk_cache": "4 gib" },
                "loss": { "name": "ria", "own": [1] },
            })
        );
    }

    #[test]
    fn paths_lead_somewhere_or_not() {
        let shape = Shape::of_experiment();
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(shape.at(&path("training.optimizer.learning_rate")), Ok(&Shape::Number));
        assert_eq!(shape.at(&path("loss.whatever.deep")), Ok(&Shape::Any));
        assert_eq!(shape.at(&path("training.betta")).unwrap_err().help.unwrap(), "did you mean `beta`?");
        assert!(shape.at(&path("training.beta.x")).unwrap_err().message.contains("no table"));
    }
}

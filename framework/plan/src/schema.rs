//! What an experiment may say, as JSON Schema for editors. The main function is [`schema`].
//!
//! It is made from the types that read the file, and from the schemas of the plugins. It cannot say all: what the values
//! of an axis mean together, only the plan knows.

use crate::ablate::{self, AblateSpec};
use crate::exclude::ExcludeSpec;
use crate::references::ReferenceSpec;
use crate::spec::{ExperimentSpec, NOT_OF_A_TRIAL};
use crate::{PluginCatalog, PluginKind};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

/// The JSON Schema of an experiment file with every plugin of the catalog.
#[must_use]
pub fn schema(catalog: &dyn PluginCatalog) -> Value {
    let mut definitions = Map::new();
    let mut root = lifted("", schemars::schema_for!(ExperimentSpec).to_value(), &mut definitions);
    let mut properties = match root.get_mut("properties") {
        Some(Value::Object(properties)) => std::mem::take(properties),
        _ => Map::new(),
    };
    for kind in PluginKind::ALL {
        let schema = plugins(kind, catalog, &mut definitions);
        definitions.insert(kind.to_string(), schema);
        if let Some(Value::Object(property)) = properties.get_mut(kind.as_str()) {
            let description = property.shift_remove("description").unwrap_or_default();
            *property = Map::from_iter([
                ("$ref".to_owned(), pointer(kind.as_str())),
                ("description".to_owned(), description),
            ]);
        }
    }
    definitions.insert("range".to_owned(), range());
    let trial = properties.iter().filter(|(key, _)| !NOT_OF_A_TRIAL.contains(&key.as_str()));
    let trial: Map<String, Value> = trial.map(|(key, schema)| (key.clone(), schema.clone())).collect();
    for (name, values) in [("axes", Values::Several), ("include", Values::OneOrSeveral)] {
        let table = Axes { definitions: &definitions, values }.of_experiment(&trial);
        definitions.insert(name.to_owned(), table);
    }
    let tables = |items: Value, what: &str| json!({ "type": "array", "description": what, "items": items });
    let exclude = section::<ExcludeSpec>("exclude", &mut definitions);
    let reference = section::<ReferenceSpec>("reference", &mut definitions);
    let mut ablate = section::<AblateSpec>("ablate", &mut definitions);
    ablate["description"] =
        json!("Parts of a method that are switched on and off, to see which of them matters.");
    let mut smoke = properties.clone();
    let axes = json!({ "$ref": "#/$defs/axes", "description": "Keys that take several values in turn: their cross product." });
    let mut together = definitions["axes"].clone();
    // So `fovea config` writes the points of an `[ablate]`.
    together["properties"][ablate::KEY] = json!({ "type": "array", "minItems": 1, "items": { "type": "string" }, "description": "What the points are called." });
    definitions.insert("zip".to_owned(), together);
    let zip = tables(json!({ "$ref": "#/$defs/zip" }), "Axes of one length that move together.");
    for (key, schema) in [("axes", &axes), ("zip", &zip)] {
        smoke.insert(key.to_owned(), schema.clone());
        properties.insert(key.to_owned(), schema.clone());
    }
    let smoke = json!({ "type": "object", "description": "What `--smoke` changes to make the experiment tiny.", "properties": smoke });
    for (key, schema) in [
        (
            "extends",
            json!({ "type": "string", "description": "Another experiment that this one changes: a path from the folder of this file." }),
        ),
        ("ablate", ablate),
        ("include", tables(json!({ "$ref": "#/$defs/include" }), "Points beyond the cross product.")),
        ("exclude", tables(exclude, "Points that are left out, and why.")),
        ("reference", tables(reference, "Published numbers to show beside the run's own.")),
        (
            "group",
            json!({
                "type": "object",
                "description": "Names for variants that belong together in reports, and the values of axes that they have.",
                "additionalProperties": { "type": "object" },
            }),
        ),
        ("smoke", smoke),
    ] {
        properties.insert(key.to_owned(), schema);
    }
    json!({
        // Editors know this one best; nothing here needs a newer one.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Fovea experiment",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

fn pointer(definition: &str) -> Value {
    Value::String(format!("#/$defs/{definition}"))
}

/// A schema on its own as part of a larger one: its definitions go to `definitions`, their names below `prefix`.
fn lifted(prefix: &str, mut schema: Value, definitions: &mut Map<String, Value>) -> Value {
    fn rename(value: &mut Value, prefix: &str) {
        match value {
            Value::Object(table) => {
                if let Some(Value::String(target)) = table.get_mut("$ref") {
                    *target = target.replace("#/$defs/", &format!("#/$defs/{prefix}"));
                }
                table.values_mut().for_each(|value| rename(value, prefix));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| rename(value, prefix)),
            _ => {}
        }
    }
    rename(&mut schema, prefix);
    if let Some(table) = schema.as_object_mut() {
        for key in ["$schema", "title"] {
            table.shift_remove(key);
        }
        if let Some(Value::Object(own)) = table.shift_remove("$defs") {
            definitions.extend(own.into_iter().map(|(key, schema)| (format!("{prefix}{key}"), schema)));
        }
    }
    schema
}

/// The schema of a type that the document lacks.
fn section<T: JsonSchema>(name: &str, definitions: &mut Map<String, Value>) -> Value {
    lifted(&format!("{name}."), schemars::schema_for!(T).to_value(), definitions)
}

/// A plugin's table: its name alone, or a table whose keys depend on the name.
fn plugins(kind: PluginKind, catalog: &dyn PluginCatalog, definitions: &mut Map<String, Value>) -> Value {
    let names = catalog.names(kind);
    let mut rules = Vec::new();
    for name in &names {
        let own = format!("{kind}.{name}");
        let mut schema = lifted(&format!("{own}."), catalog.schema(kind, name), definitions);
        if let Some(table) = schema.as_object_mut() {
            let keys = table.entry("properties").or_insert_with(|| json!({}));
            if let Some(keys) = keys.as_object_mut() {
                keys.insert("name".to_owned(), json!({ "const": name }));
                keys.insert(
                    "label".to_owned(),
                    json!({ "type": "string", "description": "Name of the value of an axis." }),
                );
            }
        }
        definitions.insert(own.clone(), schema);
        rules.push(json!({
            "if": { "properties": { "name": { "const": name } }, "required": ["name"] },
            "then": { "$ref": pointer(&own) },
        }));
    }
    json!({
        "anyOf": [
            { "type": "string", "enum": names },
            { "type": "object", "properties": { "name": { "enum": names } }, "allOf": rules },
        ],
    })
}

fn range() -> Value {
    let ends = json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 });
    let steps =
        json!({ "type": "integer", "minimum": 2, "description": "How many values, both ends among them." });
    let table = |required: [&str; 2]| {
        let second = if required[1] == "step" { json!({ "type": "number" }) } else { steps.clone() };
        json!({
            "type": "object",
            "properties": { required[0]: ends, required[1]: second },
            "required": required,
            "additionalProperties": false,
        })
    };
    json!({
        "description": "Numbers at equal distances, or at equal ratios; both ends are included.",
        "anyOf": [table(["range", "steps"]), table(["range", "step"]), table(["logspace", "steps"])],
    })
}

/// How many values a key has in a table of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    Several,
    OneOrSeveral,
}

/// Makes the schema of a table of axes from that of a document.
struct Axes<'a> {
    definitions: &'a Map<String, Value>,
    values: Values,
}

impl Axes<'_> {
    fn of_experiment(&self, document: &Map<String, Value>) -> Value {
        let mut keys: Map<String, Value> = Map::new();
        for (key, schema) in document {
            keys.insert(key.clone(), self.axis(schema));
        }
        self.dotted(document, "", &mut keys);
        let kinds = PluginKind::ALL.map(PluginKind::as_str).join("|");
        let own = self.axis(&json!({}));
        json!({
            "type": "object",
            "properties": keys,
            "patternProperties": { format!("^({kinds})\\."): own },
            "additionalProperties": false,
        })
    }

    /// Keys in quotes: `"training.beta"`.
    fn dotted(&self, table: &Map<String, Value>, above: &str, keys: &mut Map<String, Value>) {
        for (key, schema) in table {
            let name = format!("{above}{key}");
            if let Some(own) = self.fields(schema) {
                self.dotted(own, &format!("{name}."), keys);
            }
            if !above.is_empty() {
                keys.insert(name, self.axis(schema));
            }
        }
    }

    fn axis(&self, schema: &Value) -> Value {
        let mut item = schema.clone();
        let description = item.as_object_mut().and_then(|item| {
            item.shift_remove("default");
            item.shift_remove("description")
        });
        let list = json!({ "type": "array", "minItems": 1, "items": item });
        let mut ways = vec![list, json!({ "$ref": "#/$defs/range" })];
        if self.values == Values::OneOrSeveral {
            ways.insert(0, item);
        }
        if let Some(fields) = self.fields(schema) {
            let fields: Map<String, Value> =
                fields.iter().map(|(key, schema)| (key.clone(), self.axis(schema))).collect();
            ways.push(json!({ "type": "object", "properties": fields, "additionalProperties": false }));
        } else if self.is_plugin(schema) {
            ways.push(json!({ "type": "object", "additionalProperties": self.axis(&json!({})) }));
        }
        let mut axis = json!({ "anyOf": ways });
        if let (Some(description), Some(axis)) = (description, axis.as_object_mut()) {
            axis.insert("description".to_owned(), description);
        }
        axis
    }

    fn fields<'b>(&'b self, schema: &'b Value) -> Option<&'b Map<String, Value>> {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
        let schema = target.map_or(Some(schema), |target| self.definitions.get(target))?;
        schema.get("properties").and_then(Value::as_object)
    }

    fn is_plugin(&self, schema: &Value) -> bool {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
        target.is_some_and(|target| PluginKind::from_key(target).is_some())
    }
}

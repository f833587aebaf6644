//! `fovea plugin`: what is registered, and from where; new ones ([`plugin_new`]), and whether they are sound
//! ([`plugin_check`]).

use crate::exit::Exit;
use crate::experiment::Experiment;
use crate::libraries::origin;
use crate::output::print;
use crate::{Failure, Outcome, plugin_check, plugin_new};
use fovea_api::registry::{Entry, nearest};
use fovea_api::{PluginKind, Registry};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Arguments of `fovea plugin`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand)]
enum What {
    /// List every plugin: kind, name, version, what it does, and where it comes from.
    List(ListArgs),
    /// Show what a plugin does and every key of its configuration.
    Show(ShowArgs),
    /// Make a plugin of your own, in Rust or C, that builds at once.
    New(plugin_new::Args),
    /// Check that a library keeps the promises of plugins, each in a process of its own. Exit code 1: one does not.
    Check(plugin_check::Args),
}

#[derive(clap::Args)]
struct ListArgs {
    /// An experiment, whose `[plugins] paths` count, too.
    experiment: Option<PathBuf>,
    /// Print JSON: kind, name, version, summary, origin (`built in`, `in this program`, a file), blake3 of the file.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ShowArgs {
    /// The plugin's name.
    name: String,
    /// Its kind, where plugins of several kinds have the name.
    #[arg(long, value_parser = ["dataset", "model", "localizer", "extractor", "loss"])]
    kind: Option<String>,
    /// An experiment, whose `[plugins] paths` count, too.
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    /// Print the JSON Schema of its configuration.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Whether other plugins than those that it names itself mean anything to it.
    pub(crate) fn looks_around(&self) -> bool {
        !matches!(self.what, Some(What::New(_) | What::Check(_)))
    }

    /// The experiment that is named.
    pub(crate) fn experiment(&self) -> Option<Experiment> {
        let file = match &self.what {
            Some(What::List(args)) => args.experiment.clone(),
            Some(What::Show(args)) => args.experiment.clone(),
            Some(What::New(_) | What::Check(_)) | None => None,
        };
        file.map(Experiment::new)
    }
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    match &args.what {
        Some(What::Show(args)) => show(args, registry),
        Some(What::List(ListArgs { json: true, .. })) => {
            print(&list_json(registry));
            Ok(Exit::Success)
        }
        Some(What::List(_)) | None => {
            print(&list(registry));
            Ok(Exit::Success)
        }
        Some(What::New(args)) => plugin_new::main(args),
        Some(What::Check(args)) => plugin_check::main(args),
    }
}

fn list(registry: &Registry) -> String {
    let mut text = String::new();
    let width = |of: fn(&Entry) -> &str| registry.entries().map(|entry| of(entry).len()).max().unwrap_or(0);
    let (name, version) = (width(|entry| &entry.name), width(|entry| &entry.version));
    for kind in PluginKind::ALL {
        let _ = writeln!(text, "{kind}");
        for entry in registry.entries().filter(|entry| entry.kind == kind) {
            let _ = writeln!(text, "  {:<name$}  {:<version$}  {}", entry.name, entry.version, entry.summary);
            if let (from, Some(hash)) = origin(&entry.origin) {
                let _ = writeln!(text, "  {:<name$}  {:<version$}  from {from} ({})", "", "", &hash[..12]);
            }
        }
    }
    text
}

fn list_json(registry: &Registry) -> String {
    let entry = |entry: &Entry| {
        let (from, blake3) = origin(&entry.origin);
        json!({
            "kind": entry.kind.as_str(),
            "name": entry.name,
            "version": entry.version,
            "summary": entry.summary,
            "origin": from,
            "blake3": blake3,
        })
    };
    format!("{:#}\n", json!({ "plugins": registry.entries().map(entry).collect::<Vec<_>>() }))
}

fn show(args: &ShowArgs, registry: &Registry) -> Outcome {
    let of_kind = |entry: &&Entry| args.kind.as_deref().is_none_or(|kind| entry.kind.as_str() == kind);
    let found: Vec<&Entry> =
        registry.entries().filter(of_kind).filter(|entry| entry.name == args.name).collect();
    if found.is_empty() {
        let known: Vec<String> = registry.entries().filter(of_kind).map(|entry| entry.name.clone()).collect();
        let near = nearest(&args.name, &known).map_or_else(String::new, |n| format!(" Did you mean `{n}`?"));
        let kind = args.kind.as_deref().unwrap_or("plugin");
        let message = format!("there is no {kind} `{}`.{near} `fovea plugin list` lists them.", args.name);
        return Err(Failure::new(Exit::Usage, message));
    }
    for (index, entry) in found.into_iter().enumerate() {
        if args.json {
            let schema =
                serde_json::to_string_pretty(&entry.schema).map_err(|e| Failure::new(Exit::Usage, e))?;
            print(&format!("{schema}\n"));
        } else {
            print(&format!("{}{}", if index == 0 { "" } else { "\n" }, page(entry)));
        }
    }
    Ok(Exit::Success)
}

/// What there is to know of a plugin.
fn page(entry: &Entry) -> String {
    let (from, hash) = origin(&entry.origin);
    let hash = hash.map_or_else(String::new, |hash| format!(", BLAKE3 {hash}"));
    let mut text = format!(
        "{} {}: {}\nversion {}, {from}{hash}\n",
        entry.kind, entry.name, entry.summary, entry.version
    );
    let mut rows = Vec::new();
    keys(&entry.schema, &entry.schema, "", &mut rows);
    if rows.is_empty() {
        text.push_str("\nIt has no keys.\n");
        return text;
    }
    rows.insert(0, ["key", "type", "default", ""].map(str::to_owned));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (key, kind, default) = (width(0), width(1).min(40), width(2).min(24));
    text.push('\n');
    for row in &rows {
        let line = format!("  {:<key$}  {:<kind$}  {:<default$}  {}", row[0], row[1], row[2], row[3]);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Key, type, default and description of each property, those of tables below them.
fn keys(root: &Value, schema: &Value, prefix: &str, rows: &mut Vec<[String; 4]>) {
    let required = schema["required"].as_array();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let target = referred(root, property);
        let needed = required.is_some_and(|required| required.iter().any(|key| key == name));
        let default = property.get("default").or_else(|| target.get("default"));
        let default = match default {
            Some(Value::Null) => "none".to_owned(),
            Some(value) => value.to_string(),
            None if needed => "(required)".to_owned(),
            None => String::new(),
        };
        let description = property["description"].as_str().or_else(|| target["description"].as_str());
        let description = description.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        rows.push([format!("{prefix}{name}"), kind(root, property), default, description]);
        keys(root, target, &format!("{prefix}{name}."), rows);
    }
}

/// What a `$ref` leads to.
fn referred<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// The type in words: `number`, `string or none`, `tight | loose`.
fn kind(root: &Value, schema: &Value) -> String {
    let schema = referred(root, schema);
    let words = |list: &Vec<Value>, f: &dyn Fn(&Value) -> String| {
        let mut words: Vec<String> = list.iter().map(f).collect();
        words.dedup();
        words
    };
    if let Some(list) = schema["enum"].as_array() {
        return words(list, &plain).join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return plain(value);
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(list) = schema[several].as_array() {
            let constants = list.iter().all(|one| one.get("const").is_some());
            let glue = if constants { " | " } else { " or " };
            return words(list, &|one| kind(root, one)).join(glue);
        }
    }
    let name = |value: &Value| match value.as_str() {
        Some("null") => "none".to_owned(),
        Some("object") => "table".to_owned(),
        Some("array") => format!("list of {}", kind(root, &schema["items"])),
        other => other.unwrap_or("any").to_owned(),
    };
    match &schema["type"] {
        Value::Array(several) => words(several, &name).join(" or "),
        one => name(one),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_become_tables() {
        let schema = json!({
            "properties": {
                "mode": { "$ref": "#/$defs/mode", "default": "tight" },
                "weights": { "type": ["string", "null"], "default": null, "description": "A\nfile." },
                "sides": { "type": "array", "items": { "type": "integer" } },
                "inner": { "type": "object", "properties": { "k": { "type": "number", "default": 1.5 } } },
            },
            "required": ["sides"],
            "$defs": { "mode": { "oneOf": [{ "const": "tight" }, { "const": "loose" }] } },
        });
        let mut rows = Vec::new();
        keys(&schema, &schema, "", &mut rows);
        assert_eq!(
            rows,
            [
                ["mode", "tight | loose", "\"tight\"", ""],
                ["weights", "string or none", "none", "A file."],
                ["sides", "list of integer", "(required)", ""],
                ["inner", "table", "", ""],
                ["inner.k", "number", "1.5", ""],
            ]
        );
    }
}

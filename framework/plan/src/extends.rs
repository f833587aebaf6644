//! `extends = "base.toml"`: files that build on others. The main function is [`read`].

use crate::PlanErrors;
use crate::PluginKind;
use crate::axes;
use crate::catalog::plugin_table;
use crate::errors::{At, PlanError};
use crate::shape::found;
use crate::spans::{Parsed, Source, join};
use crate::text::{self, Unreadable};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

const KEY: &str = "extends";
/// Files that may extend each other.
const LONGEST: usize = 32;

/// Reads a file and, below it, those it extends. What JSON cannot say in any of them is added to `errors`.
pub(crate) fn read(
    path: &Path,
    errors: &mut Vec<PlanError>,
) -> Result<(Source, Map<String, Value>), PlanErrors> {
    let text = text::read(path).map_err(|error| error.alone(path))?;
    below(path, &text, &[path.to_owned()], errors)
}

/// As [`read`], of a file whose text is known; `chain` are the files that led here, this one last.
fn below(
    path: &Path,
    text: &str,
    chain: &[PathBuf],
    errors: &mut Vec<PlanError>,
) -> Result<(Source, Map<String, Value>), PlanErrors> {
    let Parsed { mut source, mut table, issues } = Source::parse(path, text)?;
    errors.extend(issues.into_iter().map(|issue| PlanError {
        location: source.locate(&issue.path, issue.at),
        key: Some(issue.path.join(".")),
        message: issue.message,
        help: issue.help,
    }));
    let Some(named) = table.shift_remove(KEY) else { return Ok((source, table)) };
    let location = source.locate(&[KEY.to_owned()], At::Value);
    let error = |message: String, help: Option<String>| {
        let key = Some(KEY.to_owned());
        PlanErrors::new(vec![PlanError { location: location.clone(), key, message, help }])
    };
    let Some(name) = named.as_str() else {
        let message = format!("expected the path of another experiment, found {}", found(&named));
        return Err(error(message, Some("for example extends = \"base.toml\"".to_owned())));
    };
    let base = path.parent().unwrap_or(Path::new("")).join(name);
    let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if chain.iter().any(|earlier| place(earlier) == place(&base)) {
        let files = chain.iter().chain([&base]).map(|path| format!("`{}`", path.display()));
        let message =
            format!("files extend each other in a circle: {}", files.collect::<Vec<_>>().join(" -> "));
        return Err(error(message, None));
    }
    if chain.len() > LONGEST {
        return Err(error(format!("more than {LONGEST} files extend each other"), None));
    }
    let text = text::read(&base)
        .map_err(|Unreadable { message, help }| error(format!("{}: {message}", base.display()), help))?;
    let chain: Vec<PathBuf> = chain.iter().cloned().chain([base.clone()]).collect();
    let (base_source, mut base_table) = below(&base, &text, &chain, errors)?;
    // Where the base's run goes is its own: two experiments in one folder would overwrite each other.
    base_table.shift_remove("name");
    if let Some(run) = base_table.get_mut("run").and_then(Value::as_object_mut) {
        run.shift_remove("dir");
    }
    let mut taken = Vec::new();
    merge(&mut table, base_table, &[], &mut taken);
    source.build_on(base_source, &taken);
    Ok((source, table))
}

/// Adds to `table` what only the base has; `taken` are the paths of that. Tables merge, a plugin's only into one of the
/// same name, axes by their dotted names, and lists are replaced.
fn merge(
    table: &mut Map<String, Value>,
    base: Map<String, Value>,
    path: &[String],
    taken: &mut Vec<Vec<String>>,
) {
    let is_axes = path.first().is_some_and(|key| key == "axes");
    let own: Vec<Vec<String>> =
        axes::leaves_of(table).into_iter().map(|(keys, _)| axes::split(&keys)).collect();
    for (key, below) in base {
        let path = join(path, &key);
        let name = axes::split(&path[path.len() - 1..]);
        match (table.get_mut(&key), below) {
            (Some(own), below) => {
                let plugin = PluginKind::of_path(&path).is_some();
                let (theirs, mine) = (plugin_table(&below).into_owned(), plugin_table(own).into_owned());
                let name = |table: &Value| table.get("name").cloned();
                let other = plugin && name(&mine).is_some() && name(&mine) != name(&theirs);
                if let (Value::Object(theirs), false) = (if plugin { theirs } else { below }, other)
                    && let Value::Object(mut mine) = if plugin { mine } else { own.clone() }
                    && !crate::ranges::is_range(&mine)
                {
                    merge(&mut mine, theirs, &path, taken);
                    *own = Value::Object(mine);
                }
            }
            (None, _) if is_axes && own.contains(&name) => {}
            (None, below) => {
                table.insert(key, below);
                taken.push(path);
            }
        }
    }
}

//! What the user gave beside the file. The main type is [`Overrides`].

use crate::axes::Given;
use crate::errors::{Location, PlanError};
use crate::grammar::{self, Action, Argument};
use crate::shape::Shape;
use serde_json::Value;

/// Environment variables that configure the program, not the experiment; and those that begin with the last.
const RESERVED: [&str; 4] = ["FOVEA_LOG", "FOVEA_PLUGIN_PATH", "FOVEA_CACHE_HOME", "FOVEA_WORKER"];
const PREFIX: &str = "FOVEA_";

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with(RESERVED[RESERVED.len() - 1])
}

/// What the user gave beside the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Whether the file's `[smoke]` applies.
    pub smoke: bool,
    /// `key=value` and the rest of Hydra's grammar (`+key=value`, `~key`, `key=a,b`), in the order of the command line;
    /// later ones win.
    pub command_line: Vec<String>,
    /// `FOVEA_*` variables: name and value.
    pub environment: Vec<(String, String)>,
}

impl Overrides {
    /// The given `key=value` arguments and this process's environment.
    #[must_use]
    pub fn from_process(smoke: bool, args: impl IntoIterator<Item = String>) -> Self {
        let variables = std::env::vars_os();
        let readable =
            variables.map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()));
        let mut environment: Vec<_> = readable.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        environment.sort();
        Self { smoke, command_line: args.into_iter().collect(), environment }
    }

    /// The shell command that runs the experiment at `path` with these overrides.
    #[must_use]
    pub fn command(&self, path: &std::path::Path) -> String {
        let variables = self.environment.iter().filter(|(name, _)| !is_reserved(name));
        let variables = variables.map(|(name, value)| format!("{name}={}", quoted(value)));
        let program = ["fovea".to_owned(), "run".to_owned(), quoted(&path.display().to_string())];
        let smoke = self.smoke.then(|| "--smoke".to_owned());
        let arguments = self.command_line.iter().map(|argument| quoted(argument));
        variables.chain(program).chain(smoke).chain(arguments).collect::<Vec<_>>().join(" ")
    }

    /// Parses everything, lowest layer first.
    pub(crate) fn parse(&self, shape: &Shape) -> (Vec<Override>, Vec<PlanError>) {
        let (mut parsed, mut errors) = (Vec::new(), Vec::new());
        for (name, value) in &self.environment {
            let Some(keys) = name.strip_prefix(PREFIX) else { continue };
            if is_reserved(name) {
                continue;
            }
            let path: Vec<String> = keys.split("__").map(str::to_lowercase).collect();
            let given = Given::Override(format!("environment: {name}={value}"));
            if let Err((message, help)) = grammar::check(name, value, &path, shape) {
                let help = help.map(|_| format!("to have the default, unset {name}"));
                errors.push(PlanError {
                    location: Location::Override(format!("environment: {name}={value}")),
                    key: None,
                    message,
                    help,
                });
                continue;
            }
            let value = grammar::single(value, shape.at(&path).map_err(|_| ()));
            parsed.push(Override { path, value, action: Action::Set, given });
        }
        for argument in &self.command_line {
            let text = format!("command line: {argument}");
            match grammar::parse(argument, shape) {
                Ok(Argument { action, path, value }) => {
                    parsed.push(Override { path, value, action, given: Given::Override(text) });
                }
                Err((message, help)) => {
                    errors.push(PlanError { location: Location::Override(text), key: None, message, help });
                }
            }
        }
        (parsed, errors)
    }
}

/// One override, parsed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    pub(crate) path: Vec<String>,
    pub(crate) value: Value,
    pub(crate) action: Action,
    pub(crate) given: Given,
}

/// The text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

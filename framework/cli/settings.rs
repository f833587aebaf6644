//! `--set KEY=VALUE`: keys of a plugin's configuration on the command line.

use crate::Failure;
use crate::exit::Exit;
use serde_json::{Map, Value};

/// A JSON object of `key=value` texts; a value that is not JSON is a string.
pub(crate) fn parse(settings: &[String]) -> Result<Value, Failure> {
    let setting = |text: &String| {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::new(Exit::Usage, format!("--set {text}: write KEY=VALUE")))?;
        Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
    };
    settings.iter().map(setting).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

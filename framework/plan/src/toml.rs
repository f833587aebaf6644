//! Values as TOML text. The main type is [`Writer`].

use serde_json::Value;
use toml_edit::{Array, InlineTable, Key};

/// TOML that grows line by line, each with a comment if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    text: String,
}

impl Writer {
    /// A header, set apart: `[training]`, `[[zip]]`.
    pub(crate) fn header(&mut self, header: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(header);
        self.text.push('\n');
    }

    /// `key = value  # comment`; nothing for null, which TOML has not.
    pub(crate) fn entry(&mut self, key: &str, value: &Value, comment: Option<String>) {
        let Some(value) = inline(value) else { return };
        let mut line = format!("{key} = {}", value.to_string().trim());
        if let Some(comment) = comment {
            // A value may have several lines; a comment has one.
            line = format!("{line:<40}  # {}", comment.replace('\n', " "));
        }
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// A key, in quotes where TOML asks for them.
pub(crate) fn key(key: &str) -> String {
    Key::new(key).to_string()
}

/// A value on one line.
fn inline(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.into(),
        Value::Array(list) => list.iter().filter_map(inline).collect::<Array>().into(),
        Value::Object(table) => {
            let entries = table.iter().filter_map(|(key, value)| Some((key.as_str(), inline(value)?)));
            entries.collect::<InlineTable>().into()
        }
    })
}

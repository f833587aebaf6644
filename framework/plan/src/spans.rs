//! The file's text as JSON values and where each of them stands. The main type is [`Source`].

use crate::PlanErrors;
use crate::errors::{At, Issue, Location, PlanError};
use crate::text;
use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml_edit::{Document, InlineTable, Item, Key, Table};

/// Bytes of a line that an error shows; a longer one would hide the message.
const LONGEST_SNIPPET: usize = 400;

/// Where a key and its value stand, in bytes.
#[derive(Clone, Debug)]
struct Span {
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    /// The file: 0 is the experiment itself, then those it extends.
    file: usize,
    /// A table with a header or dotted keys: its text is scattered, so errors point at its key.
    scattered: bool,
}

/// The text of an experiment and the place of everything in it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The files that it extends, the nearest first, and their texts.
    pub(crate) bases: Vec<(PathBuf, String)>,
    spans: HashMap<Vec<String>, Span>,
}

/// A file, read.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) source: Source,
    pub(crate) table: Map<String, Value>,
    /// Values that JSON cannot say.
    pub(crate) issues: Vec<Issue>,
}

impl Source {
    /// Parses the text into a document; values that JSON cannot say become issues.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Parsed, PlanErrors> {
        let (spans, bases) = (HashMap::new(), Vec::new());
        let mut source = Self { path: path.to_owned(), text: text.to_owned(), bases, spans };
        if let Err((range, message)) = text::bound(text) {
            let location = source.at(0, range);
            return Err(text::alone(PlanError { location, key: None, message, help: None }));
        }
        let document = Document::parse(text).map_err(|error| {
            let message = error.message().trim().lines().collect::<Vec<_>>().join("; ");
            let span = error.span().unwrap_or(0..0);
            PlanErrors::new(vec![PlanError { location: source.at(0, span), key: None, message, help: None }])
        })?;
        let mut walk = Walk { spans: &mut source.spans, issues: Vec::new() };
        let table = walk.table(document.as_table(), &[]);
        let issues = walk.issues;
        Ok(Parsed { source, table, issues })
    }

    /// Takes over the places of what `taken` paths have from a file that this one extends.
    pub(crate) fn build_on(&mut self, base: Self, taken: &[Vec<String>]) {
        for (path, span) in base.spans {
            if taken.iter().any(|prefix| path.starts_with(prefix)) {
                self.spans.entry(path).or_insert(Span { file: span.file + 1, ..span });
            }
        }
        self.bases.push((base.path, base.text));
        self.bases.extend(base.bases);
    }

    /// Whether the file says something at exactly this path.
    pub(crate) fn contains(&self, path: &[String]) -> bool {
        self.spans.contains_key(path)
    }

    /// Whether a table has a header or dotted keys, not braces.
    pub(crate) fn scattered(&self, path: &[String]) -> bool {
        self.spans.get(path).is_some_and(|span| span.scattered)
    }

    /// Where a key begins, to order keys by: what is extended stands before what extends it.
    pub(crate) fn position(&self, path: &[String]) -> (usize, usize) {
        let Some(span) = self.spans.get(path) else { return (usize::MAX, 0) };
        let start = span.key.as_ref().or(span.value.as_ref()).map_or(usize::MAX, |range| range.start);
        (self.bases.len() - span.file, start)
    }

    /// The place of a path, or of the nearest table around it.
    pub(crate) fn locate(&self, path: &[String], at: At) -> Location {
        for length in (1..=path.len()).rev() {
            let Some(span) = self.spans.get(&path[..length]) else { continue };
            let exact = length == path.len();
            let key_first = span.scattered || (exact && at == At::Key);
            let range =
                if key_first { span.key.as_ref().or(span.value.as_ref()) } else { span.value.as_ref() };
            if let Some(range) = range.or(span.key.as_ref()) {
                return self.at(span.file, range.clone());
            }
        }
        Location::File { path: self.path.clone(), line: 1, column: 1, snippet: String::new(), width: 0 }
    }

    /// Line, column and snippet of a range of bytes of a file.
    fn at(&self, file: usize, range: Range<usize>) -> Location {
        let base = file.checked_sub(1).and_then(|base| self.bases.get(base));
        let (path, text) = base.map_or((&self.path, &self.text), |(path, text)| (path, text));
        let floor = |mut index: usize| {
            index = index.min(text.len());
            while !text.is_char_boundary(index) {
                index -= 1;
            }
            index
        };
        let (start, end) = (floor(range.start), floor(range.end.max(range.start)));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        Location::File {
            path: path.clone(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            snippet: Some(text[line_start..line_end].trim_end())
                .filter(|line| line.len() <= LONGEST_SNIPPET)
                .unwrap_or_default()
                .to_owned(),
            width: text[start..end.min(line_end).max(start)].trim_end().chars().count(),
        }
    }
}

/// Walks a document, noting spans.
struct Walk<'a> {
    spans: &'a mut HashMap<Vec<String>, Span>,
    issues: Vec<Issue>,
}

impl Walk<'_> {
    fn note(&mut self, path: &[String], key: Option<&Key>, value: Option<Range<usize>>, scattered: bool) {
        self.spans.insert(path.to_vec(), Span { key: key.and_then(Key::span), value, file: 0, scattered });
    }

    fn table(&mut self, table: &Table, path: &[String]) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, item) in table {
            let path = join(path, name);
            let scattered = matches!(item, Item::Table(_) | Item::ArrayOfTables(_));
            self.note(&path, table.key(name), item.span(), scattered);
            let value = match item {
                Item::None => None,
                Item::Value(value) => self.value(value, &path),
                Item::Table(table) => Some(Value::Object(self.table(table, &path))),
                Item::ArrayOfTables(tables) => {
                    let mut list = Vec::new();
                    for (index, table) in tables.iter().enumerate() {
                        let path = join(&path, &index.to_string());
                        self.note(&path, None, table.span(), false);
                        list.push(Value::Object(self.table(table, &path)));
                    }
                    Some(Value::Array(list))
                }
            };
            object.extend(value.map(|value| (name.to_owned(), value)));
        }
        object
    }

    fn inline(&mut self, table: &InlineTable, path: &[String]) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, value) in table {
            let path = join(path, name);
            let scattered = value.as_inline_table().is_some_and(InlineTable::is_dotted);
            self.note(&path, table.key(name), value.span(), scattered);
            let value = self.value(value, &path);
            object.extend(value.map(|value| (name.to_owned(), value)));
        }
        object
    }

    fn value(&mut self, value: &toml_edit::Value, path: &[String]) -> Option<Value> {
        use toml_edit::Value as Toml;
        match value {
            Toml::String(text) => Some(Value::String(text.value().clone())),
            Toml::Integer(number) => Some(Value::from(*number.value())),
            Toml::Boolean(flag) => Some(Value::Bool(*flag.value())),
            Toml::Float(number) => {
                let finite = Number::from_f64(*number.value()).map(Value::Number);
                if finite.is_none() {
                    let message = format!("must be finite, found {}", number.value());
                    self.issues.push(Issue::new(path.to_vec(), At::Value, message));
                }
                finite
            }
            Toml::Datetime(_) => {
                let issue = Issue::new(path.to_vec(), At::Value, "dates mean nothing here");
                self.issues.push(issue.help("put quotes around it if it is text".to_owned()));
                None
            }
            Toml::Array(array) => {
                let mut list = Vec::new();
                for (index, value) in array.iter().enumerate() {
                    let path = join(path, &index.to_string());
                    self.note(&path, None, value.span(), false);
                    // Null, which TOML has not, stands for what is reported already, so that indices stay.
                    list.push(self.value(value, &path).unwrap_or(Value::Null));
                }
                Some(Value::Array(list))
            }
            Toml::InlineTable(table) => Some(Value::Object(self.inline(table, path))),
        }
    }
}

/// A TOML value on its own, as overrides have them; `None` if it is no value that JSON can say.
pub(crate) fn parse_value(text: &str) -> Option<Value> {
    text::bound(text).ok()?;
    let value: toml_edit::Value = text.trim().parse().ok()?;
    let mut walk = Walk { spans: &mut HashMap::new(), issues: Vec::new() };
    let value = walk.value(&value, &[]);
    if walk.issues.is_empty() { value } else { None }
}

/// `path` and one key more.
pub(crate) fn join(path: &[String], key: &str) -> Vec<String> {
    let mut path = path.to_vec();
    path.push(key.to_owned());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, path: &[&str], at: At) -> (usize, usize, usize) {
        let source = Source::parse(Path::new("a.toml"), text).unwrap().source;
        let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
        match source.locate(&path, at) {
            Location::File { line, column, width, .. } => (line, column, width),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn keys_and_values_are_located() {
        let text = "\"é\" = 1\n[a]\nb.c = 20\n[axes]\n\"x.y\" = [1, { name = \"é\", k = 2 }]\n[[t]]\nu = 1\n";
        assert_eq!(at(text, &["a", "b", "c"], At::Key), (3, 3, 1));
        assert_eq!(at(text, &["a", "b", "c"], At::Value), (3, 7, 2));
        assert_eq!(at(text, &["a"], At::Value), (2, 2, 1), "a header stands for its table");
        assert_eq!(at(text, &["a", "missing", "deeper"], At::Key), (2, 2, 1), "the nearest table around it");
        assert_eq!(at(text, &["axes", "x.y", "0"], At::Value), (5, 10, 1));
        assert_eq!(at(text, &["axes", "x.y", "1", "k"], At::Key), (5, 27, 1), "columns count characters");
        assert_eq!(at(text, &["t", "0", "u"], At::Value), (7, 5, 1));
        assert_eq!(at(text, &["nowhere"], At::Key), (1, 1, 0));
    }

    #[test]
    fn what_json_cannot_say_is_an_issue() {
        let Parsed { table, issues, .. } =
            Source::parse(Path::new("a.toml"), "a = nan\nb = [1, inf]\nc = 2024-01-01").unwrap();
        let paths: Vec<String> = issues.iter().map(|issue| issue.path.join(".")).collect();
        assert_eq!(paths, ["a", "b.1", "c"]);
        assert_eq!(Value::Object(table).to_string(), r#"{"b":[1,null]}"#);
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let error = Source::parse(Path::new("a.toml"), "a = 1\nb = [1, \nc 2\n").unwrap_err();
        assert!(error.to_string().starts_with("a.toml:3:"), "{error}");
    }
}

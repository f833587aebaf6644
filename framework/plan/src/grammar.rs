//! One argument of the command line, in Hydra's grammar. The main function is [`parse`].
//!
//! `key=value` sets a key, `+key=value` one that the file must lack, `++key=value` either; `~key` removes it.
//! `key=a,b`, `key=choice(a,b)` and `key=range(start,stop,step)` make the key an axis, and so does
//! `key={ range = [0.0, 1.0], steps = 5 }`. Commas in brackets or quotes split nothing: `key=[1,2]` is a list.

use crate::errors::{did_you_mean, nearest};
use crate::ranges;
use crate::shape::Shape;
use crate::spans;
use crate::spec::NOT_OF_A_TRIAL;
use crate::text;
use serde_json::Value;

/// What an override does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Sets it.
    Set,
    /// Sets it, and the file must not have it.
    Add,
    /// Removes it.
    Remove,
}

/// An argument, understood. An axis is a list of values for a key below `axes`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    pub(crate) action: Action,
    pub(crate) path: Vec<String>,
    pub(crate) value: Value,
}

/// What is wrong with an argument, and what to write.
type Wrong = (String, Option<String>);

/// Understands one argument.
pub(crate) fn parse(text: &str, shape: &Shape) -> Result<Argument, Wrong> {
    let (action, rest) = match (text.strip_prefix("++"), text.strip_prefix('+'), text.strip_prefix('~')) {
        (Some(rest), ..) => (Action::Set, rest),
        (_, Some(rest), _) => (Action::Add, rest),
        (.., Some(rest)) => (Action::Remove, rest),
        _ => (Action::Set, text),
    };
    let (key, value) = match (rest.split_once('='), action) {
        (Some(_), Action::Remove) => {
            return Err((
                "a key that is removed has no value".to_owned(),
                Some("for example ~training.epochs".to_owned()),
            ));
        }
        (None, Action::Remove) => (rest, None),
        (key_value, _) => (key_value.map_or("", |(key, _)| key), key_value.map(|(_, value)| value)),
    };
    let keys = toml_edit::Key::parse(key.trim()).map_err(|_| {
        let message = "expected key=value, with a dotted key, or ~key".to_owned();
        (message, Some("for example training.epochs=3".to_owned()))
    })?;
    let path: Vec<String> = keys.iter().map(|key| key.get().to_owned()).collect();
    let Some(value) = value else { return Ok(Argument { action, path, value: Value::Null }) };
    let (axis, own) = match path.split_first() {
        Some((first, own)) if first == "axes" && !own.is_empty() => (true, own),
        _ => (false, path.as_slice()),
    };
    let own = crate::axes::split(own);
    check(key_of(rest), value, &own, shape)?;
    check_paths(key_of(rest), value, &own)?;
    match several(value, &own, shape)? {
        Some(values) => {
            let path = std::iter::once("axes".to_owned()).chain(own).collect();
            Ok(Argument { action, path, value: values })
        }
        // What stands below `axes` is a list of values of the key, not the key's own.
        None if axis => Ok(Argument { action, value: single(value, Ok(&Shape::Any)), path }),
        None => Ok(Argument { action, value: single(value, shape.at(&own).map_err(|_| ())), path }),
    }
}

/// The key as it was written.
fn key_of(argument: &str) -> &str {
    argument.split_once('=').map_or(argument, |(key, _)| key).trim()
}

/// Refuses what could only be misunderstood.
pub(crate) fn check(key: &str, value: &str, own: &[String], shape: &Shape) -> Result<(), Wrong> {
    if let Err((_, message)) = text::bound(value) {
        return Err((message, None));
    }
    let trimmed = value.trim();
    // A plugin or a word may be called anything; a setting is no null.
    let sets = own.len() > 1 && !matches!(shape.at(own), Ok(Shape::Text | Shape::Choice(_)));
    if sets && ["null", "None", "nil"].contains(&trimmed) {
        let help = format!("to have the default, write ~{key}");
        return Err((format!("a setting has a value, and `{trimmed}` is none in TOML"), Some(help)));
    }
    Ok(())
}

/// Refuses a path with a comma, which would silently be two values.
fn check_paths(key: &str, value: &str, own: &[String]) -> Result<(), Wrong> {
    let several = pieces(value);
    let begins = |piece: &str, with: &[&str]| with.iter().any(|with| piece.trim().starts_with(with));
    let path = ["/", "~/", "./", "../"];
    let is_axis = !own.first().is_some_and(|key| NOT_OF_A_TRIAL.contains(&key.as_str()));
    if let [first, rest @ ..] = several.as_slice()
        && is_axis
        && !rest.is_empty()
        && begins(first, &path)
        && !rest.iter().all(|piece| begins(piece, &path))
    {
        let quoted: Vec<String> = several.iter().map(|piece| format!("\"{}\"", piece.trim())).collect();
        let message = format!("a comma separates the values of an axis, and not all of `{value}` are paths");
        let help = format!(
            "write {key}='\"{value}\"' for one path with commas, or 'axes.{key}=[{}]' for several values",
            quoted.join(", ")
        );
        return Err((message, Some(help)));
    }
    Ok(())
}

/// A value as TOML, else as text; always as text where the document wants text. What other languages write is
/// understood, too: `.5`, `5.`, `True`, `1e3` for a whole number, and `~/` as shells do.
pub(crate) fn single(text: &str, wanted: Result<&Shape, ()>) -> Value {
    if wanted != Ok(&Shape::Text) {
        let whole = matches!(wanted, Ok(Shape::Integer { .. } | Shape::CountOrAuto));
        if let Some(value) = loosely(text.trim(), whole) {
            return value;
        }
    }
    if let (Some(below), Some(home)) = (text.trim().strip_prefix("~/"), std::env::home_dir()) {
        return Value::String(home.join(below).display().to_string());
    }
    match (spans::parse_value(text), wanted) {
        (Some(Value::String(text)), _) => Value::String(text),
        (Some(value), Ok(wanted)) if *wanted != Shape::Text => value,
        (Some(value), Err(())) => value,
        (None, wanted) if wanted != Ok(&Shape::Text) => unquoted_list(text),
        _ => Value::String(text.to_owned()),
    }
}

/// What TOML does not know, though it can only mean one thing.
fn loosely(text: &str, whole: bool) -> Option<Value> {
    if let "True" | "TRUE" | "False" | "FALSE" = text {
        return Some(Value::Bool(text.starts_with('T')));
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    // Exact: below 2^53 every whole number is a float, too.
    let as_whole = |number: f64| number.fract() == 0.0 && number.abs() < 9.0e15;
    match text.parse::<f64>() {
        Ok(number) if is_number && whole && text.contains(['e', 'E', '.']) && as_whole(number) => {
            Some(Value::from(number as i64))
        }
        Ok(number) if is_number && spans::parse_value(text).is_none() && text.contains('.') => {
            serde_json::Number::from_f64(number).map(Value::Number)
        }
        _ => None,
    }
}

/// A list whose words have lost their quotes to the shell: `[none,ria]`.
fn unquoted_list(text: &str) -> Value {
    if text::bound(text).is_err() {
        return Value::String(text.to_owned());
    }
    let inner = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let pieces = inner.map(pieces).filter(|pieces| pieces.iter().all(|piece| !piece.trim().is_empty()));
    match pieces {
        Some(pieces) => pieces.into_iter().map(|piece| single(piece.trim(), Err(()))).collect(),
        None => Value::String(text.to_owned()),
    }
}

/// The values of an axis, if the text gives several: a list, or a table that is a range.
fn several(text: &str, path: &[String], shape: &Shape) -> Result<Option<Value>, Wrong> {
    if path.first().is_some_and(|key| NOT_OF_A_TRIAL.contains(&key.as_str())) {
        return Ok(None);
    }
    if let Some(Value::Object(table)) = spans::parse_value(text)
        && ranges::is_range(&table)
    {
        return Ok(Some(Value::Object(table)));
    }
    let wanted = shape.at(path);
    let listed = match function(text) {
        Some(("choice", arguments)) => pieces(arguments),
        Some(("range", arguments)) => return range(arguments).map(Some),
        Some((name, _)) if wanted != Ok(&Shape::Text) => {
            let known = ["choice", "range"];
            let help = match nearest(name, known) {
                Some(_) => did_you_mean(name, &known, "functions"),
                None => Some("known functions: choice(a,b), range(start,stop,step)".to_owned()),
            };
            return Err((format!("unknown function `{name}`"), help));
        }
        _ => match pieces(text) {
            single if single.len() == 1 => return Ok(None),
            several => several,
        },
    };
    if listed.iter().any(|piece| piece.trim().is_empty()) {
        let help = "separate values with single commas, or put quotes around text with commas";
        return Err(("one of the values is empty".to_owned(), Some(help.to_owned())));
    }
    let value = |piece: &&str| single(piece.trim(), wanted.as_ref().copied().map_err(|_| ()));
    let values: Vec<Value> = listed.iter().map(value).collect();
    if matches!(wanted, Ok(Shape::List { .. })) && !values.iter().all(Value::is_array) {
        let key = path.join(".");
        let message =
            format!("`{key}` is a list, and commas without brackets separate the values of an axis");
        return Err((message, Some(format!("write {key}=[{text}]"))));
    }
    Ok(Some(Value::Array(values)))
}

/// `name(arguments)`, taken apart.
fn function(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.trim().split_once('(')?;
    let arguments = rest.strip_suffix(')')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, arguments))
}

/// The values of `range(start,stop,step)`.
fn range(arguments: &str) -> Result<Value, Wrong> {
    let help = "it is range(stop), range(start,stop) or range(start,stop,step), the stop left out; \
                { range = [0.0, 1.0], steps = 5 } has both ends";
    let wrong = |message: String| (message, Some(help.to_owned()));
    let numbers: Option<Vec<Value>> = pieces(arguments).into_iter().map(spans::parse_value).collect();
    let numbers = numbers.unwrap_or_default();
    let integers = numbers.iter().all(|number| !number.is_f64());
    let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
    let (start, stop, step) = match numbers.as_deref() {
        Some(&[stop]) => (0.0, stop, 1.0),
        Some(&[start, stop]) => (start, stop, 1.0),
        Some(&[start, stop, step]) => (start, stop, step),
        _ => return Err(wrong("a range has one to three numbers".to_owned())),
    };
    ranges::half_open(start, stop, step, integers).map(Value::Array).map_err(wrong)
}

/// The text, split at the commas outside of brackets and quotes.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut depth, mut quote) = (Vec::new(), 0, 0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            // An apostrophe within a word is no quote.
            (None, '"' | '\'') if !text[start..at].ends_with(char::is_alphanumeric) => quote = Some(c),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth -= 1,
            (None, ',') if depth == 0 => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(text: &str) -> String {
        match parse(text, &Shape::of_experiment()) {
            Ok(Argument { action, path, value }) => format!("{action:?} {} {value}", path.join(".")),
            Err((message, help)) => format!("{message} / {}", help.unwrap_or_default()),
        }
    }

    #[test]
    fn arguments_are_understood() {
        for (text, expected) in [
            ("training.beta=0.5", "Set training.beta 0.5"),
            ("+training.beta=1", "Add training.beta 1"),
            ("++training.beta=1", "Set training.beta 1"),
            ("~training.beta", "Remove training.beta null"),
            ("loss=none,ria", r#"Set axes.loss ["none","ria"]"#),
            ("axes.loss=none,ria", r#"Set axes.loss ["none","ria"]"#),
            ("axes.loss=[none,ria]", r#"Set axes.loss ["none","ria"]"#),
            ("axes.seed=[0,1]", "Set axes.seed [0,1]"),
            ("seed=range(0,10,2)", "Set axes.seed [0,2,4,6,8]"),
            ("seed=range(3)", "Set axes.seed [0,1,2]"),
            ("loss=choice(none,ria)", r#"Set axes.loss ["none","ria"]"#),
            ("evaluation.gaussian=[1,2]", "Set evaluation.gaussian [1,2]"),
            ("evaluation.gaussian=[1,2],[3]", "Set axes.evaluation.gaussian [[1,2],[3]]"),
            (
                "loss={ name = \"ria\", lambda = 1 },none",
                r#"Set axes.loss [{"name":"ria","lambda":1},"none"]"#,
            ),
            ("question=Is it, or not?", r#"Set question "Is it, or not?""#),
            ("dataset.root='a,b'", r#"Set dataset.root "a,b""#),
            ("evaluation.noise_split=it's", r#"Set evaluation.noise_split "it's""#),
            (
                "training.beta={ range = [0, 1], steps = 2 }",
                r#"Set axes.training.beta {"range":[0,1],"steps":2}"#,
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert_eq!(single("[a, 1]", Err(())), json!(["a", 1]));
        let deep = "[".repeat(50_000);
        assert_eq!(single(&deep, Err(())), json!(deep));
        assert!(shown(&format!("training.beta={deep}")).contains("brackets within each other"));
    }

    #[test]
    fn what_others_write_is_understood() {
        for (text, expected) in [
            ("training.beta=.001", "Set training.beta 0.001"),
            ("training.beta=-.5", "Set training.beta -0.5"),
            ("training.beta=5.", "Set training.beta 5.0"),
            ("training.beta=+5", "Set training.beta 5"),
            ("training.beta=.1,5.", "Set axes.training.beta [0.1,5.0]"),
            ("training.epochs=1_000", "Set training.epochs 1000"),
            ("training.epochs=1e3", "Set training.epochs 1000"),
            ("training.epochs=3.", "Set training.epochs 3"),
            ("training.epochs=1.5", "Set training.epochs 1.5"),
            ("input.normalize=True", "Set input.normalize true"),
            ("input.normalize=FALSE", "Set input.normalize false"),
            ("question=True", r#"Set question "True""#),
            ("question=.5", r#"Set question ".5""#),
            ("loss=none,True", r#"Set axes.loss ["none",true]"#),
            ("dataset.root='~/x'", r#"Set dataset.root "~/x""#),
            ("dataset.root=/a,/b", r#"Set axes.dataset.root ["/a","/b"]"#),
            ("model.weights=a.pth,b.pth", r#"Set axes.model.weights ["a.pth","b.pth"]"#),
            ("dataset.version=1.2.3", r#"Set dataset.version "1.2.3""#),
            ("loss=None", r#"Set loss "None""#),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let home = std::env::home_dir().unwrap();
        assert_eq!(single("~/data", Ok(&Shape::Any)), json!(home.join("data").to_str().unwrap()));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, expected) in [
            (
                "dataset.root=/data/a,b",
                "a comma separates the values of an axis, and not all of `/data/a,b` are paths / write dataset.root='\"/data/a,b\"' for one path with commas, or 'axes.dataset.root=[\"/data/a\", \"b\"]' for several values",
            ),
            (
                "training.beta=null",
                "a setting has a value, and `null` is none in TOML / to have the default, write ~training.beta",
            ),
            (
                "dataset.size=None",
                "a setting has a value, and `None` is none in TOML / to have the default, write ~dataset.size",
            ),
            ("word", "expected key=value, with a dotted key, or ~key / for example training.epochs=3"),
            ("~seed=1", "a key that is removed has no value / for example ~training.epochs"),
            ("loss=choise(none,ria)", "unknown function `choise` / did you mean `choice`?"),
            ("loss=none,,ria", "one of the values is empty / "),
            ("seed=range(a)", "a range has one to three numbers / it is range(stop)"),
            ("seed=range(0,10,-1)", "it has no values: the step does not lead from the start to the stop / "),
            ("seed=range(1000000000)", "it has 1000000000 values; at most 100000 are planned / "),
            (
                "evaluation.gaussian=60,120",
                "`evaluation.gaussian` is a list, and commas without brackets separate the values of an axis / write evaluation.gaussian=[60,120]",
            ),
        ] {
            assert!(shown(text).starts_with(expected), "{text}: {}", shown(text));
        }
    }
}

//! JSON to [`GraphSpec`], with every mistake in it. The main function is [`graph`].

use super::issue::{Issue, Place};
use super::schema::{Arity, OPS, OpInfo, Read};
use super::spec::{GraphSpec, LayerSpec, Op, Repeat, Residual};
use serde_json::{Map, Value};

/// Blocks within blocks.
const MAX_DEPTH: usize = 16;
/// What ids cannot be, since they mean something else as an input.
pub(super) const RESERVED: [&str; 2] = ["previous", "input"];
/// Prefixes that the reader of checkpoints takes off.
const NESTS: [&str; 3] = ["state_dict", "model", "module"];

/// Reads a whole graph.
///
/// # Errors
/// Every mistake.
pub fn graph(json: &Value) -> Result<GraphSpec, Vec<Issue>> {
    let top = Place::default();
    let Value::Object(map) = json else {
        return Err(vec![top.issue(format!("a graph is an object with `layers`, not {}", kind(json)))]);
    };
    let mut issues = Vec::new();
    for key in map.keys().filter(|key| !["layers", "cam", "description"].contains(&key.as_str())) {
        issues.push(top.issue(format!("unknown key `{key}`")).known(key, ["layers", "cam", "description"]));
    }
    let mut reader = Reader { issues };
    let text = |key: &str, reader: &mut Reader| match map.get(key) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => {
            reader.issues.push(top.key(key).issue(format!("must be a string, not {}", kind(other))));
            None
        }
    };
    let (description, cam) = (text("description", &mut reader), text("cam", &mut reader));
    let layers = match map.get("layers") {
        Some(layers) => reader.list(layers, &top.key("layers"), 0),
        None => {
            reader.issues.push(top.issue("a graph needs `layers`"));
            Vec::new()
        }
    };
    if reader.issues.is_empty() { Ok(GraphSpec { description, layers, cam }) } else { Err(reader.issues) }
}

/// Reads one layer with what is in it.
pub(super) fn one_layer(json: &Value, place: &Place) -> Result<LayerSpec, Vec<Issue>> {
    let mut reader = Reader { issues: Vec::new() };
    match reader.layer(json, place, 0, 0) {
        Some(layer) if reader.issues.is_empty() => Ok(layer),
        _ => Err(reader.issues),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

struct Reader {
    issues: Vec<Issue>,
}

impl Reader {
    /// The layers of a list; what cannot be read is left out, with an issue.
    fn list(&mut self, json: &Value, place: &Place, depth: usize) -> Vec<LayerSpec> {
        let Value::Array(layers) = json else {
            self.issues.push(place.issue(format!("must be a list of layers, not {}", kind(json))));
            return Vec::new();
        };
        if depth > MAX_DEPTH {
            self.issues.push(place.issue(format!("blocks are nested deeper than {MAX_DEPTH}")));
            return Vec::new();
        }
        layers.iter().enumerate().filter_map(|(i, layer)| self.layer(layer, place, i, depth)).collect()
    }

    fn layer(&mut self, json: &Value, list: &Place, index: usize, depth: usize) -> Option<LayerSpec> {
        let place = list.key(&index.to_string());
        let Value::Object(map) = json else {
            self.issues.push(place.issue(format!("a layer is an object with `op`, not {}", kind(json))));
            return None;
        };
        let name = match map.get("op") {
            Some(Value::String(name)) => name,
            Some(other) => {
                self.issues.push(place.issue(format!("`op` must be a string, not {}", kind(other))));
                return None;
            }
            None => {
                self.issues.push(place.issue("a layer needs `op`").known("", OPS.iter().map(|op| op.name)));
                return None;
            }
        };
        let Some(op) = OPS.iter().find(|op| op.name == name) else {
            let issue = place.issue(format!("unknown op `{name}`"));
            self.issues.push(issue.known(name, OPS.iter().map(|op| op.name)));
            return None;
        };
        let before = self.issues.len();
        let id = match map.get("id") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(other) => {
                self.issues.push(place.issue(format!("`id` must be a string, not {}", kind(other))));
                None
            }
        };
        let place = list.layer(index, op.name, id.as_deref());
        if let Some(problem) = id.as_deref().and_then(|id| bad_id(id, op, depth)) {
            self.issues.push(place.issue(problem));
        }
        let known = op.all_keys();
        let mut own = Map::new();
        for (key, value) in map {
            if !known.contains(key) {
                let issue = place.issue(format!("unknown key `{key}`"));
                self.issues.push(issue.known(key, known.iter().map(String::as_str)));
            } else if !["op", "id", op.arity.key()].contains(&key.as_str()) {
                own.insert(key.clone(), value.clone());
            }
        }
        let inputs = self.inputs(map, op, &place);
        let op = self.op(op, own, &place, depth);
        let op = op.filter(|_| self.issues.len() == before)?;
        Some(LayerSpec { id, inputs, op })
    }

    fn inputs(&mut self, map: &Map<String, Value>, op: &OpInfo, place: &Place) -> Vec<String> {
        let inputs = match (op.arity, map.get(op.arity.key())) {
            (Arity::One, None) => Some(Vec::new()),
            (Arity::One, Some(Value::String(input))) => Some(vec![input.clone()]),
            (Arity::Several, Some(Value::Array(inputs))) if inputs.len() >= 2 => {
                inputs.iter().map(|input| input.as_str().map(str::to_owned)).collect()
            }
            _ => None,
        };
        inputs.unwrap_or_else(|| {
            self.issues.push(place.issue(match op.arity {
                Arity::One => "`input` must be the id of a layer",
                Arity::Several => {
                    "`inputs` must be a list of two or more ids of layers (`previous`: the layer before)"
                }
            }));
            Vec::new()
        })
    }

    fn op(&mut self, op: &OpInfo, mut own: Map<String, Value>, place: &Place, depth: usize) -> Option<Op> {
        let mut list = |reader: &mut Self, key: &str| {
            let place = Place { layer: None, ..place.key(key) };
            own.shift_remove(key).map(|layers| reader.list(&layers, &place, depth + 1))
        };
        match op.read {
            Read::Keys(read) => match read(Value::Object(own)) {
                Ok(op) => Some(op),
                Err(message) => {
                    self.issues.push(place.issue(message));
                    None
                }
            },
            Read::Residual => {
                let body = list(self, "body");
                let shortcut = list(self, "shortcut").unwrap_or_default();
                self.needed(body, "body", place).map(|body| Op::Residual(Residual { body, shortcut }))
            }
            Read::Repeat => {
                let body = list(self, "body");
                let mut number = |key: &str, default| match own.get(key) {
                    None => default,
                    Some(value) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
                        Some(number) => Some(number),
                        None => {
                            self.issues.push(place.issue(format!("{key}: {value} is not a whole number")));
                            Some(1)
                        }
                    },
                };
                let (times, start) = (number("times", None), number("start", Some(0)).unwrap_or(0));
                let times = self.needed(times, "times", place);
                let body = self.needed(body, "body", place);
                Some(Op::Repeat(Repeat { times: times?, start, body: body? }))
            }
        }
    }

    fn needed<T>(&mut self, value: Option<T>, key: &str, place: &Place) -> Option<T> {
        if value.is_none() {
            self.issues.push(place.issue(format!("missing key `{key}`")));
        }
        value
    }
}

/// What is wrong with an id.
fn bad_id(id: &str, op: &OpInfo, depth: usize) -> Option<String> {
    let block = matches!(op.read, Read::Residual | Read::Repeat);
    let letters = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if id.is_empty() {
        (!block).then(|| "only a block's id may be empty".to_owned())
    } else if !letters || id.split('.').any(str::is_empty) {
        Some(format!("id `{id}` must be of letters, digits, `_`, `-` and dots between them"))
    } else if RESERVED.contains(&id) {
        Some(format!("`{id}` is not an id: as an input it means something else"))
    } else if depth == 0 && NESTS.iter().any(|nest| id.split('.').next() == Some(nest)) {
        Some(format!("an id cannot begin with `{}`: checkpoints lose it", id.split('.').next().unwrap_or(id)))
    } else {
        None
    }
}

//! Unrolls blocks and infers shapes. The main function is [`compile`].

use super::blueprint::{InputShape, Node, Operation, Shape};
use super::infer::{Refusal, infer};
use super::issue::{Issue, Place};
use super::parse::RESERVED;
use super::spec::{Conv, GraphSpec, LayerSpec, Op, Repeat, Residual, Width};
use std::collections::HashMap;

/// Layers of a network, repetitions included.
const MAX_LAYERS: usize = 4096;
/// Parameters of a network.
const MAX_PARAMETERS: u128 = 1_000_000_000;
/// Numbers in what a layer gives for one picture.
const MAX_ELEMENTS: u128 = 1 << 28;

/// Nodes with shapes, the input first and the logits last.
pub(super) struct Compiled {
    pub(super) nodes: Vec<Node>,
    /// What layers and blocks are called from outside, and the nodes that give their outputs.
    pub(super) names: Vec<(String, usize)>,
}

/// Checks everything but the CAM layer.
pub(super) fn compile(spec: &GraphSpec, input: InputShape, classes: usize) -> Result<Compiled, Vec<Issue>> {
    let top = Place::default();
    let InputShape { channels, height, width } = input;
    if [channels, height, width, classes].contains(&0) {
        let text = format!("a network for {classes} classes and pictures of {channels}x{height}x{width}");
        return Err(vec![top.issue(text).sized()]);
    }
    let place = Place { path: Vec::new(), layer: Some("input".to_owned()) };
    let input = Node {
        operation: Operation::Input,
        inputs: Vec::new(),
        shape: Shape::Map { channels, height, width },
        per_class: false,
        name: "input".to_owned(),
        op: "input",
        place,
    };
    let mut compiler = Compiler {
        nodes: vec![input],
        names: Vec::new(),
        issues: Vec::new(),
        scopes: Vec::new(),
        visited: 0,
        parameters: 0,
        full: false,
        classes,
    };
    let names = Names { block: String::new(), list: "layers" };
    let output = compiler.list(&spec.layers, Some(0), &top.key("layers"), &names);
    if spec.layers.is_empty() {
        compiler.issues.push(top.key("layers").issue("a network needs at least one layer"));
    }
    if let (Some(output), true) = (output, compiler.issues.is_empty()) {
        compiler.check_output(output);
        compiler.check_use(output);
        compiler.check_names();
    }
    if compiler.issues.is_empty() {
        Ok(Compiled { nodes: compiler.nodes, names: compiler.names })
    } else {
        Err(compiler.issues)
    }
}

/// How the layers of a list are called.
struct Names {
    /// Name of the block that the list is in.
    block: String,
    /// What stands before a layer's index where it has no id.
    list: &'static str,
}

impl Names {
    fn of(&self, index: usize, id: Option<&str>) -> String {
        match id {
            Some(id) => join(&self.block, id),
            None => join(&join(&self.block, self.list), &index.to_string()),
        }
    }
}

fn join(a: &str, b: &str) -> String {
    if a.is_empty() || b.is_empty() { format!("{a}{b}") } else { format!("{a}.{b}") }
}

/// What ids mean within a list.
#[derive(Default)]
struct Scope {
    /// Position of the layer, and its node unless something is wrong with it.
    ids: HashMap<String, (String, Option<usize>)>,
    /// Ids that come later, with their positions.
    later: HashMap<String, String>,
    /// What the list itself takes, and what the layer before gives.
    input: Option<usize>,
    previous: Option<usize>,
}

struct Compiler {
    nodes: Vec<Node>,
    names: Vec<(String, usize)>,
    issues: Vec<Issue>,
    scopes: Vec<Scope>,
    visited: usize,
    parameters: u128,
    /// Whether a limit was passed: said once, then everything stops.
    full: bool,
    classes: usize,
}

impl Compiler {
    /// The node that a list of layers ends in. `None`: there is an issue somewhere, which has been noted.
    fn list(
        &mut self,
        layers: &[LayerSpec],
        input: Option<usize>,
        place: &Place,
        names: &Names,
    ) -> Option<usize> {
        let mut scope = Scope { input, previous: input, ..Scope::default() };
        for (index, layer) in layers.iter().enumerate() {
            let position = place.key(&index.to_string()).position();
            if let Some(id) = layer.id.as_ref().filter(|id| !id.is_empty()) {
                scope.later.entry(id.clone()).or_insert(position);
            }
        }
        self.scopes.push(scope);
        for (index, layer) in layers.iter().enumerate() {
            if self.full {
                break;
            }
            let place = place.layer(index, layer.op.name(), layer.id.as_deref());
            let name = names.of(index, layer.id.as_deref());
            let node = self.layer(layer, &place, &name);
            if let Some(node) = node {
                self.names.push((name, node));
            }
            let Some(scope) = self.scopes.last_mut() else { break };
            scope.previous = node;
            if let Some(id) = layer.id.as_ref().filter(|id| !id.is_empty()) {
                scope.later.remove(id);
                let taken = scope.ids.insert(id.clone(), (place.position(), node));
                if let Some((earlier, _)) = taken {
                    self.issues.push(place.issue(format!("the id `{id}` is taken by {earlier}")));
                }
            }
        }
        let scope = self.scopes.pop()?;
        scope.previous.filter(|_| !self.full)
    }

    fn layer(&mut self, layer: &LayerSpec, place: &Place, name: &str) -> Option<usize> {
        self.visited += 1;
        if self.visited > MAX_LAYERS {
            self.full = true;
            let text = format!("the network has more than {MAX_LAYERS} layers, repetitions included");
            self.issues.push(place.issue(text));
            return None;
        }
        let previous = self.scopes.last()?.previous;
        let inputs: Vec<Option<usize>> = if layer.inputs.is_empty() {
            vec![previous]
        } else {
            layer.inputs.iter().map(|id| self.find(id, place)).collect()
        };
        match &layer.op {
            Op::Residual(block) => self.residual(block, inputs[0], place, name),
            Op::Repeat(block) => self.repeat(block, inputs[0], place, name),
            op => {
                // What depends on keys alone is checked even where the input is not known.
                self.check_keys(op, place);
                let inputs: Vec<usize> = inputs.into_iter().collect::<Option<_>>()?;
                self.node(op, inputs, place, name)
            }
        }
    }

    /// The node behind an id: in this list or in one around it.
    fn find(&mut self, id: &str, place: &Place) -> Option<usize> {
        let scope = self.scopes.last()?;
        match id {
            "previous" => return scope.previous,
            "input" => return scope.input,
            _ => {}
        }
        if let Some((_, node)) = self.scopes.iter().rev().find_map(|scope| scope.ids.get(id)) {
            return *node;
        }
        let issue = match self.scopes.iter().rev().find_map(|scope| scope.later.get(id)) {
            Some(later) => place.issue(format!(
                "its input `{id}` is {later}, which is not before it: a layer takes what comes before, so that there are no cycles"
            )),
            None => {
                let mut known: Vec<&str> =
                    self.scopes.iter().flat_map(|scope| scope.ids.keys().map(String::as_str)).collect();
                known.sort_unstable();
                known.extend(RESERVED);
                place.issue(format!("its input `{id}` is no layer before it")).known(id, known)
            }
        };
        self.issues.push(issue);
        None
    }

    fn residual(
        &mut self,
        block: &Residual,
        input: Option<usize>,
        place: &Place,
        name: &str,
    ) -> Option<usize> {
        if block.body.is_empty() {
            self.issues.push(place.issue("`body` needs at least one layer"));
            return None;
        }
        let names = |list| Names { block: name.to_owned(), list };
        let body = self.list(&block.body, input, &place.key("body"), &names("body"));
        let shortcut = self.list(&block.shortcut, input, &place.key("shortcut"), &names("shortcut"));
        let (body, shortcut) = (body?, shortcut?);
        let (a, b) = (self.nodes[body].shape, self.nodes[shortcut].shape);
        if a != b {
            let advice = if block.shortcut.is_empty() {
                ": give it a `shortcut` that ends in the same shape"
            } else {
                ""
            };
            let text = format!("its body ends in {}, its shortcut in {}{advice}", a.words(), b.words());
            self.issues.push(Issue { sized: a.may_equal(b), ..place.issue(text) });
            return None;
        }
        self.node(&Op::Add, vec![body, shortcut], place, name)
    }

    fn repeat(&mut self, block: &Repeat, input: Option<usize>, place: &Place, name: &str) -> Option<usize> {
        if block.body.is_empty() || block.times == 0 {
            let what = if block.body.is_empty() {
                "`body` needs at least one layer"
            } else {
                "`times` must be at least 1"
            };
            self.issues.push(place.issue(what));
            return None;
        }
        let (before, mut output) = (self.issues.len(), input);
        for time in 0..block.times {
            let number = block.start.saturating_add(time).to_string();
            let names = Names { block: join(name, &number), list: "" };
            output = self.list(&block.body, output, &place.key("body"), &names);
            // The next time would say the same again.
            if self.full || self.issues.len() > before {
                return None;
            }
        }
        output
    }

    fn check_keys(&mut self, op: &Op, place: &Place) {
        let zero = |key: &str, value: usize| (value == 0).then(|| format!("`{key}` must be at least 1"));
        let out = |width: Width| match width {
            Width::Count(count) => zero("out", count),
            Width::Classes => None,
        };
        let mut problems: Vec<Option<String>> = Vec::new();
        match op {
            Op::Conv(conv) => {
                problems.extend([out(conv.out), zero("kernel", conv.kernel), zero("stride", conv.stride)]);
                let wide = conv.kernel > 0 && conv.padding() >= conv.kernel;
                problems.push(wide.then(|| "`padding` must be smaller than `kernel`".to_owned()));
            }
            Op::MaxPool(pool) => {
                problems.extend([zero("kernel", pool.kernel), zero("stride", pool.stride.unwrap_or(1))]);
                let wide = pool.kernel > 0 && pool.padding > pool.kernel / 2;
                problems.push(wide.then(|| "`padding` must be at most half of `kernel`".to_owned()));
            }
            Op::AvgPool(pool) => {
                problems.extend([zero("kernel", pool.kernel), zero("stride", pool.stride.unwrap_or(1))]);
            }
            Op::AdaptiveAvgPool(pool) => problems.push(zero("size", pool.size)),
            Op::Linear(linear) => problems.push(out(linear.out)),
            Op::Dropout(dropout) => {
                let certain = !(0.0..1.0).contains(&dropout.p);
                problems.push(certain.then(|| "`p` must be at least 0 and less than 1".to_owned()));
            }
            _ => {}
        }
        self.issues.extend(problems.into_iter().flatten().map(|problem| place.issue(problem)));
    }

    /// Adds a node whose keys have been checked.
    fn node(&mut self, op: &Op, inputs: Vec<usize>, place: &Place, name: &str) -> Option<usize> {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.nodes[input].shape).collect();
        let (operation, shape) = match infer(op, &shapes, self.classes) {
            Ok(inferred) => inferred,
            Err(Refusal { message, sized }) => {
                // A key that is 0 has been complained of.
                if !message.is_empty() {
                    self.issues.push(Issue { sized, ..place.issue(message) });
                }
                return None;
            }
        };
        let inherited = inputs.iter().all(|&input| self.nodes[input].per_class);
        let per_class = match op {
            Op::Conv(Conv { out, .. }) => *out == Width::Classes,
            Op::Linear(linear) => linear.out == Width::Classes,
            Op::Concat | Op::Flatten => false,
            _ => inherited,
        };
        let parameters = operation.parameters();
        self.parameters = self.parameters.saturating_add(parameters);
        if self.parameters > MAX_PARAMETERS {
            self.full = true;
            let text = format!(
                "with the {parameters} parameters of this layer the network has more than {MAX_PARAMETERS}"
            );
            self.issues.push(place.issue(text).sized());
            return None;
        }
        if shape.elements() > MAX_ELEMENTS {
            let text = format!("it gives {}, more than {MAX_ELEMENTS} numbers for a picture", shape.words());
            self.issues.push(place.issue(text).sized());
            return None;
        }
        let (op, place, name) = (op.name(), place.clone(), name.to_owned());
        self.nodes.push(Node { operation, inputs, shape, per_class, name, op, place });
        Some(self.nodes.len() - 1)
    }

    fn check_output(&mut self, output: usize) {
        let Node { shape, per_class, place, .. } = &self.nodes[output];
        let wanted = "the last layer must give one logit per class";
        let issue = match shape {
            Shape::Vector(_) if *per_class => return,
            Shape::Vector(width) => {
                format!(
                    "{wanted}, not a vector of {width}: write `\"out\": \"classes\"` in the last linear layer"
                )
            }
            Shape::Map { .. } => format!(
                "{wanted}, not {}: end with global-avg-pool and `{{ \"op\": \"linear\", \"out\": \"classes\" }}`",
                shape.words()
            ),
        };
        self.issues.push(place.issue(issue));
    }

    /// Every node must lead to the output.
    fn check_use(&mut self, output: usize) {
        let mut used = vec![false; self.nodes.len()];
        used[output] = true;
        for index in (0..=output).rev() {
            if used[index] {
                self.nodes[index].inputs.iter().for_each(|&input| used[input] = true);
            }
        }
        let mut places: Vec<&Place> = Vec::new();
        // The input is used by what is used, or by nothing if the output is itself.
        for (node, _) in self.nodes.iter().zip(&used).skip(1).filter(|(_, used)| !**used) {
            if !places.contains(&&node.place) {
                places.push(&node.place);
            }
        }
        let unused: Vec<Issue> =
            places.iter().map(|place| place.issue("nothing takes what it gives")).collect();
        self.issues.extend(unused);
    }

    /// Names of layers with weights are unique.
    fn check_names(&mut self) {
        let mut places: HashMap<&str, &Place> = HashMap::new();
        let mut issues = Vec::new();
        for node in self.nodes.iter().filter(|node| node.operation.parameters() > 0) {
            if let Some(first) = places.insert(&node.name, &node.place) {
                let text = format!(
                    "its name in checkpoints, `{}`, is that of {first}; give it another id",
                    node.name
                );
                issues.push(node.place.issue(text));
            }
        }
        self.issues.extend(issues);
    }
}

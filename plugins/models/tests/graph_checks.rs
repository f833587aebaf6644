//! Mistakes in graphs, named; summaries of graphs without.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::Device;
use fovea_api::{ModelContext, PluginKind, Precision, Registry};
use fovea_models::graph::{InputShape, check};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const INPUT: InputShape = InputShape { channels: 3, height: 32, width: 32 };

/// Where the example graphs are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/models")
}

fn wrong(json: &Value) -> String {
    let issues = check(json, INPUT, 10).err().unwrap_or_default();
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A graph that ends well, with these layers before.
fn with(layers: &Value) -> Value {
    let mut layers = layers.as_array().unwrap().clone();
    layers.extend([json!({"op": "global-avg-pool"}), json!({"op": "linear", "out": "classes"})]);
    json!({ "layers": layers })
}

#[test]
fn documents_are_checked_all_at_once() {
    let text = wrong(&json!({"layers": [
        {"op": "conv", "id": "stem", "out": "class", "kernal": 3},
        {"op": "cnov", "out": 3},
        {"op": "residual", "body": [{"op": "relu"}, {"op": "linear", "out": -3}, 7]},
        {"op": "add", "inputs": ["stem"]},
        {"op": "repeat", "times": 1.5, "body": {}},
        {"op": "residual"},
        {"op": "relu", "id": "previous"},
        {"out": 3},
        {"op": "conv", "out": 3, "id": "module.conv"},
        {"op": "conv", "out": 3, "id": "a b"},
    ], "cams": 1}));
    let ops = "conv, batch-norm, relu, leaky-relu, gelu, silu, tanh, sigmoid, identity, max-pool, avg-pool, adaptive-avg-pool, global-avg-pool, flatten, linear, dropout, add, concat, residual, repeat";
    let expected = format!(
        "unknown key `cams`; known: layers, cam, description; did you mean `cam`?
layers[0] (conv \"stem\"): unknown key `kernal`; known: op, id, input, out, kernel, stride, padding, bias; did you mean `kernel`?
layers[0] (conv \"stem\"): out: \"class\" is neither a number of outputs nor \"classes\"
layers[1]: unknown op `cnov`; known: {ops}; did you mean `conv`?
layers[2].body[1] (linear): out: -3 is neither a number of outputs nor \"classes\"
layers[2].body[2]: a layer is an object with `op`, not a number
layers[3] (add): `inputs` must be a list of two or more ids of layers (`previous`: the layer before)
layers[4].body: must be a list of layers, not an object
layers[4] (repeat): times: 1.5 is not a whole number
layers[5] (residual): missing key `body`
layers[6] (relu \"previous\"): `previous` is not an id: as an input it means something else
layers[7]: a layer needs `op`; known: {ops}
layers[8] (conv \"module.conv\"): an id cannot begin with `module`: checkpoints lose it
layers[9] (conv \"a b\"): id `a b` must be of letters, digits, `_`, `-` and dots between them"
    );
    assert_eq!(text, expected);
    assert_eq!(wrong(&json!([])), "a graph is an object with `layers`, not a list");
    assert_eq!(wrong(&json!({})), "a graph needs `layers`");
    assert_eq!(wrong(&json!({"layers": []})), "layers: a network needs at least one layer");
}

#[test]
fn shapes_are_checked_all_at_once() {
    let text = wrong(&with(&json!([
        {"op": "conv", "id": "stem", "out": 8, "kernel": 0, "stride": 0},
        {"op": "conv", "id": "wide", "out": 8, "kernel": 99, "padding": 3, "input": "input"},
        {"op": "linear", "out": 4, "input": "input"},
        {"op": "conv", "id": "a", "out": 8, "input": "input"},
        {"op": "max-pool", "kernel": 2, "id": "b", "padding": 2},
        {"op": "max-pool", "kernel": 2, "id": "b"},
        {"op": "add", "inputs": ["a", "b"]},
        {"op": "concat", "inputs": ["a", "later"]},
        {"op": "concat", "inputs": ["a", "ab"], "id": "later"},
        {"op": "residual", "input": "a", "body": [{"op": "conv", "out": 8, "stride": 2}]},
        {"op": "repeat", "times": 0, "body": [{"op": "relu"}]},
        {"op": "repeat", "times": 3, "input": "a", "body": [{"op": "residual", "body": []}]},
        {"op": "dropout", "p": 1.0},
    ])));
    let expected = "\
layers[0] (conv \"stem\"): `kernel` must be at least 1
layers[0] (conv \"stem\"): `stride` must be at least 1
layers[1] (conv \"wide\"): its kernel of 99x99 is larger than its input of 32x32 with padding 3
layers[2] (linear): takes a vector, its input is a map of 3x32x32: put global-avg-pool or flatten before it
layers[4] (max-pool \"b\"): `padding` must be at most half of `kernel`
layers[5] (max-pool \"b\"): the id `b` is taken by layers[4]
layers[6] (add): adds what is of unlike shapes: 8x32x32, 8x9x9
layers[7] (concat): its input `later` is layers[8], which is not before it: a layer takes what comes before, so that there are no cycles
layers[8] (concat \"later\"): its input `ab` is no layer before it; known: a, b, stem, wide, previous, input; did you mean `a`?
layers[9] (residual): its body ends in a map of 8x16x16, its shortcut in a map of 8x32x32: give it a `shortcut` that ends in the same shape
layers[10] (repeat): `times` must be at least 1
layers[11].body[0] (residual): `body` needs at least one layer
layers[12] (dropout): `p` must be at least 0 and less than 1";
    assert_eq!(text, expected);
}

#[test]
fn what_makes_no_classifier_is_refused() {
    for (graph, expected) in [
        (
            json!({"layers": [{"op": "conv", "out": 8}]}),
            "layers[0] (conv): the last layer must give one logit per class, not a map of 8x32x32: end with global-avg-pool and `{ \"op\": \"linear\", \"out\": \"classes\" }`",
        ),
        (
            json!({"layers": [{"op": "flatten"}, {"op": "linear", "out": 10}]}),
            "layers[1] (linear): the last layer must give one logit per class, not a vector of 10: write `\"out\": \"classes\"` in the last linear layer",
        ),
        (
            with(&json!([{"op": "repeat", "times": 1_000_000, "body": [{"op": "relu"}]}])),
            "layers[0].body[0] (relu): the network has more than 4096 layers, repetitions included",
        ),
        (
            with(&json!([{"op": "conv", "out": 1_000_000_000, "stride": 32}])),
            "layers[0] (conv): with the 27000000000 parameters of this layer the network has more than 1000000000",
        ),
        (
            with(&json!([{"op": "adaptive-avg-pool", "size": 100_000}])),
            "layers[0] (adaptive-avg-pool): it gives a map of 3x100000x100000, more than 268435456 numbers for a picture",
        ),
        (
            with(&json!([{"op": "relu"}, {"op": "conv", "out": 3, "input": "input"}])),
            "layers[0] (relu): nothing takes what it gives",
        ),
        (
            with(&json!([{"op": "conv", "out": 8, "id": "layers.1"}, {"op": "conv", "out": 8}])),
            "layers[1] (conv): its name in checkpoints, `layers.1`, is that of layers[0] (conv \"layers.1\"); give it another id",
        ),
        (
            json!({"layers": [{"op": "global-avg-pool", "id": "a"}, {"op": "conv", "out": 8, "input": "input"}, {"op": "global-avg-pool"}, {"op": "concat", "inputs": ["a", "previous"]}, {"op": "linear", "out": "classes"}]}),
            "the head takes several maps, `input`, `layers.1`: say with `cam` which is explained",
        ),
    ] {
        assert_eq!(wrong(&graph), expected);
    }
    let cam = |layers: &Value, cam: &str| {
        let mut graph = with(layers);
        graph["cam"] = json!(cam);
        wrong(&graph)
    };
    let layers = json!([{"op": "conv", "out": 8, "id": "stem"}, {"op": "relu"}, {"op": "max-pool", "kernel": 2}, {"op": "conv", "out": 8, "id": "last"}]);
    assert_eq!(
        cam(&layers, "lats"),
        "cam: there is no layer `lats`; known: stem, layers.1, layers.2, last; did you mean `last`?"
    );
    assert_eq!(cam(&layers, "layers.4"), "cam: `layers.4` gives a vector of 8, not a map");
    assert_eq!(
        cam(&layers, "layers.1"),
        "layers[3] (conv \"last\"): a convolution lies behind the CAM layer, so the Grad-CAM weights of `layers.1` have no closed form: choose a later layer as `cam`"
    );
    let layers =
        json!([{"op": "conv", "out": 8, "id": "stem"}, {"op": "relu"}, {"op": "max-pool", "kernel": 2}]);
    assert_eq!(cam(&layers, "layers.1"), "");
    assert_eq!(
        cam(&layers, "stem"),
        "layers[2] (max-pool): only the sum of a gradient is known behind a pooling, and a layer between it and the CAM layer needs all of it, so the Grad-CAM weights of `stem` have no closed form: choose a later layer as `cam`"
    );
}

#[test]
fn summaries_are_tables() {
    let summary = check(&with(&json!([{"op": "conv", "out": 8, "id": "stem", "stride": 2}, {"op": "batch-norm"}, {"op": "relu"}])), INPUT, 10).unwrap();
    assert_eq!((summary.parameters, summary.cam().unwrap().name.as_str()), (216 + 16 + 90, "layers.2"));
    let expected = "\
layer     op                     output    parameters
stem      conv                  8x16x16           216
layers.1  batch-norm            8x16x16            16
layers.2  relu                  8x16x16             0  explained
layers.3  global-avg-pool             8             0
layers.4  linear                     10            90
total                                             322";
    let text = summary.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn the_plugin_takes_the_file_into_the_record() {
    let mut registry = Registry::new();
    fovea_models::register(&mut registry);
    let context = ModelContext {
        classes: 10,
        input_size: 64,
        seed: 1,
        device: Device::flex(),
        precision: Precision::default(),
        base_dir: folder(),
    };
    let entry = registry.get(PluginKind::Model, "graph").unwrap();
    let resolved = entry.resolve(json!({"file": "resnet-tiny.json"}), &folder()).unwrap();
    assert_eq!(resolved.config["file"], Value::Null);
    assert_eq!(
        resolved.config["layers"][0],
        json!({"op": "conv", "id": "conv1", "out": 16, "kernel": 3, "stride": 2, "padding": 1, "bias": false})
    );
    // The same layers written inline, and what is resolved resolved again, are the same trial.
    let text = std::fs::read_to_string(folder().join("resnet-tiny.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(entry.resolve(json!({"layers": file["layers"]}), Path::new(".")).unwrap(), resolved);
    assert_eq!(entry.resolve(resolved.config.clone(), Path::new(".")).unwrap(), resolved);
    let issues = |config: Value| -> Vec<String> {
        let issues = entry.resolve(config, &folder()).unwrap_err();
        issues.iter().map(ToString::to_string).collect()
    };
    assert_eq!(issues(json!({})), ["layers: a graph needs `layers`, or a `file` with them"]);
    assert!(issues(json!({"file": "no.json"}))[0].starts_with("file: cannot read `"));
    assert_eq!(
        issues(json!({"layers": [{"op": "relu"}, {"op": "linear", "out": "classes"}, {"op": "add", "inputs": ["x", "y"]}]})).len(),
        3
    );
    assert_eq!(
        issues(json!({"layers": [{"op": "rleu", "id": "r"}]}))[0].split(';').next().unwrap(),
        "layers.0: unknown op `rleu`"
    );
    // So are channels that cannot be added, whatever the input.
    let unlike = with(&json!([{"op": "residual", "body": [{"op": "conv", "out": 4}]}]));
    assert!(issues(unlike)[0].starts_with("layers.0: residual: its body ends in a map of 4x224x224"));
    // A kernel larger than the input is no mistake before the input is known.
    let large = with(&json!([{"op": "conv", "out": 4, "kernel": 301, "padding": 0}]));
    assert!(entry.resolve(large.clone(), &folder()).is_ok());
    let error = registry.build_model("graph", large, &context).err().unwrap().to_string();
    assert!(error.contains("layers[0] (conv): its kernel of 301x301 is larger"), "{error}");
    let bare = json!({"freeze": "features", "layers": [{"op": "conv", "out": "classes"}, {"op": "global-avg-pool"}]});
    let error = registry.build_model("graph", bare, &context).err().unwrap().to_string();
    assert!(error.contains("leaves nothing to train"), "{error}");
}
